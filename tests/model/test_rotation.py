from collections import Counter
from math import inf

import pytest
from fakes import EARLIER, JOB, LATER, TICK, ended, record
from hypothesis import given
from hypothesis import strategies as st

from cronguard.model.job import is_name
from cronguard.model.record import HISTORY
from cronguard.model.rotation import MISSES, MOST, Place, Rotation, decode, encode, queue_key
from cronguard.model.tick import Tick
from cronguard.store.contract import MAX_DATA
from cronguard.system.errors import StoreRefusedError

NODES = ("web1", "web2", "web3")


def queue(*nodes, **changes):
    return Rotation(**{"places": tuple(map(Place, nodes)), "token": 6, "sequence": 1, **changes})


def claimed(*nodes, first=EARLIER, token=7, attempts=None):
    """Return the record of a lease that these nodes have claimed, tick by tick."""
    history = tuple(
        ended(
            node=node,
            token=token + number,
            tick=Tick(first.epoch + 60 * number),
            attempt=attempts[number] if attempts else 1,
        ).outcome()
        for number, node in enumerate(nodes)
    )
    latest = Tick(first.epoch + 60 * (len(nodes) - 1))
    return ended(node=nodes[-1], token=token + len(nodes) - 1, tick=latest, history=history[-HISTORY:])


def test_the_queue_has_a_key_of_its_own():
    assert queue_key(JOB) == "queue/billing/invoices"


def test_the_head_that_claimed_goes_to_the_tail():
    assert queue(*NODES).following(claimed("web1")).nodes == ("web2", "web3", "web1")


def test_a_running_claim_counts_at_once():
    assert queue(*NODES).following(record(node="web1", token=7)).nodes == ("web2", "web3", "web1")


def test_a_claim_counts_once_even_if_it_is_read_again():
    once = queue(*NODES).following(claimed("web1", "web2"))
    assert once.following(claimed("web1", "web2")) == once


def test_claims_that_were_not_written_to_the_queue_are_caught_up():
    """A run that crashes right after its claim writes nothing to the queue and need not."""
    assert queue(*NODES).following(claimed("web1", "web2", "web3", "web1")).nodes == ("web2", "web3", "web1")


def test_a_node_that_misses_three_turns_is_dropped_and_rejoins_at_the_tail():
    two = queue(*NODES).following(claimed("web2", "web3"))
    assert two.places[0] == Place("web1", 2)
    three = queue(*NODES).following(claimed("web2", "web3", "web2"))
    assert three.nodes == ("web3", "web2")
    assert three.joined("web1").nodes == ("web3", "web2", "web1")


def test_a_node_that_takes_its_turn_again_has_no_missed_turns():
    back = queue(*NODES).following(claimed("web2", "web3", "web1"))
    assert back.places[-1] == Place("web1", 0)


def test_a_second_attempt_at_a_tick_is_not_a_missed_turn_of_any_node():
    again = queue(*NODES).following(claimed("web3", first=TICK, attempts=[2]))
    assert again.places == (Place("web1"), Place("web2"), Place("web3"))


def test_a_new_queue_ignores_earlier_claims():
    begun = Rotation().following(claimed("old1", "old2"))
    assert (begun.nodes, begun.token) == ((), 8)


def test_joining_twice_changes_nothing_more():
    assert queue(*NODES).joined("web2") == queue(*NODES)


def test_a_strict_head_that_keeps_missing_ticks_loses_its_place():
    strict = queue(*NODES)
    for number in range(4):
        strict = strict.overdue(Tick(TICK.epoch + 60 * number), ended(tick=EARLIER), strict.nodes[0])
    assert strict.nodes == ("web2", "web3")


def test_a_strict_head_owes_each_tick_only_once():
    owed = queue(*NODES).overdue(TICK, None, "web1")
    assert owed.overdue(TICK, None, "web1") == owed
    assert owed.overdue(LATER, ended(tick=TICK), "web1").places == owed.places


def test_a_paused_head_owes_nothing_but_the_node_behind_it_does():
    strict = queue(*NODES)
    for number in range(4):
        strict = strict.overdue(Tick(TICK.epoch + 60 * number), ended(tick=EARLIER), "web2")
    assert strict.nodes == ("web1", "web3")


@given(st.lists(st.sampled_from(NODES), min_size=1, max_size=3, unique=True), st.integers(1, 300))
def test_the_shares_of_the_live_nodes_differ_by_at_most_one_run(alive, ticks):
    """Whichever nodes are dead, the others share evenly: each tick goes to the first live node in the queue."""
    now, counts = queue(*NODES), Counter(dict.fromkeys(alive, 0))
    for number in range(ticks):
        runner = next(node for node in now.nodes if node in alive)
        counts[runner] += 1
        tick = Tick(TICK.epoch + 60 * number)
        now = now.following(record(node=runner, token=7 + number, tick=tick))
    assert max(counts.values()) - min(counts.values()) <= 1
    # A dead node at the end of the queue misses nothing until each live one has had its turn.
    assert ticks < MISSES + len(alive) or set(now.nodes) == set(alive)


@given(
    st.builds(
        Rotation,
        places=st.lists(st.builds(Place, st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True), st.integers(0, 2)),
                        unique_by=lambda place: place.node).map(tuple),
        token=st.integers(0), tick=st.integers(-1, 10**10), due=st.integers(-1, 10**10), by=st.text(),
        sequence=st.integers(0), unknown=st.just((("zzz", [1]),)),
    )
)  # fmt: skip
def test_a_queue_is_read_as_it_was_written(rotation):
    assert decode(encode(rotation), "here") == rotation


def test_no_data_is_no_queue():
    assert decode(b"", "here") is None


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"{}", b'{"format":1}', b'{"format":9,"writer":"cronguard 9"}', b"\xff"]
)
def test_data_that_are_not_a_queue_are_refused(data):
    with pytest.raises(StoreRefusedError, match="here"):
        decode(data, "here")


def test_a_queue_with_a_node_in_two_places_is_refused():
    with pytest.raises(StoreRefusedError):
        decode(encode(queue("web1", "web1")), "here")


@pytest.mark.parametrize("name", ["tick", "due"])
@pytest.mark.parametrize("epoch", [-2, 253402300800, 10**30])
def test_a_queue_whose_tick_is_no_time_is_refused(name, epoch):
    with pytest.raises(StoreRefusedError, match="its tick is not a time"):
        decode(encode(queue(*NODES)._replace(**{name: epoch})), "queue/b/j")


def test_a_history_row_of_another_program_is_not_a_claim():
    odd = claimed("web1")._replace(
        history=(
            {"token": "x"},
            {},
            {"token": 9, "tick": "?", "attempt": 1, "node": "w"},
            {"token": 9, "tick": TICK.label, "attempt": 1, "node": 5},
            {"token": inf, "tick": TICK.label, "attempt": 1, "node": "w"},
        )
    )
    assert queue(*NODES).following(odd).nodes == NODES


def test_the_longest_queue_fits_into_an_entry():
    full = queue()
    for number in range(MOST + 5):
        name = f"{number:0100}"
        assert is_name(name)
        full = full.joined(name)
    assert len(full.places) == MOST and len(encode(full)) < MAX_DATA
