"""`cronguard resume`: bring a paused node back."""

import click

from cronguard.cli.common import load_settings, storage_of, storage_options


@click.command("resume")
@click.option("--node", metavar="NODE", help="Which node (default: this one).")
@storage_options
def command(node: str | None, **where: str | None) -> None:
    """Have NODE take its turns again."""
    from cronguard.drain import resume
    from cronguard.job import check_name

    settings = load_settings(**where)
    named = check_name(node, "--node") if node is not None else settings.node
    known = (settings.node, *settings.nodes)
    click.echo(storage_of(settings).ask(lambda backend: resume(backend, named, known)))
