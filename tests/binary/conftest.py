"""Tests of the files that `make binary` has built. Only `make binary-test` runs them: it sets CRONGUARD_PROGRAM."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests/run"))  # where the rig is

if "CRONGUARD_PROGRAM" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def cluster(tmp_path):
    """Nodes that run the single file."""
    from rig import Cluster

    nodes = Cluster(tmp_path)
    yield nodes
    nodes.clean_up()


@pytest.fixture(scope="session")
def deb():
    """The Debian package."""
    from cronguard import __version__

    return next((CHECKOUT / "dist").glob(f"cronguard_{__version__}_*.deb"))


@pytest.fixture
def unpacked(deb, tmp_path):
    """The root of an unpacked copy of the package."""
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    return root
