"""dist/cronguard is a single file: it contains everything it needs, and leaves no trace in the job or on the disk."""

import os
import shutil
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest
import sshd
from built import BARE, FILE, call, inside
from processes import children, wait_until
from rig import shell, tick

COMPILED = """
import bcrypt, nacl.signing, paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
nacl.signing.SigningKey.generate().sign(b"x")
Ed25519PrivateKey.generate().sign(b"x")
bcrypt.hashpw(b"x", bcrypt.gensalt(4))
print(open("/proc/self/maps").read())
"""


@pytest.fixture
def copy(tmp_path):
    """A copy of the file in its own directory."""
    (tmp_path / "bin").mkdir()
    return str(shutil.copy(FILE, tmp_path / "bin/cronguard"))


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_jobs_environment_is_crons_plus_the_documented_variables(tmp_path):
    env = {
        **BARE,
        "CRONGUARD_STATE_DIR": str(tmp_path),
        "CRONGUARD_BACKEND": "local",
        "CRONGUARD_LOG": "none",
    }
    outside = subprocess.run(["env"], env=env, capture_output=True, text=True, check=True).stdout.splitlines()
    inside = call(FILE, "run", "--name", "x", "--", "env", env=env).stdout.splitlines()
    added = {"CRONGUARD_RUN", "CRONGUARD_TOKEN", "CRONGUARD_JOB", "CRONGUARD_RUN_TICK"}
    assert {line.partition("=")[0] for line in set(inside) - set(outside)} == added
    given = {"CRONGUARD_BACKEND=local", "CRONGUARD_LOG=none"}
    assert set(outside) - set(inside) == given


def test_the_jobs_python_variables_and_packages_do_not_affect_cronguard(tmp_path):
    (tmp_path / "click.py").write_text("raise SystemExit(99)")
    (tmp_path / "json.py").write_text("raise SystemExit(99)")
    theirs = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": str(tmp_path), "PYTHONSTARTUP": "/nonexistent"}
    env = {**theirs, "CRONGUARD_STATE_DIR": str(tmp_path / "state")}
    command = (
        "run",
        "--backend",
        "local",
        "--log",
        "none",
        "--name",
        "x",
        "-c",
        'echo "$PYTHONPATH $PYTHONHOME"',
    )
    done = call(FILE, *command, env=env, cwd=tmp_path)
    assert (done.stdout, done.stderr) == (f"{tmp_path} {tmp_path}\n", "")


