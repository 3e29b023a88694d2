"""The checks of the fuzz can fail: forged logs, each with one error."""

import pytest
from fuzz_checks import Hold, hold_faults

from cronguard.doctor.chain import Attempt, End, chain_faults

GOOD = [
    Attempt("a", "", 0, 0, 10, "published", 10),
    Attempt("b", "a", 10, 11, 20, "published", 20),
    Attempt("x", "a", 10, 12, 21, "none"),
    Attempt("c", "b", 20, 22, 30, "none"),  # published, and built on before its writer checked
    Attempt("d", "c", 30, 25, 40, "published", 40),
    Attempt("e", "d", 40, 41, None, "unknown"),  # its writer was killed
    Attempt("f", "e", 50, 50, 60, "published", 60),
]


def test_a_good_chain_has_no_faults():
    assert chain_faults(GOOD, End("f", 60)) == []
    assert chain_faults([], End()) == []
    assert chain_faults(GOOD[4:], End("f", 60), End("c", 30)) == []


@pytest.mark.parametrize(
    ("forged", "latest", "fault"),
    [
        (
            [*GOOD, Attempt("y", "a", 10, 12, 22, "published", 20)],
            ("f", 60),
            "version 20 was published 2 times",
        ),
        ([*GOOD, Attempt("y", "a", 10, 12, 22, "published", 20)], ("f", 60), "a was replaced 2 times"),
        (
            [*GOOD, Attempt("z", "f", 60, 61, 62, "published", 70)],
            ("f", 60),
            "z was reported as published but is not in the chain",
        ),
        ([a for a in GOOD if a.id != "c"], ("f", 60), "version 30 holds 'c', which nobody wrote"),
        (GOOD, ("f", 70), "f was published as version 60 but is version 70"),
        (GOOD[1:], ("f", 60), "version 10 holds 'a', which nobody wrote"),
        (
            [GOOD[0]._replace(replaces="q"), *GOOD[1:]],
            ("f", 60),
            "the chain does not start where it should: its first record replaced 'q'",
        ),
        ([*GOOD[:-1], GOOD[-1]._replace(over=60)], ("f", 60), "f is version 60 but replaces version 60"),
        ([*GOOD, GOOD[0]], ("f", 60), "a was attempted 2 times"),
        (
            [*GOOD[:-1], GOOD[-1]._replace(began=1, ended=2)],
            ("f", 60),
            "f follows e in the chain but finished before e started",
        ),
    ],
)
def test_a_forged_chain_is_detected(forged, latest, fault):
    assert any(found.startswith(fault) for found in chain_faults(forged, End(*latest)))


HOLDS = [
    Hold("web2", 8, 20, 30),
    Hold("web1", 7, 10, 20),
    Hold("web3", 9, 31, None),
    Hold("web1", 10, 90, 95),
]


def test_good_holds_have_no_faults():
    assert hold_faults(HOLDS) == []


@pytest.mark.parametrize(
    ("forged", "fault"),
    [
        (Hold("web3", 11, 94, 99), "web3 started while web1 was running"),
        (Hold("web3", 11, 15, 16), "web3 started while web1 was running"),
        (Hold("web3", 10, 97, 99), "token 10 of web3 came after 10 of web1"),
        (Hold("web3", 3, 97, 99), "token 3 of web3 came after 10 of web1"),
    ],
)
def test_a_forged_hold_is_detected(forged, fault):
    assert fault in hold_faults([*HOLDS, forged])


def test_times_of_two_machines_are_not_compared():
    late = GOOD[-1]._replace(began=1, ended=2)
    assert chain_faults([*GOOD[:-1], late], End("f", 60))
    assert chain_faults([*GOOD[:-1], late._replace(clock="web2")], End("f", 60)) == []


def test_a_chain_that_starts_at_the_wrong_record_is_detected():
    assert chain_faults(GOOD[4:], End("f", 60), End("q", 30)) == [
        "the chain does not start where it should: its first record replaced 'c'"
    ]
