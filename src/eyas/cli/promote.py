"""`eyas promote LIFE NAME`."""

import getpass
from pathlib import Path

import click


@click.command("promote")
@click.argument("life", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--reason", default="", help="Why, for those who look at the life later.")
@click.option("--person", default=None, help="Who decides (default: you).")
def command(life: Path, name: str, reason: str, person: str | None) -> None:
    """Make a model of a life its champion.

    What a running server answers changes within a second; answers on their way are finished by the old one. The
    champion before is kept as `previous`.

    \b
    Example:
      eyas promote lives/first fix-1
    """
    from eyas.store.champion import promote
    from eyas.store.database import open_store

    store = open_store(life)
    try:
        with store.session() as session:
            done = promote(session, name, person or getpass.getuser(), reason)
            model, previous = done.model, done.previous
    finally:
        store.close()
    click.echo(f"{model} is the champion of {life} now" + (f"; before it was {previous}" if previous else ""))
