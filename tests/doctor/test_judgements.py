"""The findings for facts that a test cannot make for real, or that lie at a limit."""

import json
import os
from math import inf
from types import SimpleNamespace

import pytest
from fakes import ended, record

from cronguard.config.settings import Settings
from cronguard.doctor.chain import Attempt, End
from cronguard.doctor.cluster import Me, Trace, judge_heartbeat, judge_machines, judge_versions, traces
from cronguard.doctor.configuration import Kept, judge_writers
from cronguard.doctor.examination import survived
from cronguard.doctor.finding import is_well
from cronguard.doctor.jobs import Lease, judge_names, judge_overdue
from cronguard.doctor.media import judge_home, judge_locks, judge_room, judge_share
from cronguard.doctor.meeting import Meeting, gather, join, leave, tell
from cronguard.doctor.share import Folder, judge_access
from cronguard.doctor.state_folder import judge_owner
from cronguard.doctor.store import Answers, judge_answers, judge_clocks
from cronguard.doctor.verification import judge_chain
from cronguard.doctor.visits import LATELY, Visits, decode, encode
from cronguard.doctor.visits import leave as visit
from cronguard.model.beat import Beat
from cronguard.model.record import encode as encode_record
from cronguard.store.contract import MAX_DATA, Entry
from cronguard.store.gate import try_lock
from cronguard.store.memory import MemoryBackend
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, StoreRefusedError
from cronguard.system.mounts import Mount

ME = Me("web1", "m1", "1.0", "boot/time", 1000.0)


def mount(kind, *options):
    return Mount("40", "27", "/mnt", kind, frozenset(options))


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (mount("nfs4", "hard", "vers=4.2"), "ok"),
        (mount("nfs", "vers=3", "nolock", "hard"), "ok"),  # dir: needs no locks
        (mount("nfs4", "hard", "noac"), "ok"),
        (mount("nfs4", "soft"), "warning"),
        (mount("nfs", "softerr"), "warning"),
        (mount("cifs", "soft"), "note"),  # the default for cifs, with another meaning
        (mount("fuse.glusterfs"), "note"),
        (mount("9p"), "note"),
        (mount("xfs"), "note"),
        (mount("tmpfs"), "warning"),
        (None, "problem"),
    ],
)
def test_a_share_is_judged_by_its_mount(found, state):
    assert judge_share("/mnt/share", found).state == state


@pytest.mark.parametrize(
    ("kind", "state"), [("ext4", "ok"), ("tmpfs", "ok"), ("nfs4", "warning"), ("fuse.sshfs", "warning")]
)
def test_a_state_directory_belongs_on_a_local_disk(kind, state):
    assert judge_home("/var/lib/cronguard", mount(kind), "/var/lib/cronguard").state == state


@pytest.mark.parametrize(
    ("free", "files", "files_free", "state"),
    [
        (100 << 20, 10**6, 10**5, "ok"),
        (1 << 20, 10**6, 10**5, "problem"),
        (100 << 20, 10**6, 9, "problem"),
        (100 << 20, 0, 0, "ok"),
    ],
)
def test_room_is_judged_by_bytes_and_by_files(free, files, files_free, state):
    room = SimpleNamespace(f_bavail=free >> 12, f_frsize=4096, f_files=files, f_favail=files_free)
    assert judge_room("room", "/mnt", room).state == state


def test_kernel_locks_that_provide_mutual_exclusion_are_ok(tmp_path):
    assert judge_locks(str(tmp_path), try_lock).state == "ok"
    assert os.listdir(tmp_path) == []


def test_locks_that_two_processes_can_hold_are_found(tmp_path):
    told = judge_locks(str(tmp_path), lambda fd: True)
    assert told.state == "problem" and "two processes held the lock" in told.what


def test_locks_that_no_process_can_take_are_found(tmp_path):
    assert "cannot be locked" in judge_locks(str(tmp_path), lambda fd: False).what


def test_a_lock_that_outlives_its_holder_is_found(tmp_path):
    parent = os.getpid()
    assert "stays locked" in judge_locks(str(tmp_path), lambda fd: os.getpid() != parent).what


@pytest.mark.parametrize(
    ("theirs", "bound", "state"),
    [
        (1000.0, 300, "ok"), (1059.0, 300, "ok"), (1061.0, 300, "warning"), (939.0, 300, "warning"), (1301.0, 300, "problem"),
        (1290.0, None, "warning"), (1301.0, None, "problem"), (None, 300, "ok"), (1003.0, 4, "warning"), (1005.0, 4, "problem"),
    ],
)  # fmt: skip
def test_clocks_are_judged_by_the_bound(theirs, bound, state):
    assert judge_clocks(theirs, 1000.0, bound).state == state


@pytest.mark.parametrize(("seconds", "state"), [(0.01, "ok"), (3.0, "warning"), (11.0, "problem")])
def test_a_backend_must_be_quicker_than_the_renewals(seconds, state):
    assert judge_answers("dir:/x", Answers(0.0, seconds, None, 0.0, 0.0), Settings())[0].state == state


