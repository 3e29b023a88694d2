"""`cronguard metrics`: print metrics for Prometheus, for the textfile collector of node_exporter."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from cronguard.cli.common import load_settings, storage_of, storage_options
from cronguard.system.errors import BackendError, ConfigError, StoreRefusedError, UsageError

if TYPE_CHECKING:
    from cronguard.config.settings import Settings

_READ_BY_COLLECTOR = ".prom"


@click.command(
    "metrics",
    short_help="Print Prometheus metrics",
    epilog="""\b
Examples:
  cronguard metrics
  cronguard metrics --write /var/lib/prometheus/node-exporter/cronguard.prom""",
)
@click.option(
    "--write", "path", metavar="FILE", type=click.Path(), help="Replace this file instead of printing."
)
@storage_options
def command(path: str | None, **where: str | None) -> int:
    """Print metrics in the text format of Prometheus: the last runs of each job, and the counters of this node.

    If the backend cannot be reached, the counters are still printed or written, with backend_up 0.
    """
    from cronguard.report.exposition import expose
    from cronguard.report.metrics import families

    if path is not None and not path.endswith(_READ_BY_COLLECTOR):
        raise UsageError(f"--write: node_exporter does not read {path}", "use a file name that ends in .prom")
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
    """Return the counters; for root those of all users, unless a state directory is configured."""
    import time

    from cronguard.report.counters import counted
    from cronguard.system.statedir import StateDir

    state = StateDir(settings.state_dir, settings.node)
    is_for_all = os.geteuid() == 0 and settings.state_dir is None
    return counted(state, settings.node, time.time(), all_users=is_for_all)


def _told(failure: BackendError, settings: "Settings") -> int:
    """Report an outage as a run does, at its start and then once an hour, so that cron does not mail every minute."""
    from cronguard.cli.run import is_news
    from cronguard.system.statedir import StateDir

    state, url = StateDir(settings.state_dir, settings.node), settings.backend or "local"
    if isinstance(failure, StoreRefusedError) or is_news(state, url, is_loud=settings.verbose):
        raise failure
    return failure.status


def _replace(path: str, text: str) -> None:
    """Replace the file atomically, because the collector may read it at any moment.

    The temporary file has a name that the collector ignores. It is in the same directory, because a rename does not
    work across file systems.
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
        hint = "name a file in the collector's directory, and let this user write there"
        raise ConfigError(f"--write: {path} cannot be written: {error.strerror}", hint) from error
