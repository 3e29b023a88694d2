import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))  # where fusefs is

import fusefs
from rig import Cluster


@pytest.fixture
def cluster(tmp_path):
    """Nodes that meet in a directory; whatever a test leaves running is ended."""
    nodes = Cluster(tmp_path)
    yield nodes
    nodes.clean_up()


@pytest.fixture
def mount(tmp_path):
    """A directory on storage that fails as it is told."""
    if reason := fusefs.reason_not_to_mount():
        pytest.skip(reason)
    under = tmp_path / "under"
    under.mkdir()
    with fusefs.Mount(under, tmp_path / "mnt", tmp_path / "faults") as mount:
        yield mount


@pytest.fixture
def mounted(tmp_path, mount):
    """Nodes that meet in that directory; what hangs there is let go before they are ended."""
    nodes = Cluster(tmp_path, share=tmp_path / "mnt", under=tmp_path / "under")
    yield nodes
    mount.faults.clear()
    nodes.clean_up()