def test_a_time_limit_beyond_the_ttl_is_noted():
    told = judge_answers(
        "dir:/x", Answers(0.0, 0.0, None, 0.0, 0.0), Settings(ttl=20.0, backend_timeout=30.0)
    )
    assert told[1].state == "note" and is_well(told)


ROOT = Folder("/share", 0, 7, 0o2770)


@pytest.mark.parametrize(
    ("root", "below", "state"),
    [
        (ROOT, [Folder("/share/v1", 5, 7, 0o2770)], "ok"),
        (ROOT, [Folder("/share/v1", 5, 7, 0o700)], "problem"),
        (ROOT, [Folder("/share/v1", 5, 8, 0o2770)], "problem"),
        (ROOT._replace(mode=0o700), [Folder("/share/v1", 5, 8, 0o700)], "note"),
        (ROOT._replace(owner=6, mode=0o700), [Folder("/share/v1", 5, 7, 0o700)], "problem"),
        (ROOT._replace(owner=6, mode=0o755), [Folder("/share/v1", 0, 7, 0o755)], "problem"),
        (ROOT._replace(owner=6), [Folder("/share/v1", 0, 7, 0o2770)], "ok"),
        (ROOT._replace(mode=0o2775), [Folder("/share/v1", 5, 7, 0o2770)], "problem"),
        (ROOT._replace(mode=0o777), [], "warning"),
    ],
)
def test_directories_below_the_root_must_be_as_open_as_the_root(root, below, state):
    assert judge_access(root, below).state == state


def test_files_of_another_user_in_a_state_directory_are_found(tmp_path):
    me, user = os.geteuid(), os.geteuid() + 1
    assert judge_owner(str(tmp_path), user, 0o700, user).state == "ok"
    (tmp_path / "node").mkdir()
    found = judge_owner(str(tmp_path), user, 0o700, user)
    assert found.state == "problem" and f"chown -R {user}" in found.do
    assert judge_owner(str(tmp_path), me, 0o700, me).state == "ok"


def test_files_are_judged_by_owner_mode_and_directory():
    def state(**facts):
        kept = Kept("/etc/x/config.toml", **{"owner": 0, "mode": 0o644, "folder_mode": 0o755, **facts})
        return judge_writers([kept], me=1000)[0].state

    assert state() == state(owner=1000) == state(mode=0o664) == state(folder_mode=0o1777) == "ok"
    assert state(owner=1001) == state(mode=0o646) == state(folder_mode=0o777) == "problem"


def test_a_name_belongs_to_one_machine_for_a_day():
    def state(*traces):
        return judge_machines(ME, traces).state

    assert (
        state(Trace("web1", "m1", "1.0", 1), Trace("web2", "m2", "1.0", 1), Trace("web2", "", "1.0", 1))
        == "ok"
    )
    assert (
        state(Trace("web1", "m2", "1.0", 1))
        == state(Trace("web2", "m2", "", 1), Trace("web2", "m3", "", 1))
        == "problem"
    )


def run_in(boot, begun=1000.0, container="", renewed=1001.0):
    """Return doctor's verdict on names after a run; doctor is in `container`, which has existed since `begun`."""
    backend, me = MemoryBackend(Clock()), ME._replace(begun=begun, container=container)
    over = ended(node="web1", boot=boot, renewed=renewed)
    assert backend.swap(Entry("lease/billing/invoices", 0, b""), encode_record(over))
    return judge_machines(me, traces(backend, me, renewed))


@pytest.mark.parametrize(
    ("boot", "container", "is_problem"),
    [
        ("boot/time", "", False),
        ("boot/time/pid:[7]@9", "pid:[7]@9", False),
        ("boot/time/pid:[8]@9", "pid:[7]@9", True),
        ("boot/time/pid:[7]@8", "pid:[7]@9", True),
        ("boot/time/pid:[7]@9", "", True),
        ("boot/time", "pid:[7]@9", True),
        ("boot/time/pid:[7]?a", "pid:[7]?b", False),
        ("boot/time/pid:[8]?a", "pid:[7]?b", True),
    ],
)
def test_containers_that_share_a_name_are_found_in_the_records_of_their_runs(boot, container, is_problem):
    assert (run_in(boot, container=container).state == "problem") == is_problem


def test_a_container_that_ran_before_this_one_was_started_may_be_its_predecessor():
    assert run_in("boot/time/pid:[8]@9", container="pid:[7]@9", renewed=999.0).state == "ok"
    assert run_in("boot/time/pid:[8]@9", container="pid:[7]?x", begun=inf).state == "ok"


def test_another_boot_counts_only_if_it_was_not_the_one_before():
    assert run_in("elsewhere", renewed=1061.0).state == "problem"
    assert run_in("elsewhere", renewed=1059.0).state == "ok"


def test_the_newest_trace_of_a_node_shows_its_version():
    old, new = Trace("web2", "", "0.9", 1.0), Trace("web2", "", "1.0", 2.0)
    assert judge_versions(ME, [new, old]).state == "ok"
    assert "web2 has 0.9" in judge_versions(ME, [new, old._replace(wall=3.0)]).what
    assert judge_versions(ME, [Trace("web1", "", "0.9", 9.0)]).state == "ok"


