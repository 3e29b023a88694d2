"""Pause a job, a namespace or a node, and forget a node that no longer exists, with real processes of two nodes."""

import json
import re

import pytest
from nodes import content, told

from cronguard.model.beat import Beat, beat_key, encode

JOB = ("--ns", "billing", "--name", "nightly")
TICK = ("--tick", "2026-01-01T02:00Z")
PAUSED_KEYS = {"kind", "name", "since", "until", "by", "reason"}


@pytest.fixture
def ask(node):
    """Run a command line on the shared directory."""
    return lambda *argv, **more: node.call(*argv, "--backend", f"dir:{node.store}", **more)


@pytest.fixture
def known(node):
    """A job that has run before."""
    assert node.run(*JOB, "--tick", "2026-01-01T01:00Z").returncode == 0
    assert node.has_run()


def job_entry(store):
    return content(store / "v1" / "lease")


@pytest.mark.parametrize("target", [("billing/nightly",), ("--ns", "billing")])
def test_a_job_paused_on_one_node_is_skipped_on_the_other_and_its_tick_is_kept(
    node, other, ask, known, target
):
    before = job_entry(node.store)
    named = "billing/nightly" if target[0] != "--ns" else "namespace billing"
    assert ask("pause", *target, "--reason", "the books are wrong").stdout == (
        f"{named} is paused until it is resumed\n"
    )
    skipped = other.run(*JOB, *TICK, "-v", "--log", "stderr")
    assert skipped.returncode == 75 and not other.has_run()
    assert "event=skipped reason=paused" in skipped.stderr
    assert f"skipped billing/nightly, paused: {named} is paused: the books are wrong" in skipped.stderr
    dry = other.run(*JOB, *TICK, "--dry-run")
    assert dry.returncode == 75 and dry.stdout.rstrip().endswith("would skip, paused")
    assert job_entry(node.store) == before
    assert ask("resume", *target).stdout == f"{named} is resumed\n"
    assert other.run(*JOB, *TICK).returncode == 0 and other.has_run()


def test_a_skip_for_a_pause_has_the_requested_status_and_prints_nothing(other, ask, known):
    ask("pause", "billing/nightly")
    skipped = other.run(*JOB, *TICK, "-E", "0")
    assert (skipped.returncode, skipped.stdout, skipped.stderr, other.has_run()) == (0, "", "", False)
    assert other.run("--ns", "billing", "--name", "another", *TICK).returncode == 0


def test_pause_reports_runs_in_progress_and_leaves_them_alone(node, other, ask):
    where = ("--backend", f"dir:{node.store}")
    with other.start("run", *where, *JOB, "--", "sh", "-c", "echo up; cat; echo down") as process:
        assert process.stdout.readline() == "up\n"
        still = f"; still running: billing/nightly on web2 (pid {process.pid})\n"
        for target in (("billing/nightly",), ("--ns", "billing"), ("--node", "web2")):
            assert ask("pause", *target, "--for", "1h").stdout.endswith(f" is paused for 1h{still}")
        out, _ = process.communicate("", timeout=60)
        assert (process.returncode, out) == (0, "down\n")


def test_a_pause_with_a_limit_expires(node, ask, known):
    ask("pause", "billing/nightly", "--for", "1h")
    assert node.run(*JOB, *TICK).returncode == 75
    assert (
        node.run(*JOB, *TICK, "--every-run", how=node.skewed(3700)).returncode == 78
    )  # a clock that is wrong
    config = node.home / "lax.toml"
    config.write_text("max_clock_skew = false\n")
    assert node.run(*JOB, *TICK, "--config", str(config), how=node.skewed(3700)).returncode == 0


def test_locks_shows_what_is_paused_and_until_when_by_whom_and_why(ask, known):
    ask("pause", "billing/nightly", "--reason", "wrong books")
    ask("pause", "--ns", "billing", "--for", "2h")
    ask("pause", "--node", "web1", "--reason", "kernel")
    lines = ask("locks").stdout.splitlines()
    assert lines[:2] == ["no locks", ""]
    assert re.split(r"\s{2,}", lines[2]) == ["PAUSED", "SINCE", "UNTIL", "BY", "REASON"]
    rows = [re.split(r"\s{2,}", line) for line in lines[3:]]
    assert [row[0] for row in rows] == ["node web1", "namespace billing", "billing/nightly"]
    assert [row[3] for row in rows] == ["app@web1"] * 3
    assert rows[0][2::2] == ["until it is resumed", "kernel"] and "(in " in rows[1][2]
    assert rows[2][4] == "wrong books"
    assert "no locks" not in ask("locks", "--all").stdout
    assert [line.split()[0] for line in ask("locks", "--paused", "--ns", "billing").stdout.splitlines()] == [
        "PAUSED", "namespace", "billing/nightly",
    ]  # fmt: skip


