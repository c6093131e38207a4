"""`eyas backup LIFE -o FILE`."""

from pathlib import Path

import click

from eyas.cli.show import print_figures, print_json


@click.command("backup")
@click.argument("life", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="The file to write: NAME.db or NAME.jsonl."
)
@click.option("--json", "as_json", is_flag=True, help="Print the number of rows of each table as one JSON object.")
def command(life: Path, out: Path, as_json: bool) -> None:
    """Copy a life's store into one file, while it is served or not.

    A .db file is a SQLite store of its own; a .jsonl file can be read by eye. Either goes back into SQLite or
    PostgreSQL with `eyas restore`. The models are folders below LIFE/models; copy these as they are.

    \b
    Example:
      eyas backup lives/first -o first.db
    """
    from eyas.store.backup import backup

    rows = backup(life, out)
    if as_json:
        print_json({"file": out, "rows": rows})
    else:
        print_figures(f"{out}: the store of {life}", {name: number or None for name, number in rows.items()})
