"""`cronguard unlock`: stop a job wherever it runs, and free its lease."""

import click

from cronguard.cli import completing
from cronguard.cli.common import open_storage, storage_options


@click.command("unlock", short_help="Stop a job where it runs, and free its lock.")
@click.option("--force", is_flag=True, help="Free it at once: the job may still be running.")
@storage_options
@click.argument("job", metavar="NS/JOB", shell_complete=completing.jobs)
def command(job: str, force: bool, **where: str | None) -> None:
    """Tell the node that runs NS/JOB to stop it; others may run it when it has."""
    from cronguard.admin.override import unlock
    from cronguard.model.job import Job

    named = Job.parse(job)
    storage = open_storage(**where)
    click.echo(storage.ask(lambda backend: unlock(backend, named, storage.clock, force=force)))
