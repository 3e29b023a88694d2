"""Turn a plain crontab line into a guarded one, and back.

    0 2 * * * cronguard run --ns web --name dump --wrapped -- pg_dump shop

A guarded line contains the whole plain command, after `-- ` or as the quoted argument of `-c `. Removing the guard
therefore restores the command byte for byte, even if someone has added options since. `--wrapped` distinguishes such a
line from one that was guarded by hand. `--replaces TEXT` takes its place if TEXT, a flock(1) before the command, was
removed.
"""

import re
import shlex
from itertools import pairwise
from typing import NamedTuple

from cronguard.crontab.lines import quoted, shell_part
from cronguard.crontab.shell import Token, commands, is_simple, scan

_OURS = re.compile(r"'((?:[^']|'\\'')*)'(%.*)?", re.DOTALL)
_FLOCK = re.compile(
    r"(?:\S*/)?flock[ \t]+(?:-nx?|-xn?|--nonblock|--nb|-en|-ne)[ \t]+(?P<lock>(?!-|\d+\s)[^\s'\"\\$`;&|<>()]+)[ \t]+",
    re.ASCII,
)
_SHELL_LINE = re.compile(r"(?:-c|--command)[ \t]+")


class Guard(NamedTuple):
    """The options of the guard before a command. None for `zone` or `schedule` leaves the option out."""

    program: str
    ns: str | None
    name: str
    schedule: str | None = None
    zone: str | None = None

    def before(self, command: str) -> str:
        """Return the guarded command: a single program is run directly, anything else as a line for the shell."""
        return self._options("--wrapped") + _argument(command)

    def instead_of(self, flock: "Flock") -> str:
        """Return the guarded command, without the flock(1) that preceded it."""
        return self._options(f"--replaces {quoted(flock.text)}") + flock.argument

    def _options(self, mark: str) -> str:
        said = {"--ns": self.ns, "--name": self.name, "--timezone": self.zone, "--schedule": self.schedule}
        options = [f"{option} {shlex.quote(value)}" for option, value in said.items() if value]
        return " ".join([self.program, "run", *options, mark, ""])


class Found(NamedTuple):
    """A guard that was found before a command: its options and where they end."""

    options: dict[str, str]
    token: Token | None  # the `--` or `-c` that ends them; None if there is neither
    rest: tuple[Token, ...]  # what follows


def find(command: str) -> Found | None:
    """Return the first guard in the shell's part of a command."""
    tokens = scan(shell_part(command)).tokens
    for place, (program, verb) in enumerate(pairwise(tokens)):
        if _is_program(program) and verb.value == "run":
            return _found(tokens[place + 2 :])
    return None


def is_own(command: str) -> bool:
    """Return whether the line already calls cronguard: it is guarded or gated, or sends a heartbeat."""
    return bool(re.search(r"(?<![\w.-])cronguard(?:-shell)?(?![\w./-])", shell_part(command), re.ASCII))


def guards_itself(command: str) -> bool:
    """Return whether the line runs only cronguard. Other commands, after an operator, would run on every node."""
    called = [words[0].rpartition("/")[2] for words in commands(shell_part(command))]
    return bool(called) and set(called) == {"cronguard"}


def without(command: str) -> str | None:
    """Return the command without the guard that `Guard` put before it; None if it has no guard, or not of this form."""
    found = find(command)
    start = scan(shell_part(command)).tokens[:1]
    if found is None or found.token is None or not start or not _is_program(start[0]):
        return None
    after = command[found.token.end :]
    if not after.startswith(" ") or not {"--wrapped", "--replaces"} & found.options.keys():
        return None
    replaced = _plain(found.options["--replaces"]) if "--replaces" in found.options else ""
    if replaced is None:
        return None
    if found.token.value == "--" or _SHELL_LINE.search(replaced):
        return replaced + after[1:]
    line = _plain(after[1:])
    return None if line is None else replaced + line


class Flock(NamedTuple):
    """A flock(1) that a guard can replace: its text, its lock file, and the guard's argument that replaces it."""

    text: str
    lock: str
    argument: str


def flock_of(command: str) -> Flock | None:
    """Return the flock(1) before a command, if all it does is skip the command while the lock is held."""
    match = _FLOCK.match(command)
    if match is None:
        return None
    if line := _SHELL_LINE.match(command, match.end()):
        rest = command[line.end() :]
        is_one_word = [token.kind for token in scan(shell_part(rest)).tokens] == ["word"]
        return Flock(command[: line.end()], match["lock"], f"-c {rest}") if is_one_word else None
    rest = command[match.end() :]
    return Flock(match[0], match["lock"], _argument(rest)) if _is_one_program(rest) else None


def _is_one_program(command: str) -> bool:
    """Return whether flock(1) runs the whole line: the shell would run anything after an operator without the lock."""
    tokens = scan(shell_part(command)).tokens
    has_operators = any(token.kind == "operator" and not token.is_redirect for token in tokens)
    return (
        bool(tokens)
        and is_simple(tokens[0].text)
        and not tokens[0].text.startswith("-")
        and not has_operators
    )


def _argument(command: str) -> str:
    return f"-- {command}" if is_simple(shell_part(command)) else f"-c {quoted(command)}"


def _plain(text: str) -> str | None:
    match = _OURS.fullmatch(text)
    return match[1].replace("'\\''", "'") + (match[2] or "") if match else None


def _is_program(token: Token) -> bool:
    return token.kind == "word" and token.value.rpartition("/")[2] == "cronguard"


def _found(tokens: tuple[Token, ...]) -> Found:
    options: dict[str, str] = {}
    last = ""
    for place, token in enumerate(tokens):
        if token.kind != "word":
            break
        if token.value in ("--", "-c"):
            return Found(options, token, tokens[place + 1 :])
        if token.text.startswith("-"):
            last, equals, value = token.text.partition("=")
            options[last] = value if equals else ""
        elif last and not options[last]:
            options[last] = token.text
        else:  # the first word of a command without `--`
            return Found(options, None, tokens[place:])
    return Found(options, None, ())
