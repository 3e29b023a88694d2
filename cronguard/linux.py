"""The two process controls that Python has no name for; prctl(2)."""

import ctypes

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signum: int) -> None:
    """Have the kernel send this process a signal when the thread that forked it ends."""
    _prctl(_SET_PDEATHSIG, signum)


def become_subreaper() -> None:
    """Have orphaned descendants become this process's children, so that none is lost from sight."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
