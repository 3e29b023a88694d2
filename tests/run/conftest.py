import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))  # where fusefs is

import fusefs
from rig import Cluster


@pytest.fixture
def cluster(tmp_path):
    """Nodes that share a directory; processes that a test leaves running are killed."""
    nodes = Cluster(tmp_path)
    yield nodes
    nodes.clean_up()


@pytest.fixture
def mount(tmp_path):
    """A directory on storage that fails on request."""
    if reason := fusefs.reason_not_to_mount():
        pytest.skip(reason)
    under = tmp_path / "under"
    under.mkdir()
    with fusefs.Mount(under, tmp_path / "mnt", tmp_path / "faults") as mount:
        yield mount


@pytest.fixture
def mounted(tmp_path, mount):
    """Nodes that share that directory; calls that hang there are released before the processes are killed."""
    nodes = Cluster(tmp_path, share=tmp_path / "mnt", under=tmp_path / "under")
    yield nodes
    mount.faults.clear()
    nodes.clean_up()
