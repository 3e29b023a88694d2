"""`doctor --verify`: processes on one or more nodes check that a store provides mutual exclusion."""

import json
import os
import subprocess

import pytest
from machine import Machine


def found(machine, done, status=0):
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert done.returncode == status, (done.stdout, done.stderr)
    return rows["verify"]


def verify(machine, *argv, status=0):
    """Verify for a second and return the finding."""
    return found(
        machine, machine.call("doctor", "--config", machine.file, "--json", "--verify", "1s", *argv), status
    )


def together(*machines):
    """Verify on all of them at the same time; returns exit status and finding of each."""
    names = ",".join(machine.config["node"] for machine in machines)
    argv = ("--json", "--verify", "1s", "--with", names)
    started = [
        subprocess.Popen(
            machine.command("doctor", "--config", machine.file, *argv),
            env=machine.env(),
            stdout=subprocess.PIPE,
        )
        for machine in machines
    ]
    told = [process.communicate(timeout=120)[0] for process in started]
    findings = [{row["name"]: row for row in json.loads(text)}["verify"] for text in told]
    return [(process.returncode, row) for process, row in zip(started, findings, strict=True)]


@pytest.mark.parametrize("scheme", ["dir", "file"])
def test_a_store_that_provides_mutual_exclusion_is_ok(machine, scheme):
    machine.write_config(backend=f"{scheme}:{machine.share}")
    told = verify(machine)
    assert (
        told["state"] == "ok"
        and "writes on web1" in told["what"]
        and "mutual exclusion holds" in told["what"]
    )


def test_a_store_that_publishes_without_comparing_is_found(machine):
    machine.write_config(backend=f"careless:{machine.share}")
    told = verify(machine, status=1)
    assert told["state"] == "problem" and "mutual exclusion does not hold" in told["what"]


def test_a_second_verification_works_too_and_no_locks_are_left(machine):
    assert [verify(machine)["state"] for _ in range(2)] == ["ok", "ok"]
    locks = machine.call("locks", "--all", "--json", "--config", machine.file)
    assert json.loads(locks.stdout) == []
    assert machine.ill() == {}


def test_two_nodes_reach_the_same_verdict_and_leave_little_data(machine, other):
    (status, ours), (their_status, theirs) = together(machine, other)
    assert (status, their_status) == (0, 0)
    assert ours["what"].split(" writes")[0] == theirs["what"].split(" writes")[0]
    assert "published, each replacing the one before" in ours["what"]
    newest = [max(key.iterdir()) for key in (machine.share / "v1" / "verify").glob("*/*")]
    assert sum(os.path.getsize(version / "record.json") for version in newest) < 10_000
    assert [status for status, _ in together(other, machine)] == [0, 0]


def test_two_nodes_find_a_store_without_mutual_exclusion(machine, other):
    for node in (machine, other):
        node.write_config(backend=f"careless:{machine.share}")
    for status, finding in together(machine, other):
        assert status == 1 and "mutual exclusion does not hold" in finding["what"]


def test_two_nodes_that_do_not_really_share_a_store_report_each_other(machine, ground):
    """Both use the same name for the store, but each has its own copy."""
    apart = Machine(ground / "apart", "web2")
    for node in (machine, apart):
        node.write_config(backend_timeout=2)
    (status, ours), (their_status, theirs) = together(machine, apart)
    apart.close()
    assert (status, their_status) == (1, 1)
    assert ours["what"].startswith("web2 did not join") and theirs["what"].startswith("web1 did not join")


def test_a_node_that_took_part_earlier_does_not_count_as_present(machine, other):
    together(machine, other)
    machine.write_config(backend_timeout=2)
    assert verify(machine, "--with", "web2", status=1)["what"].startswith("web2 did not join")


def test_nothing_is_verified_on_a_backend_that_cannot_be_used(machine):
    machine.write_config(backend=f"dir:{machine.share}/none")
    assert verify(machine, status=1)["what"].startswith("not tested")


def test_a_node_that_cannot_store_anything_gets_a_problem_and_the_other_findings(machine):
    machine.state.write_text("a file")
    told = verify(machine, status=1)
    assert told["state"] == "problem" and "could not be checked" in told["what"]


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        (["--with", "web2"], "--with needs --verify"),
        (["--group", "root"], "--group needs --init"),
        (["--verify", "1h"], "1h"),
        (["--verify", "soon"], "'soon'"),
        (["--verify", "1s", "--with", "no/name"], "'no/name'"),
        (["--init", "--group", "no-such-group"], "'no-such-group'"),
        (["--backend", "local", "--verify", "1s", "--with", "web2"], "the local backend has no other nodes"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(machine, argv, value):
    done = machine.call("doctor", "--config", machine.file, *argv)
    assert (done.returncode, done.stdout) == (64, "")
    assert value in done.stderr.splitlines()[0] and "hint: " in done.stderr
