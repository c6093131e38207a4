"""The model that both sides share: opened in the C engine, with what tells it from all others."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eyas.compress.container import ARITHMETIC_BYTES, MODEL_BYTES
from eyas.compress.frequencies import LARGEST_VOCABULARY
from eyas.compress.streams import Reader
from eyas.compress.symbols import Symbols
from eyas.errors import EyasError
from eyas.files import sha256_file
from eyas.native import Uncompiled, compiled
from eyas.runtime.backend import Backend, Piece
from eyas.runtime.library import SOURCE
from eyas.store.names import resolve_model

if TYPE_CHECKING:
    from eyas.model.network import Network
    from eyas.runtime.engine import Engine
    from eyas.text.tokenizer import Tokenizer

_PROBE = 64  # tokens


@dataclass(frozen=True)
class Predictor:
    """A model ready to code. `identity` is of its parameters and tokenizer, `arithmetic` of the bits of its logits."""

    reader: Reader
    symbols: Symbols
    identity: bytes
    arithmetic: bytes

    @property
    def backend(self) -> Backend:
        return self.reader.backend


def open_predictor(name: str, threads: int = 0) -> Predictor:
    """The model folder, LIFE/NAME, hub id or GGUF file `name`. Raises EyasError, also where there is no C compiler."""
    try:
        compiled(SOURCE)
    except Uncompiled as error:
        raise EyasError(
            f"{error}, and only the C engine computes the same numbers everywhere; install gcc or clang"
        ) from error
    from eyas.runtime.c_engine import CEngine

    path = Path(name)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise EyasError(f"there is no file {path}; give a model folder, LIFE/NAME or a .gguf")
        return predictor_of(CEngine.open(path, threads=threads), bytes.fromhex(sha256_file(path))[:MODEL_BYTES])
    from eyas.model.checkpoint import load_model, stored_dtype

    folder = resolve_model(name)
    model, tokenizer = load_model(folder, dtype=stored_dtype(folder))
    return predictor_of(CEngine.from_model(model, tokenizer, threads=threads), identity_of(model, tokenizer))


def predictor_of(engine: "Engine", identity: bytes) -> Predictor:
    """The predictor of an engine whose model and tokenizer `identity` names. Raises EyasError."""
    if engine.vocab_size > LARGEST_VOCABULARY:
        raise EyasError(
            f"a vocabulary of {engine.vocab_size:,} is too large to code; {LARGEST_VOCABULARY:,} are the most"
        )
    symbols = Symbols(engine.tokenizer)
    reader = Reader(engine.backend, engine.tokenizer.start, symbols.excluded(engine.vocab_size))
    return Predictor(reader, symbols, identity, _arithmetic(engine.backend))


def identity_of(model: "Network", tokenizer: "Tokenizer") -> bytes:
    """A hash of the parameters, in the type they have, and the tokenizer: the first bytes of their SHA-256."""
    import torch

    from eyas.model.checkpoint import hf_views

    found = hashlib.sha256(tokenizer.fingerprint.encode())
    for name, view in sorted(hf_views(model).items()):
        found.update(f"\n{name} {view.dtype} {tuple(view.shape)}\n".encode())
        found.update(view.cpu().contiguous().view(torch.uint8).numpy().data)
    return found.digest()[:MODEL_BYTES]


def _arithmetic(backend: Backend) -> bytes:
    """A hash of the logits' bits on a text that is always the same: machines that agree on it agree on all."""
    count = min(_PROBE, backend.context)
    stride = next(one for one in range(7919, 16000) if math.gcd(one, backend.ids) == 1)
    tokens = [i * stride % backend.ids for i in range(count)]
    sequence = backend.new()
    try:
        logits = backend.array(backend.forward([Piece(sequence, 0, tokens, count)]))
    finally:
        backend.release(sequence)
    return hashlib.sha256(logits.astype("<f4", copy=False).tobytes()).digest()[:ARITHMETIC_BYTES]
