import pytest
from nodes import Node


@pytest.fixture
def store(tmp_path):
    """A directory that the nodes share."""
    folder = tmp_path / "share"
    folder.mkdir()
    return folder


@pytest.fixture
def node(tmp_path, store):
    return Node(tmp_path / "home", store)


@pytest.fixture
def other(tmp_path, store):
    return Node(tmp_path / "other", store, "web2")
