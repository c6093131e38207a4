"""Files that are either whole or absent: write beside, flush to disk, then rename."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eyas.errors import EyasError


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content` (text as UTF-8) so that a crash leaves the old or the new file, never a part.

    Raises EyasError when the disk is full or the folder cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    beside = path.with_name(f".{path.name}.part{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise EyasError(f"cannot write {path}: {error.strerror}; free space or choose another place") from error


@contextmanager
def file_atomic(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; when the block ends well that file becomes `path`, else it is removed.

    An existing file at `path` is an EyasError, as are a full disk and a folder that cannot be written.
    """
    if path.exists():
        raise EyasError(f"{path} exists already; choose another name or remove it first")
    beside = path.with_name(f".{path.name}.part{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        with open(beside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise EyasError(f"cannot write {path}: {error.strerror}; free space or choose another place") from error
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def folder_atomic(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give an empty folder beside `path`; when the block ends well it becomes `path`, else it is removed.

    With `replace` an existing folder at `path` is swapped out after the new one is whole; without it, EyasError.
    """
    if path.exists() and not replace:
        raise EyasError(f"{path} exists already; choose another name or remove it first")
    beside = path.with_name(f".{path.name}.part{os.getpid()}")
    old = path.with_name(f".{path.name}.old{os.getpid()}")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        for file in beside.rglob("*"):
            if file.is_file():
                with open(file, "rb") as handle:
                    os.fsync(handle.fileno())
        if path.exists():
            os.rename(path, old)
        os.rename(beside, path)
        _sync_folder(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if old.exists() and not path.exists():
            os.rename(old, path)
        raise EyasError(f"cannot write {path}: {error.strerror}; free space or choose another place") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path, what: str) -> Any:
    """Parse the JSON file `path`; `what` names it in the error ("model config"). Raises EyasError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise EyasError(f"{what} {path} is missing") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EyasError(f"{what} {path} is damaged: {error}") from error
