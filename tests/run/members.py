"""Jobs that note that they are alive: one process, or several that hide wherever a process can."""

import sys
from pathlib import Path

from processes import LIMIT, Seen, wait_until, words

HERE = Path(__file__).parent
PYTHON = [sys.executable, "-IS"]  # for jobs: starts in a tenth of the time


class Member:
    """A process of a job that keeps noting that it is alive, until it is told to end."""

    def __init__(self, file, *options):
        self.file = Path(file)
        self.command = [*PYTHON, str(HERE / "alive.py"), str(file), *options]

    def notes(self):
        """Return its notes: its PID and the boot time of each note."""
        text = self.file.read_text() if self.file.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        return [(int(pid), float(moment)) for pid, moment in map(str.split, whole.splitlines())]

    def process(self):
        """Return its process, once it has started."""
        return Seen.of(wait_until(self.notes, f"{self.file.name}'s first note")[0][0])

    @property
    def is_alive(self):
        notes = self.notes()
        seen = Seen.of(notes[0][0]) if notes else None
        return bool(seen) and str(self.file) in words(seen.pid)

    @property
    def first_seen(self):
        return wait_until(self.notes, f"{self.file.name}'s first note")[0][1]

    @property
    def last_seen(self):
        return self.notes()[-1][1]

    def wait_until_gone(self, limit=LIMIT):
        wait_until(lambda: not self.is_alive, f"the end of {self.file.name}", limit)

    def tell_to_end(self):
        Path(f"{self.file}.end").touch()


class Family:
    """A job whose processes leave its group, its session, their parents and their environment."""

    SCRIPT = """
    {child} &
    setsid {daemon} &
    env -i setsid {wiped} &
    ( ( {orphan} & ) & )
    ( env -i setsid sh -c '{lost} & exit' & )
    exec {leader}
    """
    ROLES = ("child", "daemon", "wiped", "orphan", "lost", "leader")

    def __init__(self, folder, *options):
        folder.mkdir()
        self.members = {role: Member(folder / role, *options) for role in self.ROLES}
        commands = {role: " ".join(member.command) for role, member in self.members.items()}
        self.command = ["/bin/sh", "-c", self.SCRIPT.format(**commands)]
        self.leader = self.members["leader"]

    def wait_until_complete(self):
        for member in self.members.values():
            member.process()

    def alive(self):
        return [role for role, member in self.members.items() if member.is_alive]

    def wait_until_gone(self, limit=LIMIT):
        wait_until(lambda: not self.alive(), "the end of the whole family", limit)

    @property
    def last_seen(self):
        return max(member.last_seen for member in self.members.values())
