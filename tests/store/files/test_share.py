"""What `dir:` and `file:` have in common: the directory that the administrator created, its group and mode."""

import os
import stat

import pytest
from stores import KEY, STORES
from stores import publish as publish_on
from users import NOBODY, as_user

from cronguard.store.contract import open_backend
from cronguard.store.files import marker
from cronguard.system import statedir
from cronguard.system.errors import BackendError, ConfigError, StoreRefusedError
from cronguard.system.statedir import StateDir

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="gives directories to other groups and becomes other users"
)


def publish(store, node="web1"):
    publish_on(store.open(node))


def tree(root):
    return [
        root,
        *(os.path.join(at, name) for at, folders, files in os.walk(root) for name in folders + files),
    ]


def test_a_missing_directory_is_not_created(shared):
    os.rmdir(shared.root)
    with pytest.raises(BackendError, match="does not exist") as caught:
        shared.open()
    assert "check that the share is mounted" in caught.value.hint
    assert not os.path.exists(shared.root)


def test_a_path_that_is_not_a_directory_is_a_configuration_error(shared):
    os.rmdir(shared.root)
    with open(shared.root, "w", encoding="utf-8"):
        pass
    with pytest.raises(ConfigError, match="is not a directory"):
        shared.open()


@pytest.mark.parametrize("path", ["relative", "/a/../b", ""])
def test_a_path_must_be_absolute_and_plain(shared, path):
    shared.url = f"{shared.scheme}:{path}"
    with pytest.raises(ConfigError, match="needs an absolute path"):
        shared.open()


def test_a_store_of_one_kind_is_refused_to_the_other(place, shared):
    publish(shared)
    other = "file" if shared.scheme == "dir" else "dir"
    shared.url = f"{other}:{shared.root}"
    with pytest.raises(StoreRefusedError, match=f"in use as {shared.scheme}:{shared.root}"):
        shared.open()


def test_a_store_that_this_node_has_used_is_not_created_again(shared):
    publish(shared)
    os.rename(shared.root, f"{shared.root}-unmounted")
    os.mkdir(shared.root)
    with pytest.raises(BackendError, match="is gone, but this node has used it") as caught:
        publish(shared)
    assert "mkdir" in caught.value.hint
    assert os.listdir(shared.root) == []


def test_an_emptied_store_is_created_again_once_its_directory_exists(shared):
    publish(shared)
    top = os.listdir(shared.root)[0]
    os.rename(f"{shared.root}/{top}", f"{shared.root}/old")
    os.mkdir(f"{shared.root}/{top}")
    publish(shared)
    assert shared.open().read(KEY).version == 1


def start_anew(shared):
    """Replace the share by an empty one, as if it were not mounted."""
    os.rename(shared.root, f"{shared.root}-old")
    os.mkdir(shared.root)


def publish_from(shared, state_dir):
    publish_on(open_backend(shared.url, shared.clock, StateDir(str(state_dir), "web2")))


def test_a_machine_that_has_not_used_a_store_may_start_it(shared, tmp_path):
    publish(shared, "web1")
    start_anew(shared)
    publish_from(shared, tmp_path / "other-machine")


def test_a_node_that_was_renamed_has_still_used_its_stores(shared):
    publish(shared, "web1")
    start_anew(shared)
    with pytest.raises(BackendError, match="is gone, but this node has used it"):
        publish(shared, "web2")


@pytest.fixture
def state_dir(tmp_path, monkeypatch):
    """A configured state directory, which is new; the default one is also of this test."""
    monkeypatch.setattr(statedir, "default_root", lambda: str(tmp_path / "default"))
    monkeypatch.setattr(marker, "default_root", lambda: str(tmp_path / "default"))
    return tmp_path / "state"


def test_a_new_state_directory_does_not_forget_what_is_in_the_default_one(shared, state_dir):
    publish_from(shared, state_dir.parent / "default")
    start_anew(shared)
    with pytest.raises(BackendError, match="is gone, but this node has used it"):
        publish_from(shared, state_dir)


def test_the_marker_of_an_earlier_version_counts_under_any_nodes_name(shared, state_dir):
    StateDir(str(state_dir), "web1").store("store", shared.url, shared.url.encode())
    with pytest.raises(BackendError, match="is gone, but this node has used it"):
        publish_from(shared, state_dir)


@pytest.mark.parametrize("at", ["store", "node", "node/web1/store"])
def test_a_marker_that_cannot_be_read_may_be_there(shared, state_dir, at):
    """A link to itself cannot be followed, not even by root; other users meet a directory that is closed to them."""
    path = state_dir / at
    path.parent.mkdir(parents=True)
    path.symlink_to(path)
    with pytest.raises(BackendError, match="this node may have used it: the state directory cannot be read"):
        publish_from(shared, state_dir)


def test_a_marker_that_was_cut_off_by_a_full_disk_counts(shared, state_dir):
    publish_from(shared, state_dir)
    (state_dir / "store" / os.listdir(state_dir / "store")[0]).write_bytes(b"")
    start_anew(shared)
    with pytest.raises(BackendError, match="is gone, but this node has used it"):
        publish_from(shared, state_dir)


def test_a_marker_of_another_store_with_the_same_file_name_does_not_count(shared, state_dir):
    publish_from(shared, state_dir)
    (state_dir / "store" / os.listdir(state_dir / "store")[0]).write_bytes(b"dir:/another")
    start_anew(shared)
    publish_from(shared, state_dir)


