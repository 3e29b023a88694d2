import os
import sys
import tempfile
from pathlib import Path

import pytest

for suite in ("store", "run"):  # these hold the fuzz and the rig
    sys.path.insert(0, str(Path(__file__).parent.parent / suite))


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)


@pytest.fixture
def place():
    with tempfile.TemporaryDirectory(prefix="cronguard-test-") as folder:
        os.chmod(folder, 0o755)
        yield folder
