"""Work that may hang, done by a child that can be left behind."""

import subprocess
import sys

from fusefs import Fault
from processes import LIMIT

HANGING = """
import os, sys
from cronguard.run.aside import aside, left_behind
status = aside(lambda: os.stat(sys.argv[1]), 0.5)
print("left" if left_behind() else "none", status)
"""


def run(path):
    return subprocess.run(
        [sys.executable, "-c", HANGING, path], capture_output=True, text=True, timeout=LIMIT, check=True
    ).stdout


def test_work_that_hangs_is_left_behind_and_holds_no_pipe(mount, tmp_path):
    """The child is stuck in the kernel: SIGKILL does not end it, and a reader of our output must not wait for it."""
    mount.faults.set(Fault("*", "hang"))
    assert run(str(tmp_path / "mnt" / "file")) == "left None\n"


def test_work_that_is_done_leaves_nothing_behind(tmp_path):
    assert run(str(tmp_path)) == "none 0\n"
