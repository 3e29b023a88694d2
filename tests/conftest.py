"""What holds for all tests."""

import os
import signal

import pytest
from fakes import FakeClock, Store
from hypothesis import HealthCheck, settings

from cronguard.system.statedir import StateDir

# A slow machine is no failure. Where a submission is judged, the same cases are tried each time; new ones at home.
settings.register_profile(
    "cronguard",
    deadline=None,
    derandomize="CRONGUARD_CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cronguard")

# Who was started in the background of a shell ignores these, and hands that on: no test of signals would see one.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where CRONGUARD_CI says that everything can be tested, a test that cannot run has failed."""
    report = yield
    if report.skipped and os.environ.get("CRONGUARD_CI"):
        report.outcome, report.longrepr = "failed", f"{item.nodeid} was skipped: {report.longrepr[-1]}"
    return report


def pytest_collection_modifyitems(items):
    """Begin with the slow ones, which mostly wait: the quick ones then fill the gaps."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(clock):
    """A store in memory."""
    return Store(clock)


@pytest.fixture
def state(tmp_path):
    return StateDir(str(tmp_path / "state"), "web1")
