import os
import shlex
import subprocess
import sys

import pytest
from documents import CHECKOUT


@pytest.fixture
def shell(tmp_path):
    """Run a script in a shell where `cronguard` is this checkout's, on a node web1 that has only its local backend."""
    programs = tmp_path / "bin"
    programs.mkdir()
    _program(programs / "cronguard", f'exec {shlex.quote(sys.executable)} -m cronguard "$@"')
    _program(programs / "mail", "exit 0")
    (tmp_path / "empty.toml").touch()
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(CHECKOUT),
        "CRONGUARD_BACKEND": "local",
        "CRONGUARD_CONFIG": str(tmp_path / "empty.toml"),
        "CRONGUARD_LOG": "none",
        "CRONGUARD_NODE": "web1",
        "CRONGUARD_STATE_DIR": str(tmp_path / "state"),
    }

    def run(script, **more):
        return subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=env | more, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


def _program(path, line):
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
