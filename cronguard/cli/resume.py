"""`cronguard resume`: let what is paused start runs again."""

import click

from cronguard.cli import completing
from cronguard.cli.common import load_settings, storage_of, storage_options


@click.command(
    "resume",
    short_help="Let a paused job, namespace or node start runs again",
    epilog="""\b
Examples:
  cronguard resume billing/charge
  cronguard resume --ns billing
  cronguard resume --node web1""",
)
@click.option(
    "--ns", metavar="NS", shell_complete=completing.paused_namespaces, help="Resume this namespace."
)
@click.option(
    "--node",
    metavar="NODE",
    shell_complete=completing.paused_nodes,
    help="Resume this node (without any target: the node you are on).",
)
@storage_options
@click.argument("job", metavar="[NS/JOB]", required=False, shell_complete=completing.paused_jobs)
def command(job: str | None, ns: str | None, node: str | None, **where: str | None) -> None:
    """Let NS/JOB, a namespace or a node start runs again.

    You can then run a skipped tick by hand.
    """
    from cronguard.admin import drain, halt
    from cronguard.model.target import NODE, Target

    settings = load_settings(**where)
    target = Target.chosen(job, ns, node, settings.node)
    storage, known = storage_of(settings), (settings.node, *settings.nodes)
    if target.kind == NODE:
        click.echo(storage.ask(lambda backend: drain.resume(backend, target.name, known)))
    else:
        click.echo(storage.ask(lambda backend: halt.resume(backend, target, storage.clock.wall())))