def test_pauses_have_these_keys_as_json_and_locks_have_their_own(ask, known):
    assert (ask("locks", "--paused").stdout, json.loads(ask("locks", "--paused", "--json").stdout)) == (
        "nothing is paused\n",
        [],
    )
    ask("pause", "billing/nightly", "--for", "30m")
    [row] = json.loads(ask("locks", "--paused", "--json").stdout)
    assert set(row) == PAUSED_KEYS
    assert (row["kind"], row["name"], row["until"] - row["since"]) == ("job", "billing/nightly", 1800)
    assert json.loads(ask("locks", "--json").stdout) == []
    assert [row["job"] for row in json.loads(ask("locks", "--all", "--json").stdout)] == ["billing/nightly"]


def test_a_misspelt_target_is_refused_and_force_pauses_a_job_that_has_never_run(node, ask, known):
    before = content(node.store)
    told(ask("pause", "billing/nighly"), 64, "billing/nighly is unknown; similar names: billing/nightly")
    told(ask("pause", "--ns", "biling"), 64, "namespace biling is unknown; similar names: billing")
    told(ask("resume", "billing/nighly"), 64, "billing/nighly is unknown")
    told(ask("pause", "a/b", "--ns", "a"), 64, "a/b and --ns a: only one is allowed")
    assert content(node.store) == before
    assert ask("pause", "billing/first", "--force").returncode == 0
    assert node.run("--ns", "billing", "--name", "first").returncode == 75


@pytest.mark.parametrize("data", [b"\x00 garbage", b'{"format":2,"writer":"cronguard 9.1"}'])
def test_unreadable_pauses_stop_the_namespace_and_are_reported(node, other, ask, known, data):
    ask("pause", "billing/nightly")
    [entry] = (node.store / "v1" / "pause" / "cluster" / "billing").glob("0*/record.json")
    entry.write_bytes(data)
    before = job_entry(node.store)
    for options in ((), ("--if-unavailable", "run"), ("--dry-run",)):
        told(other.run(*JOB, *TICK, *options), 78, "pause/cluster/billing")
    logged = other.run(*JOB, *TICK, "--log", "stderr").stderr
    assert "event=unavailable status=78" in logged and "pause/cluster/billing" in logged
    assert not other.has_run() and job_entry(node.store) == before
    assert other.run("--ns", "reports", "--name", "weekly").returncode == 0
    shown = ask("locks").stdout
    assert "namespace billing  unreadable" in shown and "the pauses of namespace billing" in shown
    told(ask("resume", "billing/nightly"), 78, "pause/cluster/billing")


# forget --node


def beat(node, name, wall):
    entry = node.store / "v1" / beat_key(name) / f"{1:020}"
    entry.mkdir(parents=True)
    (entry / "record.json").write_bytes(encode(Beat(name, 5, wall=wall, sequence=1)))


def test_a_dead_node_is_forgotten_and_a_living_one_is_not(node, ask):
    beat(node, "web8", 1_000_000.0)
    ask("heartbeat")
    told(ask("forget", "--node", "web1"), 75, "web1 is alive: its last heartbeat was")
    assert ask("forget", "--node", "web8").stdout == "web8 is forgotten\n"
    assert [row["node"] for row in json.loads(ask("nodes", "--json").stdout)] == ["web1"]
    assert ask("forget", "--node", "web1", "--force").stdout == "web1 is forgotten\n"
    assert json.loads(ask("nodes", "--json").stdout) == []


@pytest.mark.parametrize("words", [(), ("a/b", "--node", "web1")])
def test_forget_needs_one_job_or_one_node(ask, words):
    told(ask("forget", *words), 64, "name one job, or one node")
