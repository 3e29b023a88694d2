"""Jobs: a job is what one crontab line runs, under a name that is the same on every node."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from cronguard.system.errors import UsageError

_LONGEST = 100


def is_name(text: str) -> bool:
    """Return whether the text is 1 to 100 letters, digits, '.', '_' or '-' and starts with a letter or digit.

    This does without a regular expression: compiling one takes longer than checking all the names of a run.
    """
    plain = text.translate(_PUNCTUATION)
    return 0 < len(text) <= _LONGEST and plain.isascii() and plain.isalnum() and text[0].isalnum()


_PUNCTUATION = str.maketrans("._-", "aaa")


def check_name(text: str, what: str) -> str:
    """Return the text if it is a valid name; raises UsageError otherwise.

    Names become parts of paths and keys, so a name must not lead out of its directory.
    """
    if not is_name(text):
        raise UsageError(
            f"{what}: {text!r} is not a valid name",
            "use 1 to 100 letters, digits, '.', '_' or '-', and start with a letter or digit",
        )
    return text


class Job(NamedTuple):
    """A job's namespace and name. Create it with `Job.of`, `Job.parse` or `Job.unnamed`, which check both."""

    ns: str
    name: str

    def __str__(self) -> str:
        return f"{self.ns}/{self.name}"

    @property
    def key(self) -> str:
        """The key of the job's lease in the store."""
        return f"lease/{self.ns}/{self.name}"

    @classmethod
    def of(cls, ns: str, name: str) -> "Job":
        """Return the job; raises UsageError unless both are valid names."""
        return cls(check_name(ns, "--ns"), check_name(name, "--name"))

    @classmethod
    def parse(cls, text: str) -> "Job":
        """Parse NAMESPACE/NAME, or NAME for a job in the namespace `default`; raises UsageError."""
        ns, slash, name = text.partition("/")
        if not slash:
            ns, name = "default", text
        return cls(check_name(ns, "namespace"), check_name(name, "job name"))

    @classmethod
    def unnamed(cls, ns: str, argv: Sequence[str], user: str) -> "Job":
        """Name the job after the user, the program and a short hash of the exact argument vector.

        The arguments are joined with NUL, which no argument can contain, so `a "b c"` and `a b c` differ.
        """
        import hashlib
        import re

        digest = hashlib.sha256(b"\0".join(map(os.fsencode, argv))).hexdigest()[:10]
        program = re.sub(r"[^A-Za-z0-9._-]+", "-", os.path.basename(argv[0]))[:40]
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", user)[:40].lstrip("._-") or "user"
        return cls.of(ns, f"{stem}-{program}-{digest}")
