import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronguard.model.pause import Pause
from cronguard.model.pauses import Pauses, decode, encode, pauses_key
from cronguard.model.target import JOB, NAMESPACE, NODE, Target
from cronguard.system.errors import StoreRefusedError, UsageError

NIGHTLY = Target(JOB, "billing/nightly")
BILLING = Target(NAMESPACE, "billing")
FOREVER = Pause(1000.0, None, "books", "root@web1")
SHORT = Pause(1000.0, 1300.0, "", "root@web1")


def test_the_pauses_have_a_key_of_their_own():
    assert pauses_key("billing") == "pause/cluster/billing"


def test_a_pause_of_a_job_affects_only_that_job():
    paused = Pauses().changed(NIGHTLY, FOREVER, 1000.0)
    assert paused.against("billing", "nightly", 2000.0) == (NIGHTLY, FOREVER)
    assert paused.against("billing", "nightly-eu", 2000.0) is None


def test_a_pause_of_a_namespace_affects_all_its_jobs_and_is_reported_first():
    paused = Pauses().changed(NIGHTLY, SHORT, 1000.0).changed(BILLING, FOREVER, 1000.0)
    for job in ("nightly", "other"):
        assert paused.against("billing", job, 1001.0) == (BILLING, FOREVER)


def test_removing_one_pause_keeps_the_other():
    both = Pauses().changed(NIGHTLY, FOREVER, 1000.0).changed(BILLING, FOREVER, 1000.0)
    assert both.changed(BILLING, None, 1001.0).holding("billing", 1001.0) == [(NIGHTLY, FOREVER)]
    assert both.changed(NIGHTLY, None, 1001.0).holding("billing", 1001.0) == [(BILLING, FOREVER)]


def test_an_expired_pause_has_no_effect_and_the_next_change_drops_it():
    paused = Pauses().changed(NIGHTLY, SHORT, 1000.0).changed(BILLING, SHORT, 1000.0)
    assert paused.against("billing", "nightly", 1299.9)
    assert paused.against("billing", "nightly", 1300.0) is None
    later = paused.changed(Target(JOB, "billing/other"), FOREVER, 1300.0)
    assert (later.whole, later.jobs) == (None, {"other": FOREVER})


@given(st.lists(st.tuples(st.sampled_from([NIGHTLY, BILLING]), st.sampled_from([FOREVER, SHORT, None]))))
def test_the_last_change_to_each_target_is_in_force(changes):
    paused = Pauses()
    for target, pause in changes:
        paused = paused.changed(target, pause, 1000.0)
    said = dict(changes)
    for wall in (1100.0, 1400.0):
        holds = [one for one in (BILLING, NIGHTLY) if said.get(one) and said[one].holds(wall)]
        assert [target for target, _ in paused.holding("billing", wall)] == holds


@pytest.mark.parametrize("pauses", [
    Pauses(), Pauses(FOREVER, {"a": SHORT, "b": FOREVER}, "me", 3, (("zzz", [1]),)),
])  # fmt: skip
def test_pauses_are_read_as_they_were_written(pauses):
    assert decode(encode(pauses), "here") == pauses


def test_control_characters_from_the_store_are_removed():
    evil = Pause(1.0, None, "\x1b[2Jwiped\nagain " + "x" * 300, "root\x07@web1")
    read = decode(encode(Pauses(evil, sequence=1)), "here").whole
    assert read.reason.startswith("?[2Jwiped again x") and len(read.reason) == 200
    assert read.by == "root?@web1"


@pytest.mark.parametrize("broken", [
    b"{", b"[]", b'{"format":1}', b'{"format":9,"writer":"cronguard 9.0"}',
    encode(Pauses(FOREVER._replace(until=float("inf")))),
    encode(Pauses(jobs={"../x": FOREVER})),
    b'{"format":1,"whole":null,"jobs":{"a":{"since":1}},"by":"","sequence":1}',
])  # fmt: skip
def test_an_entry_without_valid_pauses_is_refused(broken):
    with pytest.raises(StoreRefusedError, match="here"):
        decode(broken, "here")


# targets


@pytest.mark.parametrize(("named", "target"), [
    ((None, None, None), Target(NODE, "web1")),
    ((None, None, "web2"), Target(NODE, "web2")),
    ((None, "billing", None), BILLING),
    (("billing/nightly", None, None), NIGHTLY),
    (("nightly", None, None), Target(JOB, "default/nightly")),
])  # fmt: skip
def test_a_target_is_a_job_a_namespace_a_node_or_this_node(named, target):
    assert Target.chosen(*named, "web1") == target


@pytest.mark.parametrize("named", [("a/b", "a", None), ("a/b", None, "web1"), (None, "a", "web1"), ("a", "b", "c"), ("", "a", None)])  # fmt: skip
def test_two_targets_are_refused(named):
    with pytest.raises(UsageError, match="only one is allowed"):
        Target.chosen(*named, "web1")


@pytest.mark.parametrize("named", [("../x", None, None), (None, "a/b", None), (None, None, "x y"), ("", None, None), (None, "", None), (None, None, "")])  # fmt: skip
def test_a_target_must_be_a_valid_name(named):
    with pytest.raises(UsageError, match="is not a valid name"):
        Target.chosen(*named, "web1")
