"""Realistic crontabs, and how two crons process a command before they pass it to the shell."""

from pathlib import Path

FOLDER = Path(__file__).parent / "data"
NAMES = sorted(path.name for path in FOLDER.iterdir())


def read(name):
    return (FOLDER / name).read_bytes().decode(errors="surrogateescape")


def is_system(name):
    return "system" in name


def debian_cron(command):
    """Return the shell's part and the rest, split as in Debian's do_command.c."""
    return _cut(command, "%\\")


def cronie(command):
    """The same for cronie, where a backslash escapes only the percent sign."""
    return _cut(command, "%")


def _cut(command, escapable):
    shell, is_escaped = "", False
    for place, character in enumerate(command):
        if is_escaped and character in escapable:
            shell = shell[:-1]
        elif character == "%" and not is_escaped:
            return shell, command[place:]
        shell += character
        is_escaped = character == "\\" and not is_escaped
    return shell, ""
