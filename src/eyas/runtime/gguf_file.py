"""A GGUF file as bytes: its metadata, and where its tensors lie. Counts, lengths and offsets are checked before use."""

import math
import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize
from numpy.typing import NDArray

from eyas.errors import EyasError

MAGIC = b"GGUF"
READABLE = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K")
_VERSIONS = (2, 3)
_NUMBERS = ("B", "b", "H", "h", "I", "i", "f", "?", None, None, "Q", "q", "d")  # by GGUF's number of a value's type
_STRING, _ARRAY = 8, 9
_LONGEST_NAME = 64  # what llama.cpp allows a tensor
_MOST_DIMENSIONS = 4


@dataclass(frozen=True)
class TensorEntry:
    """One tensor: numpy's shape (rows first), its type, where its bytes begin in the file and how many they are."""

    name: str
    shape: tuple[int, ...]
    type: GGMLQuantizationType
    offset: int
    size: int


@dataclass(frozen=True)
class GgufFile:
    """An open GGUF file; values of tensors are read when they are asked for."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, TensorEntry]
    data: mmap.mmap = field(repr=False)

    def values(self, name: str) -> NDArray[np.float32]:
        """The tensor's numbers as float32, dequantised. Raises EyasError for numbers that are none."""
        entry = self.tensors[name]
        raw = np.frombuffer(self.data, dtype=np.uint8, count=entry.size, offset=entry.offset)
        rows = raw.reshape(*entry.shape[:-1], -1)
        with np.errstate(over="ignore", invalid="ignore"):
            values = dequantize(rows, entry.type).astype(np.float32, copy=False).reshape(entry.shape)
        if not np.isfinite(values).all():
            raise EyasError(f"{self.path} is damaged: {name} holds values that are no numbers")
        return values


def open_gguf(path: Path) -> GgufFile:
    """Read the header of a GGUF file. Raises EyasError saying what is wrong with it."""
    try:
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        why = error.strerror if isinstance(error, OSError) else "it is empty"
        raise EyasError(f"{path} cannot be read: {why}") from error
    at = _Cursor(path, data)
    if at.take(4) != MAGIC:
        raise EyasError(f"{path} is no GGUF file")
    version = at.number("I")
    if version not in _VERSIONS:
        raise EyasError(f"{path} is of GGUF version {version}; eyas reads versions 2 and 3, little-endian")
    n_tensors, n_values = at.number("Q"), at.number("Q")
    metadata: dict[str, Any] = {}
    for _ in range(at.count(n_values, 13)):
        key = at.string()
        if key in metadata:
            raise at.damaged(f"it has the key {key!r} twice")
        metadata[key] = at.value(at.number("I"))
    entries = [_entry(at) for _ in range(at.count(n_tensors, 24))]
    tensors = _placed(at, entries, metadata.get("general.alignment", 32))
    return GgufFile(path, metadata, tensors, data)


@dataclass
class _Cursor:
    """Reads forward through the file and never beyond its end."""

    path: Path
    data: mmap.mmap
    at: int = 0

    def damaged(self, why: str) -> EyasError:
        return EyasError(f"{self.path} is damaged: {why}")

    def count(self, number: int, least: int) -> int:
        """`number` things of at least `least` bytes each, if the rest of the file can hold them."""
        if number > (len(self.data) - self.at) // least:
            raise self.damaged(f"it announces {number:,} entries and ends before")
        return number

    def take(self, size: int) -> bytes:
        start = self.at
        self.at += self.count(size, 1)
        return self.data[start : self.at]

    def number(self, kind: str) -> Any:
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(kind)))[0]

    def string(self) -> str:
        try:
            return self.take(self.number("Q")).decode()
        except UnicodeDecodeError as error:
            raise self.damaged("it holds text that is not UTF-8") from error

    def value(self, kind: int) -> Any:
        """A value of GGUF's type `kind`; an array of numbers comes as numpy's, one of strings as a list."""
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            inner, length = self.number("I"), self.number("Q")
            if inner == _STRING:
                return [self.string() for _ in range(self.count(length, 8))]
            letter = self._letter(inner)
            size = struct.calcsize(letter)
            raw = self.take(self.count(length, size) * size)
            return np.frombuffer(raw, dtype=np.dtype(letter).newbyteorder("<"))
        return self.number(self._letter(kind))

    def _letter(self, kind: int) -> str:
        letter = _NUMBERS[kind] if kind < len(_NUMBERS) else None
        if letter is None:
            raise self.damaged(f"it holds a value of the unknown type {kind}")
        return letter


def _entry(at: _Cursor) -> TensorEntry:
    """One line of the table of tensors; its offset still counts from the start of the data."""
    name = at.string()
    n_dims = at.number("I")
    if len(name) > _LONGEST_NAME or not 1 <= n_dims <= _MOST_DIMENSIONS:
        raise at.damaged(f"its tensor {name[:_LONGEST_NAME]!r} has {n_dims} dimensions")
    shape = tuple(at.number("Q") for _ in range(n_dims))[::-1]
    number, offset = at.number("I"), at.number("Q")
    try:
        kind = GGMLQuantizationType(number)
    except ValueError as error:
        raise EyasError(f"{at.path}: its tensor {name} is of type {number}, which eyas does not know") from error
    if kind.name not in READABLE:
        raise EyasError(f"{at.path}: its tensor {name} is of type {kind.name}; eyas reads {', '.join(READABLE)}")
    block, block_bytes = GGML_QUANT_SIZES[kind]
    elements = math.prod(shape)
    if elements == 0 or shape[-1] % block:
        raise at.damaged(f"its tensor {name} has the shape {list(shape)}")
    return TensorEntry(name, shape, kind, offset, elements // block * block_bytes)


def _placed(at: _Cursor, entries: list[TensorEntry], alignment: Any) -> dict[str, TensorEntry]:
    """The tensors by name, their offsets from the start of the file."""
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1) or alignment > 1 << 20:
        raise at.damaged(f"its alignment is {alignment}")
    start = -(-at.at // alignment) * alignment
    tensors: dict[str, TensorEntry] = {}
    for entry in entries:
        if entry.name in tensors:
            raise at.damaged(f"it has the tensor {entry.name} twice")
        if start + entry.offset + entry.size > len(at.data) or entry.offset % alignment:
            raise at.damaged(f"its tensor {entry.name} lies outside the file; it may be cut short, copy it afresh")
        tensors[entry.name] = TensorEntry(entry.name, entry.shape, entry.type, start + entry.offset, entry.size)
    return tensors
