"""Run a command line on a test's machine: driver.py FACTS ARGUMENT...

FACTS is JSON: `places` to look at instead of the real ones; `version`, another version of cronguard; `ahead`, the
number of seconds that the wall clock is ahead. The scheme `careless:` is a directory whose swap publishes without comparing.
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
