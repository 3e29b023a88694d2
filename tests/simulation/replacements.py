"""What stands in the place of the project's own code when one of its rules is switched off."""

from cronguard.lease.grant import Grant, Lost
from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings


class ByTheWallClock(Sightings):
    """Takeover when the record is older than ttl by this node's wall clock and the record's."""

    def __init__(self, world, node, clock):
        self._world, self._node = world, node

    def unchanged(self, key, version, identity, *, is_fresh=True):
        """Return the record's age as two wall clocks tell it."""
        return self._node.wall() - self._world.store.past[version - 1].record.renewed


class ByTheStoresAge(Sightings):
    """Takeover when the entry is older than ttl by the store's clock."""

    def __init__(self, world, node, clock):
        self._world = world

    def unchanged(self, key, version, identity, *, is_fresh=True):
        """Return the entry's age as the store tells it."""
        store = self._world.store
        return store.clock.wall() - store.past[version - 1].stored


class OfAnyVersion(Sightings):
    """Once seen, seen for ever: a renewal does not begin the watch anew."""

    def __init__(self, world, node, clock):
        super().__init__(node.state, "sim:/", node.boot_id, clock)

    def unchanged(self, key, version, identity, *, is_fresh=True):
        """Return for how long this node has known the key."""
        return super().unchanged(key, 0, "any")


def of_any_boot(world, node, clock):
    """Return sightings that hold on whatever boot clock they were made."""
    return Sightings(node.state, "sim:/", "any boot", clock)


class FromTheReply(Lease):
    """The deadline counts from the moment the answer came."""

    def acquire(self):
        """Claim."""
        return self._from_now(super().acquire())

    def resume(self):
        """Go on."""
        return self._from_now(super().resume())

    def renew(self):
        """Renew."""
        return self._from_now(super().renew())

    def _from_now(self, answer):
        if isinstance(answer, Grant):
            return answer._replace(deadline=self._clock.boot() + self._ask.timing.run_for)
        return answer


class LateIsEarlyEnough(Lease):
    """A renewal counts whenever it was done."""

    def renew(self):
        """Renew; if it was late, go on all the same."""
        answer = super().renew()
        return self.resume() if isinstance(answer, Lost) and answer.reason == "late" else answer
