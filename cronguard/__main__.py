"""`python -m cronguard`."""

from cronguard.cli.main import entry

entry()
