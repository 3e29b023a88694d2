import shutil
import tempfile
from pathlib import Path

import pytest
from machine import Machine


@pytest.fixture
def ground():
    """A folder that all users can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="cronguard-doctor-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def machine(ground):
    machine = Machine(ground / "web1")
    yield machine
    machine.close()


@pytest.fixture
def other(ground, machine):
    """A second node with the same share."""
    other = Machine(ground / "web2", "web2", machine.share)
    yield other
    other.close()
