"""The lab's verdicts depend on this checker, so it must find what it checks for."""

import os
import time

import pytest
from intervals import disorder, overlaps, read_runs, ticks


@pytest.fixture
def mark(tmp_path):
    def make(name, token, *beats, node="node1", tick="T1"):
        for beat in beats:
            (tmp_path / f"{name},{tick},{token},{node},7,{beat}").touch()
            time.sleep(0.01)  # a file's time is the time of the kernel's last clock tick
        return read_runs(tmp_path)

    return make


def test_a_run_lasts_from_its_first_mark_to_its_last(mark):
    (run,) = mark("job", 3, "start", 0, 1, "stop")
    assert (run.job, run.tick, run.token, run.node, run.stopped) == ("job", "T1", 3, "node1", True)
    assert run.start == run.marks[0] <= run.end == run.marks[-1]


def test_a_killed_run_counts_as_alive_for_one_more_beat(mark):
    (run,) = mark("job", 3, "start", 0)
    assert not run.stopped
    assert run.end > run.marks[-1]


def test_an_overlap_is_found(mark):
    mark("job", 1, "start")
    runs = mark("job", 2, "start", "stop", node="node2")
    assert overlaps(runs) == [tuple(runs)]


def test_different_jobs_may_overlap(mark):
    mark("job", 1, "start")
    assert not overlaps(mark("other", 2, "start", "stop"))


def test_runs_one_after_the_other_do_not_overlap(mark):
    mark("job", 1, "start", "stop")
    assert not overlaps(mark("job", 2, "start", "stop"))


def test_a_token_that_does_not_grow_is_found(mark):
    mark("job", 5, "start", "stop")
    runs = mark("job", 4, "start", "stop")
    assert disorder(runs) == [tuple(runs)]


def test_a_node_cannot_set_the_time_of_a_mark(mark, tmp_path):
    mark("job", 1, "start", "stop")
    before = read_runs(tmp_path)
    for entry in tmp_path.iterdir():
        os.utime(entry, (0, 0))
    (after,) = read_runs(tmp_path)
    assert after.start == pytest.approx(before[0].start, abs=5)


def test_runs_are_counted_by_job_and_tick(mark):
    mark("job", 1, "start", "stop")
    assert {key: len(runs) for key, runs in ticks(mark("job", 2, "start", tick="T2")).items()} == {
        ("job", "T1"): 1,
        ("job", "T2"): 1,
    }
