"""Which paths lead to a file system that can hang. The mounts are as the kernel lists them; the links are real."""

import os

import pytest

from cronguard.system import mounts
from cronguard.system.mounts import mounts_here, remote_mount_of


@pytest.fixture
def kinds(tmp_path):
    """Return the file system to which a path in the test's folder leads, with these mounts in that folder."""

    def find(path, **mounted):
        lines = ["27 1 254:0 / / rw - ext4 /dev/vda rw"]
        for number, (name, kind) in enumerate(mounted.items(), 40):
            lines.append(f"{number} 27 0:{number} / {tmp_path}/{name} rw - {kind} server:/x rw")
        found = remote_mount_of("\n".join(lines), f"{tmp_path}/{path}")
        return found and found.kind

    return find


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "9p", "fuse", "fuse.sshfs", "fuseblk", "autofs"])
def test_a_path_below_a_mount_that_can_hang_is_found(kinds, kind):
    assert kinds("home/app/state", home=kind) == kind
    assert kinds("home", home=kind) == kind
    assert kinds("homes/app", home=kind) is None


@pytest.mark.parametrize("kind", ["ext4", "tmpfs", "overlay", "fusectl"])
def test_a_disk_of_this_machine_is_not_remote(kinds, kind):
    assert kinds("home/app", home=kind) is None


def test_links_are_followed_to_where_they_lead(kinds, tmp_path):
    (tmp_path / "far").symlink_to("home/app")
    (tmp_path / "farther").symlink_to(tmp_path / "x" / ".." / "far")
    (tmp_path / "loop").symlink_to("loop")
    assert kinds("far", home="nfs4") == kinds("farther/state", home="nfs4") == "nfs4"
    assert kinds("far/../../other", home="nfs4") == "nfs4"  # the kernel goes there first
    assert kinds("loop/x", home="nfs4") is None


def test_nothing_behind_a_mount_that_can_hang_is_touched(kinds, monkeypatch, tmp_path):
    touched = []
    monkeypatch.setattr(mounts, "_link", touched.append)
    assert kinds("a/home/app/state", **{"a/home": "nfs4"}) == "nfs4"
    assert touched[-1] == f"{tmp_path}/a"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/h/app/x", None), ("/h/app", None), ("/h/other", "autofs"), ("/h", "autofs"), ("/", None)],
)
def test_what_an_automounter_has_mounted_counts(path, kind):
    lines = [
        "27 1 254:0 / / rw - ext4 /dev/vda rw",
        "40 27 0:40 / /h rw - autofs x rw",
        "41 40 0:41 / /h/app rw - ext4 x rw",
    ]
    found = remote_mount_of("\n".join(lines), path)
    assert (found and found.kind) == kind


def test_this_machines_own_folders_are_found_in_its_own_list():
    assert remote_mount_of(mounts_here(), os.path.abspath("/proc/self")) is None
