"""`cronguard metrics`: for Prometheus, through node_exporter's textfile collector."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from cronguard.cli.common import load_settings, storage_of, storage_options
from cronguard.system.errors import BackendError, ConfigError, StoreRefusedError, UsageError

if TYPE_CHECKING:
    from cronguard.config.settings import Settings

_READ_BY_COLLECTOR = ".prom"


@click.command("metrics", short_help="Print what Prometheus is to watch.")
@click.option("--write", "path", metavar="FILE", type=click.Path(), help="Replace this file instead.")
@storage_options
def command(path: str | None, **where: str | None) -> int:
    """Print what is to be watched, in Prometheus' text format: each job's last runs, and this node's counters.

    When the backend is out of reach, the counters are all the same printed or written, with backend_up 0.
    """
    from cronguard.report.exposition import expose
    from cronguard.report.metrics import families

    if path is not None and not path.endswith(_READ_BY_COLLECTOR):
        raise UsageError(
            f"--write: {path} is no file that node_exporter reads", "let its name end with .prom"
        )
    settings = load_settings(**where)
    rows, failure = _ask(settings)
    text = expose(families(rows, _counters(settings)))
    if path is None:
        click.echo(text, nl=False)
    else:
        _replace(path, text)
    return _told(failure, settings) if failure else 0


def _ask(settings: "Settings") -> tuple[list[dict[str, Any]] | None, BackendError | None]:
    from cronguard.report.metrics import facts

    try:
        return storage_of(settings).ask(facts), None
    except BackendError as error:
        return None, error


def _counters(settings: "Settings") -> dict[Any, int]:
    """Return what was counted: for root that of all users, unless they are told to keep it elsewhere."""
    import time

    from cronguard.report.counters import counted
    from cronguard.system.statedir import StateDir

    state = StateDir(settings.state_dir, settings.node)
    is_for_all = os.geteuid() == 0 and settings.state_dir is None
    return counted(state, settings.node, time.time(), all_users=is_for_all)


def _told(failure: BackendError, settings: "Settings") -> int:
    """Complain as a run does: when a backend gets out of reach, and then once an hour, lest cron mails each minute."""
    from cronguard.cli.run import is_news
    from cronguard.system.statedir import StateDir

    state, url = StateDir(settings.state_dir, settings.node), settings.backend or "local"
    if isinstance(failure, StoreRefusedError) or is_news(state, url, is_loud=settings.verbose):
        raise failure
    return failure.status


def _replace(path: str, text: str) -> None:
    """Replace the file, complete or not at all; the collector may read it at any moment.

    What is written aside has a name that the collector passes over, and lies in the same folder: renamed from
    another file system it would be copied, bit by bit.
    """
    aside = f"{path}.{os.getpid()}"
    try:
        with open(aside, "x", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(aside)
        hint = "name a file in the collector's folder, where this user may write"
        raise ConfigError(f"--write: {path} cannot be written: {error.strerror}", hint) from error
