import json

import pytest
from fakes import LATER, TICK, ended, record
from hypothesis import given
from hypothesis import strategies as st

from cronguard import __version__
from cronguard.model.envelope import FORMAT
from cronguard.model.record import HISTORY, decode, encode
from cronguard.store.contract import MAX_DATA
from cronguard.system.errors import StoreRefusedError

VALID = encode(ended(history=(ended().outcome(),)))
FIELDS = sorted(json.loads(VALID))

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def changed(**changes):
    return json.dumps({**json.loads(VALID), **changes}).encode()


def read(data):
    """Return the record, or None if the data are refused; other errors are raised."""
    try:
        return decode(data, "billing/invoices")
    except StoreRefusedError as refusal:
        told = str(refusal)
    assert told.startswith("billing/invoices: ")
    return None


@pytest.mark.parametrize("known", [record(), ended(), ended("failed", status=3, history=({"tick": "x"},))])
def test_a_record_is_read_as_it_was_written(known):
    assert decode(encode(known), "here") == known


def test_no_data_is_no_record():
    assert decode(b"", "here") is None


def test_fields_that_only_a_newer_cronguard_knows_are_kept():
    found = decode(changed(colour={"of": ["the", 7]}, unknown="too"), "here")
    again = json.loads(encode(found.settled("done", 0, 1.0, 1.0)))
    assert (again["colour"], again["unknown"]) == ({"of": ["the", 7]}, "too")


def test_the_time_of_the_last_success_survives_failures_and_claims():
    done = record().settled("done", 0, 500.0, 1.0)
    failed = record(succeeded=done.succeeded).settled("failed", 1, 600.0, 1.0)
    assert (record().succeeded, done.succeeded, failed.succeeded) == (None, 500.0, 500.0)


def test_the_record_contains_its_format_and_its_writer():
    written = json.loads(encode(record()))
    assert (written["format"], written["writer"]) == (FORMAT, f"cronguard {__version__}")


def test_a_newer_format_is_refused_with_its_number_and_its_writer():
    with pytest.raises(StoreRefusedError) as refusal:
        decode(changed(format=2, writer="cronguard 9.1"), "billing/invoices (version 4)")
    assert str(refusal.value).startswith(
        "billing/invoices (version 4): the record has format 2, written by cronguard 9.1"
    )
    assert refusal.value.status == 78
    assert "same version" in refusal.value.hint


def test_a_newer_format_is_reported_even_if_nothing_else_is_known():
    with pytest.raises(StoreRefusedError, match="format 7, written by an unknown program"):
        decode(b'{"format":7}', "here")


@pytest.mark.parametrize("data", [
    b"\0", b"{", b"[]", b"null", b"7", b'"x"', b"{}", b'{"format":1}', b"\xff\xfe", VALID[:-20], b"<html></html>",
    b"[" * 100_000, b"9" * 5000,
])  # fmt: skip
def test_data_that_are_not_a_record_are_refused(data):
    with pytest.raises(StoreRefusedError) as refusal:
        decode(data, "billing/invoices")
    assert "nothing was changed" in refusal.value.hint


@pytest.mark.parametrize("changes", [
    {"state": "asleep"}, {"state": []}, {"state": None}, {"tick": "05:30"}, {"tick": None}, {"latest": 7},
    {"token": "7"}, {"token": 7.5}, {"token": None}, {"token": True}, {"beat": [1]}, {"attempt": None}, {"pid": "x"},
    {"ttl": 0}, {"ttl": -30}, {"ttl": "30"}, {"ttl": float("nan")}, {"ttl": float("inf")}, {"ttl": None}, {"ttl": True},
    {"started": None}, {"renewed": "now"}, {"ended": "now"}, {"ended_boot": {}}, {"status": "0"}, {"renewed": 1e300},
    {"node": None}, {"run": 7}, {"boot": None}, {"job": 5}, {"user": []}, {"program": {}},
    {"history": 5}, {"history": ["x"]}, {"history": [7]},
])  # fmt: skip
def test_a_record_with_an_impossible_value_is_refused(changes):
    with pytest.raises(StoreRefusedError):
        decode(changed(**changes), "here")