@pytest.mark.parametrize(
    ("beat", "is_needed", "state"),
    [
        (None, False, "ok"), (None, True, "problem"), (Beat("web1"), True, "problem"),
        (Beat("web1", beat=1, boot="b", at=900.0), True, "ok"), (Beat("web1", beat=1, boot="b", at=100.0), True, "problem"),
        (Beat("web1", beat=1, boot="b", at=100.0), False, "note"), (Beat("web1", beat=1, boot="x", at=900.0), True, "problem"),
        (Beat("web1", beat=1, boot="b", at=900.0, is_fit=False, checks={"app": "down"}), True, "warning"),
    ],
)  # fmt: skip
def test_a_heartbeat_is_judged_by_whether_it_is_needed(beat, is_needed, state):
    assert judge_heartbeat(beat, is_needed, "b", 1000.0, 5000.0).state == state


def test_a_visit_keeps_those_of_the_last_day():
    backend = MemoryBackend()
    for machine, wall in (("old", 0.0), ("m2", LATELY), ("m1", LATELY + 10)):
        visit(backend, "web1", machine, wall)
    kept = decode(backend.read("doctor/cluster/web1").data, "it")
    assert set(kept.seen) == {"m1", "m2"}
    assert decode(encode(kept), "it") == kept
    with pytest.raises(StoreRefusedError):
        decode(b'{"format":1,"id":"x","seen":{"m":{}}}', "it")
    assert Visits().recent(0.0) == {}


def test_a_group_of_checks_that_fails_does_not_stop_the_others():
    def broken():
        raise ValueError("unexpected")

    (told,) = survived("mount", broken)
    assert (told.name, told.state) == ("mount", "problem") and "unexpected" in told.what


def attempts(count):
    return [
        Attempt(f"web1-0-abcdef:{n}", f"web1-0-abcdef:{n - 1}", n, n, n, "published", n + 1)
        for n in range(count)
    ]


def test_the_swaps_of_a_node_fit_into_entries_and_are_read_back_complete():
    backend, clock = MemoryBackend(), Clock()
    mine, theirs = Meeting("web1", "r1", ("web2",)), Meeting("web2", "r2", ("web1",))
    met = {"web2": "r2"}, {"web1": "r1"}
    did = attempts(4000)
    parts = tell(backend, mine, met[0], did)
    tell(backend, theirs, met[1], [])
    assert parts > 1
    assert all(len(entry.data) <= MAX_DATA for entry in backend.scan("verify/"))
    _, rows = gather(backend, theirs, met[1], 0.0, clock)
    assert [Attempt(*row) for row in rows] == did
    leave(backend, mine, met[0], parts, 0.0, clock)
    assert sum(len(entry.data) for entry in backend.scan("verify/")) < 1000


def test_a_node_that_verifies_alone_starts_at_the_end_of_the_chain():
    backend, alone = MemoryBackend(), Meeting("web1", "r1", ())
    backend.swap(Entry(alone.chain, 0, b""), json.dumps({"id": "x"}).encode())
    assert join(backend, alone, 0.0, Clock()) == (End("x", 1), {})


def test_a_note_of_an_earlier_meeting_does_not_count():
    backend = MemoryBackend()
    tell(backend, Meeting("web2", "old", ("web1",)), {"web1": "older"}, [])
    with pytest.raises(BackendError, match="web2 did not join"):
        join(backend, Meeting("web1", "r1", ("web2",)), 0.0, Clock())
    with pytest.raises(BackendError, match="web2 did not join"):
        gather(backend, Meeting("web1", "r1", ("web2",)), {"web2": "new"}, 0.0, Clock())


def test_the_same_nodes_meet_in_whatever_order_they_are_named():
    assert (
        Meeting("a", "1", ("b", "c")).chain
        == Meeting("c", "2", ("a", "b")).chain
        != Meeting("a", "1", ("b",)).chain
    )


def test_a_verification_without_a_swap_is_a_problem():
    assert judge_chain([], End(), End(), ("web1",), 1.0).state == "problem"
    assert (
        judge_chain(
            attempts(3)[0:1], End("web1-0-abcdef:0", 1), End("web1-0-abcdef:-1", 0), ("web1",), 1.0
        ).state
        == "ok"
    )


def test_a_job_with_two_names_gets_a_hint_that_run_accepts():
    ran = [{"tick": tick, "node": "web1"} for tick in ("2026-01-01T00:00Z", "2026-01-01T00:01Z")]
    other = [{**run, "node": "web2"} for run in ran]
    leases = [
        Lease(f"billing/root-dump-{digest * 10}", ended(node=runs[0]["node"], history=tuple(runs)), 1.0)
        for digest, runs in (("a", ran), ("b", other))
    ]
    found = judge_names(leases)
    assert found.state == "problem"
    words = found.do.partition("such as ")[2].split()
    assert words == ["--ns", "billing", "--name", "root-dump"]


def test_a_lease_that_is_not_renewed_does_not_make_its_node_a_dead_one():
    finding = judge_overdue([Lease("b/j", record(node="c3", pid=22), 99.0)])
    assert "pid 22 on c3" in finding.do and "died" not in finding.do
