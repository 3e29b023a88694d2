from fakes import ask

from cronguard.config.sources import NOT_INHERITED
from cronguard.run.environment import job_environment

TOLD = {
    "CRONGUARD_RUN": "run-a", "CRONGUARD_JOB": "billing/invoices", "CRONGUARD_RUN_TICK": "2026-11-22T05:30Z",
    "CRONGUARD_TOKEN": "7",
}  # fmt: skip


def test_the_jobs_environment_is_ours_and_the_variables_of_its_run():
    ours = {"PATH": "/bin", "LD_LIBRARY_PATH": "/x", "EMPTY": "", "A=": "odd"}
    assert job_environment(ours, ask(), 7) == {**ours, **TOLD}


def test_the_job_inherits_no_setting():
    assert job_environment(dict.fromkeys(NOT_INHERITED, "x"), ask(), 7) == TOLD


def test_the_job_inherits_the_nodes_name_and_state_directory():
    ours = {"CRONGUARD_NODE": "web1", "CRONGUARD_STATE_DIR": "/s"}
    assert job_environment(ours, ask(), 7) == {**ours, **TOLD}


def test_a_nested_run_gets_its_own_variables_not_those_of_the_outer_run():
    assert job_environment(dict.fromkeys(TOLD, "outer"), ask(), 7) == TOLD


def test_a_run_without_a_lease_has_no_token_not_even_that_of_an_outer_run():
    assert "CRONGUARD_TOKEN" not in job_environment({"CRONGUARD_TOKEN": "6"}, ask(), None)


def test_our_own_environment_is_not_changed():
    ours = {"CRONGUARD_NAME": "x"}
    job_environment(ours, ask(), 7)
    assert ours == {"CRONGUARD_NAME": "x"}
