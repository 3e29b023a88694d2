"""`python -m cronguard`."""

from cronguard.cli import entry

entry()
