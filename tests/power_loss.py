"""A model of a disk that loses power: what was not synced is lost.

A mount's server notes what is synced in a journal, and `restored` makes a tree of what a machine would find after a
power loss, at any moment. The model keeps what every journaling file system of Linux keeps, and no more:

- A file that was synced has its data, and its name in its directory. If the model is strict, the name is there only if
  the directory was synced, too: POSIX promises no more.
- A directory that was synced has its names. What they lead to is there only if it was synced itself: a directory that
  was not is empty, and so is a file.
"""

import base64
import json
import os
import stat
from itertools import count


class Journal:
    """What was synced, noted by the server of a mount. Inode numbers are used again, so each thing has its own number."""

    def __init__(self, path, *, is_strict):
        self._path, self._is_strict = path, is_strict
        self._next, self._numbers = count(1), {}
        self._names = {}  # in each directory, as they were when they were last synced

    def made(self, path):
        """Note that a file or directory is new."""
        self._numbers[os.lstat(path).st_ino] = next(self._next)

    def synced_file(self, path, fd):
        """Note the data of a file, and its name in its directory."""
        found = os.fstat(fd)
        number = self._number(found.st_ino)
        self._write(number, data=base64.b64encode(os.pread(fd, found.st_size, 0)).decode())
        if self._is_strict:
            return
        folder = os.path.dirname(path)
        self._synced_names(folder, self._names.get(self._of(folder), {}) | {os.path.basename(path): number})

    def synced_folder(self, path):
        """Note the names in a directory."""
        self._synced_names(path, {name: self._of(f"{path}/{name}") for name in os.listdir(path)})

    def _synced_names(self, folder, names):
        number = self._of(folder)
        self._names[number] = names
        kinds = {
            name: stat.S_ISDIR(os.lstat(f"{folder}/{name}").st_mode)
            for name in names.keys() & os.listdir(folder)
        }
        self._write(number, names={name: [one, kinds.get(name, True)] for name, one in names.items()})

    def _of(self, path):
        return self._number(os.lstat(path).st_ino)

    def _number(self, inode):
        if inode not in self._numbers:
            self._numbers[inode] = next(self._next)
        return self._numbers[inode]

    def _write(self, number, **what):
        with open(self._path, "a", encoding="ascii") as file:
            file.write(json.dumps({"number": number, **what}) + "\n")


def moments(path):
    """Return how many notes there are in a journal."""
    try:
        with open(path, encoding="ascii") as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


def restored(path, root, into, moment):
    """Make the tree that is left of directory number `root` after the first `moment` notes of a journal."""
    with open(path, encoding="ascii") as file:
        notes = [json.loads(line) for line in file.readlines()[:moment]]
    data = {note["number"]: base64.b64decode(note["data"]) for note in notes if "data" in note}
    names = {note["number"]: note["names"] for note in notes if "names" in note}
    _make(root, into, data, names)


def _make(number, path, data, names):
    os.mkdir(path)
    for name, (one, is_folder) in names.get(number, {}).items():
        if is_folder and one not in data:
            _make(one, f"{path}/{name}", data, names)
        else:
            with open(f"{path}/{name}", "wb") as file:
                file.write(data.get(one, b""))
