"""Run on a node: fuzz.py URL COUNT. Publish COUNT versions of one entry against the other nodes.

Every line that is printed says: this version is mine, and it replaced the record with that id.
"""

import os
import sys

from cronguard.backend import Backend, open_backend
from cronguard.clock import Clock
from cronguard.errors import BackendError
from cronguard.statedir import StateDir


def publish(backend: Backend, number: int) -> bool:
    entry = backend.read("lease/lab/fuzz")
    mine = f"{os.uname().nodename}.{number}"
    if (published := backend.swap(entry, mine.encode())) is None:
        return False
    print(published.version, mine, entry.data.decode() or "nothing")
    return True


url, count = sys.argv[1], int(sys.argv[2])
backend = open_backend(url, Clock(), StateDir(None, os.uname().nodename))
attempts = published = 0
while published < count:
    attempts += 1
    try:
        published += publish(backend, attempts)
    except BackendError as error:
        print(f"attempt {attempts}: {error}", file=sys.stderr)
        raise
