"""The documents, and the parts of them that tests compare with the code."""

import re
from importlib import import_module
from pathlib import Path

from cronguard.cli import main as cli
from cronguard.config.settings import Settings
from cronguard.run import guard
from cronguard.system.errors import CronguardError

CHECKOUT = Path(__file__).resolve().parents[2]


def read(name):
    return (CHECKOUT / name).read_text(encoding="utf-8")


def blocks(name):
    """Return the language and the text of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", read(name), re.DOTALL | re.MULTILINE)


def blocks_in(name, language):
    return [text for found, text in blocks(name) if found == language]


def section(name, heading):
    """Return the text below a heading, up to the next one of its level."""
    level = heading.partition(" ")[0]
    after = read(name).partition(f"{heading}\n")[2]
    assert after, f"{name} has no {heading}"
    return after.partition(f"\n{level} ")[0]


def man_section(heading, page="man/cronguard.1"):
    """Return the source of a section of the manual, up to the next heading of any level."""
    after = read(page).partition(f"{heading}\n")[2]
    assert after, f"{page} has no {heading}"
    return re.split(r"^\.S[hs] ", after, maxsplit=1, flags=re.MULTILINE)[0]


def exit_statuses():
    """Return every exit status of cronguard's own."""
    own = {cli.FOUND, cli.USAGE, cli.UNWRITABLE, cli.BUG, guard.LOST, guard.TIMED_OUT, Settings().skip_status}
    return own | {kind.status for kind in _kinds(CronguardError)}


def commands():
    """Return every command by name; for a group, the commands in it."""
    found = {name: import_module(module) for name, module in cli.COMMANDS.items()}
    groups = {name: module for name, module in found.items() if hasattr(module, "COMMANDS")}
    within = {
        f"{group} {name}": import_module(path)
        for group, module in groups.items()
        for name, path in module.COMMANDS.items()
    }
    return {name: module.command for name, module in (found | within).items() if name not in groups}


def _kinds(kind):
    return {kind} | {deeper for below in kind.__subclasses__() for deeper in _kinds(below)}
