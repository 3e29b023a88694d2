"""The command line: one small file a command, imported when it runs."""

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
FOUND = 1  # a command that looks for faults has found some

# The whole list: a command's module is imported when the command is asked for.
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
    """A group whose commands live in modules of their own."""

    def __init__(self, *args: Any, modules: Mapping[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the list."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self.modules:
            return None
        command: click.Command = import_module(self.modules[cmd_name]).command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click's parser does not know whose options are wrong, and the hint has to name it."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if command and not error.ctx:
                error.ctx = click.Context(command, parent=ctx, info_name=ctx.invoked_subcommand)
            raise


@click.group(cls=LazyGroup, modules=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cronguard")
def cronguard() -> None:
    """Run each scheduled command once in the cluster, on a node that is alive."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status; whatever goes wrong is told in a line or two."""
    return guarded(lambda: cronguard.main(argv, prog_name="cronguard", standalone_mode=False))


def entry() -> None:
    """Run the command line as a program."""
    finish(main())


def finish(status: int) -> NoReturn:
    """End the program at once: Python's own tidying up costs a sixth of a skip."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed by who started us, or None
            stream.flush()
    os._exit(status)


def guarded(work: Callable[[], int | None]) -> int:  # noqa: PLR0911 - the table of errors and statuses
    """Turn errors into their exit statuses: the one place where that is done."""
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
    except SystemExit as stop:  # click's end of a completion, and its answer to a reader who has gone
        return BROKEN_PIPE if stop.code else 0
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets one line
        return _broken(error)


def _misused(error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and error.ctx:
        click.echo(error.ctx.get_help(), err=True)
        return USAGE
    from cronguard.cli.misuse import told

    return complain(*told(error), USAGE)


def _broken(error: Exception) -> int:
    """Tell a bug as a line, not a traceback; output that cannot be written is none of ours."""
    if os.environ.get("CRONGUARD_DEBUG"):
        raise error
    if isinstance(error, OSError) and error.filename is None and error.errno == errno.ENOSPC:
        return complain(f"the output cannot be written: {error.strerror}", None, UNWRITABLE)
    hint = "this is a bug in cronguard; with CRONGUARD_DEBUG=1 it shows where"
    return complain(f"{type(error).__name__}: {error}", hint, BUG)


def complain(message: str, hint: str | None, status: int) -> int:
    """Say what is wrong and what to do, on stderr; returns the status."""
    say(message, *([f"hint: {hint}"] if hint else []))
    return status
