"""`lineage.json`: where a model comes from. Written once with the model, never changed."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import eyas
from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.files import read_json, sha256_file, write_atomic

FILE_NAME = "lineage.json"
STORED = "stored"
"""Under this a source that is a life names the votes, labels and thumbs that were learnt from, by their ids."""
REQUIRED = ("stage", "parent", "config", "data", "seed", "version", "commit", "figures", "created")


def code_commit() -> str | None:
    """The git commit of the running code, `-dirty` when it was edited since; None outside a checkout of eyas."""
    package = Path(eyas.__file__).parent

    def git(*arguments: str) -> str | None:
        command = ["git", "-C", str(package), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # An installed copy may lie inside somebody else's repository: ask whether git knows this very file.
    if git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit = git("rev-parse", "HEAD")
    if commit and git("status", "--porcelain", "--untracked-files=no", "."):
        return f"{commit}-dirty"
    return commit


def _parent_entry(parent: Path, out: Path) -> dict[str, str]:
    """How `out` names its parent: siblings by a relative path, so that a life can be moved as a whole."""
    parent, out = parent.resolve(), out.resolve()
    path = os.path.relpath(parent, out) if parent.parent == out.parent else str(parent)
    entry = {"path": path}
    for weights in ("model.safetensors", "model.safetensors.index.json"):
        if (parent / weights).is_file():
            return entry | {"sha256": sha256_file(parent / weights)}
    return entry


def new_lineage(
    stage: str,
    config: StageConfig | Mapping[str, Any],
    *,
    out: Path,
    parent: Path | None = None,
    data: Sequence[Mapping[str, Any]] = (),
    seed: int | None = None,
    figures: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The lineage of the model that `stage` is about to write to `out`; give it to `save_model`.

    `config` is the resolved one, `data` a row for each source (`source`, `sha256`, counts), `figures` what was
    measured (losses, bits per byte, seconds). The parent's weights are hashed.
    """
    resolved = config.model_dump(mode="json") if isinstance(config, StageConfig) else dict(config)
    return {
        "stage": stage,
        "parent": None if parent is None else _parent_entry(parent, out),
        "config": resolved,
        "data": [dict(row) for row in data],
        "seed": seed,
        "version": eyas.__version__,
        "commit": code_commit(),
        "figures": dict(figures or {}),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_lineage(folder: Path, lineage: Mapping[str, Any]) -> None:
    """Write `lineage` (from `new_lineage`) into a model folder. Raises EyasError when a field is missing."""
    missing = [key for key in REQUIRED if key not in lineage]
    if missing:
        raise EyasError(f"the lineage for {folder} lacks {', '.join(missing)}")
    write_atomic(folder / FILE_NAME, json.dumps(lineage, indent=2, ensure_ascii=False, default=str) + "\n")


def read_lineage(folder: Path) -> dict[str, Any]:
    """The lineage of a model folder. Raises EyasError when the file is missing, damaged or of another shape."""
    lineage = read_json(folder / FILE_NAME, "lineage")
    if not isinstance(lineage, dict) or not isinstance(lineage.get("stage"), str):
        raise EyasError(f"lineage {folder / FILE_NAME} is damaged: it has no `stage`")
    return lineage


def parent_folder(folder: Path, lineage: Mapping[str, Any]) -> Path | None:
    """The folder of the parent named in `lineage`, which was read from `folder`; None for a first model."""
    parent = lineage.get("parent")
    path = parent.get("path") if isinstance(parent, Mapping) else parent
    return None if path is None else Path(os.path.normpath(folder.resolve() / str(path)))


def dataset_sources(lineage: Mapping[str, Any], path: str) -> list[str]:
    """The sources of a model that lie in the dataset folder `path` (`datasets/v3`) of a life."""
    named = [str(row.get("source") or "") for row in lineage.get("data") or [] if isinstance(row, Mapping)]
    return [source for source in named if f"/{path}/" in f"/{source}/"]


def stored_sources(lineage: Mapping[str, Any]) -> set[str]:
    """The ids of what people said in a life's store that a model learnt from without a dataset (`--data LIFE`)."""
    rows = [row for row in lineage.get("data") or [] if isinstance(row, Mapping)]
    return {str(stored) for row in rows for stored in row.get(STORED) or []}


def ancestry(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The model and its forebears, youngest first, as far as their folders are still there."""
    line: list[tuple[Path, dict[str, Any]]] = []
    seen: set[Path] = set()
    at: Path | None = folder
    while at is not None and at.resolve() not in seen and (not line or (at / FILE_NAME).is_file()):
        seen.add(at.resolve())
        lineage = read_lineage(at)
        line.append((at, lineage))
        at = parent_folder(at, lineage)
    return line
