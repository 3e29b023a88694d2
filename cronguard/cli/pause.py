"""`cronguard pause`: take a node out of every strategy."""

import click

from cronguard.cli.common import load_settings, storage_of, storage_options


@click.command("pause")
@click.option("--node", metavar="NODE", help="Which node (default: this one).")
@click.option("--for", "length", metavar="D", help="For how long (default: until it is resumed).")
@click.option("--reason", metavar="TEXT", default="", help="Why, for whoever wonders.")
@storage_options
def command(node: str | None, length: str | None, reason: str, **where: str | None) -> None:
    """Have NODE begin no runs, in any strategy, until it is resumed; what it runs now, it ends."""
    import os

    from cronguard.beat import Pause
    from cronguard.drain import pause
    from cronguard.duration import parse_duration
    from cronguard.errors import UsageError
    from cronguard.job import check_name

    settings = load_settings(**where)
    storage = storage_of(settings)
    named = check_name(node, "--node") if node is not None else settings.node
    now = storage.clock.wall()
    seconds = parse_duration(length, "--for") if length is not None else None
    if seconds == 0:
        raise UsageError(
            "--for: a pause of no length is none", f"to end one: cronguard resume --node {named}"
        )
    until = None if seconds is None else now + seconds
    by = f"{os.environ.get('LOGNAME', os.geteuid())}@{settings.node}"
    wish = Pause(now, until, " ".join(reason.split())[:200], by)
    known = (settings.node, *settings.nodes)
    click.echo(storage.ask(lambda backend: pause(backend, named, wish, known)))
