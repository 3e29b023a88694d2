"""`cronguard run`: run a command once in the cluster."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cronguard.config.settings import SETTINGS, Settings
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, CronguardError, StoreRefusedError, TooLateError, UsageError
from cronguard.system.program import shell_line
from cronguard.system.stderr import is_terminal, say

if TYPE_CHECKING:
    from cronguard.run.guard import Guard
    from cronguard.run.plan import Plan
    from cronguard.system.log import Log
    from cronguard.system.statedir import StateDir

_NO_BACKEND = (
    'no backend is configured, so other machines may run this job too; set backend = "dir:/shared/directory" '
    'in /etc/cronguard/config.toml, or "local" if that is what you want'
)


def _namespaces(*asked: Any) -> list[str]:
    from cronguard.cli.completing import namespaces

    return namespaces(*asked)


_COMPLETIONS = {"ns": _namespaces}


def _settings(function: Callable[..., int]) -> Callable[..., int]:
    """Add an option for each setting. The settings check the values, wherever they come from."""
    for key, setting in reversed(list(SETTINGS.items())):
        if setting.help:
            function = click.option(
                *setting.spellings(key), key, default=None, is_flag=not setting.metavar,
                metavar=setting.metavar or None, help=setting.help, shell_complete=_COMPLETIONS.get(key),
            )(function)  # fmt: skip
    return function


@click.command(
    "run",
    short_help="Run a command once in the cluster",
    epilog="""\b
