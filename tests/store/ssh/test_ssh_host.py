"""What happens on the lock host: chroot, groups and modes, other ways to reach the same directory, a full disk."""

import os
import re
import shutil
import stat
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest
import sshd
from login import Login
from stores import KEY, publish

from cronguard.store.contract import Entry, open_backend
from cronguard.store.ssh.sftp import Sftp
from cronguard.system.errors import BackendError, ConfigError, StoreForbiddenError, StoreRefusedError
from cronguard.system.statedir import StateDir

CHECKOUT = Path(__file__).resolve().parents[3]
NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes users, mounts and groups")


@pytest.fixture
def login(lock_host, place, monkeypatch):
    return Login(lock_host, place, monkeypatch)


@pytest.fixture
def root(login):
    return Path(f"{login.place}/share")


def tree(root):
    return [root, *root.rglob("*")]


def local(login, scheme="dir"):
    return open_backend(
        f"{scheme}:{login.place}/share", login.clock, StateDir(f"{login.place}/state", "web2")
    )


# The account from the manual


def manual_block():
    """Return the lines for sshd_config from the manual."""
    page = (CHECKOUT / "man/cronguard.1").read_text()
    (block,) = re.findall(
        r"^\.Bd -literal -offset indent\n(MaxStartups.*?)^\.Ed$", page, re.DOTALL | re.MULTILINE
    )
    return block


def other_world(folder):
    """Return a command that gives its children a user cronguard in /etc/passwd, and the directory /srv/cronguard.

    Both exist only in a separate mount namespace, so nothing is left on this machine.
    """
    for name, line in (
        ("passwd", "cronguard:x:54321:54321::/nonexistent:/usr/sbin/nologin"),
        ("group", "cronguard:x:54321:"),
    ):
        (folder / name).write_text(Path(f"/etc/{name}").read_text() + line + "\n")
    script = f"""
        mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/group /etc/group &&
        mount -t tmpfs -o mode=755 srv /srv && install -d -o root -g root -m 755 /srv/cronguard &&
        install -d -o 54321 -g 54321 -m 700 /srv/cronguard/locks && exec "$@"
    """
    return ["unshare", "--mount", "sh", "-c", script, "sh"]


@needs_root
def test_the_account_from_the_manual_is_sufficient(place, monkeypatch):
    sshd.require()
    host = sshd.Sshd(
        f"{place}/lock-host",
        f"UsePAM no\nSubsystem sftp /usr/lib/openssh/sftp-server\n{manual_block()}",
        user="cronguard",
        wrapped_by=other_world(Path(place)),
    )
    with host:
        login = Login(host, place, monkeypatch)
        with closing(login.open(host.url("/locks"))) as backend:
            assert [publish(backend).version for _ in range(20)] == list(range(1, 21))
            assert [entry.key for entry in backend.scan("lease/")] == [KEY]
            assert abs(backend.now() - login.clock.wall()) < 3600
        with pytest.raises(BackendError, match="does not exist"):
            login.use(host.url("/srv/cronguard/locks"))
        with pytest.raises(StoreForbiddenError, match=r"127\.0\.0\.1:/v1"):
            login.use(host.url("/"))


# The directory, its group and its modes


def test_a_missing_directory_is_not_created(login, root):
    root.rmdir()
    with pytest.raises(BackendError, match=r"127\.0\.0\.1:.*/share does not exist") as caught:
        login.use()
    assert f"mkdir {root}" in caught.value.hint
    assert not root.exists()


def test_a_path_that_is_not_a_directory_is_a_configuration_error(login, root):
    root.rmdir()
    root.touch()
    with pytest.raises(ConfigError, match="is not a directory"):
        login.use()


def test_a_store_that_this_node_has_used_is_not_created_again(login, root):
    login.use()
    shutil.rmtree(root / "v1")
    with pytest.raises(BackendError, match="is gone, but this node has used it"):
        login.use()
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("umask", ["022", "077", "000"])
@pytest.mark.parametrize("mode", [0o700, 0o2770, 0o775])
def test_new_files_have_the_mode_of_the_root_whatever_the_servers_umask(login, lock_host, root, umask, mode):
    lock_host.stop()
    lock_host.config = f"Subsystem sftp internal-sftp -u {umask}\n"
    lock_host.start()
    root.chmod(mode)
    login.use()
    for path in tree(root):
        found = stat.S_IMODE(path.stat().st_mode)
        assert oct(found) == oct(mode if path.is_dir() else mode & 0o666), path


def test_a_directory_is_open_to_the_other_users_even_if_the_reply_to_its_creation_was_lost(
    login, lock_host, root, monkeypatch
):
    lock_host.stop()
    lock_host.config = "Subsystem sftp internal-sftp -u 077\n"
    lock_host.start()
    root.chmod(0o770)
    first, lost = Sftp.make, set()

    def make(self, path, mode):
        attributes = first(self, path, mode)
        if ".staging-" not in path and path not in lost:
            lost.add(path)
            raise ConnectionResetError("cut")
        return attributes

    monkeypatch.setattr(Sftp, "make", make)
    assert login.use().version == 1
    assert len(lost) == len(Path(KEY).parts) + 1
    assert {oct(stat.S_IMODE(p.stat().st_mode)) for p in tree(root) if p.is_dir()} == {"0o770"}


