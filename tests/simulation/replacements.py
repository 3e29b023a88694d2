"""Replacements for cronguard's own code when one of its rules is switched off."""

from cronguard.lease.grant import Grant, Lost
from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings


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
    """Count a renewal no matter how late it was."""

    def renew(self):
        """Renew the lease; continue even if that was too late."""
        answer = super().renew()
        return self.resume() if isinstance(answer, Lost) and answer.reason == "late" else answer
