"""Replacements for cronguard's own code when one of its rules is switched off."""

from cronguard.lease.grant import Grant, Lost
from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings
from cronguard.run.supervisor import Supervisor
from cronguard.run.watchdog import Watchdog


class ByTheWallClock(Sightings):
    """Take over when the record is older than ttl, comparing this node's wall clock with the record's time."""

    def __init__(self, world, node, clock):
        self._world, self._node = world, node

    def unchanged(self, key, version, identity, *, is_fresh=True):
        """Return the record's age, measured with two wall clocks."""
        return self._node.wall() - self._world.store.past[version - 1].record.renewed


class ByTheStoresAge(Sightings):
    """Take over when the entry is older than ttl by the store's clock."""

    def __init__(self, world, node, clock):
        self._world = world

    def unchanged(self, key, version, identity, *, is_fresh=True):
        """Return the entry's age by the store's clock."""
        store = self._world.store
        return store.clock.wall() - store.past[version - 1].stored


class OfAnyVersion(Sightings):
    """Count from the first sighting of the key: a renewal does not restart the watch."""

    def __init__(self, world, node, clock):
        super().__init__(node.state, "sim:/", node.boot_id, clock)

    def unchanged(self, key, version, identity, *, is_fresh=True):
        """Return how long this node has known the key."""
        return super().unchanged(key, 0, "any")


def of_any_boot(world, node, clock):
    """Return sightings that count whichever boot clock they were made on."""
    return Sightings(node.state, "sim:/", "any boot", clock)


class FromTheReply(Lease):
    """Count the deadline from the arrival of the answer."""

    def acquire(self):
        """Claim the lease."""
        return self._from_now(super().acquire())

    def resume(self):
        """Continue with the lease."""
        return self._from_now(super().resume())

    def renew(self):
        """Renew the lease."""
        return self._from_now(super().renew())

    def _from_now(self, answer):
        if isinstance(answer, Grant):
            return answer._replace(deadline=self._clock.boot() + self._ask.timing.run_for)
        return answer


class LateIsEarlyEnough(Lease):
    """A renewal counts whenever it was done, and guard and keeper wait for one that is under way."""

    is_renewing = False

    def renew(self):
        """Renew; if it was late, go on all the same."""
        self.is_renewing = True
        try:
            answer = super().renew()
            return self.resume() if isinstance(answer, Lost) and answer.reason == "late" else answer
        finally:
            self.is_renewing = False
            self._answered()  # whoever waited looks again


_check_deadline, _overdue = Supervisor._check_deadline, Watchdog._overdue


def check_deadline_after_the_renewal(supervisor):
    """Check the deadline, unless a renewal is under way."""
    if not getattr(supervisor._keeping._keeper.lease(), "is_renewing", False):
        _check_deadline(supervisor)


def overdue_after_the_renewal(watchdog):
    """Return what to send, unless a renewal is under way."""
    keeper = watchdog._sim_guard.keeper
    return None if getattr(keeper.lease(), "is_renewing", False) else _overdue(watchdog)


def watch_for_ever(watchdog):
    """Watch, and kill nobody."""
    while True:
        watchdog._clock.sleep(60.0)


def ignored(*_):
    """Do nothing, where something should be done."""


def always(*_):
    """Answer yes, whatever the question is."""
    return True


def left_until_asked(supervisor):
    """Return what must still end; nothing once the command has been asked to."""
    return [] if supervisor._endgame.has_begun or supervisor._leader.status is not None else [1]


def introduce_without_deadline(keeping, leader, note=None):
    """Tell the keeper which process to kill, and not when."""
    keeping._leader, keeping._note = leader, note
    keeping._keeper.link.send("started", leader=leader, deadline=None, note=note)


def overdue_only_if_silent(watchdog):
    """Return what to send, unless the guard seems to answer."""
    return None if watchdog.guard_answers() else _overdue(watchdog)
