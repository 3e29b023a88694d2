"""How a command is stopped: asked, then killed, then given up. The guard and the watchdog follow the same policy."""

from signal import SIGKILL, SIGTERM, Signals

_STEP = 0.5  # seconds that one round can count for: neither of the two waits longer between two rounds


class Endgame:
    """Decides what to send to the processes that are left, and when sending more is hopeless. Times are boot times.

    It is hopeless after `patience` seconds of SIGKILL. They are counted from the first one that was sent, and a round
    counts for half a second at most. So a machine that was frozen meanwhile still waits for its processes to die.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._has_asked = False
        self._last: float | None = None
        self._spent = 0.0
        self.kill_at: float | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the command must stop."""
        return self.kill_at is not None

    @property
    def is_hopeless(self) -> bool:
        """Whether SIGKILL has been sent for so long that the processes that are left must be stuck in the kernel."""
        return self._spent >= self._patience

    def stop(self, kill_at: float) -> None:
        """The command must stop, and be killed at `kill_at`. A later call can only bring that forward."""
        self.kill_at = kill_at if self.kill_at is None else min(kill_at, self.kill_at)

    def order(self, now: float) -> Signals | None:
        """Return the signal to send now to everything that is left: SIGTERM once, then SIGKILL in each round."""
        if self.kill_at is None:
            return None
        if now < self.kill_at:
            is_first, self._has_asked = not self._has_asked, True
            return SIGTERM if is_first else None
        if self._last is not None:
            self._spent += min(now - self._last, _STEP)
        self._last = now
        return SIGKILL
