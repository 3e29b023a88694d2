"""The socket pair between guard and keeper, on virtual time."""


class Link:
    """One end. A message is at the other end at once, and is noticed there a little later, as by a process that polls."""

    def __init__(self, world, process):
        self.is_open = True
        self._world, self._process = world, process
        self._inbox, self._peer, self._readers = [], None, []
        process.changed.append(self._on_change)

    @classmethod
    def pair(cls, world, ours, theirs):
        """Return the ends of two processes."""
        one, other = cls(world, ours), cls(world, theirs)
        one._peer, other._peer = other, one
        return one, other

    def read_by(self, thread):
        """Wake this thread for what arrives."""
        self._readers.append(thread)

    def fileno(self):
        """Return a descriptor, which nobody polls here."""
        return -1

    def send(self, kind, **values):
        """Send a message; it is lost if the other process is dead."""
        if self._peer._process.is_alive:
            self._peer._inbox.append({"kind": kind, **values})
            self._peer._wake()

    def receive(self):
        """Return the messages that have arrived; after the last one of a dead process the link is closed."""
        messages, self._inbox = self._inbox, []
        self.is_open = self.is_open and self._peer._process.is_alive
        return messages

    def close(self):
        """Close this end."""
        self.is_open = False

    def _on_change(self):
        if not self._process.is_alive:
            self._peer._wake()

    def _wake(self):
        for thread in self._readers:
            thread.poke(self._world.some(0.05))
