"""`python -m cronguard`."""

import sys

from cronguard.cli import main

sys.exit(main())
