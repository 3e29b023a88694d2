import json

import pytest

import cronguard.admin.override  # noqa: F401 - defines an error
from cronguard.store.url import silent
from cronguard.system import errors
from cronguard.system.errors import CronguardError, as_message, from_message

KINDS = [CronguardError, *errors._all_kinds(CronguardError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("hint", [None, "see 'the' \"manual\"\n"])
def test_every_error_can_be_sent_to_another_process(kind, hint):
    sent = json.loads(json.dumps(as_message(kind("dir:/ä\udcff: gone", hint))))
    arrived = from_message(sent)
    assert (type(arrived), str(arrived), arrived.hint) == (kind, "dir:/ä\udcff: gone", hint)


def test_an_error_of_an_unknown_kind_is_a_bug():
    arrived = from_message({"error": "MartianError", "message": "m", "hint": None})
    assert (type(arrived), arrived.status) == (CronguardError, 70)


@pytest.mark.parametrize(("name", "status"), [
    ("CronguardError", 70), ("UsageError", 64), ("ConfigError", 78), ("CommandNotFoundError", 127),
    ("CommandNotExecutableError", 126), ("BackendError", 69), ("StoreRefusedError", 78), ("StoreForbiddenError", 77),
    ("HeldError", 75),
])  # fmt: skip
def test_every_error_has_its_exit_status(name, status):
    assert {kind.__name__: kind.status for kind in KINDS}[name] == status


def test_no_two_errors_have_the_same_name():
    assert len({kind.__name__ for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    ("url", "told", "where"),
    [
        ("dir:/share", "the backend dir:/share has not answered for 5s", "its storage hangs"),
        ("ssh://cron@h/x", "the backend ssh://cron@h/x has not answered for 5s", "its host can be reached"),
        ("etcd://u:hunter2@h/x", "the backend etcd://u@h/x has not answered for 5s", "its host"),
    ],
)
def test_an_unresponsive_store_is_reported_with_a_hint_and_without_a_password(url, told, where):
    error = silent(url, 5.0)
    assert (str(error), error.status) == (told, 69)
    assert where in error.hint and "--backend-timeout" in error.hint
