"""The command line on a machine of a test: driver.py FACTS ARGUMENT...

FACTS is JSON: `places` that are not the real ones; `version`, another one of cronguard; `ahead`, by how many seconds
the wall clock is wrong. The scheme `careless:` is a directory whose swap publishes without comparing.
"""

import json
import sys
import time

import cronguard

facts = json.loads(sys.argv[1])
cronguard.__version__ = facts.get("version", cronguard.__version__)
right = time.time
time.time = lambda: right() + facts.get("ahead", 0.0)

from cronguard.cli import main as cli  # noqa: E402 - they keep the version
from cronguard.doctor.places import Places  # noqa: E402
from cronguard.store import contract as backend  # noqa: E402 - they keep the version

backend.SCHEMES["careless"] = "careless:CarelessBackend"
backend.PATHS = (*backend.PATHS, "careless:")
places = Places(**facts.get("places", {}))
cli.finish(
    cli.guarded(
        lambda: cli.cronguard.main(sys.argv[2:], prog_name="cronguard", standalone_mode=False, obj=places)
    )
)
