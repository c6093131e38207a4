"""The C backend: `run.c` through ctypes. Sequences are pages of one key-value memory, so forks and joins are free."""

import ctypes
import functools
import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from eyas.errors import EyasError
from eyas.runtime.backend import Cancelled, Logits, Piece, rounded
from eyas.runtime.engine import Engine
from eyas.runtime.library import Choice, Shape, library
from eyas.runtime.sampling import Ask, Sampling, log_chance
from eyas.runtime.speculate import Speculator
from eyas.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from eyas.model.config import ModelConfig
    from eyas.model.network import Network

Type = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
_TYPES: dict[str, int] = {"f32": 0, "f16": 1, "bf16": 30, "q8_0": 8, "q4_0": 2}  # ggml's numbers
_ROWS = 64
_MEMORY = 4  # keys and values take one part in so many of the machine's memory at most


class CEngine(Engine):
    """Generates on the CPU. Logits are the same bits whatever else runs beside, in whatever pieces a text is read."""

    @classmethod
    def from_model(
        cls,
        model: "Network",
        tokenizer: Tokenizer,
        *,
        type: Type = "f32",
        threads: int = 0,
        rows: int = 0,
        speculator: Speculator | None = None,
    ) -> Self:
        """An engine with a copy of `model`'s weights, matrices held as `type`; `threads` 0 takes what suits the size.

        Raises EyasError when the library is missing or there is no memory.
        """
        return cls(CBackend.from_model(model, tokenizer.vocab_size, type, threads, rows), tokenizer, speculator)

    @classmethod
    def open(cls, path: Path | str, *, threads: int = 0, rows: int = 0, speculator: Speculator | None = None) -> Self:
        """The engine of a GGUF file, with the tokenizer in it. Raises EyasError for what cannot be read or computed."""
        from eyas.runtime.gguf_file import open_gguf
        from eyas.runtime.gguf_tokenizer import read_tokenizer

        file = open_gguf(Path(path))
        lib = _library()
        model = lib.eyas_open(os.fsencode(path))
        if not model:
            raise _failed(lib)
        shape = Shape()
        lib.eyas_shape(model, shape)
        try:
            tokenizer = read_tokenizer(file.metadata, shape.vocab_size, str(path))
            if tokenizer.vocab_size > shape.vocab_size:
                raise EyasError(f"{path}: its tokenizer knows more tokens than its model; it is damaged")
        except BaseException:
            lib.eyas_free(model)
            raise
        return cls(CBackend(lib, model, tokenizer.vocab_size, 0, threads, rows), tokenizer, speculator)


