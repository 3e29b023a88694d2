"""What the kernel offers and Python has no name for: two process controls, prctl(2), and the clock's state."""

import ctypes

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_TIME_ERROR = 5
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signum: int) -> None:
    """Have the kernel send this process a signal when the thread that forked it ends."""
    _prctl(_SET_PDEATHSIG, signum)


def become_subreaper() -> None:
    """Have orphaned descendants become this process's children, so that none is lost from sight."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def is_clock_kept() -> bool:
    """Return whether something keeps this node's clock right, such as NTP: what adjtimex(2) says, changing nothing."""
    zeros = ctypes.create_string_buffer(512)  # more than a struct timex, on any machine
    return int(_libc.adjtimex(zeros)) not in (-1, _TIME_ERROR)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
