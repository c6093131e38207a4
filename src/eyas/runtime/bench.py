"""`eyas bench`: how fast a model runs here, next to what this machine can do at most and next to llama.cpp."""

import contextlib
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from eyas.runtime import llama_cpp_peer
from eyas.runtime.backend import PIECE, Backend, Piece
from eyas.runtime.c_engine import CBackend
from eyas.runtime.engine import Engine
from eyas.runtime.library import limits
from eyas.runtime.opening import GGUF
from eyas.runtime.sampling import Ask, Sampling

if TYPE_CHECKING:
    from eyas.runtime.torch_engine import TorchBackend

_ROUNDS = 5
_SHORTEST = 0.3  # seconds a measurement lasts at least, repeated when the work is shorter
_GREEDY = Sampling(temperature=0.0)


@dataclass(frozen=True)
class Limits:
    """What this machine can do at most, measured on the spot: bytes read from memory and operations, a second."""

    bandwidth: float
    f32_operations: float
    int8_operations: float


@dataclass(frozen=True)
class Work:
    """One kind of work, medians over rounds.

    Bytes are those of weights, keys and values that a token needs read; operations are multiplications and additions.
    Shares are of the machine's limits; above 1 means that the weights lie in its caches. `llama_cpp` are its tokens per
    second, `ratio` ours to its, of the same rounds.
    """

    tokens_per_second: float
    bytes_per_token: float
    operations_per_token: float
    bandwidth_share: float | None = None
    arithmetic_share: float | None = None
    llama_cpp: float | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Speculation:
    """Greedy answers to a text that repeats itself: tokens a second without and with guessing, and the share of the
    guessed tokens that were right."""

    plain: float
    guessing: float
    accepted: float


@dataclass(frozen=True)
class BenchResult:
    """What was measured; `limits` and llama.cpp's figures are None where they could not be."""

    model: str
    engine: str
    threads: int
    parameters: int
    weight_bytes: float
    prompt: int
    tokens: int
    sequences: int
    work: dict[str, Work]
    limits: Limits | None
    speculation: Speculation | None = None


def measure(
    engine: Engine,
    model: str,
    *,
    prompt: int = 512,
    tokens: int = 128,
    sequences: int = 16,
    threads: int = 0,
    rounds: int = _ROUNDS,
) -> BenchResult:
    """Measure prefill of `prompt` tokens, decoding of `tokens` from an empty context, and the same for `sequences` side
    by side; each token is chosen greedily. Lengths are cut to the model's context. Raises EyasError.

    With a .gguf and llama.cpp at hand its rounds alternate with ours, so that both meet the same neighbours.
    """
    backend = engine.backend
    # as many as the C engine takes when nothing is said: one for the smallest models
    shape = _Shape.of(backend, model)
    used = threads or (1 if shape.parameters < 1e6 else _processors())
    prompt, tokens = min(prompt, backend.context - 1), min(tokens, backend.context - 1)
    sequences = min(sequences, backend.rows)
    generator = np.random.default_rng(0)
    ids = generator.integers(0, backend.ids, prompt).tolist()
    ours: dict[str, tuple[int, Callable[[], Any]]] = {
        "prefill": (prompt, lambda: _prefill(backend, ids)),
        "decode": (tokens, lambda: _decode(backend, tokens, 1)),
        "batched": (tokens * sequences, lambda: _decode(backend, tokens, sequences)),
    }
    rates: dict[str, list[float]] = {name: [] for name in ours}
    theirs: dict[str, list[float]] = {name: [] for name in ours}
    with engine.batch.lock, contextlib.ExitStack() as stack:
        engine.batch.make_room()
        peer = None
        if model.endswith(GGUF) and llama_cpp_peer.installed():
            room = max(prompt, tokens * sequences) + 256 * sequences
            peer = stack.enter_context(
                llama_cpp_peer.running(Path(model), threads=used, room=room, sequences=sequences)
            )
        found_limits = [_limits(used)]
        for _ in range(rounds):
            for name, (count, work) in ours.items():
                rates[name].append(_rate(count, work))
                if peer is not None:
                    theirs[name].append(_rate(count, _peer_work(peer, name, ids, tokens, sequences)))
        found_limits.append(_limits(used))
    most = _most(found_limits)
    loads = {"prefill": (prompt, 1), "decode": (tokens, 1), "batched": (tokens, sequences)}
    found = {}
    for name, (length, width) in loads.items():
        done = shape.work(statistics.median(rates[name]), length, width, at_once=name == "prefill")
        if theirs[name]:
            ratios = [own / other for own, other in zip(rates[name], theirs[name], strict=True)]
            done = replace(done, llama_cpp=statistics.median(theirs[name]), ratio=statistics.median(ratios))
        found[name] = _against(done, most, shape.int8)
    return BenchResult(
        model=model,
        engine=shape.engine,
        threads=used,
        parameters=shape.parameters,
        weight_bytes=shape.weight_bytes,
        prompt=prompt,
        tokens=tokens,
        sequences=sequences,
        work=found,
        limits=most,
        speculation=_speculation(engine, tokens) if engine.batch.speculator is not None else None,
    )


