"""Tables written in every format that eyas reads."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def compressed(data: bytes, ending: str) -> bytes:
    """`data` as .gz or .zst."""
    if ending == "gz":
        return gzip.compress(data)
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    whole: bytes = sink.getvalue().to_pybytes()
    return whole


def table_bytes(kind: str, rows: list[dict[str, Any]]) -> bytes:
    """Rows as .jsonl, .json, .csv, .tsv or .parquet."""
    if kind == "jsonl":
        return "\n".join(json.dumps(row) for row in rows).encode()
    if kind == "json":
        return json.dumps(rows).encode()
    if kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows in the format that the path's endings name."""
    kind, _, ending = path.name.partition(".")[2].partition(".")
    data = table_bytes(kind, rows)
    path.write_bytes(compressed(data, ending) if ending else data)
    return path
