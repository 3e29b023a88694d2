"""Code that `crontab wrap` and `crontab unwrap` share: show the difference, and write it only on request."""

import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from cronguard.cli.common import backup_place
from cronguard.system.stderr import say

if TYPE_CHECKING:
    from cronguard.crontab.source import Source
    from cronguard.crontab.wrap import Rewritten

_OPTIONS = (
    click.option("--system/--no-system", default=None, help="Whether lines name a user before the command."),
    click.option("--write", is_flag=True, help="Replace the crontab, and keep a copy of the old one."),
    click.option("--print", "whole", is_flag=True, help="Print the whole crontab instead of the difference."),
    click.argument("crontabs", metavar="[CRONTAB]...", nargs=-1, type=click.Path()),
)


def rewriting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options and arguments of both commands."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def rewrite(
    crontabs: Iterable[str],
    rewritten: Callable[["Source"], "Rewritten"],
    *,
    system: bool | None,
    write: bool,
    whole: bool,
) -> None:
    """Show how each crontab changes, with notes about its lines; with `write`, replace it."""
    from cronguard.crontab.source import OWN, read_source

    for source in [read_source(where, system=system) for where in crontabs or (OWN,)]:
        result = rewritten(source)
        for note in result.notes:
            stays = "unchanged: " if note.stays else ""
            click.echo(f"cronguard: {source.title} line {note.number}: {stays}{note.text}", err=True)
        if write:
            _write_back(source, result.text)
        else:
            _show(source, result.text, whole=whole)


def _show(source: "Source", new: str, *, whole: bool) -> None:
    from cronguard.report.output import difference, wants_colour

    shown = new if whole else difference(source.text, new, source.title, wants_colour(sys.stdout, os.environ))
    if not shown:
        say(f"{source.title}: nothing to change")
    sys.stdout.buffer.write(shown.encode(errors="surrogateescape"))
    sys.stdout.flush()
    if shown and not whole:
        say(f"{source.title}: nothing was changed; --write applies this, and keeps a copy of the old one")


def _write_back(source: "Source", new: str) -> None:
    from cronguard.crontab.source import write_back

    if new == source.text:
        say(f"{source.title}: nothing to change")
        return
    backup = write_back(source, new.encode(errors="surrogateescape"), *backup_place())
    say(f"{source.title} updated" + (f"; the previous version is in {backup}" if backup else ""))
