"""If a rule can be switched off without harm, it is not needed, or the crash matrix cannot fail."""

import pytest
from matrix import ViolationError, cases, try_case
from rules_off import RULES_OFF

from cronguard.store.files import slots


@pytest.mark.parametrize("off", RULES_OFF, ids=lambda off: off.rule.replace(" ", "-"))
def test_without_the_rule_the_matrix_finds_the_fault_that_it_prevents(site, monkeypatch, off):
    monkeypatch.setattr(slots, "SLOT", off.slot)
    with pytest.raises(ViolationError, match=off.finds):
        try_row(site, off)


def try_row(site, off):
    for case in cases(site, off.scheme, off.step, off.trouble, off.rules):
        try_case(site, case, off.rules)
