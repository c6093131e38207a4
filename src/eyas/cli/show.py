"""How verbs print: figures for people or as one JSON object, tables on stdout."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import click
from pydantic import BaseModel


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: dataclasses and models as objects, paths as text, NaN and infinity as null."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, str | bool | int) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence | set | frozenset):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def print_json(value: Any) -> None:
    """Print `value` as one JSON object on stdout."""
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def print_figures(title: str, figures: Mapping[str, Any]) -> None:
    """Print a title and `name  value` lines, the values aligned; figures that are None are left out."""
    shown = {name.replace("_", " "): _text(value) for name, value in figures.items() if value is not None}
    width = max((len(name) for name in shown), default=0)
    click.echo(title)
    for name, text in shown.items():
        click.echo(f"  {name:<{width}}  {text}")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(one) for one in value)
    return str(value)


def harmless(text: str) -> str:
    """`text` for a terminal: control characters other than line breaks and tabs are spelled out, so that no model
    or document can move the cursor, colour the screen or set its title."""
    return "".join(one if one in "\n\t" or not _is_control(one) else f"\\x{ord(one):02x}" for one in text)


def _is_control(character: str) -> bool:
    """C0, DEL and C1."""
    return ord(character) < 32 or 127 <= ord(character) < 160
