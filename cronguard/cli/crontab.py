"""`cronguard crontab`: add, remove or check the guards in a crontab."""

import click

from cronguard.cli.main import LazyGroup

COMMANDS = {
    "wrap": "cronguard.cli.crontab_wrap",
    "unwrap": "cronguard.cli.crontab_unwrap",
    "check": "cronguard.cli.crontab_check",
}


@click.group(
    "crontab",
    short_help="Add, remove or check the guards in a crontab",
    epilog="""\b
Examples:
  cronguard crontab wrap --ns shop
  cronguard crontab check /etc/crontab
  cronguard crontab unwrap --write""",
    cls=LazyGroup,
    modules=COMMANDS,
)
def command() -> None:
    """Add guards to a crontab, remove them, or check the crontab for problems.

    Each command takes CRONTABs: files such as /etc/crontab or /etc/cron.d/*, or - for standard input. Without any,
    it takes your own crontab.
    """