def test_nothing_is_unpacked(copy, tmp_path):
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    for folder in (home, temporary):
        folder.mkdir()
    env = {"HOME": str(home), "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(home / "cache")}
    store = ("--backend", f"dir:{tmp_path}/share", "--log", "none", "--name", "x")
    (tmp_path / "share").mkdir()
    done = call(
        copy, "run", *store, "--", "true", env={**env, "CRONGUARD_STATE_DIR": str(tmp_path / "state")}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (files(home), files(temporary), files(tmp_path / "bin")) == ([], [], ["cronguard"])


def test_the_guard_is_crons_direct_child(cluster):
    """If a bootloader waited in between, signals from cron would hit it instead, and the guard would live on."""
    run = cluster.start(*shell("sleep 1000"))
    job, keeper = run.job(), run.keeper()
    assert {seen.pid for seen in children(run.pid)} == {job.pid, keeper.pid}
    run.send(signal.SIGKILL)
    wait_until(lambda: not job.is_alive, "the end of the job")
    assert run.end().status == 128 + signal.SIGKILL
    wait_until(lambda: not cluster.left(), "the end of all of it")
    assert cluster.record().state == "running"


@pytest.mark.parametrize("how", ["renamed over", "written over", "removed"])
def test_a_run_continues_when_the_file_is_replaced_even_if_its_keeper_dies(cluster, copy, how, monkeypatch):
    monkeypatch.setattr("rig.PROGRAM", [copy])
    run = cluster.start("--ttl", 20, *shell("until [ -e go ]; do sleep 0.1; done; exit 3"))
    run.job()
    replace(copy, how)
    first = run.keeper()
    first.send(signal.SIGKILL)
    wait_until(lambda: [seen for seen in run.keepers() if seen.pid != first.pid], "another keeper")
    beat = cluster.record().renewed
    wait_until(lambda: cluster.record().renewed > beat, "a renewal by the other keeper")
    (cluster.root / "go").touch()
    done = run.end()
    assert (done.status, done.err) == (3, "")
    assert cluster.record().state == "failed"


def replace(file, how):
    file = Path(file)
    if how == "renamed over":
        (file.parent / "new").write_bytes(b"#!/bin/false\n")
        (file.parent / "new").replace(file)
    elif how == "written over":
        file.write_bytes(os.urandom(file.stat().st_size))
    else:
        file.unlink()


def test_it_can_be_called_by_a_relative_path_and_through_a_link(cluster, copy):
    (cluster.root / "link").symlink_to("bin/cronguard")
    for number, program in enumerate(["bin/cronguard", "./link"]):
        words = [
            "run",
            "--backend",
            f"dir:{cluster.share}",
            "--log",
            "none",
            "--name",
            "x",
            "--tick",
            tick(number),
        ]
        done = call(program, *words, "--", "echo", "here", cwd=cluster.root)
        assert (done.returncode, done.stdout, done.stderr) == (0, "here\n", "")


def test_libraries_come_from_the_file(copy, tmp_path):
    env = {
        "CRONGUARD_STATE_DIR": str(tmp_path),
        "CRONGUARD_BACKEND": "local",
        "CRONGUARD_LOG": "none",
        "TZ": "UTC",
    }
    assert call(copy, "run", "--name", "x", "--", "true", env=env).returncode == 0
    assert "default/x" in call(copy, "locks", "--all", env=env).stdout
    split = call(copy, "time-slice", "--nodes", "2", "--index", "0", "*/10 * * * *", env=env)
    assert (split.stdout, split.stderr) == ("0,20,40 * * * *\n", "")
    locked = ("run", "--backend", f"file:{tmp_path}", "--name", "y", "--", "true")
    assert call(copy, *locked, env=env).returncode == 0


def test_compiled_libraries_are_loaded_without_a_file_on_a_disk(copy):
    """Someone else could put other libraries into a cache of them."""
    with zipfile.ZipFile(copy) as archive:
        compiled = [name for name in archive.namelist() if name.endswith(".so")]
    mapped = {line.split(None, 5)[5] for line in inside(copy, COMPILED).splitlines() if line.count(" ") > 5}
    assert len([path for path in mapped if path.startswith("/memfd:")]) == len(compiled) > 0
    assert not [path for path in mapped if "-packages/" in path]


def test_it_reaches_a_lock_host(cluster, tmp_path):
    sshd.require()
    with sshd.Sshd(tmp_path / "lock-host") as host:
        done = cluster.run("--backend", host.url(cluster.share), "--", "echo", "here", env=host.env)
    assert done == (0, "here\n", "")


def test_a_python_of_another_version_compiles_the_sources(copy, tmp_path):
    """After an upgrade of the server's Python, crontab lines still work, but more slowly."""
    with zipfile.ZipFile(copy) as archive, zipfile.ZipFile(tmp_path / "other", "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            other.writestr(name, b"\0\0\r\n" + content[4:] if name.endswith(".pyc") else content)
    env = {"CRONGUARD_STATE_DIR": str(tmp_path), "CRONGUARD_BACKEND": "local", "CRONGUARD_LOG": "none"}
    done = call(
        "/usr/bin/python3", "-IS", tmp_path / "other", "run", "--name", "x", "--", "echo", "here", env=env
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "here\n", "")


def test_a_traceback_shows_the_source(copy, tmp_path):
    env = {"CRONGUARD_DEBUG": "1", "CRONGUARD_STATE_DIR": str(tmp_path), "CRONGUARD_LOG": "none"}
    with open("/dev/full", "w") as full:
        done = call(
            copy, "locks", "--json", env=env, capture_output=False, stdout=full, stderr=subprocess.PIPE
        )
    assert "return work() or 0" in done.stderr