@needs_root
def test_the_home_directory_of_another_user_does_not_count(shared, monkeypatch):
    """As with runuser -u app, which leaves HOME as it was."""
    home = f"{os.path.dirname(shared.root)}/home"
    os.mkdir(home, mode=0o700)
    monkeypatch.setenv("HOME", home)
    os.chmod(shared.root, 0o777)
    assert as_user(lambda: publish(shared)) is None


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
@pytest.mark.parametrize("mode", [0o700, 0o770, 0o2770, 0o775])
def test_new_files_have_the_mode_of_the_root_whatever_the_umask(shared, umask, mode):
    os.chmod(shared.root, mode)
    assert as_user(lambda: publish(shared), umask=umask, uid=os.geteuid()) is None
    for path in tree(shared.root):
        found = os.stat(path)
        is_directory = stat.S_ISDIR(found.st_mode)
        assert oct(stat.S_IMODE(found.st_mode)) == oct(mode if is_directory else mode & 0o666), path


@needs_root
@pytest.mark.parametrize("mode", [0o770, 0o2770])
def test_new_files_have_the_group_of_the_root(shared, mode):
    os.chown(shared.root, -1, 54321)
    os.chmod(shared.root, mode)
    assert as_user(lambda: publish(shared), gid=NOBODY, groups=(54321,)) is None
    assert {os.stat(path).st_gid for path in tree(shared.root)} == {54321}
    assert as_user(lambda: publish(shared, "web2"), uid=54322, gid=54322, groups=(54321,)) is None
    assert shared.open().read(KEY).version == 2


@needs_root
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_files_that_root_creates_in_the_store_of_one_user_belong_to_that_user(shared, mode):
    os.chown(shared.root, NOBODY, NOBODY)
    os.chmod(shared.root, mode)
    publish(shared)
    assert {os.stat(path).st_uid for path in tree(shared.root)} == {NOBODY}
    assert as_user(lambda: publish(shared, "web2"), gid=NOBODY) is None


@needs_root
def test_users_without_a_common_group_may_share_a_root_that_is_open_to_all(shared):
    os.chmod(shared.root, 0o777)
    assert as_user(lambda: publish(shared), umask=0o077) is None
    assert as_user(lambda: publish(shared, "web2"), umask=0o077, uid=54322, gid=54322) is None
    publish(shared, "web3")
    assert shared.open().read(KEY).version == 3


@needs_root
def test_a_user_who_may_not_write_gets_that_error(shared):
    publish(shared)
    for path in tree(shared.root):
        os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | 0o055)
    told = as_user(lambda: publish(shared))
    assert told.startswith("StoreForbiddenError")
    assert "the job's user must be able to write there" in told
    assert shared.open().read(KEY).version == 1


@needs_root
def test_a_user_who_may_not_even_read_gets_that_error(shared):
    publish(shared)
    os.chmod(os.path.dirname(shared.root), 0o700)
    assert as_user(lambda: shared.open().read(KEY)).startswith("StoreForbiddenError")


@needs_root
def test_a_user_who_may_only_read_may_read(shared):
    publish(shared)
    for path in tree(shared.root):
        os.chmod(path, stat.S_IMODE(os.stat(path).st_mode) | 0o055)

    def look():
        backend = shared.open()
        assert backend.read(KEY).data == b"data"
        assert [e.key for e in backend.scan("lease/")] == [KEY]

    assert as_user(look) is None


def test_stray_files_in_the_store_are_not_entries(shared):
    publish(shared)
    top = f"{shared.root}/{os.listdir(shared.root)[0]}"
    for stray in (
        "README",
        "lease/note~",
        "lease/README",
        "lease/billing/README",
        "lease/billing/.nfs0001",
        "lease/billing/x y",
    ):
        with open(f"{top}/{stray}", "w", encoding="utf-8") as file:
            file.write("a person was here")
    os.mkdir(f"{top}/lease/lost+found")
    assert [e.key for e in shared.open().scan("lease/")] == [KEY]


def test_the_stores_clock_is_not_the_nodes(shared):
    backend = shared.open()
    true = shared.clock.wall()
    shared.clock.ahead = 86400.0
    assert abs(backend.now() - true) < 3600.0


def test_age_is_never_negative_even_when_this_nodes_clock_is_behind(shared):
    publish(shared)
    shared.clock.ahead = -86400.0
    assert shared.open().read(KEY).age == 0.0


def test_age_grows_with_the_clock(shared):
    publish(shared)
    shared.clock.ahead = 7200.0
    assert shared.open().read(KEY).age > 3600.0


def test_two_nodes_may_create_the_same_directories_at_once(shared, monkeypatch):
    """The other node creates the whole store right after this node has found it missing."""
    ours, theirs = shared.open("web1"), shared.open("web2")
    make, is_first = ours._port.make, [True]

    def make_late(path):
        if is_first:
            is_first.clear()
            assert theirs.swap(theirs.read("lease/billing/other"), b"theirs")
        make(path)

    monkeypatch.setattr(ours._port, "make", make_late)
    assert ours.swap(ours.read(KEY), b"ours").version == 1
    assert theirs.read("lease/billing/other").data == b"theirs"
    assert theirs.read(KEY).data == b"ours"


def test_every_scheme_is_tried():
    from cronguard.store.contract import SCHEMES

    tried = {SCHEMES[name] for name in STORES if name != "memory"}
    assert tried == set(SCHEMES.values()) - {SCHEMES["local"]}  # some have two schemes, with and without TLS
