"""`cronguard unlock`: stop a job wherever it runs, and release its lease."""

import click

from cronguard.cli import completing
from cronguard.cli.common import open_storage, storage_options


@click.command(
    "unlock",
    short_help="Stop a running job, and release its lease",
    epilog="""\b
Examples:
  cronguard unlock billing/charge
  cronguard unlock --force billing/charge""",
)
@click.option("--force", is_flag=True, help="Release the lease at once; the job may still be running.")
@storage_options
@click.argument("job", metavar="NS/JOB", shell_complete=completing.jobs)
def command(job: str, force: bool, **where: str | None) -> None:
    """Tell the node that runs NS/JOB to stop it. Other nodes may run it once it has stopped."""
    from cronguard.admin.override import unlock
    from cronguard.model.job import Job

    named = Job.parse(job)
    storage = open_storage(**where)
    click.echo(storage.ask(lambda backend: unlock(backend, named, storage.clock, force=force)))
