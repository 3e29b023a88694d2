"""The Debian package puts everything where Debian looks for it, owned by root, and runs from there."""

import gzip
import os
import re
import subprocess
from pathlib import Path

import pytest
from built import CHECKOUT
from processes import LIMIT

from cronguard import __version__
from cronguard.config.sources import load

PAGES = ["man/cronguard.1", "man/cronguard-shell.1", "man/cronguard.toml.5"]
PROGRAMS = "usr/bin/"


def told(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT, **more).stdout


def listing(deb):
    """Return mode, owner and path of each entry."""
    rows = [line.split(None, 5) for line in told("dpkg-deb", "--contents", deb).splitlines()]
    return [(row[0], row[1], row[5].removeprefix("./")) for row in rows]


def control(deb, field):
    return told("dpkg-deb", "--field", deb, field).strip()


def call(root, *words, **env):
    bare = {"PATH": f"{root}/usr/bin:/usr/bin:/bin", "HOME": str(root), "CRONGUARD_LOG": "none", **env}
    return subprocess.run(
        ["cronguard", *words], env=bare, capture_output=True, text=True, check=False, timeout=LIMIT
    )


def test_it_has_the_version_of_the_package_and_needs_only_python_and_tzdata(deb):
    assert control(deb, "Version") == __version__
    needed = {re.split(r"[ (]", item.strip())[0] for item in control(deb, "Depends").split(",")}
    assert needed == {"python3", "tzdata"}


def test_every_file_belongs_to_root_and_only_root_can_write_it(deb):
    for mode, owner, path in listing(deb):
        assert owner == "root/root", path
        if mode[0] == "l":
            continue
        is_program = path.startswith(PROGRAMS) or mode[0] == "d"
        assert mode[1:] == ("rwxr-xr-x" if is_program else "rw-r--r--"), path


def test_no_script_runs_during_installation(deb, tmp_path):
    subprocess.run(["dpkg-deb", "--control", deb, tmp_path / "control"], check=True)
    assert {path.name for path in (tmp_path / "control").iterdir()} == {"control", "conffiles"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_dpkg_installs_it_keeps_a_changed_configuration_and_removes_it(deb, tmp_path):
    root = tmp_path / "root"
    for folder in ("var/lib/dpkg/updates", "var/lib/dpkg/info"):
        (root / folder).mkdir(parents=True)
    for file in ("status", "available"):
        (root / "var/lib/dpkg" / file).touch()
    dpkg = (
        "dpkg",
        "--root",
        root,
        "--force-depends",
        "--force-not-root",
        "--force-confdef",
        "--force-confold",
    )
    told(*dpkg, "--install", deb)
    assert call(root, "--version").stdout.strip().endswith(__version__)
    config = root / "etc/cronguard/config.toml"
    config.write_text('backend = "local"\n')
    told(*dpkg, "--install", deb)
    assert config.read_text() == 'backend = "local"\n'
    told(*dpkg, "--remove", "cronguard")
    assert config.exists() and not (root / "usr/bin/cronguard").exists()


def test_it_runs_a_guarded_command_from_where_it_is_unpacked(unpacked):
    state = {"CRONGUARD_STATE_DIR": str(unpacked / "var/lib/cronguard"), "CRONGUARD_BACKEND": "local"}
    done = call(unpacked, "run", "--ns", "demo", "--name", "x", "-c", "echo here; exit 4", **state)
    assert (done.returncode, done.stdout, done.stderr) == (4, "here\n", "")


@pytest.mark.parametrize("source", PAGES)
def test_the_manual_is_where_man_looks_for_it(unpacked, source):
    page = unpacked / f"usr/share/man/man{source[-1]}" / f"{Path(source).name}.gz"
    assert gzip.decompress(page.read_bytes()) == (CHECKOUT / source).read_bytes()


def test_it_contains_all_manuals_completions_and_units_of_the_checkout(deb):
    there = " ".join(path for _, _, path in listing(deb))
    for folder in ("man", "systemd"):
        for file in (CHECKOUT / folder).glob("*"):
            assert f"/{file.name}" in there
    for path in ("bash-completion/completions/cronguard", "zsh/vendor-completions/_cronguard"):
        assert f"usr/share/{path}" in there
    assert "usr/share/fish/vendor_completions.d/cronguard.fish" in there


def test_the_configuration_is_commented_out_and_valid_when_uncommented(deb, unpacked, tmp_path):
    given = (unpacked / "etc/cronguard/config.toml").read_text()
    assert not [line for line in given.splitlines() if line and not line.startswith("#")]
    (tmp_path / "config.toml").write_text(re.sub(r"^#(?=\w)", "", given, flags=re.MULTILINE))
    found = load({}, str(tmp_path / "config.toml"), {})
    assert (found.backend, found.node) == ("dir:/shared/cronguard", "web1")
    subprocess.run(["dpkg-deb", "--control", deb, tmp_path / "control"], check=True)
    assert (tmp_path / "control/conffiles").read_text() == "/etc/cronguard/config.toml\n"


def test_tmpfiles_creates_the_state_directory(unpacked):
    rule = (unpacked / "usr/lib/tmpfiles.d/cronguard.conf").read_text().splitlines()[-1]
    assert rule.split()[:2] == ["d", "/var/lib/cronguard"]
    assert (unpacked / "var/lib/cronguard").is_dir()


def test_it_contains_the_licences_of_its_libraries(unpacked):
    text = (unpacked / "usr/share/doc/cronguard/copyright").read_text()
    for name in ("click", "croniter", "cryptography", "filelock", "paramiko", "tabulate"):
        assert re.search(rf"^{name}-[\d.]+\.dist-info/", text, re.MULTILINE), name
