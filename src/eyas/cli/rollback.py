"""`eyas rollback LIFE`."""

import getpass
from pathlib import Path

import click


@click.command("rollback")
@click.argument("life", type=click.Path(path_type=Path))
@click.option("--reason", default="", help="Why, for those who look at the life later.")
@click.option("--person", default=None, help="Who decides (default: you).")
def command(life: Path, reason: str, person: str | None) -> None:
    """Give the champion's place back to the previous one.

    A second rollback takes the first one back.

    \b
    Example:
      eyas rollback lives/first
    """
    from eyas.store.champion import rollback
    from eyas.store.database import open_store

    store = open_store(life)
    try:
        with store.session() as session:
            done = rollback(session, person or getpass.getuser(), reason)
            model, previous = done.model, done.previous
    finally:
        store.close()
    click.echo(f"{model} is the champion of {life} again, in place of {previous}")
