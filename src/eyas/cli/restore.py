"""`eyas restore LIFE FILE`."""

from pathlib import Path

import click

from eyas.cli.show import print_figures, print_json


@click.command("restore")
@click.argument("life", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Remove what the store holds now.")
@click.option("--json", "as_json", is_flag=True, help="Print the number of rows of each table as one JSON object.")
def command(life: Path, file: Path, replace: bool, as_json: bool) -> None:
    """Put a backup back into a life.

    FILE is what `eyas backup` wrote, by this eyas or an older one. It goes back whole or not at all.

    \b
    Example:
      eyas restore lives/first first.db --replace
    """
    from eyas.store.backup import restore

    rows = restore(life, file, replace=replace)
    if as_json:
        print_json({"life": life, "rows": rows})
    else:
        print_figures(f"{life}: the store of {file}", {name: number or None for name, number in rows.items()})
