"""Backends on a file system: `dir:`, `file:` and `local`."""
