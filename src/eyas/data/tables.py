"""Raw rows (dicts) out of .jsonl, .json, .csv, .tsv and .parquet files, each also .gz or .zst, streamed."""

import codecs
import csv
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eyas.data.reading import COMPRESSED, MAX_LINE, BadInput, decode, kind_of_file, open_bytes, read_lines
from eyas.errors import EyasError

TABLE_KINDS = (".jsonl", ".json", ".ndjson", ".csv", ".tsv", ".parquet")

Raw = tuple[str, dict[str, Any]]
"""(where it stands: "line 3 of FILE", the row as found)"""

_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_BLOCK = 1 << 20


def raw_rows(path: Path, bad: BadInput) -> Iterator[Raw]:
    """Every row of a table file; bad ones go to `bad`. A file without any row is reported as empty."""
    kind = kind_of_file(path)
    if kind in (".jsonl", ".json", ".ndjson"):
        rows = _json_rows(path, bad)
    elif kind in (".csv", ".tsv"):
        rows = _csv_rows(path, bad, "\t" if kind == ".tsv" else ",")
    elif kind == ".parquet":
        rows = _parquet_rows(path, bad)
    else:
        raise EyasError(f"{path} is no table of rows: eyas reads {', '.join(TABLE_KINDS)}, also .gz or .zst")
    found, counted = False, bad.tally.counts.get("bad", 0)
    for row in rows:
        found = True
        yield row
    if not found and bad.tally.counts.get("bad", 0) == counted:
        bad.report(f"{path} is empty: it has no row")


def _json_rows(path: Path, bad: BadInput) -> Iterator[Raw]:
    with open_bytes(path, bad) as file:
        start = file.read(_BLOCK).removeprefix(b"\xef\xbb\xbf").lstrip()
        if not start.startswith(b"["):
            file.close()
            yield from _json_lines(path, bad)
            return
        yield from _json_array(start[1:], file, path, bad)


def _json_lines(path: Path, bad: BadInput) -> Iterator[Raw]:
    for number, line in read_lines(path, bad):
        if line.strip():
            where = f"line {number} of {path}"
            text = decode(line, where, bad)
            row = None if text is None else _parse(text, line, where, bad)
            if row is not None:
                yield where, row


def _parse(text: str, line: bytes, where: str, bad: BadInput) -> dict[str, Any] | None:
    try:
        return _checked(json.loads(text), line)
    except (ValueError, RecursionError, TypeError) as error:
        bad.report(f"{where} is not a JSON row: {_reason(error)}")
        return None


def _checked(value: Any, source: bytes) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"it is a {type(value).__name__}, not an object")
    if _ESCAPED_SURROGATE.search(source):
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text: UnicodeEncodeError
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeEncodeError):
        return "it holds half a surrogate pair (\\ud800 to \\udfff)"
    return str(error)


def _json_array(start: bytes, file: Any, path: Path, bad: BadInput) -> Iterator[Raw]:
    """The elements of a top-level array, one at a time: a file of any size is read with the memory of one element."""
    decoder, utf8 = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")()
    number, position, wanted = 1, 0, 0
    try:
        buffer = utf8.decode(start)
        ended = False
        while True:
            while position < len(buffer) and buffer[position] in " \t\r\n,":
                position += 1
            if buffer[position : position + 1] == "]":
                if (buffer[position + 1 :] + utf8.decode(file.read(_BLOCK))).strip():
                    bad.report(f"{path} goes on after the end of its array")
                return
            where = f"row {number} of {path}"
            if ended or len(buffer) - position >= max(1, wanted):
                try:
                    value, end = decoder.raw_decode(buffer, position)
                except json.JSONDecodeError as error:
                    if ended or len(buffer) - position > MAX_LINE:
                        bad.report(
                            f"{where} is not JSON: {error.msg}" if position < len(buffer) else f"{path} is cut off"
                        )
                        return
                    # Each new try waits for twice the text, so that a long element costs a few tries only.
                    wanted = 2 * (len(buffer) - position)
                else:
                    position, wanted, number = end, 0, number + 1
                    try:
                        yield where, _checked(value, b"\\ud8")
                    except (ValueError, TypeError, RecursionError) as error:
                        bad.report(f"{where} is not a row: {_reason(error)}")
                    continue
            block = file.read(_BLOCK)
            ended = not block
            buffer, position = buffer[position:] + utf8.decode(block, final=ended), 0
    except UnicodeDecodeError as error:
        bad.report(f"{path} is not UTF-8 text near row {number} ({error.reason})")
    except (RecursionError, ValueError) as error:
        bad.report(f"row {number} of {path} is not JSON: {_reason(error)}")


def _csv_rows(path: Path, bad: BadInput, delimiter: str) -> Iterator[Raw]:
    csv.field_size_limit(MAX_LINE)  # the module's own limit of 131,072 is shorter than many documents

    def lines() -> Iterator[str]:
        for number, line in read_lines(path, bad):
            text = decode(line, f"line {number} of {path}", bad)
            if text is not None:
                yield text + "\n"

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            bad.report(f"line {reader.line_num} of {path} is not {delimiter!r}-separated text: {error}")
            continue
        if cells is None:
            return
        if not cells:
            continue
        if header is None:
            header = cells
            continue
        where = f"line {reader.line_num} of {path}"
        if len(cells) != len(header):
            bad.report(f"{where} has {len(cells)} fields where the heading has {len(header)}")
            continue
        yield where, dict(zip(header, cells, strict=True))


def _parquet_rows(path: Path, bad: BadInput) -> Iterator[Raw]:
    if path.suffix.lower() in COMPRESSED:  # a table is read from its end, so it must lie unpacked somewhere
        with tempfile.NamedTemporaryFile(suffix=".parquet") as unpacked:
            with open_bytes(path, bad) as file:
                while block := file.read(_BLOCK):
                    unpacked.write(block)
            unpacked.flush()
            yield from _parquet_file(Path(unpacked.name), path, bad)
    else:
        yield from _parquet_file(path, path, bad)


def _parquet_file(file: Path, path: Path, bad: BadInput) -> Iterator[Raw]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number} of {path}", row
    except FileNotFoundError as error:
        raise EyasError(f"{path} does not exist") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        bad.report(f"{path} is not a readable Parquet file after row {number}: {str(error).splitlines()[0]}")
