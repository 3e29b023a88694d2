"""A rule that can be switched off without harm is wrong, or the simulator is."""

import pytest

from .ablations import ABLATIONS, first_finding


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda ablation: ablation.rule.replace(" ", "-"))
def test_without_the_rule_its_violation_is_found(ablation):
    assert first_finding(ablation), f"{ablation.within} schedules without the rule, and no {ablation.finds}"
