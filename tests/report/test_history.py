from xml.etree import ElementTree as ET

import pytest
from fakes import LATER, TICK, Store, ended, record
from hypothesis import given
from hypothesis import strategies as st

from cronguard.report import svg, timeline
from cronguard.report.history import MISSED, OVERRUN, Run, as_row, recorded, runs, with_missed
from cronguard.schedule.schedule import Schedule

AT = TICK.epoch
EVERY_MINUTE = Schedule.parse("* * * * *", "UTC")


def run(minute=0, node="web1", state="done", took=1.0, **more):
    tick = AT + 60 * minute
    facts = dict(
        job="b/j", tick=tick, node=node, state=state, status=0, started=tick + 1.0, ended=tick + 1.0 + took
    )
    return Run(**{**facts, **more})


def outcomes(*found):
    return [{**ended().outcome(), **changes} for changes in found]


# what the record holds


def test_a_record_has_its_outcomes_and_the_run_in_progress(store):
    first = ended(history=(ended().outcome(),))
    store.publish(first)
    assert recorded(store, None, "billing/invoices") == {"billing/invoices": [first.history[0]]}
    store.publish(record(tick=LATER, history=first.history))
    assert [outcome["state"] for outcome in recorded(store, None, None)["billing/invoices"]] == [
        "done",
        "running",
    ]
    assert recorded(store, "other", None) == {}
    assert recorded(store, None, "billing/none") == {}


def test_a_forgotten_job_has_no_history(store: Store):
    store.publish(ended())
    store.publish(None)
    assert recorded(store, None, None) == {}


def test_runs_are_in_the_order_of_their_ticks_and_attempts():
    found = runs(
        "b/j",
        outcomes({"tick": LATER.label}, {"attempt": 2}, {"attempt": 1, "state": "crashed", "ended": None}),
    )
    assert [(r.tick, r.attempt, r.state) for r in found] == [
        (AT, 1, "crashed"),
        (AT, 2, "done"),
        (LATER.epoch, 1, "done"),
    ]
    assert [r.seconds for r in found] == [None, 1.0, 1.0]


@pytest.mark.parametrize(
    "changes",
    [{"tick": "x"}, {"tick": None}, {"state": 5}, {"state": "\x1b[31m"}, {"node": "a b"}, {"node": None}, {"started": "x"}, {"ended": 1e99},
     {"status": "0"}, {"attempt": None}, {"started": float("nan")}],
)  # fmt: skip
def test_a_malformed_outcome_is_left_out(changes):
    assert runs("b/j", outcomes(changes)) == []
    assert runs("b/j", [{}, {"tick": TICK.label}]) == []


# what was missed


def test_a_tick_without_a_run_was_missed():
    found = with_missed([run(0), run(1), run(4)], EVERY_MINUTE, AT + 6 * 60 + 30)
    assert [(r.tick - AT, r.state) for r in found if not r.node] == [
        (120, MISSED),
        (180, MISSED),
        (300, MISSED),
    ]
    assert [r.tick for r in found] == sorted(r.tick for r in found)


def test_a_tick_of_this_minute_may_still_be_run():
    assert with_missed([run(0)], EVERY_MINUTE, AT + 60 + 59) == [run(0)]
    assert [r.state for r in with_missed([run(0)], EVERY_MINUTE, AT + 120)] == ["done", MISSED]


def test_a_tick_during_an_earlier_run_was_not_missed_but_skipped():
    found = with_missed([run(0, took=150.0), run(4)], EVERY_MINUTE, AT + 4 * 60)
    assert [r.state for r in found] == ["done", OVERRUN, OVERRUN, MISSED, "done"]
    goes_on = with_missed([run(0, state="running", ended=None)], EVERY_MINUTE, AT + 4 * 60)
    assert [r.state for r in goes_on] == ["running", OVERRUN, OVERRUN, OVERRUN]


def test_after_a_crash_ticks_are_missed():
    found = with_missed([run(0, state="crashed", ended=None), run(2)], EVERY_MINUTE, AT + 3 * 60)
    assert [r.state for r in found] == ["crashed", MISSED, "done"]


def test_a_job_without_runs_has_no_missed_ticks():
    assert with_missed([], EVERY_MINUTE, AT) == []


