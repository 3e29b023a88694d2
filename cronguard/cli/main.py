"""The command line: one module per command, imported only when that command runs."""

import errno
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import click

from cronguard import __version__
from cronguard.system.errors import CronguardError
from cronguard.system.stderr import say

USAGE, BUG, UNWRITABLE, INTERRUPTED, BROKEN_PIPE = 64, 70, 74, 130, 141
FOUND = 1  # a command that checks something has found problems

# All commands. The module of a command is imported only when the command is used.
COMMANDS = {
    "run": "cronguard.cli.run",
    "locks": "cronguard.cli.locks",
    "unlock": "cronguard.cli.unlock",
    "forget": "cronguard.cli.forget",
    "heartbeat": "cronguard.cli.heartbeat",
    "nodes": "cronguard.cli.nodes",
    "queue": "cronguard.cli.queue",
    "pause": "cronguard.cli.pause",
    "resume": "cronguard.cli.resume",
    "time-slice": "cronguard.cli.time_slice",
    "crontab": "cronguard.cli.crontab",
    "history": "cronguard.cli.history",
    "simulate": "cronguard.cli.simulate",
    "metrics": "cronguard.cli.metrics",
    "doctor": "cronguard.cli.doctor",
}


class LazyGroup(click.Group):
    """A group whose commands are in separate modules."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in their listed order."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self.modules:
            return None
        command: click.Command = import_module(self.modules[cmd_name]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Add the command to a usage error, because the hint names it and click may leave it out."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if command and not error.ctx:
                error.ctx = click.Context(command, parent=ctx, info_name=ctx.invoked_subcommand)
            raise


@click.group(
    cls=LazyGroup,
    modules=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  cronguard run --ns shop --name dump -- pg_dump -f /backups/shop.sql shop
  cronguard crontab wrap --ns shop --write
  cronguard locks""",
)
@click.version_option(__version__, prog_name="cronguard")
def cronguard() -> None:
    """Run each scheduled command once in the cluster, on a node that is alive."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status; report any error in one or two lines."""
    return guarded(lambda: cronguard.main(argv, prog_name="cronguard", standalone_mode=False))


def entry() -> None:
    """Run the command line as a program."""
    finish(main())


def finish(status: int) -> NoReturn:
    """Exit at once: the clean-up that Python does takes a sixth of the time of a skipped run."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed by the parent process, or None
            stream.flush()
    os._exit(status)


def guarded(work: Callable[[], int | None]) -> int:  # noqa: PLR0911 - the table of errors and statuses
    """Turn errors into exit statuses. This is the only place that does so."""
    try:
        return work() or 0
    except CronguardError as error:
        return complain(str(error), error.hint, error.status)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.UsageError as error:
        return _misused(error)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except SystemExit as stop:  # from click, after a completion or when the reader of the output is gone
        return BROKEN_PIPE if stop.code else 0
    except Exception as error:  # noqa: BLE001 - report any other error in one line
        return _broken(error)


def _misused(error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and error.ctx:
        click.echo(error.ctx.get_help(), err=True)
        return USAGE
    from cronguard.cli.misuse import told

    return complain(*told(error), USAGE)


def _broken(error: Exception) -> int:
    """Report a bug in one line, without a traceback. A full disk for the output is not a bug."""
    if os.environ.get("CRONGUARD_DEBUG"):
        raise error
    if isinstance(error, OSError) and error.filename is None and error.errno == errno.ENOSPC:
        return complain(f"the output cannot be written: {error.strerror}", None, UNWRITABLE)
    hint = "this is a bug in cronguard; set CRONGUARD_DEBUG=1 to see where"
    return complain(f"{type(error).__name__}: {error}", hint, BUG)


def complain(message: str, hint: str | None, status: int) -> int:
    """Print on stderr what is wrong and what to do; return the status."""
    say(message, *([f"hint: {hint}"] if hint else []))
    return status
