"""`cronguard heartbeat`: report that this node is up, and check it and the other nodes."""

import signal
from typing import TYPE_CHECKING

import click

from cronguard.cli.common import load_settings, storage_of, storage_options

if TYPE_CHECKING:
    from cronguard.heartbeat.heartbeat import Heartbeat, News
    from cronguard.system.log import Log


@click.command(
    "heartbeat",
    short_help="Report to the other nodes that this one is up",
    epilog="""\b
Examples:
  cronguard heartbeat
  cronguard heartbeat --interval 5s --verbose""",
)
@click.option("--interval", metavar="TIME", help="Keep sending heartbeats at this interval until stopped.")
@click.option("-v", "--verbose", is_flag=True, help="Report changes on stderr.")
@storage_options
def command(interval: str | None, verbose: bool, **where: str | None) -> None:
    """Send one heartbeat (run it from cron every minute), or with --interval one every TIME until stopped."""
    from cronguard.heartbeat.config import load_heartbeat
    from cronguard.heartbeat.heartbeat import Heartbeat
    from cronguard.heartbeat.probes import check_ping
    from cronguard.model.duration import parse_duration
    from cronguard.run.leftovers import report_leftovers
    from cronguard.system.clock import Clock
    from cronguard.system.errors import UsageError
    from cronguard.system.log import Log

    settings = load_settings(**where)
    if settings.backend in (None, "local"):
        raise UsageError(
            "heartbeat: the local backend has no other nodes",
            "set a backend that all nodes share, with --backend or in the configuration",
        )
    nodes = tuple(name for name in settings.nodes if not name.isdecimal())
    config = load_heartbeat(where["config"], nodes)
    seconds = parse_duration(interval, "--interval") if interval is not None else config.every
    if not 1 <= seconds <= 3600:
        raise UsageError(f"--interval: {interval} is not between 1s and 1h", "try 5s")
    for asked in config.probes.values():
        check_ping(asked)
    storage = storage_of(settings)._replace(lane=" heartbeat")
    heartbeat = Heartbeat(settings.node, nodes, storage, config, seconds)
    log = Log(settings.log, settings.log_format, node=settings.node)
    report_leftovers(storage.state.root, Clock(), log)
    if interval is None:
        _tell(heartbeat.beat(), log, verbose=verbose)
        heartbeat.tidy()
    else:
        _go_on(heartbeat, log, seconds, verbose=verbose)


def _go_on(heartbeat: "Heartbeat", log: "Log", seconds: float, *, verbose: bool) -> None:
    """Send heartbeats for ever. Report only the start of a store outage, and do not stop because of it."""
    import sys

    from cronguard.system.clock import Clock
    from cronguard.system.errors import BackendError
    from cronguard.system.stderr import say

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    clock, trouble = Clock(), ""
    while True:
        began = clock.boot()
        try:
            _tell(heartbeat.beat(), log, verbose=verbose)
            heartbeat.tidy()
            trouble = ""
        except BackendError as error:
            if not trouble:
                say(str(error), *([f"hint: {error.hint}"] if error.hint else []))
                log.write("warning", "unavailable", status=error.status, detail=str(error))
            trouble = str(error)
        clock.sleep(began + seconds - clock.boot())


def _tell(news: "list[News]", log: "Log", *, verbose: bool) -> None:
    from cronguard.system.stderr import say

    for one in news:
        log.write(
            "warning" if one.word != "up" else "info", one.word, about=one.about, detail=one.detail or None
        )
        if one.word == "trouble":
            say(one.about)
        elif verbose:
            say(f"{one.about} is {one.word}{': ' if one.detail else ''}{one.detail}")
