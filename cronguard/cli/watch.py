"""What the commands that show a table share: as text, as JSON, once or again and again."""

import time
from collections.abc import Callable
from typing import Any

import click

from cronguard.system.errors import BackendError, StoreRefusedError

_EVERY = 2.0  # seconds, as watch(1): a renewal comes every ten at most
Rows = list[dict[str, Any]]


def watch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a table is shown."""
    function = click.option(
        "--watch", is_flag=True, help="Show it again every two seconds, until interrupted."
    )(function)
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def show(rows: Callable[[], Rows], as_text: Callable[[Rows], str], *, as_json: bool, watch: bool) -> None:
    """Print the rows; with `watch` until interrupted."""
    from cronguard.report.output import as_json as json_text

    def text() -> str:
        found = rows()
        return json_text(found) if as_json else as_text(found)

    if not watch:
        click.echo(text())
        return
    while True:
        shown = _now_or_why_not(text)
        click.clear()
        click.echo(shown)
        time.sleep(_EVERY)


def _now_or_why_not(text: Callable[[], str]) -> str:
    """Return what is to be shown; a store that does not answer for a moment is no reason to look away."""
    try:
        return text()
    except StoreRefusedError:
        raise
    except BackendError as error:
        return f"{error}\n{error.hint or ''}".rstrip()
