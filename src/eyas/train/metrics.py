"""metrics.jsonl: one row a step, cut back to the checkpoint when a run resumes."""

import json
import math
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from eyas.errors import EyasError
from eyas.files import write_atomic

FILE_NAME = "metrics.jsonl"
_FLUSH_SECONDS = 2.0


def bits_per_byte(nats_per_token: float, bytes_per_token: float) -> float:
    """A loss in nats a token as bits a byte of text, which compares across tokenizers."""
    return nats_per_token / math.log(2) / bytes_per_token


class MetricsLog:
    """Appends rows to `metrics.jsonl` in `out`; rows after `step` (of a killed run) are dropped first."""

    def __init__(self, out: Path, step: int, enabled: bool = True) -> None:
        self._path = out / FILE_NAME
        self._step = step
        self._enabled = enabled
        self._file: TextIO | None = None
        self._flushed = time.monotonic()

    def __enter__(self) -> Self:
        if not self._enabled:
            return self
        kept = (row for row in read_metrics(self._path) if row["step"] <= self._step)
        write_atomic(self._path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))
        try:
            self._file = open(self._path, "a", encoding="utf-8")
        except OSError as error:
            raise _cannot(self._path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def write(self, row: dict[str, Any]) -> None:
        """Append one row. Raises EyasError when the disk is full."""
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
            if time.monotonic() - self._flushed > _FLUSH_SECONDS:
                self.flush()
        except OSError as error:
            raise _cannot(self._path, error) from error

    def flush(self) -> None:
        """Hand what was written to the system."""
        if self._file is not None:
            self._file.flush()
            self._flushed = time.monotonic()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics file, in order; a half-written last line (a killed run) ends the list."""
    rows: list[dict[str, Any]] = []
    if not path.exists():
        return rows
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _cannot(path: Path, error: OSError) -> EyasError:
    return EyasError(f"cannot write {path}: {error.strerror}; free space, then run the command again")
