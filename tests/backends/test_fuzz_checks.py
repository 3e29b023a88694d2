"""The checks of the fuzz can fail: forged logs, each with one thing wrong."""

import pytest
from fuzz_checks import Attempt, Hold, chain_faults, hold_faults

GOOD = [
    Attempt("a", "", 1, 0, 10, "published"),
    Attempt("b", "a", 2, 11, 20, "published"),
    Attempt("x", "a", 2, 12, 21, "none"),
    Attempt("c", "b", 3, 22, 30, "none"),  # published, and built on before its writer looked again
    Attempt("d", "c", 4, 25, 40, "published"),
    Attempt("e", "d", 5, 41, None, "unknown"),  # its writer was killed
    Attempt("f", "e", 6, 50, 60, "published"),
]


def test_a_good_chain_has_no_faults():
    assert chain_faults(GOOD, "f", 6) == []
    assert chain_faults([], "", 0) == []


@pytest.mark.parametrize(
    ("forged", "latest", "fault"),
    [
        ([*GOOD, Attempt("y", "a", 2, 12, 22, "published")], ("f", 6), "version 2 was published 2 times"),
        ([*GOOD, Attempt("y", "a", 2, 12, 22, "published")], ("f", 6), "a was replaced 2 times"),
        (
            [*GOOD, Attempt("z", "f", 7, 61, 62, "published")],
            ("f", 6),
            "z was reported published and is not in the chain",
        ),
        ([a for a in GOOD if a.id != "c"], ("f", 6), "version 3 holds 'c', which nobody wrote"),
        (GOOD, ("f", 7), "f was written as version 6 and is version 7"),
        (GOOD[1:], ("f", 6), "version 1 holds 'a', which nobody wrote"),
        ([GOOD[0]._replace(replaces="q"), *GOOD[1:]], ("f", 6), "version 1 replaced 'q'"),
        ([*GOOD, GOOD[0]], ("f", 6), "a was attempted 2 times"),
        (
            [*GOOD[:-1], GOOD[-1]._replace(began=1, ended=2)],
            ("f", 6),
            "f is after e in the chain, and had ended before",
        ),
    ],
)
def test_a_forged_chain_is_found_out(forged, latest, fault):
    assert any(found.startswith(fault) for found in chain_faults(forged, *latest))


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
def test_a_forged_hold_is_found_out(forged, fault):
    assert fault in hold_faults([*HOLDS, forged])
