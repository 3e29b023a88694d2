"""The rules that every strategy must follow, and what each strategy does."""

from importlib import import_module
from math import inf

import pytest
from fakes import TICK
from hypothesis import given
from hypothesis import strategies as st

from cronguard.config.settings import SETTINGS
from cronguard.turns.known import Known, Peer
from cronguard.turns.preempt import turn as preempt
from cronguard.turns.round_robin import turn as round_robin
from cronguard.turns.standby import turn as standby
from cronguard.turns.time_slice import turn as time_slice
from cronguard.turns.turn import STRATEGIES as NAMES

NODES = ("web1", "web2", "web3", "web4")
STRATEGIES = (preempt, standby, round_robin, time_slice)
peers = st.builds(
    Peer, is_up=st.booleans(), is_paused=st.booleans(), back_for=st.one_of(st.just(inf), st.floats(0, 1000))
)
knowns = st.builds(
    Known,
    nodes=st.permutations(NODES).map(tuple),
    peers=st.dictionaries(st.sampled_from(NODES), peers),
    head_start=st.floats(1, 60),
    failback_after=st.floats(0, 600),
    is_strict=st.just(False),
    is_covered=st.just(True),
    number=st.integers(0, 1000),
)


def known(*away, nodes=NODES, **changes):
    return Known(nodes=nodes, peers={node: Peer(is_up=False) for node in away}, **changes)


@pytest.mark.parametrize("turn", STRATEGIES)
@given(knowns)
def test_each_node_waits_at_most_one_head_start_for_each_other_node(turn, facts):
    """Wrong advice makes a run late, but never loses it."""
    for node in NODES:
        answer = turn(node, TICK, facts)
        assert 0 <= answer.head_start <= (len(NODES) - 1) * facts.head_start


@pytest.mark.parametrize("turn", [standby, round_robin, time_slice])
@given(knowns)
def test_if_all_nodes_know_the_same_one_goes_first_and_the_others_follow_in_steps(turn, facts):
    there = [node for node in NODES if facts.is_there(node)]
    starts = sorted(turn(node, TICK, facts).head_start / facts.head_start for node in there)
    assert starts == pytest.approx(list(range(len(there))))


@pytest.mark.parametrize("turn", [standby, round_robin])
def test_a_node_that_is_down_or_paused_gets_no_head_start(turn):
    assert turn("web2", TICK, known("web1")).head_start == 0
    paused = Known(nodes=NODES, peers={"web1": Peer(is_paused=True)})
    assert turn("web2", TICK, paused).head_start == 0
    assert turn("web3", TICK, known("web1")).head_start == 15


def test_a_standby_gives_a_head_start_to_each_live_node_before_it_and_reports_them():
    answer = standby("web3", TICK, known("web2"))
    assert (answer.head_start, answer.reason) == (15, "web1 is ahead of this node and up")
    assert standby("web1", TICK, known()).head_start == 0


def test_a_node_that_came_back_a_moment_ago_goes_behind_those_that_stayed_up():
    facts = Known(nodes=NODES[:2], peers={"web1": Peer(back_for=60)}, failback_after=300)
    assert standby("web2", TICK, facts).head_start == 0
    assert standby("web1", TICK, facts).head_start == 15
    late = facts._replace(peers={"web1": Peer(back_for=300)})
    assert (standby("web1", TICK, late).head_start, standby("web2", TICK, late).head_start) == (0, 15)


def test_a_primary_that_came_back_alone_runs_at_once():
    facts = Known(
        nodes=NODES[:2], peers={"web1": Peer(back_for=1), "web2": Peer(is_up=False)}, failback_after=300
    )
    assert standby("web1", TICK, facts).head_start == 0


@pytest.mark.parametrize("turn", [standby, round_robin, time_slice])
def test_a_node_that_knows_it_is_unfit_goes_last_but_still_goes(turn):
    facts = known("web1", is_covered=True)
    assert turn("web1", TICK, facts).head_start == 45


def test_a_strict_queue_leaves_the_turn_to_its_head_unless_that_is_known_to_be_down():
    facts = known(is_strict=True)
    assert round_robin("web1", TICK, facts).head_start == 0
    assert round_robin("web2", TICK, facts).head_start is None
    assert round_robin("web2", TICK, known("web1", is_strict=True)).head_start == 0


@given(st.integers(0, 10**9), st.integers(1, 7))
def test_a_slice_belongs_to_exactly_one_node(number, count):
    nodes = tuple(map(str, range(count)))
    answers = [time_slice(node, TICK, Known(nodes=nodes, number=number)) for node in nodes]
    assert [answer.head_start for answer in answers].count(0) == 1
    assert answers[number % count].head_start == 0
    assert [answer.head_start for answer in answers].count(None) == count - 1


def test_a_covered_slice_goes_to_the_next_nodes_in_order():
    facts = Known(nodes=NODES, number=6, is_covered=True)  # the slice of the third node
    starts = {node: time_slice(node, TICK, facts).head_start for node in NODES}
    assert starts == {"web3": 0, "web4": 15, "web1": 30, "web2": 45}


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_has_a_file_with_its_turn(name):
    assert import_module(f"cronguard.turns.{name.replace('-', '_')}").turn in STRATEGIES


def test_the_setting_knows_every_strategy_and_no_other():
    assert set(SETTINGS["strategy"].metavar.split("|")) == set(NAMES)
    assert {SETTINGS["strategy"].read(name, "--strategy") for name in NAMES} == set(NAMES)
