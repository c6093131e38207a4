"""The stages `eyas zip` and `eyas unzip`: prediction is compression, literally.

A model that gives the next token the probability p lets an arithmetic coder write it in -log2 p bits (Shannon, 1948;
Delétang et al., "Language modeling is compression", 2023).
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from eyas import __version__
from eyas.compress.container import LARGEST_STREAMS, Archive, pack, unpack
from eyas.compress.peers import peer_sizes
from eyas.compress.predictor import Predictor, open_predictor
from eyas.compress.streams import Layout, decode, encode
from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.files import file_atomic
from eyas.progress import Progress
from eyas.runtime.backend import rounded

SUFFIX = ".eyz"
_LONGEST_WINDOW = 2048
_TRIAL = 2048  # tokens on which windows are tried
_SHORTEST_WINDOW = 32
_A_STREAM = 4096  # tokens that are worth a stream of their own: its beginning without a past costs some 8 bytes
_STREAMS = 16  # more gained no speed
_Done = Callable[[int], None]


class ZipConfig(StageConfig):
    """`eyas zip`: what is compressed, with which model, into which file."""

    path: Path = Field(description="The file to compress: any bytes.")
    model: str = Field(description="Model folder, LIFE/NAME, hf:OWNER/NAME or a .gguf file; unzip needs the same.")
    out: Path | None = Field(None, description="The file to write (default: FILE.eyz).")
    streams: int | None = Field(
        None,
        ge=1,
        le=LARGEST_STREAMS,
        description="Parts that unzip will read side by side; 1 is smallest and slowest (default: by size).",
    )
    threads: int = Field(0, ge=0, description="Threads of the CPU (default: what suits the model).")


class UnzipConfig(StageConfig):
    """`eyas unzip`: what is opened, with which model, into which file."""

    path: Path = Field(description="A file that eyas zip wrote.")
    model: str = Field(description="The model it was zipped with.")
    out: Path | None = Field(None, description="The file to write (default: FILE without .eyz).")
    threads: int = Field(0, ge=0, description="Threads of the CPU (default: what suits the model).")


@dataclass(frozen=True)
class ZipResult:
    """What was written: `bytes` became `zipped`. `bits_per_byte` and those of `peers` are None for an empty file.

    The text was read as `tokens`, in `streams` side by side and windows of `window` tokens. `coded` is false where the
    model would have made the file larger, or its tokenizer cannot spell it: then the file is stored as it is. `mixed`:
    the model knew it too little alone, and was mixed with what came before in the file.
    `tokens_per_second` counts coding alone, `seconds` everything but the peers.
    """

    out: Path
    bytes: int
    zipped: int
    bits_per_byte: float | None
    peers: dict[str, float | None]
    coded: bool
    mixed: bool
    tokens: int
    streams: int
    window: int
    seconds: float
    tokens_per_second: float


@dataclass(frozen=True)
class UnzipResult:
    """What was written, and how fast it was decoded."""

    out: Path
    bytes: int
    zipped: int
    tokens: int
    seconds: float
    tokens_per_second: float


def run_zip(config: ZipConfig, progress: Progress | None = None) -> ZipResult:
    """Compress a file. Raises EyasError for one that cannot be read, an output that exists and what the model lacks."""
    begun = time.monotonic()
    out = config.out or config.path.with_name(config.path.name + SUFFIX)
    data = _read(config.path, out)
    predictor = open_predictor(config.model, config.threads)
    started = time.monotonic()
    packed = pack(compressed(data, predictor, config.streams, _counter(progress), _expect(progress)))
    coding = time.monotonic() - started
    with file_atomic(out) as beside:
        beside.write_bytes(packed)
    seconds = time.monotonic() - begun
    archive = unpack(packed, str(out))
    return ZipResult(
        out=out,
        bytes=len(data),
        zipped=len(packed),
        bits_per_byte=_bits(len(packed), data),
        peers={name: _bits(size, data) for name, size in peer_sizes(data).items()},
        coded=archive.coded,
        mixed=archive.mixed,
        tokens=archive.layout.tokens,
        streams=archive.layout.streams,
        window=archive.layout.window,
        seconds=seconds,
        tokens_per_second=archive.layout.tokens / max(coding, 1e-9),
    )


def run_unzip(config: UnzipConfig, progress: Progress | None = None) -> UnzipResult:
    """Write the file that was zipped, bit for bit. Raises EyasError for anything else: another model, damaged bytes."""
    begun = time.monotonic()
    name = config.path.name
    if config.out is None and (not name.endswith(SUFFIX) or name == SUFFIX):
        raise EyasError(f"{config.path} does not end in {SUFFIX}; say with -o where its content goes")
    out = config.out or config.path.with_name(name.removesuffix(SUFFIX))
    packed = _read(config.path, out)
    archive = unpack(packed, str(config.path))
    predictor = open_predictor(config.model, config.threads)
    started = time.monotonic()
    _expect(progress)(archive.layout.tokens)
    data = restored(archive, predictor, str(config.path), config.model, _counter(progress))
    decoding = time.monotonic() - started
    with file_atomic(out) as beside:
        beside.write_bytes(data)
    return UnzipResult(
        out=out,
        bytes=len(data),
        zipped=len(packed),
        tokens=archive.layout.tokens,
        seconds=time.monotonic() - begun,
        tokens_per_second=archive.layout.tokens / max(decoding, 1e-9),
    )


def compressed(
    data: bytes,
    predictor: Predictor,
    streams: int | None = None,
    done: _Done = lambda count: None,
    expect: _Done = lambda count: None,
) -> Archive:
    """`data` as the model codes it, in so many `streams` (default: by size).

    `expect` is told of the tokens there are, `done` of every few that are coded.
    """
    found = predictor.symbols.ids(data)
    payload, layout, mixed = data, Layout(0, 0, 0, 0), False
    if found is not None:
        ids = np.array(found, dtype=np.int32)
        expect(len(ids))
        planned = plan(ids, predictor, streams)
        coded, by_mixture = encode(predictor.reader, ids, planned, done)
        if len(coded) < len(data) or not data:
            payload, layout, mixed = coded, planned, by_mixture
    return Archive(
        model=predictor.identity,
        arithmetic=predictor.arithmetic,
        content=hashlib.sha256(data).digest(),
        written_by=__version__,
        size=len(data),
        layout=layout,
        coded=bool(layout.tokens),
        payload=payload,
        mixed=mixed,
    )


def restored(archive: Archive, predictor: Predictor, file: str, model: str, done: _Done = lambda count: None) -> bytes:
    """The bytes that were zipped. Raises EyasError, which names `file` and `model`, when they cannot be had exactly."""
    if archive.model != predictor.identity:
        raise EyasError(f"{file} was zipped with another model or tokenizer than {model}; give -m the same one")
    if archive.arithmetic != predictor.arithmetic:
        raise EyasError(
            f"{file}: {model} has the right parameters, but this machine computes other bits from them; use eyas "
            f"{archive.written_by}, which wrote it, or a model without bf16 matrices"
        )
    data = archive.payload
    if archive.coded:
        if archive.layout.window > predictor.backend.context:
            raise EyasError(f"{file} is damaged: its windows are longer than the model's context; get a fresh copy")
        data = predictor.symbols.data(decode(predictor.reader, archive.payload, archive.layout, archive.mixed, done))
    if len(data) != archive.size or hashlib.sha256(data).digest() != archive.content:
        raise EyasError(f"{file} is damaged: what it holds is not what was zipped; get a fresh copy")
    return data


def plan(ids: NDArray[np.int32], predictor: Predictor, streams: int | None = None) -> Layout:
    """How to cut `ids`, in so many `streams` if that is given.

    A window is as long as helps: many models predict badly near the end of the context they could have, so some
    lengths are tried on a part of the text. A quarter of it is memory: half gained less than 1 % and reads 1.5 times
    as much. There are as many streams as cost little and fit in memory.
    """
    backend = predictor.backend
    longest = min(backend.context, _LONGEST_WINDOW)
    windows = [longest]
    while windows[-1] // 2 >= _SHORTEST_WINDOW and len(windows) < 4:
        windows.append(windows[-1] // 2)
    middle = max(0, (len(ids) - _TRIAL) // 2)
    sample = ids[middle : middle + _TRIAL]
    if len(sample) <= windows[-1]:
        windows = windows[:1]

    def size(window: int) -> int:
        return len(encode(predictor.reader, sample, Layout(len(sample), 1, window, window // 4))[0])

    window = min(windows, key=size) if len(windows) > 1 else longest
    room = (backend.room + rounded(backend.context)) // rounded(window)
    wanted = max(1, min(_STREAMS, len(ids) // _A_STREAM)) if streams is None else streams
    return Layout(len(ids), min(len(ids), wanted, max(1, room)), window, window // 4)


def _read(file: Path, out: Path) -> bytes:
    """The content of `file`, once it is sure that `out` may be written."""
    if out.exists():
        raise EyasError(f"{out} exists already; choose another name or remove it first")
    try:
        return file.read_bytes()
    except OSError as error:
        why = "there is no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise EyasError(f"{file} cannot be read: {why}; give a file") from error


def _bits(size: int, data: bytes) -> float | None:
    """Bits for each byte of `data` when it takes `size` bytes."""
    return 8 * size / len(data) if data else None


def _counter(progress: Progress | None) -> _Done:
    return (lambda count: None) if progress is None else progress.advance


def _expect(progress: Progress | None) -> _Done:
    return (lambda count: None) if progress is None else progress.expect
