"""The machine that keeps the entries is certain to die at the worst moment: before its copy has the last swap.

If a swap counts only once the copy has it, nothing is lost. With that rule switched off, the same test must find
faults; otherwise the check of the histories could not fail.
"""

import pytest
from engine_nodes import Nodes
from pairs import PAIRS
from processes import wait_until
from scheduled import PREEMPTION, ROUND_ROBIN, Schedule, queue_up

pytestmark = pytest.mark.slow


@pytest.fixture(params=PAIRS)
def faults(request, tmp_path):
    """Return the faults in the ticks of a line when the claim for the third tick is not copied."""
    started = []

    def faults(strategy, *, is_sound):
        pair = PAIRS[request.param](is_sound=is_sound)
        started[:] = [pair, Nodes(tmp_path, pair.url)]
        line = Schedule(started[1], strategy)
        queue_up(pair.url, tmp_path / "judge")
        for _ in range(2):
            line.fire_and_begin()
        line.end()
        pair.hold_back()
        line.fire(seconds=2.0)
        wait_until(pair.is_waiting if is_sound else line.has_begun, "the claim")
        pair.strike()
        pair.recover()
        wait_until(line.has_begun, "the job")
        line.fire_and_begin()
        return line.faults()

    yield faults
    pair, nodes = started
    nodes.clean_up()
    pair.end()


@pytest.mark.parametrize("strategy", [PREEMPTION, ROUND_ROBIN], ids=["preemption", "round-robin"])
def test_a_claim_that_the_copy_does_not_have_is_repeated_after_the_fail_over(faults, strategy):
    assert faults(strategy, is_sound=True) == []


def test_without_waiting_for_the_copy_the_tick_runs_again(faults):
    assert any(fault.startswith("not each tick once") for fault in faults(PREEMPTION, is_sound=False))


def test_without_waiting_for_the_copy_a_node_loses_its_place_in_the_queue(faults):
    assert any(fault.startswith("out of turn") for fault in faults(ROUND_ROBIN, is_sound=False))
