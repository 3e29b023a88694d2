import os
from pathlib import Path

import pytest

from cronguard.crontab import source
from cronguard.crontab.source import read_source, write_back
from cronguard.system.errors import ConfigError

TEXT = b"0 3 * * * root job\n"


@pytest.fixture
def etc(tmp_path, monkeypatch):
    """Stand in for /etc."""
    (tmp_path / "cron.d").mkdir()
    monkeypatch.setattr(source, "_SYSTEM_FILE", str(tmp_path / "crontab"))
    monkeypatch.setattr(source, "_SYSTEM_FOLDER", str(tmp_path / "cron.d"))
    return tmp_path


@pytest.fixture
def read(tmp_path):
    def read(name, text=TEXT, system=None):
        path = tmp_path / name
        path.write_bytes(text)
        return read_source(str(path), system=system)

    return read


def test_a_system_crontab_is_recognised_by_its_path_and_has_its_own_namespace(etc, read):
    assert [read(name, b"0 3 * * * daemon job\n")[2:] for name in ("crontab", "cron.d/php", "cron.d/\udce9")] == [
        (True, "etc-crontab"), (True, "cron.d-php"), (True, "cron.d-"),
    ]  # fmt: skip


def test_a_symbolic_link_counts_as_its_target(etc, read):
    read("cron.d/php", b"0 3 * * * daemon job\n")
    os.symlink(etc / "cron.d/php", etc / "link")
    assert read_source(str(etc / "link"), system=None).ns == "cron.d-php"


@pytest.mark.parametrize(
    ("text", "names_users"),
    [
        (b"0 3 * * * root job\n", True),
        (b"MAILTO=x\n0 3 * * * root job\n@daily daemon job\n", True),
        (b"0 3 * * * daemon job\n", False),
        (b"0 3 * * * root job\n0 4 * * * no-such-user job\n", False),
        (b"0 3 * * * root job\nnot a line\n", False),
        (b"0 3 * * * job\n", False),
        (b"# nothing\n", False),
    ],
)
def test_elsewhere_it_is_recognised_by_users_in_every_line_including_root(read, text, names_users):
    assert read("jobs", text).system is names_users
    assert read("jobs", text, system=not names_users).system is not names_users


def test_a_file_elsewhere_has_the_users_namespace_because_its_name_may_differ_between_nodes(read):
    assert read("tmp.7Fg2").ns == read("tmp.9Kq1").ns


def test_a_file_that_has_changed_since_it_was_read_is_not_overwritten(read, tmp_path):
    found = read("jobs")
    (tmp_path / "jobs").write_bytes(b"changed")
    with pytest.raises(ConfigError, match="has changed since it was read"):
        write_back(found, b"new", str(tmp_path / "backups"), "now")
    assert (tmp_path / "jobs").read_bytes() == b"changed"


def test_a_users_crontab_that_has_changed_since_it_was_read_is_not_overwritten(monkeypatch, tmp_path):
    said = []
    monkeypatch.setattr(
        "cronguard.crontab.installed._crontab", lambda argv, text=None: said.append(argv) or b"changed"
    )
    with pytest.raises(ConfigError, match="has changed since it was read"):
        write_back(source.Source(source.OWN, TEXT, False, "x"), b"new", str(tmp_path), "now")
    assert said == [["-l"]] and list(tmp_path.iterdir()) == []


def test_copies_made_in_the_same_second_are_all_kept(read, tmp_path):
    folder = str(tmp_path / "backups")
    kept = [write_back(read("jobs", text), b"new\n", folder, "now") for text in (b"a\n", b"b\n", b"c\n")]
    assert [Path(path).read_bytes() for path in kept] == [b"a\n", b"b\n", b"c\n"]


def test_a_file_that_cannot_be_replaced_is_unchanged(read, tmp_path, monkeypatch):
    found = read("jobs")

    def fail(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ConfigError, match="No space left"):
        write_back(found, b"new", str(tmp_path / "backups"), "now")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backups", "jobs"]
    assert (tmp_path / "jobs").read_bytes() == TEXT
