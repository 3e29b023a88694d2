"""Every call of a claim, a renewal, a settlement and a takeover fails once, in each of ten ways."""

import pytest
from matrix import cases, try_case
from steps import STEPS, changes_names
from troubles import TROUBLES

ROWS = [
    (scheme, step, trouble)
    for scheme in ("dir", "file")
    for step in STEPS
    for trouble in TROUBLES
    if not TROUBLES[trouble].is_late or changes_names(scheme, step)
]


@pytest.mark.parametrize(("scheme", "step", "trouble"), ROWS)
def test_no_fault_makes_two_holders_or_stops_the_next_tick(site, record_property, scheme, step, trouble):
    tried = cases(site, scheme, step, trouble)
    assert tried
    for case in tried:
        record_property("case", (*case, try_case(site, case)))
