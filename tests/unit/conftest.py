import pytest
from fakes import FakeClock, Store
from hypothesis import settings

from cronguard.statedir import StateDir

settings.register_profile("no-deadline", deadline=None)  # a slow machine is no failure
settings.load_profile("no-deadline")


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(clock):
    return Store(clock)


@pytest.fixture
def state(tmp_path):
    return StateDir(str(tmp_path / "state"), "web1")
