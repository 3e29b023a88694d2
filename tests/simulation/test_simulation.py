"""Two thousand schedules with all faults, each checked in full. More of them: python -m tests.simulation FROM TO."""

import pytest

from .invariants import history, violations
from .schedule import draw
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


def test_all_kinds_of_faults_and_answers_occur():
    worlds = [World(draw(seed)).run() for seed in range(60)]
    told = " ".join(what for world in worlds for _, _, what in world.notes)
    for word in (
        "crash",
        "kill-guard",
        "kill-keeper",
        "stop-guard",
        "stop-both",
        "stop-node",
        "cut",
        "its clock",
    ):
        assert word in told
    for word in ("slow", "lost", "refused", "denied", "timed out", "starts", "settles lost", "settles done"):
        assert word in told
    for word in ("already-ran", "superseded", "held", "waited-out"):
        assert word in told
