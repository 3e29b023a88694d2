"""The table of mutants fits the code and the tests; `make mutate` runs it."""

import re

import pytest
from mutate import ROOT, mutants


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.rule.replace(" ", "-"))
def test_each_mutant_changes_one_place_and_names_tests_that_exist(mutant):
    code = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert mutant.applied(code) != code
    compile(mutant.applied(code), mutant.file, "exec")
    assert mutant.tests
    for test in mutant.tests:
        path, name = test.split("::")
        assert re.search(
            rf"^def {re.escape(name.partition('[')[0])}\(", (ROOT / path).read_text(), re.MULTILINE
        )