class CBackend:
    """See `backend.Backend`."""

    together, chunk, kept = 1, 256, 8

    def __init__(self, lib: ctypes.CDLL, model: int, ids: int, type: int, threads: int, rows: int) -> None:
        """`model` is a handle with all weights set, which this owns from now on. Raises EyasError."""
        self.lib, self.model, self.ids, self.rows, self.type = lib, model, ids, rows or _ROWS, type
        self.shape = Shape()
        lib.eyas_shape(model, self.shape)
        self.context, self.vocab_size = int(self.shape.max_seq_len), int(self.shape.vocab_size)
        self.n_embd = int(self.shape.n_embd)
        context = rounded(self.context)
        self.room = max(context, min(self.rows * context, self._affordable() - context))
        self.engine = lib.eyas_engine(model, threads, self.room + context)
        if not self.engine:
            error = _failed(lib)
            lib.eyas_free(model)
            raise error
        weakref.finalize(self, _free, lib, self.engine, model)

    @classmethod
    def from_model(cls, model: "Network", ids: int, type: Type, threads: int, rows: int) -> Self:
        """A copy of `model`'s weights. Raises EyasError."""
        from eyas.model.architectures import only_transformer

        only_transformer(model.config, "the C engine")
        lib = _library()
        handle = lib.eyas_new(_shape(model.config))
        if not handle:
            raise _failed(lib)
        try:
            _set_all(lib, handle, model, _TYPES[type])
        except BaseException:
            lib.eyas_free(handle)
            raise
        return cls(lib, handle, ids, _TYPES[type], threads, rows)

    def new(self) -> int:
        return self._checked(self.lib.eyas_sequence(self.engine))

    def fork(self, sequence: int, length: int) -> int:
        return self._checked(self.lib.eyas_fork(self.engine, sequence, length))

    def truncate(self, sequence: int, length: int) -> None:
        self._checked(self.lib.eyas_truncate(self.engine, sequence, length))

    def release(self, sequence: int) -> None:
        self._checked(self.lib.eyas_release(self.engine, sequence))

    def forward(self, pieces: Sequence[Piece]) -> Logits:
        logits = np.empty((sum(piece.want for piece in pieces), self.vocab_size), dtype=np.float32)
        self._forward(pieces, logits=logits)
        return logits

    def scores(self, pieces: Sequence[Piece], targets: Sequence[int]) -> NDArray[np.float32]:
        wanted = _wanted(pieces)
        placed = np.full(len(wanted), -1, dtype=np.int32)
        placed[wanted > 0] = targets
        found = np.empty(len(wanted), dtype=np.float32)
        self._forward(pieces, targets=placed, logprobs=found)
        return found[wanted > 0]

    def hidden(self, pieces: Sequence[Piece]) -> NDArray[np.float32]:
        states = np.empty((sum(piece.want for piece in pieces), self.n_embd), dtype=np.float32)
        self._forward(pieces, hidden=states)
        return states

    def choose(self, logits: Logits, asks: Sequence[Ask]) -> tuple[list[int], list[float]]:
        logits = np.ascontiguousarray(logits)
        at, stride, score = logits.ctypes.data, logits.strides[0], ctypes.c_float()
        ids, scores = [], []
        for row, ask in enumerate(asks):
            allowed, said = ask.allowed, ask.said
            biased = None if ask.bias is None else _biased(logits[row, : self.ids], *ask.bias)
            token = self.lib.eyas_pick(
                at + row * stride if biased is None else biased.ctypes.data,
                self.ids,
                _choice(ask.sampling),
                None if allowed is None else allowed.ctypes.data,
                None if said is None else said.ctypes.data,
                0 if said is None else len(said),
                ask.draw,
                score,
            )
            ids.append(self._checked(token))
            scores.append(score.value if biased is None else log_chance(logits[row, : self.ids], token))
        return ids, scores

    def array(self, logits: Logits) -> NDArray[np.float32]:
        found: NDArray[np.float32] = logits
        return found

    def set_weights(self, model: "Network") -> None:
        _set_all(self.lib, self.model, model, self.type)

    def cancel(self) -> None:
        self.lib.eyas_cancel(self.engine)

    def _forward(
        self,
        pieces: Sequence[Piece],
        logits: NDArray[np.float32] | None = None,
        hidden: NDArray[np.float32] | None = None,
        targets: NDArray[np.int32] | None = None,
        logprobs: NDArray[np.float32] | None = None,
    ) -> None:
        sizes = [len(piece.tokens) for piece in pieces]
        tokens = np.array([token for piece in pieces for token in piece.tokens], dtype=np.int32)
        sequences = np.repeat(np.array([piece.sequence for piece in pieces], dtype=np.int32), sizes)
        positions = np.array([i for p in pieces for i in range(p.start, p.start + len(p.tokens))], dtype=np.int32)
        wanted = _wanted(pieces) if targets is None else None
        given = (tokens, sequences, positions, wanted, logits, hidden, targets, logprobs)
        status = self.lib.eyas_forward(self.engine, len(tokens), *map(_address, given))
        if status == 1:
            raise Cancelled
        self._checked(status)

    def _checked(self, status: int) -> int:
        if status < 0:
            raise _failed(self.lib)
        return status

    def _affordable(self) -> int:
        """Tokens whose keys and values fit the memory set aside for them."""
        a_token = 4 * 2 * self.shape.n_layer * self.shape.n_kv_head * -(-self.shape.head_dim // 16) * 16
        try:
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        except (AttributeError, ValueError, OSError):
            memory = 2**32
        return int(min(memory // _MEMORY // a_token, 2**30))


def _biased(row: NDArray[np.float32], ids: NDArray[np.int32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    changed = row.copy()
    changed[ids] += values
    return changed


def _address(array: NDArray[Any] | None) -> int | None:
    return None if array is None else array.ctypes.data


def _wanted(pieces: Sequence[Piece]) -> NDArray[np.uint8]:
    """1 for each token that a row of output is wanted for."""
    flags = [(len(piece.tokens) - piece.want, piece.want) for piece in pieces]
    return np.array([flag for no, yes in flags for flag in (0,) * no + (1,) * yes], dtype=np.uint8)


@functools.lru_cache(maxsize=64)
def _choice(sampling: Sampling) -> Choice:
    return Choice(
        sampling.temperature,
        sampling.top_p,
        sampling.min_p,
        sampling.repetition_penalty,
        min(sampling.top_k, 2**31 - 1),
    )


def _shape(config: "ModelConfig") -> Shape:
    names = [field[0] for field in Shape._fields_ if field[0] != "rope_interleaved"]
    return Shape(**{name: getattr(config, name) for name in names}, rope_interleaved=0)


def _set_all(lib: ctypes.CDLL, handle: int, model: "Network", type: int) -> None:
    """Hand over every weight under GGUF's name. Our heads are in Hugging Face's order, so nothing is permuted."""
    from eyas.model.checkpoint import hf_views
    from eyas.model.transformer import rope_divisors
    from eyas.runtime.gguf_layout import ROPE_FREQS, gguf_name

    tensors = {gguf_name(name): view for name, view in hf_views(model).items()}
    if model.config.rope_scaling is not None:
        tensors[ROPE_FREQS] = rope_divisors(model.config, model.config.rope_scaling)
    for name, tensor in tensors.items():
        values = tensor.detach().float().cpu().contiguous().numpy()
        rows, columns = (1, *values.shape)[-2:]
        if lib.eyas_set(handle, name.encode(), values.ctypes.data, rows, columns, type) < 0:
            raise _failed(lib)


def _library() -> ctypes.CDLL:
    lib = library()
    if lib is None:
        raise EyasError("the C engine is not available on this machine; leave out --engine c, or install a C compiler")
    return lib


def _failed(lib: ctypes.CDLL) -> EyasError:
    return EyasError((lib.eyas_failure() or b"the C engine failed").decode(errors="replace"))


def _free(lib: ctypes.CDLL, engine: int, model: int) -> None:
    lib.eyas_engine_free(engine)
    lib.eyas_free(model)
