import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronguard.model.job import Job, check_name
from cronguard.store.contract import check_key
from cronguard.system.errors import UsageError

IMPOSSIBLE = [
    "", ".", "..", "../x", "a/b", "/a", "-a", "_a", ".a", "a b", "a\nb", "a\n", "a\0", "é", "\uff41", "a" * 101, "a:b", "~", "*",
]  # fmt: skip


@pytest.mark.parametrize("name", ["a", "7", "A.b_c-d", "a" * 100, "a..b"])
def test_a_valid_name_is_returned_unchanged(name):
    assert check_name(name, "--name") == name


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_invalid_name_is_refused_with_the_option_and_the_value(name):
    with pytest.raises(UsageError) as refusal:
        Job.of("billing", name)
    assert str(refusal.value) == f"--name: {name!r} is not a valid name"
    assert "letters, digits" in refusal.value.hint


@pytest.mark.parametrize("ns", IMPOSSIBLE)
def test_a_namespace_is_a_name_too(ns):
    with pytest.raises(UsageError, match=r"^--ns: "):
        Job.of(ns, "invoices")


def test_a_job_is_read_from_namespace_and_name():
    assert Job.parse("billing/invoices") == Job("billing", "invoices")


def test_a_job_without_namespace_is_in_the_default_one():
    assert Job.parse("invoices") == Job("default", "invoices")


@pytest.mark.parametrize("text", ["", "/", "a/", "/a", "a/b/c", "../b", "a/.."])
def test_an_invalid_job_is_refused(text):
    with pytest.raises(UsageError):
        Job.parse(text)


@given(st.text())
def test_no_text_makes_a_job_that_leaves_its_directory(text):
    try:
        key = Job.parse(text).key
    except UsageError:
        return
    assert ".." not in key.split("/") and check_key(key).count("/") == 2


def test_unnamed_jobs_differ_if_their_arguments_differ_only_in_how_they_are_split():
    assert Job.unnamed("n", ["a", "b c"], "app") != Job.unnamed("n", ["a", "b", "c"], "app")


def test_an_unnamed_job_is_named_after_its_user_and_its_program():
    assert Job.unnamed("n", ["/usr/bin/pg_dump", "-x"], "app").name.startswith("app-pg_dump-")


def test_two_users_with_the_same_line_have_two_jobs():
    assert Job.unnamed("n", ["a"], "app") != Job.unnamed("n", ["a"], "ops")


texts = st.binary().map(lambda raw: os.fsdecode(raw.replace(b"\0", b"")))


@given(st.lists(texts, min_size=1), texts.filter(bool))
def test_every_command_of_every_user_has_a_name(argv, user):
    name = Job.unnamed("n", argv, user).name
    assert check_name(name, "made") == name == Job.unnamed("n", list(argv), user).name
