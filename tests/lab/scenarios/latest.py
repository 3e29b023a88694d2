"""Print the version and the data of an entry. Run on a node: latest.py URL KEY."""

import os
import sys

from cronguard.store.contract import open_backend
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

url, key = sys.argv[1:]
entry = open_backend(url, Clock(), StateDir(None, os.uname().nodename)).read(key)
print(entry.version, entry.data.decode())
