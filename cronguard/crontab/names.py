"""Name a line's job after its program or script, readably and with the same result on every node."""

import hashlib
import re
from collections.abc import Iterable

from cronguard.crontab.shell import commands

_LONGEST = 60  # of the 100 allowed: leaves room for a suffix that makes it unique, and keeps tables narrow
_DEEPEST = 4  # nested shells

# Programs that run another program. To find it, skip (options that take a value, arguments before the program).
_BEFORE_ANOTHER = {
    "chronic": ("", 0), "cronic": ("", 0), "env": ("uSC", 0), "ionice": ("cnpPu", 0), "nice": ("n", 0), "nocache": ("", 0),
    "nohup": ("", 0), "setsid": ("", 0), "softlimit": ("", 0), "stdbuf": ("ioe", 0), "sudo": ("ugphCTRD", 0), "doas": ("uC", 0),
    "time": ("fo", 0), "timeout": ("ks", 1), "flock": ("wE", 1), "setlock": ("", 1), "setuidgid": ("", 1), "chrt": ("", 1),
    "taskset": ("", 1), "systemd-cat": ("tp", 0), "exec": ("a", 0), "command": ("", 0), "eval": ("", 0), "xargs": ("ILnPds", 0),
    "bundle": ("", 1), "logger": ("tp", 0), "unbuffer": ("", 0), "run-one": ("", 0), "daemonize": ("acepuE", 0), "lockrun": ("", 0),
}  # fmt: skip
_SHELLS = frozenset("sh bash dash ksh mksh zsh ash rbash su runuser flock".split())
# Programs whose first plain argument is a better name than their own.
_OF_SCRIPTS = re.compile(
    r"(?:python|pypy|php|perl|ruby|node|nodejs|lua|tclsh|Rscript|java|sh|bash|dash|ksh|zsh)[\d.]*|run-parts|source|\."
)
_OF_TASKS = frozenset(
    "artisan certbot console craft docker drush find_each gem kubectl make manage.py manage mc npm npx occ pnpm rails rake rclone "
    "restic borg composer service systemctl wp yarn aws gsutil duplicity invoke fab mix sidekiq supervisorctl".split()
)
_IN_PASSING = frozenset(
    ". : [ [[ cd chdir date echo exit export false local mkdir printf pwd read set sleep source test touch true trap ulimit umask "
    "unset wait".split()
)
_EXTENSION = re.compile(r"(?<=.)\.(?:sh|bash|py|pyc|php\d?|pl|rb|js|mjs|ts|lua|tcl|jar|R|r|cgi|cron)$")


def stem(line: str, depth: int = 0) -> str:
    """Return a name for the line's main program; `job` if none can be derived."""
    found = [_program(words, depth) for words in commands(line)]
    telling = [name for name, is_telling in found if is_telling] or [name for name, _ in found]
    return next((clean(name) for name in telling if clean(name)), "job")


def clean(text: str) -> str:
    """Return the text as a valid name, without unusable characters; empty if nothing is left."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:_LONGEST].rstrip("._-")


def unique(stems: Iterable[tuple[str, str]], taken: Iterable[str]) -> list[str]:
    """Return a unique name for each pair of a stem and its meaning.

    A stem that occurs more than once or is taken gets a hash of its meaning. It does not get a number, because a line
    added above would shift the numbers, and a job would get another job's lock.
    """
    pairs, used = list(stems), set(taken)
    names = [name for name, _ in pairs]
    result = []
    for name, meaning in pairs:
        if names.count(name) > 1 or name in used:
            digest = hashlib.sha256(meaning.encode(errors="surrogateescape")).hexdigest()
            name = _free(f"{name}-{digest[:6]}", used)  # noqa: PLW2901 - the same name, made unique
        used.add(name)
        result.append(name)
    return result


def _free(name: str, used: set[str]) -> str:
    number, candidate = 2, name
    while candidate in used:  # the same line occurs twice
        candidate, number = f"{name}-{number}", number + 1
    return candidate


def _program(words: list[str], depth: int) -> tuple[str, bool]:
    program, rest = _base(words[0]), words[1:]
    if program in _SHELLS and (inner := _line_of(rest)) and depth < _DEEPEST:
        return stem(inner, depth + 1), True
    if program in _BEFORE_ANOTHER and (after := _after(rest, *_BEFORE_ANOTHER[program])):
        return _program(after, depth)
    if _OF_SCRIPTS.fullmatch(program):
        script = _script(rest)
        return (_with_task(_base(script[0]), script[1:]), True) if script else (program, False)
    return _with_task(program, rest), program not in _IN_PASSING


def _with_task(program: str, rest: list[str]) -> str:
    tasks = [word for word in rest if not word.startswith("-") and "=" not in word]
    name = _EXTENSION.sub("", program)
    return f"{name}-{tasks[0]}" if program in _OF_TASKS | {"manage.py"} and tasks else name


def _base(word: str) -> str:
    return word.rstrip("/").rpartition("/")[2]


def _line_of(words: list[str]) -> str | None:
    for place, word in enumerate(words[:-1]):
        if re.fullmatch(r"-[a-z]*c", word) or word == "--command":
            return words[place + 1]
    return None


def _script(words: list[str]) -> list[str] | None:
    """Return the script and its arguments; None for code on the command line."""
    for place, word in enumerate(words):
        if word in ("-c", "-e", "-r", "-E", "-ne", "-pe", "-lne"):
            return None
        if word in ("-m", "-f", "-jar", "-cp", "-classpath"):
            return words[place + 1 :] or None
        if not word.startswith("-") and "=" not in word:
            return words[place:]
    return None


def _after(words: list[str], with_value: str, own: int) -> list[str]:
    place = 0
    while place < len(words) and (words[place].startswith("-") or "=" in words[place]):
        if words[place] == "--":
            place += 1
            break
        takes_next = len(words[place]) == len("-x") and words[place][1] in with_value
        place += 2 if takes_next else 1
    return words[place + own :]
