"""`eyas rollback LIFE`."""

import getpass
from pathlib import Path

import click

from eyas.cli.promote import moved
from eyas.cli.show import print_json


@click.command("rollback")
@click.argument("life", type=click.Path(path_type=Path))
@click.option("--reason", default="", help="Why, for those who look at the life later.")
@click.option("--person", default=None, help="Who decides (default: you).")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object.")
def command(life: Path, reason: str, person: str | None, as_json: bool) -> None:
    """Give the champion's place back to the previous one.

    A second rollback takes the first one back.

    \b
    Example:
      eyas rollback lives/first
    """
    from eyas.store.champion import rollback

    told = moved(life, lambda session: rollback(session, person or getpass.getuser(), reason))
    if as_json:
        print_json(told)
        return
    click.echo(f"{told['model']} is the champion of {life} again, in place of {told['previous']}")
