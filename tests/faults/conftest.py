import os
from collections import Counter
from contextlib import ExitStack

import pytest
from fusefs import Mount, reason_not_to_mount
from matrix import Site

from cronguard.backends import versioned

# Caches that forget nothing by themselves during a case: harder than those of an NFS client, which asks again.
CACHES = {"attr_timeout": 600, "entry_timeout": 600}


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Two mounts of one folder, for all cases of a worker: each case has a folder of its own in it."""
    if reason := reason_not_to_mount():
        (pytest.fail if os.environ.get("CRONGUARD_CI") else pytest.skip)(reason)
    top = tmp_path_factory.mktemp("faults")
    (top / "disk").mkdir()
    with ExitStack() as stack:
        mounts = [
            stack.enter_context(
                Mount(top / "disk", top / name, top / f"{name}.faults", hard_remove=True, **CACHES)
            )
            for name in ("faulty", "sound")
        ]
        yield Site(*mounts)


@pytest.fixture(autouse=True)
def few_versions(monkeypatch):
    """Keep two versions instead of sixteen: each run then removes old ones, and comes late to a place made free."""
    monkeypatch.setattr(versioned, "KEPT", 2)


def pytest_terminal_summary(terminalreporter):
    """Say how many cases there were, and what came of them."""
    passed = terminalreporter.getreports("passed")
    tried = [value for report in passed for name, value in report.user_properties if name == "case"]
    rows = Counter(tuple(case[:2]) for case in tried)
    for scheme, step in rows:
        outcomes = Counter(case[-1] for case in tried if tuple(case[:2]) == (scheme, step))
        terminalreporter.write_line(
            f"crash matrix: {scheme}: {step}: {rows[scheme, step]} cases, {dict(outcomes)}"
        )
    terminalreporter.write_line(f"crash matrix: {len(tried)} cases without a violation")
