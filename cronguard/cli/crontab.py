"""`cronguard crontab`: from an existing crontab to a guarded one, and back."""

import click

from cronguard.cli.main import LazyGroup

COMMANDS = {
    "wrap": "cronguard.cli.crontab_wrap",
    "unwrap": "cronguard.cli.crontab_unwrap",
    "check": "cronguard.cli.crontab_check",
}


@click.group(
    "crontab", short_help="Guard the lines of a crontab, or undo that.", cls=LazyGroup, modules=COMMANDS
)
def command() -> None:
    """Guard the lines of a crontab, take the guards off, or look for what is wrong.

    Each takes CRONTABs: files such as /etc/crontab or /etc/cron.d/*, - for standard input, or nothing for your own.
    """
