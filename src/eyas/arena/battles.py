"""Battles out of a table file: which two models met, who won, and what else is known of each battle."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.arena.outcomes import Codes, read_verdict
from eyas.arena.stored import stored_battles
from eyas.data.reading import BadInput
from eyas.data.tables import raw_rows
from eyas.errors import EyasError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Columns:
    """Names of the columns; None where the file has no such column.

    `opponent` is the name of model B where the file has only a column of models, all against the same one.
    """

    model_a: str = "model_a"
    model_b: str = "model_b"
    winner: str = "winner"
    prompt: str | None = None
    length_a: str | None = None
    length_b: str | None = None
    judge: str | None = None
    opponent: str | None = None


@dataclass(frozen=True)
class Battles:
    """n battles among k `models`, in the file's order.

    `a`, `b`: (n,) indices into `models`. `score`: (n,) model A's share of the win, 0.5 a tie. `both_bad`: (n,).
    `prompt`: (n,) number of the prompt, or None. `lengths`: (n, 2) lengths of both answers, any unit, or None.
    `judge`: (n,) indices into `judges`, or None.
    """

    models: tuple[str, ...]
    a: Ints
    b: Ints
    score: Floats
    both_bad: Bools
    prompt: Ints | None = None
    lengths: Floats | None = None
    judge: Ints | None = None
    judges: tuple[str, ...] = ()
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.a)

    @property
    def tied(self) -> Bools:
        """(n,) whether the battle ended in a tie, both bad included."""
        return np.asarray(self.score == 0.5)

    def select(self, kept: Bools) -> "Battles":
        """The battles where `kept` is true, with the models that are left in them."""
        a, b = self.a[kept], self.b[kept]
        present = np.unique(np.concatenate([a, b]))
        place = np.zeros(len(self.models), dtype=np.int64)
        place[present] = np.arange(len(present))
        return Battles(
            models=tuple(self.models[i] for i in present),
            a=place[a],
            b=place[b],
            score=self.score[kept],
            both_bad=self.both_bad[kept],
            prompt=None if self.prompt is None else self.prompt[kept],
            lengths=None if self.lengths is None else self.lengths[kept],
            judge=None if self.judge is None else self.judge[kept],
            judges=self.judges,
        )


class _Names:
    """Numbers for names, in order of first appearance."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        return self.number.setdefault(name, len(self.number))


def read_battles(
    path: Path, columns: Columns | None = None, codes: Codes | None = None, *, skip_bad: bool = False
) -> Battles:
    """The battles of a .csv, .tsv, .jsonl, .json or .parquet file, also .gz or .zst, or of a life's store.

    Raises EyasError naming the line for a missing column, an unreadable winner, a model that meets itself or a length
    that is no number; with `skip_bad` such battles are left out and counted in `skipped`, as are those whose winner
    the `codes` say to skip.
    """
    columns, codes = columns or Columns(), codes or Codes()
    if (columns.length_a is None) != (columns.length_b is None):
        raise EyasError("the length of one answer tells nothing alone; give both --length-a and --length-b")
    bad = BadInput(skip=skip_bad)
    models, prompts, judges = _Names(), _Names(), _Names()
    pairs: list[tuple[int, int]] = []
    scores: list[float] = []
    both_bad: list[bool] = []
    prompt: list[int] = []
    judge: list[int] = []
    lengths: list[tuple[float, float]] = []
    skipped = 0
    for where, row in stored_battles(path) if path.is_dir() else raw_rows(path, bad):
        try:
            name_a = _name(row, columns.model_a, "--model-a", where)
            name_b = columns.opponent or _name(row, columns.model_b, "--model-b", where)
            if name_a == name_b:
                raise ValueError(f"lets '{name_a}' battle itself")
            verdict = read_verdict(_cell(row, columns.winner, "--winner", where), name_a, name_b, codes)
            if verdict is None:
                skipped += 1
                continue
            length = None
            if columns.length_a and columns.length_b:
                length_a = _length(row, columns.length_a, "--length-a", where)
                length = length_a, _length(row, columns.length_b, "--length-b", where)
            asked = None if columns.prompt is None else str(_cell(row, columns.prompt, "--prompt", where))
            voter = None if columns.judge is None else _name(row, columns.judge, "--judge", where)
        except ValueError as error:
            bad.report(f"{where} {error}")
            continue
        pairs.append((models(name_a), models(name_b)))
        scores.append(verdict.score)
        both_bad.append(verdict.both_bad)
        if length is not None:
            lengths.append(length)
        if asked is not None:
            prompt.append(prompts(asked))
        if voter is not None:
            judge.append(judges(voter))
    if not pairs:
        raise EyasError(f"{path} holds no battle that can be counted{f'; {skipped:,} were skipped' if skipped else ''}")
    met = np.array(pairs, dtype=np.int64)
    return Battles(
        models=tuple(models.number),
        a=met[:, 0],
        b=met[:, 1],
        score=np.array(scores, dtype=np.float64),
        both_bad=np.array(both_bad, dtype=np.bool_),
        prompt=np.array(prompt, dtype=np.int64) if columns.prompt else None,
        lengths=np.array(lengths, dtype=np.float64) if columns.length_a else None,
        judge=np.array(judge, dtype=np.int64) if columns.judge else None,
        judges=tuple(judges.number),
        skipped=skipped + bad.tally.counts.get("bad", 0),
    )


def _cell(row: Mapping[str, Any], column: str, flag: str, where: str) -> Any:
    if column not in row:
        known = ", ".join(str(name) for name in list(row)[:12])
        raise EyasError(f"{where} has no column `{column}` (it has {known}); name the right column with {flag}")
    return row[column]


def _name(row: Mapping[str, Any], column: str, flag: str, where: str) -> str:
    value = _cell(row, column, flag, where)
    text = "" if value is None else str(value).strip()
    if not text:
        raise ValueError(f"has an empty `{column}`")
    return text


def _length(row: Mapping[str, Any], column: str, flag: str, where: str) -> float:
    value = _cell(row, column, flag, where)
    try:
        length = float(value)
    except (TypeError, ValueError):
        length = math.nan
    if not (math.isfinite(length) and length >= 0):
        raise ValueError(f"has `{column}` {value!r}, which is no length")
    return length
