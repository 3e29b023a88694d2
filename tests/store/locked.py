"""Damage or lock a lock file without the backend."""

import fcntl
import os


def damage(path, *offsets):
    with open(path, "r+b", buffering=0) as file:
        for offset in offsets:
            file.seek(offset)
            file.write(b"damage")


def held(path):
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd
