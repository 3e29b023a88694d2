from math import inf, nan

import pytest
from fakes import JOB, ended, record

from cronguard.model import beat as beats
from cronguard.model import rotation, waiters
from cronguard.model.beat import Beat, Opinion, beat_key
from cronguard.model.pause import Pause
from cronguard.model.rotation import Place, Rotation
from cronguard.model.waiters import Waiter, Waiters
from cronguard.report.cluster import nodes, queues

KEYS = {
    "node", "state", "beat", "age", "every", "machine", "fit", "checks", "details", "seen_by", "since", "paused", "jobs",
}  # fmt: skip


def put(store, key, data):
    store.inner.swap(store.inner.read(key), data)


def beat(store, node, ago=1.0, **facts):
    wall = store.clock.wall() - ago
    put(store, beat_key(node), beats.encode(Beat(node, beat=3, wall=wall, every=5.0, **facts)))


def rows(store, *known):
    return {row["node"]: row for row in nodes(store, known, store.clock.wall())}


def states(store, *known):
    return {node: row["state"] for node, row in rows(store, *known).items()}


def opinion(state):
    return Opinion(state, 1000.0, {"beat": state})


def test_a_node_is_what_the_others_say_it_is(store):
    beat(store, "web1", opinions={"web2": opinion("down"), "web3": opinion("up")})
    beat(store, "web2", ago=500.0, opinions={"web1": opinion("down")})
    beat(store, "web3", opinions={"web2": opinion("up"), "web1": opinion("up")})
    assert states(store) == {"web1": "up", "web2": "disputed", "web3": "up"}
    row = rows(store)["web2"]
    assert set(row) == KEYS and set(row["seen_by"]) == {"web1", "web3"} and row["age"] == 500.0


def test_a_state_has_lasted_since_the_first_of_those_who_agree_saw_it(store):
    first, second = (Opinion("down", at, {"beat": "down"}) for at in (500.0, 900.0))
    beat(store, "web1", opinions={"web3": first, "web4": first})
    beat(store, "web2", opinions={"web3": second, "web4": Opinion("up", 700.0, {})})
    assert {name: rows(store, "web3", "web4")[name]["since"] for name in ("web3", "web4")} == {
        "web3": 500.0,
        "web4": 700.0,  # disputed, since the second of the two changed its mind
    }


def test_a_node_is_up_since_its_own_break_ended_or_another_saw_it_come_back(store):
    wall = store.clock.wall()
    seen = {"web1": Opinion("up", wall - 5.0, {}), "web2": Opinion("up", wall - 7.0, {}, back=93.0)}
    beat(store, "web1", at=100.0, back=40.0)
    beat(store, "web2", at=100.0, back=40.0)
    beat(store, "web3", opinions=seen, at=100.0, back=60.0)
    since = {name: row["since"] for name, row in rows(store).items()}
    assert since == {"web1": wall - 1.0 - 60.0, "web2": wall - 7.0, "web3": wall - 1.0 - 40.0}


def test_a_node_that_only_probes_see_is_up_since_the_first_that_saw_it(store):
    beat(store, "web1", opinions={"db": Opinion("up", 500.0, {"ip": "up"})})
    beat(store, "web2", opinions={"db": Opinion("up", 900.0, {"ip": "up"})})
    assert rows(store, "db")["db"]["since"] == 500.0


def test_a_paused_node_is_paused_since_its_pause(store):
    beat(store, "web1", opinions={"web2": opinion("up")})
    beat(store, "web2", pause=Pause(1234.0, None, "reboot", "me"))
    assert rows(store)["web2"]["since"] == 1234.0


def test_the_opinion_of_a_dead_node_does_not_count(store):
    """web2 is dead, and believed web1 to be down when it died."""
    beat(store, "web1")
    beat(store, "web2", ago=500.0, opinions={"web1": opinion("down")})
    assert states(store) == {"web1": "up", "web2": "unknown"}


def test_a_configured_node_that_was_never_seen_is_shown(store):
    assert (
        rows(store, "web9")["web9"] | {"state": "unknown", "beat": None, "age": None}
        == rows(store, "web9")["web9"]
    )


def test_an_unfit_node_without_observers_is_down(store):
    beat(store, "web1", is_fit=False)
    assert states(store) == {"web1": "down"}


def test_a_paused_node_is_shown_as_paused_with_its_jobs(store):
    beat(store, "web2", pause=Pause(0.0, None, "reboot", "me"))
    store.publish(record())
    row = rows(store)["web2"]
    assert (row["state"], row["jobs"], row["paused"]["reason"]) == ("paused", [str(JOB)], "reboot")


@pytest.mark.parametrize("facts", [{"wall": inf}, {"pause": Pause(0.0, inf, "", "me")}, {"every": nan}])
def test_an_entry_with_an_impossible_time_is_unreadable(store, facts):
    put(store, beat_key("web1"), beats.encode(Beat("web1", beat=3)._replace(**facts)))
    assert rows(store)["web1"]["state"] == "unreadable"


def test_a_damaged_entry_is_one_row_and_no_error(store):
    put(store, beat_key("web1"), b"{")
    put(store, "queue/a/b", b"[]")
    assert rows(store)["web1"]["state"] == "unreadable"
    assert queues(store, None)[0]["problem"].startswith("queue/a/b")


def test_a_queue_is_shown_as_the_next_run_will_find_it(store):
    places = (Place("web1"), Place("web2", 1), Place("web3"))
    put(store, f"queue/{JOB}", rotation.encode(Rotation(places, token=6, sequence=1)))
    store.publish(ended(node="web1", token=7, history=(ended(node="web1", token=7).outcome(),)))
    [row] = queues(store, None)
    assert [place["node"] for place in row["queue"]] == ["web2", "web3", "web1"]
    assert (row["job"], row["last"], row["waiting"]) == (str(JOB), "web1", [])


def test_waiting_runs_are_shown_without_the_one_that_is_running(store):
    waiting = (Waiter("run-b", "web2", 2, 0.0), Waiter("run-c", "web3", 3, 1.0))
    put(store, f"waiters/{JOB}", waiters.encode(Waiters(waiting, "x", 1)))
    store.publish(record(run="run-b"))
    [row] = queues(store, JOB.ns)
    assert [one["run"] for one in row["waiting"]] == ["run-c"]
    assert queues(store, "other") == []
