from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest
from fusefs import Mount, reason_not_to_mount
from matrix import Site

from cronguard.store.files import versioned

# Seconds. No cache entry expires during a test. An NFS client asks the server again after a minute at most.
LONG = 600


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Two mounts of one folder, for all cases of a worker. Each case has its own folder in it.

    Missing names are looked up again each time. An NFS client does so when the directory has changed, but FUSE cannot
    detect that.
    """
    with two_mounts(tmp_path_factory.mktemp("faults"), attr_timeout=LONG, entry_timeout=LONG) as mounts:
        yield mounts


@pytest.fixture
def cached_site(tmp_path):
    """Two mounts of one folder that also cache missing names."""
    with two_mounts(tmp_path, attr_timeout=LONG, entry_timeout=LONG, negative_timeout=LONG) as mounts:
        yield mounts


@pytest.fixture(autouse=True)
def few_versions(monkeypatch):
    """Keep two versions instead of sixteen: each run then removes old ones, and may come late to a place made free."""
    monkeypatch.setattr(versioned, "KEPT", 2)


@contextmanager
def two_mounts(top, **caches):
    if reason := reason_not_to_mount():
        pytest.skip(reason)
    (top / "disk").mkdir()
    with ExitStack() as stack:
        mounts = [
            Mount(top / "disk", top / name, top / f"{name}.faults", hard_remove=True, **caches)
            for name in Site._fields
        ]
        yield Site(*map(stack.enter_context, mounts))


def pytest_terminal_summary(terminalreporter):
    """Print how many cases there were, and their outcomes."""
    passed = terminalreporter.getreports("passed")
    tried = [value for report in passed for name, value in report.user_properties if name == "case"]
    for scheme, step in dict.fromkeys(tuple(case[:2]) for case in tried):
        outcomes = Counter(case[-1] for case in tried if tuple(case[:2]) == (scheme, step))
        terminalreporter.write_line(
            f"crash matrix: {scheme}: {step}: {outcomes.total()} cases, {dict(outcomes)}"
        )
    if tried:
        terminalreporter.write_line(f"crash matrix: {len(tried)} cases without a violation")
