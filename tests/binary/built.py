"""The files that `make binary` has built, and functions that call them as cron would."""

import subprocess
from pathlib import Path

from processes import LIMIT
from rig import PROGRAM

CHECKOUT = Path(__file__).resolve().parents[2]
FILE = PROGRAM[0]
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LOGNAME": "root", "SHELL": "/bin/sh"}
# Makes Python import from a file.
INSIDE = """
import sys
sys.path.insert(0, {packaging!r})
import start
del sys.path[0]
start.install({file!r})
"""


def call(program, *words, env=(), **more):
    """Run a program until it exits, with cron's environment and `env`."""
    given = {"capture_output": True, "text": True, "timeout": LIMIT, **more}
    return subprocess.run([program, *words], env={**BARE, **dict(env)}, check=False, **given)


def inside(file, code):
    """Run code with only the file's modules, and return its output."""
    start = INSIDE.format(packaging=str(CHECKOUT / "packaging"), file=file)
    done = call("/usr/bin/python3", "-IS", "-c", start + code)
    assert done.returncode == 0, done.stderr
    return done.stdout