@needs_root
@pytest.mark.parametrize("mode", [0o770, 0o2770])
def test_new_files_have_the_group_of_the_root(login, root, mode):
    os.chown(root, -1, 54321)
    root.chmod(mode)
    login.use()
    assert {path.stat().st_gid for path in tree(root)} == {54321}
    assert {path.stat().st_uid for path in tree(root)} == {0}


# Foreign files


@pytest.mark.parametrize("place_of_it", ["v1", "v1/lease", f"v1/{KEY}"])
def test_a_file_in_the_place_of_a_directory_is_refused_and_left_alone(login, root, place_of_it):
    path = root / place_of_it
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("precious")
    with pytest.raises(StoreRefusedError):
        login.use()
    assert path.read_text() == "precious"


def test_a_directory_in_the_place_of_a_record_is_refused(login, root):
    (root / f"v1/{KEY}/{1:020}/record.json").mkdir(parents=True)
    with pytest.raises(StoreRefusedError):
        login.use()


def test_a_huge_file_in_the_place_of_a_record_is_an_error(login, root):
    version = root / f"v1/{KEY}/{1:020}"
    version.mkdir(parents=True)
    with (version / "record.json").open("w") as file:
        file.truncate(1 << 40)
    with pytest.raises(BackendError, match="larger"):
        login.use()


# Renaming


@pytest.mark.parametrize("kind", ["plain", "posix-rename@openssh.com"])
def test_no_kind_of_rename_replaces_a_directory_that_is_not_empty(login, root, kind):
    """The one that cronguard uses does not replace an empty directory either, as far as it can see."""
    from cronguard.store.ssh import wire

    for name in ("mine", "theirs", "empty"):
        (root / name).mkdir()
    for name in ("mine", "theirs"):
        (root / name / "record.json").write_text(name)
    with closing(login.open()) as backend:
        sftp = backend._sftp_port._sftp

        def rename(old, new):
            if kind == "plain":
                return sftp.rename(old, new)
            both = wire.path(old) + wire.path(new)
            return sftp._do(old, wire.EXTENDED, wire.string(kind.encode()) + both)

        with pytest.raises(OSError, match="Failure"):
            rename(f"{root}/mine", f"{root}/theirs")
        if kind == "plain":
            with pytest.raises(OSError, match="Failure"):
                rename(f"{root}/mine", f"{root}/empty")
        else:
            rename(f"{root}/mine", f"{root}/empty")
    assert (root / "theirs/record.json").read_text() == "theirs"


def test_a_staging_directory_is_never_used_if_the_reply_to_its_creation_was_lost(login, root, monkeypatch):
    """It may be created late, and would be empty, so another name is used."""
    login.use()
    made, first = [], Sftp.make

    def make(self, path, mode):
        made.append(path)
        attributes = first(self, path, mode)
        if len(made) == 1:
            raise ConnectionResetError("cut")
        return attributes

    monkeypatch.setattr(Sftp, "make", make)
    assert login.use().version == 2
    assert len(made) == len(set(made)) > 1
    assert os.listdir(made[0]) == []


# Two ways to reach one directory


def test_a_directory_may_be_mounted_by_some_and_reached_by_ssh_by_others(login):
    with closing(login.open()) as remote:
        mounted = local(login)
        for number in range(1, 40):
            here, there = (remote, mounted) if number % 2 else (mounted, remote)
            seen = there.read(KEY)
            assert publish(here, b"%d" % number).version == number
            assert there.swap(seen, b"late") is None
            assert there.read(KEY).data == b"%d" % number


def test_a_store_of_lock_files_is_refused(login):
    publish(local(login, "file"))
    with pytest.raises(StoreRefusedError, match="in use as file:"):
        login.use()


def test_a_store_that_is_reached_by_ssh_is_refused_to_lock_files(login):
    login.use()
    with pytest.raises(StoreRefusedError, match="in use as dir:"):
        local(login, "file")


# A full disk


@needs_root
@pytest.mark.parametrize("what", ["blocks", "inodes"])
def test_a_full_disk_is_reported_leaves_nothing_behind_and_recovers(login, root, what):
    options = "size=64k" if what == "blocks" else "size=1m,nr_inodes=12"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "full", root], check=True)
    try:
        with closing(login.open()) as backend:
            entry = backend.swap(Entry(KEY, 0, b""), b"one")
            filler = root / "filler"
            fill(filler, what)
            with pytest.raises(BackendError, match="no space is left on the lock host's disk"):
                backend.swap(entry, bytes(30000))
            assert backend.read(KEY)[1:3] == (1, b"one")
            shutil.rmtree(filler)
            assert backend.swap(entry, bytes(30000)).version == 2
            assert [p.name for p in (root / f"v1/{KEY}").iterdir() if p.name.startswith(".")] == []
    finally:
        subprocess.run(["umount", "-l", root], check=True)


def fill(folder, what):
    folder.mkdir()
    content = bytes(4096) if what == "blocks" else b""
    with suppress(OSError):
        for number in range(100):
            (folder / str(number)).write_bytes(content)
