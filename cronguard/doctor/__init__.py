"""The checks of `cronguard doctor`, one file for each group of checks."""
