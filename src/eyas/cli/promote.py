"""`eyas promote LIFE NAME`."""

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eyas.cli.show import print_json

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from eyas.store.tables import Promotion


def moved(life: Path, move: Callable[["Session"], "Promotion"]) -> dict[str, str | None]:
    """Let `move` change who is champion, and tell what it did."""
    from eyas.store.database import open_store

    store = open_store(life)
    try:
        with store.session() as session:
            done = move(session)
            return {name: getattr(done, name) for name in ("action", "model", "previous", "person", "reason")}
    finally:
        store.close()


@click.command("promote")
@click.argument("life", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--reason", default="", help="Why, for those who look at the life later.")
@click.option("--person", default=None, help="Who decides (default: you).")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as one JSON object.")
def command(life: Path, name: str, reason: str, person: str | None, as_json: bool) -> None:
    """Make a model of a life its champion.

    What a running server answers changes within a second; answers on their way are finished by the old one. The
    champion before is kept as `previous`.

    \b
    Example:
      eyas promote lives/first fix-1
    """
    from eyas.store.champion import promote

    told = moved(life, lambda session: promote(session, name, person or getpass.getuser(), reason))
    if as_json:
        print_json(told)
        return
    click.echo(
        f"{told['model']} is the champion of {life} now"
        + (f"; before it was {told['previous']}" if told["previous"] else "")
    )
