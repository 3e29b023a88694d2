"""Switch off one rule of the code at a time, and report the mutants that no test finds.

    python tests/mutate.py                        # all mutants of mutants.toml
    python tests/mutate.py --every 7 --offset 3   # the third, tenth, seventeenth, ... mutant: a part of them, in turn
    python tests/mutate.py closed_history         # those whose file or rule contains this text

Each mutant is applied to a temporary copy of the package, and the tests that it names are run on the copy. Each of
these tests must fail. The exit status is 1 if one passes, and 2 if an entry no longer fits the code or the tests.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "tests" / "mutants.toml"
LIMIT = 600.0  # seconds for the tests of one mutant, which may hang: that is noticed, too
_FAILED, _PASSED = (
    1,
    0,
)  # exit statuses of pytest; with any other, and for an error in a fixture, nothing was tested


class Mutant(NamedTuple):
    """A change that switches off a rule: in `file`, `find` occurs once. `tests` are the tests that must then fail."""

    file: str
    rule: str
    find: str
    replace: str
    tests: tuple[str, ...]

    def applied(self, text):
        """Return the text of the file with the rule switched off; raises ValueError unless `find` occurs once."""
        if text.count(self.find) != 1:
            raise ValueError(f"{self.file} has {text.count(self.find)} places for {self.rule!r}, not 1")
        return text.replace(self.find, self.replace)


def mutants(path=TABLE):
    """Return the mutants of a table."""
    with open(path, "rb") as file:
        return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in tomllib.load(file)["mutant"]]


def survivors(mutant, python=sys.executable):
    """Return those of the mutant's tests that pass on the mutant; raises ValueError if they cannot be run."""
    with tempfile.TemporaryDirectory(prefix="cronguard-mutant-") as folder:
        shutil.copytree(
            ROOT / "cronguard", f"{folder}/cronguard", ignore=shutil.ignore_patterns("__pycache__")
        )
        changed = Path(folder, mutant.file)
        changed.write_text(mutant.applied(changed.read_text(encoding="utf-8")), encoding="utf-8")
        return [test for test in mutant.tests if _passes(test, folder, python)]


def _passes(test, folder, python):
    """Run a test on the package in the folder, which is the current directory and so comes first in the path."""
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    env = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
    where = [f"--rootdir={ROOT}", str(ROOT / test)]
    try:
        done = subprocess.run(
            [*command, *where],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return False
    has_failed = (
        done.returncode == _FAILED and " failed" in done.stdout.splitlines()[-1]
    )  # not only "1 error"
    if not has_failed and done.returncode != _PASSED:
        raise ValueError(f"{test} cannot be run: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.returncode == _PASSED


def main(argv):
    options = _options().parse_args(argv)
    chosen = [one for one in mutants() if options.text in f"{one.file} {one.rule}"][
        options.offset :: options.every
    ]
    alive, wrong = 0, 0
    for mutant in chosen:
        try:
            left = survivors(mutant)
        except ValueError as error:
            wrong += 1
            print(f"WRONG     {error}", flush=True)
            continue
        alive += bool(left)
        print(
            f"{'SURVIVES' if left else 'found':9} {mutant.file}: {mutant.rule}",
            *left,
            sep="\n    ",
            flush=True,
        )
    print(f"{len(chosen)} mutants, {alive} of which survive")
    return 2 if wrong else 1 if alive else 0


def _options():
    parser = argparse.ArgumentParser(description="Report the mutants that no test finds.")
    parser.add_argument("text", nargs="?", default="", help="only mutants whose file or rule contains this")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth mutant")
    parser.add_argument(
        "--offset", type=int, default=0, metavar="K", help="start with mutant K, counted from 0"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
