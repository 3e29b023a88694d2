"""`cronguard pause`: stop a node, a namespace or a job from starting new runs."""

import os
from typing import TYPE_CHECKING

import click

from cronguard.cli import completing
from cronguard.cli.common import load_settings, storage_of, storage_options

if TYPE_CHECKING:
    from cronguard.model.pause import Pause
    from cronguard.model.target import Target
    from cronguard.store.storage import Storage


@click.command(
    "pause",
    short_help="Stop a job, namespace or node from starting new runs",
    epilog="""\b
Examples:
  cronguard pause billing/charge --reason 'wrong books'
  cronguard pause --ns billing --for 1h
  cronguard pause --node web1 --for 30m --reason reboot""",
)
@click.option(
    "--ns", metavar="NS", shell_complete=completing.namespaces, help="Pause all jobs of this namespace."
)
@click.option(
    "--node",
    metavar="NODE",
    shell_complete=completing.nodes,
    help="Pause this node (without any target: the node you are on).",
)
@click.option("--for", "length", metavar="TIME", help="How long to pause (default: until resumed).")
@click.option("--reason", metavar="TEXT", default="", help="Why, for others to see.")
@click.option("--force", is_flag=True, help="Pause even a name that is not known yet.")
@storage_options
@click.argument("job", metavar="[NS/JOB]", required=False, shell_complete=completing.jobs)
def command(
    job: str | None,
    ns: str | None,
    node: str | None,
    length: str | None,
    reason: str,
    force: bool,
    **where: str | None,
) -> None:
    """Stop NS/JOB, a namespace or a node from starting new runs until it is resumed.

    Runs in progress continue.
    """
    from cronguard.admin import drain, halt
    from cronguard.model.target import NODE, Target

    settings = load_settings(**where)
    target = Target.chosen(job, ns, node, settings.node)
    storage = storage_of(settings)
    pause = _requested(target, length, reason, settings.node, storage.clock.wall())
    known = (settings.node, *settings.nodes)
    if target.kind == NODE:
        storage.ask(lambda backend: drain.pause(backend, target.name, pause, known, force=force))
    else:
        storage.ask(lambda backend: halt.pause(backend, target, pause, force=force))
    click.echo(f"{target} is paused{_until(pause)}{_still_running(storage, target)}")


def _requested(target: "Target", length: str | None, reason: str, here: str, now: float) -> "Pause":
    from cronguard.model.duration import parse_duration
    from cronguard.model.pause import Pause, printable
    from cronguard.system.errors import UsageError
    from cronguard.system.user import user_name

    seconds = parse_duration(length, "--for") if length is not None else None
    if seconds == 0:
        raise UsageError("--for: must be longer than 0", f"to end a pause: cronguard resume {target.options}")
    by = f"{user_name(os.environ)}@{here}"
    return Pause(now, None if seconds is None else now + seconds, printable(reason), printable(by))


def _until(pause: "Pause") -> str:
    from cronguard.model.duration import format_duration

    return (
        " until it is resumed"
        if pause.until is None
        else f" for {format_duration(pause.until - pause.since)}"
    )


def _still_running(storage: "Storage", target: "Target") -> str:
    """Return which runs of the target still run. This is a separate query: if it times out, the pause still holds."""
    from cronguard.admin.active import running
    from cronguard.system.errors import BackendError

    try:
        found = storage.ask(lambda backend: running(backend, target))
    except BackendError as error:
        return f"; could not check what is still running: {error}"
    return f"; still running: {', '.join(found)}" if found else ""
