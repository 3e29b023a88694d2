"""Each rule of the directory backend is needed: without it, real processes show the fault that it prevents."""

import pytest
from version_stress import AllRules, AnyFirstNumber, NoRenamingAway, NoSecondLook, run, violations

ROUNDS = 120  # of each process
TRIES = 5  # on a busy machine a race may not happen


@pytest.mark.parametrize("new_keys", [False, True])
def test_with_all_rules_no_version_is_replaced_twice_and_all_can_be_read(tmp_path, new_keys):
    reports = run(AllRules, tmp_path, ROUNDS, new_keys=new_keys)
    assert violations(reports) == []
    assert sum("id" in report for process in reports for report in process) >= ROUNDS


@pytest.mark.parametrize(
    ("rules", "new_keys"), [(NoSecondLook, False), (NoRenamingAway, False), (AnyFirstNumber, True)]
)
def test_without_one_of_the_rules_there_are_violations(tmp_path, rules, new_keys):
    places = (tmp_path / str(number) for number in range(TRIES))
    assert any(violations(run(rules, place, ROUNDS, new_keys=new_keys)) for place in places)