@pytest.mark.parametrize("name", [n for n in FIELDS if n not in (
    "writer", "ended", "ended_boot", "status", "succeeded", "history",
)])  # fmt: skip
def test_a_record_that_lacks_a_field_is_refused(name):
    data = json.loads(VALID)
    del data[name]
    with pytest.raises(StoreRefusedError):
        decode(json.dumps(data).encode(), "here")


@given(st.binary())
def test_any_bytes_are_a_record_or_refused(data):
    read(data)


@given(st.integers(0, len(VALID) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_a_damaged_record_is_a_record_or_refused(at, put, lost):
    read(VALID[:at] + put + VALID[at + lost :])


@given(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=3))
def test_a_record_with_any_values_is_refused_or_can_be_written_again(changes):
    found = read(changed(**changes))
    assert found is None or read(encode(found)) == found


@given(st.integers(min_value=0, max_value=2**63), st.text(), st.floats(min_value=1, max_value=1e14))
def test_any_record_of_ours_is_read_as_it_was_written(token, program, ttl):
    ours = record(token=token, program=program, ttl=ttl)
    assert decode(encode(ours), "here") == ours


def test_each_beat_has_its_own_identity():
    first = record()
    assert len({first.identity, first.next_beat().identity, record(run="run-c").identity}) == 3


def test_settling_ends_the_run_and_adds_its_outcome_to_the_history():
    over = record().settled("failed", 3, 77.0, 55.0)
    assert (over.is_running, over.state, over.status, over.ended, over.ended_boot) == (
        False,
        "failed",
        3,
        77.0,
        55.0,
    )
    assert over.history == ({
        "tick": TICK.label, "node": "web2", "state": "failed", "status": 3, "token": 7, "attempt": 1,
        "started": record().started, "ended": 77.0,
    },)  # fmt: skip


def test_the_last_fifty_outcomes_are_kept():
    last = record()
    for number in range(HISTORY + 7):
        last = last.settled("done", number % 256, float(number), 0.0)
    assert HISTORY == 50
    assert [outcome["ended"] for outcome in last.history] == [float(n) for n in range(7, 57)]


def test_the_longest_record_fits_into_an_entry_with_room_to_spare():
    name = "x" * 100
    longest = record(
        job=f"{name}/{name}", node=name, user="\N{PILE OF POO}" * 100, program="\N{PILE OF POO}" * 255,
        boot=f"{'0' * 36}/time:[4026531834]", token=2**63, pid=2**22, attempt=2**31, tick=LATER,
    )  # fmt: skip
    for _ in range(HISTORY + 1):
        longest = longest.settled("cancelled", 255, 1795325400.123456, 1234567.123456)
    assert len(encode(longest)) < MAX_DATA / 2


def test_a_record_does_not_contain_the_arguments_of_the_command():
    assert not {"argv", "args", "command", "line", "env"} & set(FIELDS)


@pytest.mark.parametrize(("state", "is_running"), [
    ("running", True), ("revoked", True), ("done", False), ("failed", False), ("timed-out", False), ("lost", False),
    ("cancelled", False),
])  # fmt: skip
def test_a_revoked_run_counts_as_running_until_it_has_settled(state, is_running):
    assert record(state=state).is_running is is_running


@pytest.mark.parametrize("known", [record(), ended()])
def test_the_history_that_the_next_run_sees_is_never_longer_than_the_limit(known):
    rows = tuple({"number": number} for number in range(HISTORY))
    closed = known._replace(history=rows).closed_history()
    assert len(closed) == HISTORY
    settled = record(history=rows).settled("done", 0, 1.0, 1.0)
    assert len(settled.history) == HISTORY and settled.history[-1]["state"] == "done"
