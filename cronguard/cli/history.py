"""stub"""

import click


@click.command("history")
def command(): ...
