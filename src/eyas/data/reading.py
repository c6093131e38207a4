"""Bytes, lines and UTF-8 out of plain, .gz and .zst files, with one clear sentence for whatever is wrong with them."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from eyas.data.documents import Tally
from eyas.errors import EyasError

COMPRESSED = (".gz", ".zst")
MAX_LINE = 64 << 20
"""Longest line (or JSON row) read, in bytes: what is longer is hardly a row, and memory must stay bounded."""


@dataclass
class BadInput:
    """What to do with input that cannot be used: stop with one sentence, or (`skip`) leave it out and count it."""

    skip: bool = False
    tally: Tally = field(default_factory=Tally)

    def report(self, sentence: str) -> None:
        """Raise EyasError, or count the sentence under "bad"."""
        if not self.skip:
            raise EyasError(f"{sentence}; mend it, or leave such input out with --skip-bad")
        self.tally.add("bad", sentence=sentence)


def kind_of_file(path: Path) -> str:
    """The suffix that tells the format, in lower case: `.jsonl` for both `a.jsonl` and `a.jsonl.gz`."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


@contextmanager
def open_bytes(path: Path, bad: BadInput) -> Iterator[IO[bytes]]:
    """The uncompressed bytes of `path`. Errors of the file or its compression inside the block go to `bad`."""
    try:
        with _open(path) as file:
            yield file
    except EyasError:
        raise
    except FileNotFoundError as error:
        raise EyasError(f"{path} does not exist") from error
    except (PermissionError, IsADirectoryError) as error:
        raise EyasError(f"{path} cannot be read: {error.strerror}") from error
    except (EOFError, zlib.error) as error:
        bad.report(f"{path} is cut off or damaged: {error}")
    except OSError as error:  # gzip.BadGzipFile and pyarrow's zstd errors are OSErrors too
        bad.report(f"{path} cannot be read to its end: {str(error).strip()}")


@contextmanager
def _open(path: Path) -> Iterator[IO[bytes]]:
    suffix = path.suffix.lower()
    if suffix == ".gz":
        with gzip.open(path) as file:
            yield io.BufferedReader(file, 1 << 20)
    elif suffix == ".zst":
        # The zstandard package takes a cut-off stream for a whole one; Arrow's decoder does not.
        import pyarrow as pa

        with open(path, "rb") as raw, pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd") as stream:
            yield io.BufferedReader(stream, 1 << 20)
    else:
        with open(path, "rb", buffering=1 << 20) as file:
            yield file


def read_lines(path: Path, bad: BadInput) -> Iterator[tuple[int, bytes]]:
    """(line number from 1, line without its end) of a file; a line over MAX_LINE is reported and passed over."""
    with open_bytes(path, bad) as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):
                    line = file.readline(1 << 20)
                bad.report(f"line {number} of {path} is longer than {MAX_LINE >> 20} MB")
                continue
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield number, line.rstrip(b"\r\n")


def decode(data: bytes, where: str, bad: BadInput) -> str | None:
    """UTF-8 to text, or None after reporting that `where` ("line 3 of FILE") is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        bad.report(f"{where} is not UTF-8 text (byte {error.object[error.start]:#04x} {error.reason})")
        return None
