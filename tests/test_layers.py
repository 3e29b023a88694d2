import os
import subprocess
import sys

import pytest

import cronguard

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(cronguard.__file__)))
# The package under test comes first.
IMPORTED_FROM = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Runs the command line, and records each module that it or a process that it forks imports.
SPY = """
import os, sys
class Spy:
    def find_spec(self, name, path=None, target=None):
        with open(os.environ["SPY"], "a") as file:
            file.write(name + "\\n")
guard = os.getpid()
sys.meta_path.insert(0, Spy())
from cronguard.cli.main import main
status = main(sys.argv[1:])
sys.exit(status if os.getpid() == guard else 70)
"""

SHELL_SPY = SPY.replace("cli.main import main", "cli.shell import run").replace("main(", "run(")

UNUSED = {
    "croniter", "tabulate", "filelock", "paramiko", "tomllib", "asyncio", "subprocess", "logging", "tempfile", "multiprocessing",
    "concurrent", "ssl", "email", "urllib", "http", "xml", "sqlite3", "zoneinfo", "calendar", "shlex", "hashlib",
}  # fmt: skip


def names_of(rooms):
    """Return the full names of the packages, and of the modules in them."""
    modules = {f"{room}.{name}" for room, names in rooms.items() for name in names.split()}
    return modules | {room[:end] for room in rooms for end in (len(room), room.find(".")) if end > 0}


GUARD = names_of(
    {
        "advice": "advice",
        "cli": "main run",
        "config": "files settings sources values",
        "lease": "claim grant lease retries seen watching",
        "model": "duration envelope job record tick timing",
        "run": "aside clean counting endgame environment errand execution guard keeper keeper_process keeping leftovers limits mailbox note offspring plan process supervisor tree watchdog",
        "store": "contract gate tidier url",
        "system": "clock descriptors errors host link linux log proctree program signals statedir stderr user",
        "turns": "preempt turn",
    }
)
KEEPER = names_of(
    {
        "store.files": "directory fileport localport marker share trash versioned",
        "store.shared": "polling",
    }
)


@pytest.fixture
def imported(tmp_path):
    """Run a command line on the default backend; return the full names of all modules that any process imported."""

    def run(*argv, status=0, node="web1", spy=SPY):
        path = tmp_path / "imports"
        path.unlink(missing_ok=True)
        env = {name: value for name, value in os.environ.items() if not name.startswith("CRONGUARD_")}
        env |= {"HOME": str(tmp_path), "CRONGUARD_STATE_DIR": str(tmp_path / "state"), "CRONGUARD_NODE": node}
        env |= {"PYTHONPATH": IMPORTED_FROM, "SPY": str(path)}
        done = subprocess.run(
            [sys.executable, "-c", spy, *argv], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr
        return set(path.read_text().split())

    return run


def ours(names):
    return {name.removeprefix("cronguard.") for name in names if name.startswith("cronguard.")}


def tops(names):
    return {name.partition(".")[0] for name in names}


def test_the_layers_import_downward_only():
    lint = "from importlinter.cli import lint_imports_command as lint; lint()"
    checked = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": IMPORTED_FROM},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_run_imports_nothing_it_does_not_use(imported):
    names = imported("run", "--name", "x", "--", "true")
    assert tops(names) & UNUSED == set()
    assert tops(names) - sys.stdlib_module_names == {"click", "cronguard"}


def test_a_run_imports_exactly_these_modules_of_ours(imported):
    assert ours(imported("run", "--name", "x", "--", "true")) == GUARD | KEEPER


def test_a_skipped_run_imports_nothing_that_a_run_does_not(imported):
    job = ("run", "--name", "x", "--tick", "2026-01-01T00:00Z", "--", "true")
    granted, skipped = imported(*job), imported(*job, status=75, node="web2")
    assert skipped <= granted


def test_a_job_without_a_name_imports_a_hash_and_a_configuration_file_its_parser(imported, tmp_path):
    assert tops(imported("run", "--", "true")) & UNUSED == {"hashlib"}
    (tmp_path / "own.toml").write_text('backend = "local"\n')
    configured = ("run", "--name", "x", "--config", str(tmp_path / "own.toml"), "--", "true")
    assert tops(imported(*configured)) & UNUSED == {"tomllib"}


def test_the_shell_of_a_crontab_imports_what_a_run_without_a_name_imports(imported):
    guarded = imported("-c", "true", spy=SHELL_SPY)
    assert tops(guarded) & UNUSED == {"hashlib"}
    assert ours(guarded) == (GUARD | KEEPER | {"cli.shell"}) - {"cli.main"}


@pytest.mark.parametrize("argv", [["--help"], ["--version"]])
def test_help_does_not_import_the_commands(imported, argv):
    assert "run.guard" not in ours(imported(*argv))


def test_locks_imports_neither_guard_nor_keeper(imported):
    assert not {"run", "lease"} & ours(imported("locks"))
