"""What every stage's configuration shares: typed fields, refused unknown keys, YAML in, JSON out."""

from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from eyas.errors import EyasError


class StageConfig(BaseModel):
    """Base of every stage's config. Field names are the flags' names; descriptions are the flags' help."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def resolve(cls, file: Path | None = None, **flags: Any) -> Self:
        """Build the config from a YAML `file` (optional) overlaid with the `flags` that are not None.

        Raises EyasError naming the file or flag and the key at fault.
        """
        values: dict[str, Any] = {}
        if file is not None:
            try:
                loaded = yaml.safe_load(file.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                raise EyasError(f"--config {file} cannot be read: {error}") from error
            if loaded is not None and not isinstance(loaded, dict):
                raise EyasError(f"--config {file} must hold `key: value` lines")
            values.update(loaded or {})
        values.update({key: value for key, value in flags.items() if value is not None})
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            if first["type"] == "extra_forbidden":
                known = ", ".join(cls.model_fields)
                raise EyasError(f"unknown config key `{key}`; known keys: {known}") from error
            flag = f"--{key.replace('_', '-')}"
            if first["type"] == "missing":
                raise EyasError(f"{flag} is required; give the flag, or `{key}:` in the --config file") from error
            raise EyasError(f"{flag}: {first['msg']} (got {first['input']!r})") from error
