"""If a rule can be switched off without a violation, either the rule or the simulator is wrong."""

import pytest

from .ablations import ABLATIONS, first_finding
from .invariants import violations
from .schedule import draw
from .world import World


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda ablation: ablation.rule.replace(" ", "-"))
def test_without_the_rule_its_violation_is_found(ablation):
    found = first_finding(ablation)
    assert found, f"{ablation.within} schedules without the rule, and no {ablation.finds}"
    assert not violations(World(ablation.focus(draw(found[0]))).run()), "it is there with the rule, too"
