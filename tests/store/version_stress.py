"""A stress test of the directory backend's rules: real processes, added delays, and rules that can be switched off.

Two versions are kept instead of sixteen, so a process can publish into the place of a removed version within
milliseconds. Leftovers count as old at once, so they are removed while their owners may still be working.
"""

import json
import os
import random
import time
from contextlib import suppress

from cronguard.store.contract import Entry
from cronguard.store.files import trash, versioned
from cronguard.store.files.directory import DirectoryBackend
from cronguard.store.files.fileport import STAGING
from cronguard.store.files.localport import LocalPort
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError
from cronguard.system.statedir import StateDir

KEY = "lease/stress/job"
PROCESSES = 6


class DelayedPort(LocalPort):
    """Makes a process sleep now and then, before it publishes or after an unlink.

    What is put away goes at once: the longer one process sleeps, the further the others must get meanwhile.
    """

    def __init__(self, root, dice):
        super().__init__(root)
        self._dice = dice

    def rename(self, old, new):
        if STAGING in old and trash._PLACE not in new and self._dice.random() < 0.1:
            time.sleep(0.2)
        super().rename(old, new)

    def unlink(self, path):
        super().unlink(path)
        self._linger()

    def _linger(self):
        if self._dice.random() < 0.3:
            time.sleep(self._dice.random() * 0.03)


class AllRules(DirectoryBackend):
    """The unchanged backend."""


class NoSecondLook(DirectoryBackend):
    """Trusts the rename, and does not check the result after publishing.

    What slow processes prepare is left to them here: if it were removed meanwhile, they could not publish too late.
    """

    LIFE = 86400.0

    def _confirmed(self, entry, data):
        super()._confirmed(entry, data)
        return Entry(entry.key, entry.version + 1, data, 0.0)


class NoRenamingAway(DirectoryBackend):
    """Removes a directory in place, instead of renaming it away first."""

    def _discard(self, path, *, is_unread=False):
        with suppress(OSError):
            self._port.unlink(f"{path}/{trash.RECORD}")
        try:
            self._port.rmdir(path)
        except OSError:
            return False
        return True


class AnyFirstNumber(DirectoryBackend):
    """Starts at a number of its own, so processes that find no version do not compete for one name."""

    def _version_path(self, folder, version):
        return super()._version_path(folder, version if version > 1 else 1 + os.getpid() % 1000)

    def _confirmed(self, entry, data):
        if entry.version:
            return super()._confirmed(entry, data)
        return super()._confirmed(entry._replace(version=os.getpid() % 1000), data)


def run(rules, folder, rounds, *, new_keys=False):
    """Let each process publish for so many rounds, on one key, or all at once on a new key every tenth of a second.

    Returns their reports, one list per process.
    """
    os.makedirs(f"{folder}/share", exist_ok=True)
    pids = []
    for number in range(PROCESSES):
        pid = os.fork()
        if pid == 0:
            try:
                _publish(rules, folder, number, rounds, new_keys)
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    return [_reports(f"{folder}/{number}.log") for number in range(PROCESSES)]


def _publish(rules, folder, number, rounds, new_keys):
    versioned.KEPT, trash._LIFE = 2, getattr(rules, "LIFE", -1.0)
    dice = random.Random(number)
    backend = rules.open(f"dir:{folder}/share", Clock(), StateDir(f"{folder}/state", str(number)))
    backend._port = DelayedPort(f"{folder}/share", dice)
    with open(f"{folder}/{number}.log", "w", encoding="ascii") as log:
        for sequence in range(rounds):
            key = f"{KEY}-{_next_slot()}" if new_keys else KEY
            report = _step(backend, key, f"{number}.{sequence}")
            log.write(json.dumps(report) + "\n")


def _next_slot():
    slot = int(time.time() * 10) + 1
    time.sleep(slot / 10 - time.time())
    return slot


def _step(backend, key, name):
    """Swap in a record that names the one it replaces. An unknown result is reported as unknown."""
    try:
        entry = backend.read(key)
        replaced = json.loads(entry.data)["id"] if entry.data else None
    except (BackendError, ValueError) as error:
        return {"unreadable": str(error)}
    try:
        published = backend.swap(entry, json.dumps({"id": name}).encode())
    except BackendError:
        return {"unknown": name}
    return {"id": name, "key": key, "replaces": replaced} if published else {}


def _reports(path):
    with open(path, encoding="ascii") as log:
        return [json.loads(line) for line in log]


def violations(reports):
    """Return the violations: records that were replaced twice, and entries that could not be read."""
    flat = [report for process in reports for report in process]
    found = [report["unreadable"] for report in flat if "unreadable" in report]
    replaced = [(report["key"], report["replaces"]) for report in flat if "id" in report]
    return found + [f"two replaced {what}" for what in set(replaced) if replaced.count(what) > 1]
