"""Another machine with this node's name: both would take each other's turns, and heed each other's pauses."""

from cronguard.lease.claim import Ask
from cronguard.model.beat import Beat
from cronguard.system.clock import Clock
from cronguard.system.errors import ConfigError

_LATE = 10.0  # seconds: how late a heartbeat may be published, with checks and probes that take their time
_SETTLING = 60.0  # seconds: the other machine's clock may differ, and the heartbeat may be our own from before a reboot


def refuse_namesake(own: Beat, ask: Ask, clock: Clock) -> None:
    """Raise ConfigError if a heartbeat from elsewhere shows that another machine has this node's name now.

    A machine that was replaced, or a container that was started again elsewhere, sent its heartbeats before this one
    existed. They must not cost the new one a tick, so they prove nothing.
    """
    wall, begun = clock.wall(), ask.host.begun
    if begun is None:
        return
    since = wall - (clock.boot() - begun)
    if own.wall > since + _SETTLING and abs(wall - own.wall) <= own.every + _LATE:
        raise ConfigError(
            f"another machine is also called {ask.node} and sends heartbeats: {own.machine}; this one is {ask.host.machine}",
            'set node = "NAME" in the configuration of one of them; if the other no longer exists, '
            f"wait {own.every + _LATE:g}s",
        )