def test_a_job_that_has_not_run_for_long_does_not_fill_the_memory():
    assert len(with_missed([run(0)], EVERY_MINUTE, AT + 366 * 86400)) == 201


def test_a_line_for_programs_has_these_keys():
    assert as_row(run()) == {
        "job": "b/j", "tick": TICK.label, "node": "web1", "state": "done", "status": 0, "attempt": 1, "started": AT + 1.0,
        "ended": AT + 2.0, "seconds": 1.0,
    }  # fmt: skip


# pictures

RUNS = [
    run(0),
    run(1, "web2", "failed"),
    run(2, "", MISSED, started=None, ended=None),
    run(3, state="running", ended=None),
]


def test_the_picture_has_a_row_for_each_node_and_a_column_for_each_tick():
    assert timeline.draw(RUNS, 80, unicode=False).splitlines() == [
        "          2026-11-22T05:30Z ... 2026-11-22T05:33Z",
        "web1      #..>",
        "web2      .x..",
        "(nobody)  ..o.",
        "# done  x failed  > running  o missed",
    ]
    assert timeline.draw(RUNS, 80).splitlines()[1] == "web1      ●··▶"


def test_each_state_has_its_own_signs():
    for signs in zip(*timeline.MARKS.values(), strict=True):
        assert len(set(signs)) == len(signs) or signs[0].isdigit()
    assert all(mark.plain.isascii() for mark in timeline.MARKS.values())


def test_a_narrow_terminal_shows_the_newest_ticks():
    many = [run(minute) for minute in range(200)]
    lines = timeline.draw(many, 60, unicode=False).splitlines()
    assert lines[1] == "web1  " + "#" * 54
    assert lines[0].endswith("2026-11-22T08:49Z") and all(len(line) <= 60 for line in lines)
    assert "#" * 8 in timeline.draw(many, 3, unicode=False)


def test_the_legend_wraps_between_words():
    states = [run(minute, state=state) for minute, state in enumerate(timeline.MARKS)]
    legend = timeline.draw(states, 40, unicode=False).splitlines()[2:]
    assert len(legend) > 2 and all(len(line) <= 40 for line in legend)


def test_colours_are_used_only_if_requested():
    assert "\x1b[32m●\x1b[0m" in timeline.draw(RUNS, 80, colour=True)
    assert "\x1b" not in timeline.draw(RUNS, 80)


def test_a_state_of_a_newer_cronguard_is_drawn_too():
    assert "? asleep" in timeline.draw([run(state="asleep")], 80)


def test_without_runs_the_picture_is_empty():
    assert timeline.draw([], 80) == ""
    assert ET.fromstring(svg.draw([], AT)).tag.endswith("svg")


def test_an_svg_picture_has_a_bar_with_a_title_for_each_run():
    root = ET.fromstring(svg.draw(RUNS, AT + 400))
    said = [bar[0].text for bar in root.iter("{http://www.w3.org/2000/svg}rect") if len(bar)]
    assert said == [
        "b/j 2026-11-22T05:30Z on web1: done after 1s",
        "b/j 2026-11-22T05:33Z on web1: running",
        "b/j 2026-11-22T05:31Z on web2: failed after 1s",
        "b/j 2026-11-22T05:32Z: missed",
    ]
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words[:4] == ["done", "failed", "running", "missed"] and {"web1", "web2", "(nobody)"} <= set(words)


@given(
    st.lists(
        st.builds(
            Run, job=st.sampled_from(["a/b", '<&">', "é"]), tick=st.integers(0, 4 * 10**9).map(lambda n: n - n % 60),
            node=st.sampled_from(["", "web1", "]]>", "'"]), state=st.sampled_from([*timeline.MARKS, "asleep"]),
            status=st.none() | st.integers(0, 255), attempt=st.integers(1, 3), started=st.none() | st.floats(0, 4e9), ended=st.none() | st.floats(0, 4e9),
        ),
        max_size=8,
    ),
    st.integers(1, 200),
)  # fmt: skip
def test_any_runs_can_be_drawn(found, width):
    root = ET.fromstring(svg.draw(found, AT))
    for bar in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert bar.get("width") == "100%" or float(bar.get("width")) >= 4
    assert len([text for text in root.iter("{http://www.w3.org/2000/svg}text") if text.get("y")]) < 200
    timeline.draw(found, width)
