"""Kernel features that Python does not provide: two process controls of prctl(2), and the state of the clock."""

import ctypes

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_TIME_ERROR = 5
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signum: int) -> None:
    """Make the kernel send this process a signal when the thread that forked it ends."""
    _prctl(_SET_PDEATHSIG, signum)


def become_subreaper() -> None:
    """Make orphaned descendants children of this process, so that it can still find them."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def is_clock_kept() -> bool:
    """Return whether adjtimex(2) reports that this node's clock is synchronised, for example by NTP."""
    # Larger than a struct timex on any machine. Zeros ask adjtimex to change nothing.
    zeros = ctypes.create_string_buffer(512)
    return int(_libc.adjtimex(zeros)) not in (-1, _TIME_ERROR)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
