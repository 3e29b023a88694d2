"""`doctor --init` creates what is missing, but nothing if the share seems not to be mounted."""

import errno
import grp
import os
import shutil
import stat

import pytest
import sshd

from cronguard.doctor import preparation
from cronguard.store.storage import Storage
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError
from cronguard.system.statedir import StateDir

GROUP = grp.getgrgid(os.getegid()).gr_name


def made(machine, *argv, status=0):
    returned, found = machine.doctor("--init", *argv)
    assert returned == status, found
    return found["init"]


@pytest.mark.parametrize("scheme", ["dir", "file"])
def test_a_missing_directory_is_created_with_its_group_and_mode(machine, scheme):
    new = machine.share / "new"
    machine.write_config(backend=f"{scheme}:{new}")
    assert made(machine, "--group", GROUP)["what"].startswith(f"created {new}, group")
    found = new.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o2770, os.getegid())
    assert made(machine)["what"] == f"{new} exists"


def test_without_a_group_the_directory_is_for_its_owner_only(machine):
    machine.write_config(backend=f"dir:{machine.share}/new")
    assert "mode 0700" in made(machine)["what"]
    assert stat.S_IMODE((machine.share / "new").stat().st_mode) == 0o700


def test_nothing_is_left_if_the_group_cannot_be_set(machine, monkeypatch):
    """Otherwise the directory would exist, but be closed to the users that it is meant for."""

    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(preparation.os, "chown", refused)
    storage = Storage(f"dir:{machine.share}/new", StateDir(str(machine.state), "web1"), 30.0, Clock())
    with pytest.raises(BackendError, match="only root or a member"):
        preparation.make_directory(storage, grp.getgrgid(os.getegid()).gr_name)
    assert not (machine.share / "new").exists()


def test_nothing_is_created_if_the_parent_directory_is_missing(machine):
    machine.write_config(backend=f"dir:{machine.share}/not-mounted/new")
    assert made(machine, status=1)["do"] == "check that the share is mounted"
    assert not (machine.share / "not-mounted").exists()


def test_nothing_is_created_if_this_node_has_used_the_store_before(machine):
    assert machine.ill() == {}
    shutil.rmtree(machine.share)
    assert "has used it" in made(machine, status=1)["what"]
    assert not machine.share.exists()


def test_the_local_backend_needs_nothing(machine):
    machine.write_config(backend="local")
    assert made(machine)["state"] == "ok"
    assert machine.ill() == {}


def test_the_directory_on_a_lock_host_is_created(machine, ground):
    sshd.require()
    new = ground / "lock-host-share"
    with sshd.Sshd(ground / "lock-host") as host:
        machine.write_config(backend=host.url(new))
        first, again = (machine.doctor("--init", **host.env)[1]["init"]["what"] for _ in range(2))
    assert first.startswith("created ") and again.endswith(" exists")
    assert stat.S_IMODE(new.stat().st_mode) == 0o2770
