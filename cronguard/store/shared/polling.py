"""Wait for a change in a store that cannot announce one."""

from collections.abc import Callable

from cronguard.system.clock import Clock

_FIRST, _MOST = 0.1, 1.0  # a hand-over is noticed within a second; a waiting run costs a few calls a second


def poll(clock: Clock, timeout: float, has_changed: Callable[[], bool]) -> None:
    """Call `has_changed` until it returns True or `timeout` seconds have passed.

    It is called at least once, and once more after the last pause.
    """
    until, pause = clock.boot() + timeout, _FIRST
    while not has_changed():
        left = until - clock.boot()
        if left <= 0:
            return
        clock.sleep(min(pause, left))
        pause = min(2 * pause, _MOST)