Examples:
  cronguard run --ns shop --name report --ttl 5m -- make-report --all
  cronguard run --ns shop --name dump -c 'pg_dump shop > /backups/shop.sql'
  cronguard run --dry-run --ns billing --name charge --retry never -- charge""",
    context_settings={"allow_interspersed_args": False},
)
@_settings
@click.option("--config", metavar="FILE", help="Read only this configuration file.")
@click.option(
    "--wrapped", is_flag=True, expose_value=False, help="Mark for `crontab unwrap`, added by `crontab wrap`."
)
@click.option(
    "--replaces", metavar="TEXT", expose_value=False, help="The same, where TEXT was before the command."
)
@click.option("--dry-run", is_flag=True, help="Print what would happen, and do nothing.")
@click.option(
    "-c", "line", metavar="LINE", help="Run this shell line, including redirects and pipes, with $SHELL."
)
@click.argument("words", metavar="[--] COMMAND [ARG]...", nargs=-1, type=click.UNPROCESSED)
def command(
    line: str | None, words: tuple[str, ...], config: str | None, dry_run: bool, **options: Any
) -> int:
    """Run COMMAND unless another node runs it, or has run it for this tick.

    A skipped run prints nothing and exits with status 75.

    The exit status is that of the command, or: 75 skipped, 76 lease lost, 69 backend unreachable, 124 timed out,
    126 command cannot be executed, 127 command not found. A TIME is seconds, or a number with s, m, h or d.
    """
    from cronguard.config.sources import load

    return guard_command(load(options, config), _argv(line, words), dry_run=dry_run)


def guard_command(settings: Settings, argv: list[str], *, dry_run: bool = False) -> int:
    """Run the command under the settings, or print what would happen; return the exit status."""
    from cronguard.run.clean import start_clean
    from cronguard.run.plan import make_plan

    start_clean()
    plan = make_plan(settings, argv, os.environ, Clock())
    if settings.backend is None and not settings.quiet:
        say(_NO_BACKEND)
    if dry_run:
        return _explain(plan, settings)
    return _run(plan, settings)


def _argv(line: str | None, words: tuple[str, ...]) -> list[str]:
    if line is not None and words:
        raise UsageError(
            f"-c takes the whole line, but {words[0]!r} comes after it", "put quotes around the line"
        )
    if line is not None:
        return shell_line(line, os.environ)
    if not words or not words[0]:
        raise UsageError("no command is given", "use cronguard run --ns billing --name JOB -- COMMAND")
    return list(words)


def _run(plan: "Plan", settings: Settings) -> int:
    from cronguard.lease.claim import Skip
    from cronguard.run.guard import Guard
    from cronguard.run.leftovers import report_leftovers

    log, clock = _log(plan, settings), Clock()
    report_leftovers(plan.errand.state.root, clock, log)
    began = clock.boot()
    guard = Guard(plan, os.environ, clock, log.write)
    try:
        result = guard.run()
    except BackendError as error:
        return _unavailable(guard, plan, settings, log, error)
    except CronguardError as error:
        log.write("warning", "error", status=error.status, detail=str(error))
        if not guard.is_counted:
            _count(plan, "run", "lost" if isinstance(error, TooLateError) else "error")
        raise
    if isinstance(result, Skip):
        log.write("debug", "skipped", reason=result.reason, detail=result.detail)
        _say(settings, f"skipped {plan.ask.job}, {result.reason}: {result.detail}")
        return settings.skip_status
    level = "info" if result.word == "done" and not result.detail else "warning"
    took = round(clock.boot() - began, 1)
    log.write(level, result.word, status=result.status, seconds=took, detail=result.detail or None)
    _tell(settings, plan, result.word, result.detail)
    if not guard.is_counted:
        _count(plan, "run", result.word)
    return result.status


def _count(plan: "Plan", kind: str, word: str) -> None:
    """Count a run for `cronguard metrics` that its keeper could not count."""
    from cronguard.run.counting import count_aside

    count_aside(plan.errand.state, kind, plan.ask.job.ns, plan.ask.job.name, word)


def _tell(settings: Settings, plan: "Plan", word: str, detail: str) -> None:
    """Report how the run ended. With a detail, always: the run was stopped, or its outcome may not be recorded."""
    if detail:
        say(f"{plan.ask.job}: {word}: {detail}")
    else:
        _say(settings, f"{plan.ask.job}: {word}")


def _say(settings: Settings, text: str) -> None:
    if settings.verbose or (is_terminal() and not settings.quiet):
        say(text)


def _log(plan: "Plan", settings: Settings) -> "Log":
    from cronguard.system.log import Log

    ask = plan.ask
    facts = {"job": str(ask.job), "tick": ask.tick.label, "node": ask.node, "program": ask.program}
    return Log(settings.log, settings.log_format, **facts)


def _unavailable(guard: "Guard", plan: "Plan", settings: Settings, log: "Log", error: BackendError) -> int:
    """Fail, or run unguarded if requested; but never if the store was reached and must not be used."""
    log.write("warning", "unavailable", status=error.status, detail=str(error))
    if settings.if_unavailable == "run" and not isinstance(error, StoreRefusedError):
        say(f"{plan.ask.job}: running unguarded: {error}")
        result = guard.run_unguarded()
        log.write("warning", result.word, status=result.status, detail="unguarded")
        _tell(settings, plan, result.word, result.detail)
        _count(plan, "run", "unguarded")
        return result.status
    _count(plan, "run", "unavailable")
    if isinstance(error, StoreRefusedError) or is_news(
        plan.errand.state, plan.errand.url, is_loud=settings.verbose
    ):
        raise error
    return error.status


def is_news(state: "StateDir", url: str, *, is_loud: bool) -> bool:
    """Return whether to report an unreachable backend: always if somebody is watching, else now and then."""
    from cronguard.run import counting

    is_due = counting.is_news(state, url, Clock().wall())
    return is_due or is_loud or is_terminal()


def _explain(plan: "Plan", settings: Settings) -> int:
    from cronguard.run.dry_run import explain
    from cronguard.store.storage import Storage

    errand = plan.errand
    storage = Storage(errand.url, errand.state, errand.backend_timeout, Clock())
    would_run, text = storage.ask(lambda backend: explain(backend, errand, Clock()))
    click.echo(f"{errand.ask.job} on {errand.ask.node}: {text}")
    return 0 if would_run else settings.skip_status
