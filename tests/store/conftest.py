import os
import tempfile

import pytest
import sshd
from faulty_port import Port
from login import Login
from stores import KEY, PARAMS, STORES, Directory, File, make_store

from cronguard.store.files.localport import LocalPort
from cronguard.store.files.versioned import VersionedBackend


@pytest.fixture
def place():
    """A folder that other users can reach, like a mounted share."""
    with tempfile.TemporaryDirectory(prefix="cronguard-test-") as folder:
        os.chmod(folder, 0o755)
        yield folder


@pytest.fixture(params=PARAMS)
def store(request, place, monkeypatch):
    return make_store(request.param, place, monkeypatch)


@pytest.fixture(params=["dir", "file"])
def shared(request, place):
    return STORES[request.param](place)


@pytest.fixture
def login(lock_host, place, monkeypatch):
    return Login(lock_host, place, monkeypatch)


@pytest.fixture
def directory(place):
    return Directory(place)


@pytest.fixture
def file(place):
    return File(place)


@pytest.fixture
def port(directory):
    return Port(directory.root)


@pytest.fixture
def versioned(directory, port):
    """This node's backend."""
    return VersionedBackend(port, directory.root, directory.clock)


@pytest.fixture
def other(directory):
    """Another node's backend, on a tree without faults."""
    return VersionedBackend(LocalPort(directory.root), directory.root, directory.clock)


@pytest.fixture
def folder(directory):
    return f"{directory.root}/v1/{KEY}"


@pytest.fixture
def lock_files(file):
    return file.open()


@pytest.fixture
def path(file):
    """The lock file of KEY."""
    return f"{file.root}/file-v1/{KEY}.lock"


@pytest.fixture
def lock_host(tmp_path):
    """An sshd of the test's own."""
    sshd.require()
    with sshd.Sshd(tmp_path / "lock-host") as host:
        yield host
