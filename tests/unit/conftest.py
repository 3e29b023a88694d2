import pytest
from fakes import FakeClock, Store

from cronguard.statedir import StateDir


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(clock):
    return Store(clock)


@pytest.fixture
def state(tmp_path):
    return StateDir(str(tmp_path / "state"), "web1")
