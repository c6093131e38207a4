"""Reading a table of runs: a CSV file with a row for each measured loss, columns named by the user."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eyas.errors import EyasError
from eyas.files import write_atomic
from eyas.scaling.law import Array

# Three ways of counting N, as columns of a table that eyas itself writes. `multiplying` leaves out a table of
# embeddings that is only looked up, `non_embedding` leaves out both tables. At small scale the choice decides the
# exponents (Pearce & Song 2024, arXiv:2406.12907).
COUNTINGS = ("multiplying", "all", "non_embedding")
TOKENS, FLOPS, LOSS, RUN = "tokens", "flops", "loss", "run"
LARGEST = 1e40  # and one over it: what lies beyond is a slip of the pen, and powers of it would overflow
FLOPS_PER_PARAMETER = 6  # and token: two for the forward pass, four for the backward pass

Row = dict[str, str]
"""A line of a table by its columns' names."""


@dataclass(frozen=True)
class Columns:
    """Which columns of the file hold what; None is looked for under the name that eyas itself writes."""

    n: tuple[str, ...] = ()
    d: str | None = None
    flops: str | None = None
    loss: str = LOSS
    run: str | None = None
    data_set: str | None = None


@dataclass(frozen=True)
class Runs:
    """Measured runs of one data set under one way of counting N. Arrays are [runs].

    `flops` are the table's own, or 6 N D. `run` numbers the training runs: rows of one run share their luck and are
    resampled together. `line` is where in the file a row stands.
    """

    n: Array
    d: Array
    flops: Array
    loss: Array
    run: npt.NDArray[np.int64]
    line: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.loss)

    def kept(self, rows: npt.NDArray[np.int64]) -> "Runs":
        """Only the rows numbered `rows`."""
        return Runs(*(getattr(self, name)[rows] for name in ("n", "d", "flops", "loss", "run", "line")))

    @property
    def clusters(self) -> int:
        """How many training runs the rows come from."""
        return len(np.unique(self.run))

    @property
    def flops_factor(self) -> tuple[float, float]:
        """k in FLOPs = k N D as a geometric mean over the rows, and by what factor the rows scatter around it."""
        logs = np.log(self.flops / (self.n * self.d))
        return float(np.exp(logs.mean())), float(np.exp(np.abs(logs - logs.mean()).max()))


@dataclass(frozen=True)
class Group:
    """The runs to be fitted together, with the name of their data set (None: the table has one) and counting of N."""

    data_set: str | None
    counting: str
    runs: Runs


def read_groups(file: Path, columns: Columns) -> list[Group]:
    """The runs of a CSV file: a group for each data set and each way of counting N, in the file's order.

    Raises EyasError naming the file, the line or the flag at fault.
    """
    header, rows = _read_rows(file)
    sizes = _size_columns(file, header, columns.n)
    tokens = _column(file, header, columns.d, "--d", TOKENS)
    flops = _column(file, header, columns.flops, "--flops", FLOPS)
    if tokens is None and flops is None:
        raise EyasError(f"{file} needs a column of tokens or of FLOPs; name it with --d or --flops ({_known(header)})")
    loss = _column(file, header, columns.loss, "--loss", LOSS)
    run = _column(file, header, columns.run, "--run", RUN)
    data_set = _column(file, header, columns.data_set, "--data-set", None)
    assert loss is not None
    names = list(dict.fromkeys(row[header[data_set]] for _, row in rows)) if data_set is not None else [None]
    groups = []
    for name in names:
        own = [(line, row) for line, row in rows if data_set is None or row[header[data_set]] == name]
        lines = np.array([line for line, _ in own])
        # Without a column of runs every row is one.
        labels = [str(line) if run is None else row[header[run]] for line, row in own]
        numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
        clusters = np.array([numbers[label] for label in labels], dtype=np.int64)
        for size in sizes:
            n, losses = _numbers(file, own, header, size), _numbers(file, own, header, loss)
            spent = None if flops is None else _numbers(file, own, header, flops)
            if tokens is not None:
                d = _numbers(file, own, header, tokens)
            else:
                assert spent is not None
                d = spent / (FLOPS_PER_PARAMETER * n)
            used = FLOPS_PER_PARAMETER * n * d if spent is None else spent
            runs = Runs(n, d, used, losses, clusters, lines)
            groups.append(Group(name, size, runs))
    return groups


def _read_rows(file: Path) -> tuple[dict[str, int], list[tuple[int, list[str]]]]:
    """Column name -> place, and the rows with their line numbers; empty lines are passed over."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as opened:
            reader = csv.reader(opened, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except OSError as error:
        raise EyasError(f"{file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise EyasError(f"{file} is no CSV table in UTF-8: {error}") from error
    if len(lines) < 2:
        raise EyasError(f"{file} holds no runs; give a CSV table with a line of column names and a line for each run")
    names = lines[0][1]
    for name in names:
        if names.count(name) > 1:
            raise EyasError(f"{file} has two columns named `{name}`; rename one")
    for line, row in lines[1:]:
        if len(row) != len(names):
            raise EyasError(f"{file}, line {line} has {len(row)} cells where the head has {len(names)}; mend the line")
    return {name: place for place, name in enumerate(names)}, lines[1:]


def _known(header: dict[str, int]) -> str:
    names = list(header)
    return "its columns: " + ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def _column(file: Path, header: dict[str, int], name: str | None, flag: str, own: str | None) -> str | None:
    """The column that `flag` names, else eyas's `own` name when the table has it."""
    if name is None:
        return own if own in header else None
    if name not in header:
        raise EyasError(f"{file} has no column `{name}`; name it with {flag} ({_known(header)})")
    return name


def _size_columns(file: Path, header: dict[str, int], names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        _column(file, header, name, "--n", None)
    found = tuple(dict.fromkeys(names)) or tuple(name for name in COUNTINGS if name in header)
    if not found:
        raise EyasError(f"{file} needs a column of parameters; name it with --n ({_known(header)})")
    return found


def _numbers(file: Path, rows: Sequence[tuple[int, list[str]]], header: dict[str, int], name: str) -> Array:
    """A column as positive finite numbers."""
    place, values = header[name], np.empty(len(rows))
    for number, (line, row) in enumerate(rows):
        try:
            value = float(row[place])
        except ValueError:
            value = math.nan
        if not 1 / LARGEST < value < LARGEST:
            shown = row[place] or "nothing"
            raise EyasError(
                f"{file}, line {line}: `{name}` must be a number above 0, not {shown!r}; mend or remove the line"
            )
        values[number] = value
    return values


def read_rows(file: Path) -> list[Row]:
    """The lines of a table that `write_rows` wrote; none when there is no file."""
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))) if file.exists() else []


def write_rows(file: Path, rows: Sequence[Row]) -> None:
    """Write `rows`, at least one, as a table. Raises EyasError."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(file, text.getvalue())
