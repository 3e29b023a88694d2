"""Two thousand schedules with all faults, each checked fully. To check more: python -m tests.simulation FROM TO."""

import os
import re
import subprocess
import sys
from collections import defaultdict

import pytest

from .invariants import history, violations
from .schedule import KINDS, POINTS, draw
from .world import World

SCHEDULES = 2000
BATCH = 200


@pytest.mark.parametrize("first", range(0, SCHEDULES, BATCH))
def test_no_schedule_breaks_an_invariant(first):
    for seed in range(first, first + BATCH):
        world = World(draw(seed)).run()
        assert not violations(world), history(world)


def test_a_seed_takes_the_same_course_each_time():
    assert history(World(draw(7)).run()) == history(World(draw(7)).run())


def test_a_seed_takes_the_same_course_in_every_process():
    told = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "7"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=os.path.join(os.path.dirname(__file__), "..", ".."),
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert told[0].decode().rstrip() == f"{history(World(draw(7)).run())}\nno invariant is broken"


def test_all_kinds_of_faults_and_answers_occur():
    worlds = [World(draw(seed)).run() for seed in range(60)]
    told = {re.sub(r"^trouble: | -?[0-9.]+$", "", what) for world in worlds for _, _, what in world.notes}
    assert set(KINDS) - {"step"} <= told
    assert {"slow", "lost", "refused", "denied", "timed out", "cut"} <= told
    assert {"starts", "is stopped", "settles lost", "settles done", "settles failed"} <= told
    text = "\n".join(told)
    for pattern in ("its clock is [+]", "its clock is -", "reads version .* old", "has booted as .*-boot2"):
        assert re.search(pattern, text)
    reasons = {run.skip.reason for world in worlds for run in world.runs if run.skip}
    assert reasons == {"already-ran", "superseded", "held", "waited-out"}


def test_faults_are_drawn_from_their_whole_documented_range():
    schedules = [draw(seed) for seed in range(1000)]
    lengths = defaultdict(list)
    for fault in (fault for schedule in schedules for fault in schedule.faults):
        lengths[fault.kind].append(fault.length)
    for kind, least, most in (
        ("cut", 8, 80),
        ("step", 40, 120),
        ("stop-guard", 1, 100),
        ("stop-node", 1, 100),
    ):
        assert least <= min(lengths[kind]) < least + 5
        assert most - 5 < max(lengths[kind]) <= most
    offsets = [node.offset for schedule in schedules for node in schedule.nodes]
    assert -50 <= min(offsets) < -45
    assert 45 < max(offsets) <= 50
    struck = {point for schedule in schedules if schedule.strikes.chance for point in schedule.strikes.points}
    assert struck == set(POINTS)