@dataclass(frozen=True)
class _Shape:
    """What a token costs: `parameters` that multiply and their bytes, and keys and values."""

    engine: str
    parameters: int
    weight_bytes: float
    int8: bool
    attention: int  # n_layer * n_head * head_dim
    cached: int  # n_layer * n_kv_head * head_dim

    @classmethod
    def of(cls, backend: Backend, model: str) -> "_Shape":
        if isinstance(backend, CBackend):
            s: Any = backend.shape
            name = f"C ({backend.lib.eyas_simd().decode()})"
        else:
            s = cast("TorchBackend", backend).model.config
            name = "PyTorch"
            if s.arch != "transformer":  # no token reads what all before it left
                return cls(name, s.n_multiplying(), 4.0 * s.n_multiplying(), False, 0, 0)
        heads = 2 * s.head_dim * (s.n_head + s.n_kv_head)
        parameters = s.n_layer * s.n_embd * (heads + 3 * s.n_ff) + s.vocab_size * s.n_embd
        weight_bytes, int8 = 4.0 * parameters, False
        if isinstance(backend, CBackend) and model.endswith(GGUF):
            weight_bytes, int8 = _held_bytes(Path(model))
        return cls(
            name,
            parameters,
            weight_bytes,
            int8,
            s.n_layer * s.n_head * s.head_dim,
            s.n_layer * s.n_kv_head * s.head_dim,
        )

    def work(self, rate: float, length: int, width: int, *, at_once: bool) -> Work:
        """The cost of a token, on average, when `width` sequences of `length` tokens are read side by side; the tokens
        of one sequence at once, in passes of `PIECE`, or one after another."""
        together = min(length, PIECE) if at_once else width
        seen = length / 2
        keys = 2 * 4 * self.cached * (seen / together if at_once else seen)
        parameters = self.parameters
        return Work(rate, self.weight_bytes / together + keys, 2 * parameters + 4 * self.attention * seen)


def _held_bytes(path: Path) -> tuple[float, bool]:
    """Bytes of a GGUF's matrices that multiply, as the C engine holds them, and whether products are of int8."""
    from eyas.runtime.gguf_file import open_gguf

    tensors = open_gguf(path).tensors
    matrices = [t for t in tensors.values() if len(t.shape) == 2]
    if "output.weight" in tensors:
        matrices = [t for t in matrices if t.name != "token_embd.weight"]
    held = ("F32", "F16", "BF16", "Q8_0", "Q4_0")
    sizes = [t.size if t.type.name in held else t.shape[0] * t.shape[1] * 34 / 32 for t in matrices]
    return float(sum(sizes)), not all(t.type.name in ("F32", "F16", "BF16") for t in matrices)


def _prefill(backend: Backend, ids: list[int]) -> None:
    sequence = backend.new()
    for at in range(0, len(ids), PIECE):
        part = ids[at : at + PIECE]
        logits = backend.forward([Piece(sequence, at, part, int(at + PIECE >= len(ids)))])
    backend.choose(logits, [Ask(_GREEDY, 0.0)])
    backend.release(sequence)


def _decode(backend: Backend, tokens: int, sequences: int) -> None:
    numbers = [backend.new() for _ in range(sequences)]
    last = [1 + place for place in range(sequences)]
    asks = [Ask(_GREEDY, 0.0)] * sequences
    for at in range(tokens):
        logits = backend.forward([Piece(number, at, [token], 1) for number, token in zip(numbers, last, strict=True)])
        last, _ = backend.choose(logits, asks)
    for number in numbers:
        backend.release(number)


def _peer_work(
    peer: llama_cpp_peer.LlamaCpp, name: str, ids: list[int], tokens: int, sequences: int
) -> Callable[[], Any]:
    if name == "prefill":
        return lambda: peer.prefill(ids)
    return lambda: peer.decode(tokens, sequences if name == "batched" else 1)


def _rate(count: int, work: Callable[[], Any]) -> float:
    """Tokens a second of `work`, which reads `count`, over as many repetitions as it takes to measure."""
    started, times = time.perf_counter(), 0
    while True:
        work()
        times += 1
        seconds = time.perf_counter() - started
        if seconds >= _SHORTEST:
            return count * times / seconds


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _limits(threads: int) -> Limits | None:
    limit = limits()
    return None if limit is None else Limits(*(limit(what, threads) for what in range(3)))


def _most(found: list[Limits | None]) -> Limits | None:
    """The best of several measurements: neighbours can only have slowed them down."""
    known = [(one.bandwidth, one.f32_operations, one.int8_operations) for one in found if one is not None]
    return Limits(*map(max, zip(*known, strict=True))) if known else None


def _against(work: Work, limits: Limits | None, int8: bool) -> Work:
    if limits is None or not limits.bandwidth:
        return work
    operations = limits.int8_operations if int8 else limits.f32_operations
    return replace(
        work,
        bandwidth_share=work.tokens_per_second * work.bytes_per_token / limits.bandwidth,
        arithmetic_share=work.tokens_per_second * work.operations_per_token / operations,
    )


def _speculation(engine: Engine, tokens: int) -> Speculation:
    """Continue a text of one sentence said again and again, without and with guesses."""
    length = max(1, min(engine.context - tokens, 256))
    sentence = np.random.default_rng(1).integers(0, engine.backend.ids, 16).tolist()
    prompt = (sentence * (length // 16 + 1))[:length]
    sampling, batch = Sampling(max_tokens=tokens, temperature=0.0), engine.batch
    speculator, rates = batch.speculator, []
    before = batch.guessed, batch.accepted
    for used in (None, speculator):
        batch.speculator = used
        rates.append(_rate(tokens, lambda: engine.generate([prompt], sampling, ())))
    batch.speculator = speculator
    guessed, accepted = batch.guessed - before[0], batch.accepted - before[1]
    return Speculation(rates[0], rates[1], accepted / guessed if guessed else 0.0)
