"""Settings and fixtures for all tests."""

import os
import signal

import pytest
from fakes import FakeClock, Store
from hypothesis import HealthCheck, settings

from cronguard.system.statedir import StateDir

# A slow machine is not a failure. CI tries the same cases each time; a developer's machine tries new ones.
settings.register_profile(
    "cronguard",
    deadline=None,
    derandomize="CRONGUARD_CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("cronguard")

# A process started in the background of a shell ignores these signals, and its children inherit that. The tests of
# signals would then never see one.
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Report a skipped test as failed if CRONGUARD_CI is set: there, every test must be able to run."""
    report = yield
    if report.skipped and os.environ.get("CRONGUARD_CI"):
        report.outcome, report.longrepr = "failed", f"{item.nodeid} was skipped: {report.longrepr[-1]}"
    return report


def pytest_collection_modifyitems(items):
    """Start with the slow tests, which mostly wait: the quick ones then fill the gaps."""
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
