"""`cronguard forget`: remove the record of a job that is no more."""

import click

from cronguard.cli.common import open_storage, storage_options


@click.command("forget")
@click.option("--force", is_flag=True, help="Also if it is running.")
@storage_options
@click.argument("job", metavar="NS/JOB")
def command(job: str, force: bool, **where: str | None) -> None:
    """Remove the record and the history of NS/JOB from the backend."""
    from cronguard.job import Job
    from cronguard.override import forget

    named = Job.parse(job)
    click.echo(open_storage(**where).ask(lambda backend: forget(backend, named, force=force)))
