"""Run on a node: latest.py URL KEY. Print the version of an entry, and its data."""

import os
import sys

from cronguard.backend import open_backend
from cronguard.clock import Clock
from cronguard.statedir import StateDir

url, key = sys.argv[1:]
entry = open_backend(url, Clock(), StateDir(None, os.uname().nodename)).read(key)
print(entry.version, entry.data.decode())
