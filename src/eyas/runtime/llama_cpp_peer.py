"""llama.cpp on the same GGUF file, through `llama_cpp`'s low-level interface: what `eyas bench` measures beside us."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from eyas.errors import EyasError


def installed() -> bool:
    """Whether `llama-cpp-python` is there and loads."""
    try:
        import llama_cpp  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        return False
    return True


class LlamaCpp:
    """A model in llama.cpp that reads tokens as our backends do; greedy, so that both choose alike."""

    def __init__(self, path: Path, *, threads: int, room: int, sequences: int) -> None:
        """`room` tokens in all for `sequences` sequences at a time. Raises EyasError when it cannot open the file."""
        import llama_cpp

        self.api: Any = llama_cpp
        llama_cpp.llama_log_set(_silence(), None)
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        settings.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), settings)
        if not self.model:
            raise EyasError(f"llama.cpp cannot open {path}")
        wanted = llama_cpp.llama_context_default_params()
        wanted.n_ctx, wanted.n_batch, wanted.n_seq_max = room, room, sequences
        wanted.n_threads = wanted.n_threads_batch = threads
        wanted.no_perf = True
        self.context = llama_cpp.llama_init_from_model(self.model, wanted)
        if not self.context:
            llama_cpp.llama_model_free(self.model)
            raise EyasError(f"llama.cpp has no memory to run {path}")
        self.n_vocab = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_batch_init(room, 0, 1)

    def close(self) -> None:
        """Give its memory back."""
        self.api.llama_batch_free(self.batch)
        self.api.llama_free(self.context)
        self.api.llama_model_free(self.model)

    def prefill(self, prompt: list[int]) -> int:
        """Read `prompt` from an empty memory; the likeliest next token."""
        self._forget()
        return self._read([(token, at, 0, at == len(prompt) - 1) for at, token in enumerate(prompt)])[0]

    def decode(self, tokens: int, sequences: int) -> None:
        """Say `tokens` tokens in each of `sequences` sequences, side by side, from an empty memory."""
        self._forget()
        last = [1 + number for number in range(sequences)]
        for at in range(tokens):
            last = self._read([(token, at, number, True) for number, token in enumerate(last)])

    def _forget(self) -> None:
        self.api.llama_memory_clear(self.api.llama_get_memory(self.context), False)

    def _read(self, entries: list[tuple[int, int, int, bool]]) -> list[int]:
        """Read (token, position, sequence, whether its row is wanted); the likeliest id of each wanted row."""
        batch = self.batch
        batch.n_tokens = len(entries)
        for i, (token, position, sequence, wanted) in enumerate(entries):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
        if self.api.llama_decode(self.context, batch) != 0:
            raise EyasError("llama.cpp failed to read a batch")
        rows = (self.api.llama_get_logits_ith(self.context, i) for i, entry in enumerate(entries) if entry[3])
        return [int(np.ctypeslib.as_array(row, shape=(self.n_vocab,)).argmax()) for row in rows]


@functools.cache
def _silence() -> Any:
    """What llama.cpp calls with its chatter. It goes on calling it after the last model is closed, so it stays."""
    import llama_cpp

    return llama_cpp.llama_log_callback(lambda *_: None)


@contextlib.contextmanager
def running(path: Path, *, threads: int, room: int, sequences: int) -> Iterator[LlamaCpp]:
    """llama.cpp with `path` open, as long as the block lasts."""
    peer = LlamaCpp(path, threads=threads, room=room, sequences=sequences)
    try:
        yield peer
    finally:
        peer.close()
