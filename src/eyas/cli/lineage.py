"""`eyas lineage MODEL [OTHER]`: where a model comes from, down to labels and conversations, or what sets two apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyas.cli.show import harmless, print_figures, print_json
from eyas.errors import EyasError
from eyas.store.lineage import ancestry, parent_folder
from eyas.store.names import resolve_model

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from eyas.flywheel.lineage_of import Corrections, Difference


@click.command("lineage")
@click.argument("model")
@click.argument("other", required=False)
@click.option("--rows", is_flag=True, help="Also print each corrected row: file and line, label, person, conversation.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list, youngest model first; one object for two.")
def command(model: str, other: str | None, rows: bool, as_json: bool) -> None:
    """Tell where a model comes from.

    MODEL is a model folder, LIFE/NAME or LIFE@champion. Parents are followed as far as their folders are still there,
    corrections as far as the life's store knows them. With OTHER, tell what sets the two apart.

    \b
    Example:
      eyas lineage lives/first/assistant
      eyas lineage lives/first/base lives/first/assistant
    """
    folder = resolve_model(model)
    if other is None:
        _print_one(folder, rows, as_json)
    elif rows:
        raise EyasError("--rows tells of one model; leave OTHER out")
    else:
        _print_two(folder, resolve_model(other), as_json)


@contextmanager
def _store_of(folder: Path) -> "Iterator[Session | None]":
    """A session of the store of the life that `folder` lies in; None where there is none."""
    life = folder.resolve().parent.parent
    if folder.resolve().parent.name != "models":
        yield None
        return
    from eyas.store.database import has_store, open_store

    if not has_store(life):
        yield None
        return
    store = open_store(life)
    try:
        with store.session() as session:
            yield session
    finally:
        store.close()


def _print_one(folder: Path, rows: bool, as_json: bool) -> None:
    from eyas.flywheel.lineage_of import corrections

    line = ancestry(folder)
    with _store_of(folder) as session:
        learnt = [corrections(session, lineage) if session else None for _, lineage in line]
    if as_json:
        print_json(
            [
                {"model": at, **lineage, "corrections": _json(one) if one else None}
                for (at, lineage), one in zip(line, learnt, strict=True)
            ]
        )
        return
    for (at, lineage), one in zip(line, learnt, strict=True):
        told = {"corrections": _told(one) if one else None}
        print_figures(f"{_short(at)}  ({lineage['stage']})", told | _figures(lineage))
        if rows and one is not None:
            _print_rows(one)
    last_folder, last = line[-1]
    if (missing := parent_folder(last_folder, last)) is not None:
        click.echo(f"{_short(missing)}  (not here any more)")


def _json(one: "Corrections") -> dict[str, Any]:
    return {
        "version": one.version,
        "sha256": one.sha256,
        "counts": one.counts,
        "labels": one.labels,
        "people": one.people,
        "conversations": one.conversations,
        "forgotten": one.forgotten,
        "rows": one.rows,
    }


def _told(one: "Corrections") -> str:
    files = ", ".join(f"{one.counts[name]} {name}" for name in sorted(one.counts, reverse=True) if "." in name)
    text = f"dataset v{one.version} ({files}): {len(one.labels)} labels by {', '.join(one.people) or 'nobody known'}"
    text += f" on {len(one.conversations)} conversations"
    return harmless(f"{text}; {one.forgotten} forgotten since" if one.forgotten else text)


def _print_rows(one: "Corrections") -> None:
    for row in one.rows:
        who = f"{row.person}  {row.conversation}" if row.person is not None else "forgotten"
        click.echo(harmless(f"    {row.kind}.{row.split}:{row.number + 1}  {row.label}  {who}"))


def _print_two(one: Path, other: Path, as_json: bool) -> None:
    from eyas.flywheel.lineage_of import difference

    with _store_of(one) as session:
        found = difference(one, other, session)
    if as_json:
        print_json({"models": [one, other], "difference": found})
        return
    print_figures(
        f"{_short(one)}  against  {_short(other)}",
        {
            "stages": " and ".join(found.stages) if found.stages[0] != found.stages[1] else None,
            "both_come_from": found.ancestor or "no common model",
        },
    )
    _print_pairs("settings", found.config)
    _print_pairs("figures", found.figures)
    _print_only("data", found.data)
    _print_labels(found)


def _print_pairs(title: str, pairs: dict[str, tuple[Any, Any]]) -> None:
    if pairs:
        print_figures(title, {key: f"{_value(one)}  ->  {_value(other)}" for key, (one, other) in pairs.items()})


def _print_only(title: str, only: tuple[list[str], list[str]]) -> None:
    if any(only):
        print_figures(title, {"only_of_the_first": only[0] or None, "only_of_the_second": only[1] or None})


def _print_labels(found: "Difference") -> None:
    if any(found.labels) or found.labels_shared:
        first, second = (len(labels) for labels in found.labels)
        print_figures(
            "labels",
            {"only_of_the_first": first, "only_of_the_second": second, "of_both": found.labels_shared},
        )


def _value(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else harmless(str(value))


def _short(folder: Path) -> str:
    """The folder relative to here where it lies below; else in full."""
    full = folder.resolve()
    return str(full.relative_to(Path.cwd())) if full.is_relative_to(Path.cwd()) else str(full)


def _figures(lineage: dict[str, Any]) -> dict[str, Any]:
    code = lineage.get("version")
    if lineage.get("commit"):
        code = f"{code} ({str(lineage['commit'])[:12]})"
    data = [row.get("source", row) if isinstance(row, dict) else row for row in lineage.get("data") or []]
    figures = {name: value for name, value in (lineage.get("figures") or {}).items() if value != {}}
    return {"made": lineage.get("created"), "code": code, "seed": lineage.get("seed"), "data": data or None} | figures
