"""Publish versions in competition with other nodes; print those that were won. Run on a node: race.py FOLDER ROUNDS.

A version is a directory that is prepared under a unique name and then renamed to its number. The rename fails if a
non-empty directory already has that name.
"""

import os
import sys


def publish(folder, version):
    staging = f"{folder}/staging-{os.uname().nodename}-{version}"
    os.mkdir(staging)
    with open(f"{staging}/record", "w") as record:
        record.write(os.uname().nodename)
    try:
        os.rename(staging, f"{folder}/{version:04}")
    except OSError:
        os.remove(f"{staging}/record")
        os.rmdir(staging)
        return False
    return True


folder, rounds = sys.argv[1], int(sys.argv[2])
won = [version for version in range(rounds) if publish(folder, version)]
print(*won)
