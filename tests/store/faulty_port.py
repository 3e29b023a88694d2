"""A directory tree with faults, to test the algorithm of versions in directories."""

import os

from cronguard.store.files.localport import LocalPort


class Port(LocalPort):
    """A directory tree with faults: hooks are called with the paths, before or after the real call."""

    def __init__(self, root):
        super().__init__(root)
        self.before_rename = self.after_rename = lambda old, new: None
        self.before_read = self.after_read = self.after_make = self.before_unlink = lambda path: None
        self.shown = lambda path, names: names

    def make(self, path):
        super().make(path)
        self.after_make(path)

    def rename(self, old, new):
        self.before_rename(old, new)
        super().rename(old, new)
        self.after_rename(old, new)

    def read(self, path):
        self.before_read(path)
        data = super().read(path)
        self.after_read(path)
        return data

    def unlink(self, path):
        self.before_unlink(path)
        super().unlink(path)

    def list(self, path):
        return self.shown(path, super().list(path))


def versions(folder):
    return sorted(int(name) for name in os.listdir(folder) if not name.startswith("."))


def leavings(folder):
    return [name for name in os.listdir(folder) if name.startswith(".")]


def is_version(path):
    return os.path.basename(path).isdecimal()


def fail(code):
    raise OSError(code, os.strerror(code))
