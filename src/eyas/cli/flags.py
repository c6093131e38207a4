"""Turns a stage's config into flags: every field one flag, its description the help, its type the check."""

import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import click
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from eyas.config import StageConfig

Config = TypeVar("Config", bound=StageConfig)

CONFIG_FLAG = "config_file"
JSON_FLAG = "as_json"


class StageCommand(click.Command):
    """A verb whose flags are the fields of a stage's config."""

    def __init__(
        self,
        config: type[StageConfig],
        body: Callable[[Any, bool], None],
        arguments: Mapping[str, str],
        **given: Any,
    ) -> None:
        super().__init__(callback=self._called, **given)
        self.config = config
        self.body = body
        self.arguments = arguments

    def settings(self, values: Mapping[str, Any]) -> StageConfig:
        """The config that the parsed parameters of a call make. Raises EyasError, or UsageError for a missing one."""
        # click gives an empty tuple for a repeatable flag that was not used.
        given = {key: value for key, value in values.items() if value is not None and value != ()}
        file = given.pop(CONFIG_FLAG, None)
        given.pop(JSON_FLAG, None)
        for field, metavar in self.arguments.items():
            if file is None and field not in given and self.config.model_fields[field].is_required():
                raise click.UsageError(f"missing argument '{metavar}'", click.get_current_context(silent=True))
        return self.config.resolve(file, **given)

    def _called(self, **values: Any) -> None:
        self.body(self.settings(values), bool(values[JSON_FLAG]))


def stage_command(
    config: type[Config],
    body: Callable[[Config, bool], None],
    *,
    name: str,
    help: str,
    arguments: Mapping[str, str] | None = None,
    short: Mapping[str, str] | None = None,
    hidden: Sequence[str] = (),
) -> StageCommand:
    """The click command `name` for a stage: parses flags and `--config FILE.yaml` into `config`, then calls `body`.

    `arguments` maps fields given by position to their metavar (`{"model": "MODEL"}`), `short` a field to its short
    flag (`{"out": "-o"}`), `hidden` names fields that only the Python API sets. Every flag defaults to None, so that
    a flag given overrides the file and a flag not given never does. `body` gets the config and whether `--json` is on.
    """
    arguments, short = arguments or {}, short or {}
    params: list[click.Parameter] = []
    for field, metavar in arguments.items():
        params.append(_argument(field, metavar, config.model_fields[field]))
    for field, info in config.model_fields.items():
        if field not in arguments and field not in hidden:
            params.append(_option(field, info, short.get(field)))
    file_type = click.Path(path_type=Path, dir_okay=False)
    file_help = "Read settings from a YAML file; flags win over it."
    params.append(click.Option(["--config", CONFIG_FLAG], type=file_type, metavar="FILE", help=file_help))
    params.append(click.Option(["--json", JSON_FLAG], is_flag=True, help="Print the figures as one JSON object."))
    return StageCommand(config, body, arguments, name=name, params=params, help=help)


def flag_of(field: str) -> str:
    """`batch_size` -> `--batch-size`."""
    return "--" + field.replace("_", "-")


def _argument(field: str, metavar: str, info: FieldInfo) -> click.Argument:
    kind, multiple = _click_type(field, info.annotation)
    # Not required here: `--config` may give it. The config itself refuses when nobody does.
    return click.Argument([field], type=kind, required=False, nargs=-1 if multiple else 1, metavar=metavar)


def _option(field: str, info: FieldInfo, short: str | None) -> click.Option:
    kind, multiple = _click_type(field, info.annotation)
    flags = [flag_of(field), *([short] if short else []), field]
    text = _help(info)
    if kind is click.BOOL:
        flags[0] = f"{flag_of(field)}/--no-{field.replace('_', '-')}"
        return click.Option(flags, default=None, help=text)
    return click.Option(flags, type=kind, multiple=multiple, default=None, help=text)


def _help(info: FieldInfo) -> str:
    """The field's description, its range, and its default or that it is required."""
    notes = []
    if bounds := _bounds(info):
        notes.append(bounds)
    default = (
        info.get_default(call_default_factory=True) if info.default_factory is None or _plain_factory(info) else None
    )
    if info.is_required():
        notes.append("required")
    elif default is PydanticUndefined or default is None or default == () or default == []:
        pass
    elif isinstance(default, list | tuple):
        notes.append("default: " + ", ".join(str(one) for one in default))
    elif isinstance(default, bool):
        notes.append(f"default: {'on' if default else 'off'}")
    else:
        notes.append(f"default: {default}")
    description = info.description or ""
    return f"{description}  [{'; '.join(notes)}]" if notes else description


def _plain_factory(info: FieldInfo) -> bool:
    return info.default_factory_takes_validated_data is not True


def _bounds(info: FieldInfo) -> str:
    parts = []
    for rule in info.metadata:
        for kind, sign, attribute in ((Ge, ">=", "ge"), (Gt, ">", "gt"), (Le, "<=", "le"), (Lt, "<", "lt")):
            if isinstance(rule, kind):
                parts.append(f"{sign} {getattr(rule, attribute)}")
    return ", ".join(parts)


def _click_type(field: str, annotation: Any) -> tuple[click.ParamType[Any], bool]:
    """A field's click type and whether it may be given repeatedly. Raises TypeError for what no flag can hold."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        inner = [one for one in get_args(annotation) if one is not type(None)]
        # A union of plain types stays text; pydantic tells them apart.
        return _click_type(field, inner[0]) if len(inner) == 1 else (click.STRING, False)
    if origin in (list, tuple):
        return _click_type(field, get_args(annotation)[0])[0], True
    if origin is Literal:
        return click.Choice([str(one) for one in get_args(annotation)]), False
    plain: dict[Any, click.ParamType[Any]] = {str: click.STRING, int: click.INT, float: click.FLOAT, bool: click.BOOL}
    if annotation is Path:
        return click.Path(path_type=Path), False
    if annotation in plain:
        return plain[annotation], False
    raise TypeError(f"field `{field}` has type {annotation!r}, which no flag can hold; list it under `hidden`")
