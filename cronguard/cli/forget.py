"""`cronguard forget`: remove what the store holds about a job or a node that no longer exists."""

import click

from cronguard.cli import completing
from cronguard.cli.common import load_settings, storage_of, storage_options


@click.command(
    "forget",
    short_help="Remove a job or node that no longer exists",
    epilog="""\b
Examples:
  cronguard forget billing/charge
  cronguard forget --node web3""",
)
@click.option(
    "--node", metavar="NODE", shell_complete=completing.nodes, help="Remove this node instead of a job."
)
@click.option(
    "--force", is_flag=True, help="Remove even a running job, or a node that is alive or runs a job."
)
@storage_options
@click.argument("job", metavar="[NS/JOB]", required=False, shell_complete=completing.jobs)
def command(job: str | None, node: str | None, force: bool, **where: str | None) -> None:
    """Remove the record, history and queues of NS/JOB from the backend, or what a node that is gone left there."""
    from cronguard.admin import decommission, override
    from cronguard.model.job import Job, check_name
    from cronguard.system.errors import UsageError

    if (job is None) == (node is None):
        raise UsageError(
            "name one job, or one node", "use cronguard forget NS/JOB, or cronguard forget --node NODE"
        )
    settings = load_settings(**where)
    if node is not None:
        gone, known = check_name(node, "--node"), settings.nodes
        storage = storage_of(settings)
        wall = storage.clock.wall()
        click.echo(storage.ask(lambda backend: decommission.forget(backend, gone, known, wall, force=force)))
        return
    named = Job.parse(job or "")
    click.echo(storage_of(settings).ask(lambda backend: override.forget(backend, named, force=force)))
