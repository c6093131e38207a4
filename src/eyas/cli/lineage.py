"""`eyas lineage MODEL`: where a model comes from, back to its first ancestor."""

from pathlib import Path
from typing import Any

import click

from eyas.cli.show import print_figures, print_json
from eyas.store.lineage import ancestry, parent_folder
from eyas.store.names import resolve_model


@click.command("lineage")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, youngest model first.")
def command(model: str, as_json: bool) -> None:
    """Tell where a model comes from.

    MODEL is a model folder or LIFE/NAME. Parents are followed as far as their folders are still there.

    \b
    Example:
      eyas lineage lives/first/assistant
    """
    line = ancestry(resolve_model(model))
    if as_json:
        print_json([{"model": folder, **lineage} for folder, lineage in line])
        return
    for folder, lineage in line:
        print_figures(f"{_short(folder)}  ({lineage['stage']})", _figures(lineage))
    last_folder, last = line[-1]
    if (missing := parent_folder(last_folder, last)) is not None:
        click.echo(f"{_short(missing)}  (not here any more)")


def _short(folder: Path) -> str:
    """The folder relative to here where it lies below; else in full."""
    full = folder.resolve()
    return str(full.relative_to(Path.cwd())) if full.is_relative_to(Path.cwd()) else str(full)


def _figures(lineage: dict[str, Any]) -> dict[str, Any]:
    code = lineage.get("version")
    if lineage.get("commit"):
        code = f"{code} ({str(lineage['commit'])[:12]})"
    data = [row.get("source", row) if isinstance(row, dict) else row for row in lineage.get("data") or []]
    figures = lineage.get("figures") or {}
    return {"made": lineage.get("created"), "code": code, "seed": lineage.get("seed"), "data": data or None} | figures
