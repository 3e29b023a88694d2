"""Code that the commands with a table share: print it as text or JSON, once or repeatedly."""

import time
from collections.abc import Callable
from typing import Any

import click

from cronguard.system.errors import BackendError, StoreRefusedError

_EVERY = 2.0  # seconds, as in watch(1); a lease is renewed at least every ten
Rows = list[dict[str, Any]]


def watch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select how a table is shown."""
    function = click.option("--watch", is_flag=True, help="Refresh every two seconds, until interrupted.")(
        function
    )
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def show(rows: Callable[[], Rows], as_text: Callable[[Rows], str], *, as_json: bool, watch: bool) -> None:
    """Print the rows; with `watch`, repeat until interrupted."""
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
    """Return the text to show. Report a store that does not answer, but keep watching."""
    try:
        return text()
    except StoreRefusedError:
        raise
    except BackendError as error:
        return f"{error}\n{error.hint or ''}".rstrip()
