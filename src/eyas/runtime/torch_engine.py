"""The PyTorch backend: sequences are the rows of one padded key-value cache, so that a step is one batched product."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.model.cache import KVCache
from eyas.model.config import ModelConfig
from eyas.model.network import Network
from eyas.runtime.backend import Logits, Piece
from eyas.runtime.engine import Engine
from eyas.runtime.sampling import Ask
from eyas.runtime.speculate import Speculator
from eyas.runtime.torch_sampling import choose
from eyas.text.tokenizer import Tokenizer

_ROWS = 256
_TOKENS = 16_384  # tokens of a forward pass, padding included
_LOGITS = 2**24  # logits alive at a time when whole sequences are scored
_FEW = 8  # one row in so many may be idle or dead before rows are copied out or dropped
_CACHE_BYTES = 4 * 2**30  # keys and values of all sequences on a CPU; on a GPU half of what is free


class TorchEngine(Engine):
    """Generates with `model` on the device and in the type its weights have; never changes the model.

    Results do not depend on the batch: each row draws from its own stream. (Sums in another order can differ in their
    last bits, so a draw that hits an edge of two tokens to seven digits may fall the other way.)
    """

    def __init__(
        self,
        model: Network,
        tokenizer: Tokenizer,
        *,
        rows: int = 0,
        speculator: Speculator | None = None,
    ) -> None:
        self.torch = TorchBackend(model, tokenizer.vocab_size, rows or _ROWS)
        super().__init__(self.torch, tokenizer, speculator)

    @property
    def model(self) -> Network:
        return self.torch.model

    @property
    def device(self) -> torch.device:
        return self.torch.device


class TorchBackend:
    """See `backend.Backend`. A new, forked or dropped sequence copies the cache, so that happens for many at a time:
    nothing is done before the next forward pass, and `together` keeps newcomers waiting until a share of the rows is
    free. In between a step reads every row in place, also the few that have nothing to read.
    """

    kept = 0  # every row of the cache is computed with, also one that is only kept

    def __init__(self, model: Network, ids: int, rows: int) -> None:
        self.model, self.ids, self.rows = model, ids, rows
        self.context, self.vocab_size = model.config.max_seq_len, model.config.vocab_size
        self.n_embd = model.config.n_embd
        self.together, self.chunk = max(1, rows // _FEW), _TOKENS
        self.room = max(self._affordable(), self.context)
        self._cache = _Rows(model.config, 0, device=self.device, dtype=self._dtype)
        self._of_row: list[int] = []  # the sequence of each row; dead ones stay until rows are copied anyway
        self._lengths: dict[int, int] = {}
        self._coming: dict[int, int] = {}  # sequences without a row yet, and the row they begin as, or -1
        self._next = 0

    @property
    def device(self) -> torch.device:
        return self.model.embed.weight.device

    @property
    def _dtype(self) -> torch.dtype:
        return self.model.embed.weight.dtype

    def new(self) -> int:
        return self._add(-1, 0)

    def fork(self, sequence: int, length: int) -> int:
        return self._add(self._coming[sequence] if sequence in self._coming else self._of_row.index(sequence), length)

    def _add(self, origin: int, length: int) -> int:
        self._next += 1
        self._coming[self._next], self._lengths[self._next] = origin, length
        return self._next

    def truncate(self, sequence: int, length: int) -> None:
        self._lengths[sequence] = min(length, self._lengths[sequence])

    def release(self, sequence: int) -> None:
        del self._lengths[sequence]
        self._coming.pop(sequence, None)

    def forward(self, pieces: Sequence[Piece]) -> Logits:
        with torch.inference_mode():
            return self.model.head(self._read(pieces))

    def scores(self, pieces: Sequence[Piece], targets: Sequence[int]) -> NDArray[np.float32]:
        with torch.inference_mode():
            states = self._read(pieces)
            wanted = torch.tensor(targets, device=self.device)
            few = max(1, _LOGITS // self.vocab_size)  # the head's output is the largest tensor of all
            parts = zip(torch.split(states, few), torch.split(wanted, few), strict=True)
            found: NDArray[np.float32] = torch.cat([_scores(self.model.head(s), t) for s, t in parts]).cpu().numpy()
        return found

    def hidden(self, pieces: Sequence[Piece]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = self._read(pieces).float().cpu().numpy()
        return found

    def choose(self, logits: Logits, asks: Sequence[Ask]) -> tuple[list[int], list[float]]:
        with torch.inference_mode():
            logits = logits[:, : self.ids].float()
            ids = choose(logits, asks)
            return ids.tolist(), _scores(logits, ids).tolist()

    def array(self, logits: Logits) -> NDArray[np.float32]:
        found: NDArray[np.float32] = logits.float().cpu().numpy()
        return found

    def set_weights(self, model: Network) -> None:
        self.model = model

    def cancel(self) -> None:
        """Nothing: what runs on a GPU cannot be called back, and on a CPU passes are short."""

    # -- reading

    def _read(self, pieces: Sequence[Piece]) -> Tensor:
        """Append the pieces to their sequences; states (rows, n_embd) of the wanted tokens, in order."""
        for piece in pieces:
            if self._lengths[piece.sequence] != piece.start:
                raise ValueError(f"sequence {piece.sequence} holds {self._lengths[piece.sequence]} tokens")
        self._settle()
        row_of = {sequence: row for row, sequence in enumerate(self._of_row)}
        bounds = [0, *np.cumsum([piece.want for piece in pieces]).tolist()]
        places = dict(zip(map(id, pieces), pairwise(bounds), strict=True))
        found = torch.empty(bounds[-1], self.n_embd, device=self.device, dtype=self._dtype)
        for group in self._groups(pieces):
            states, rows = self._run(group, [row_of[piece.sequence] for piece in group])
            for piece in group:
                self._lengths[piece.sequence] += len(piece.tokens)
            ends = [len(piece.tokens) for piece in group]
            row = [r for r, piece in zip(rows, group, strict=True) for _ in range(piece.want)]
            column = [i for end, piece in zip(ends, group, strict=True) for i in range(end - piece.want, end)]
            into = [i for piece in group for i in range(*places[id(piece)])]
            if into:
                found[into] = states[row, column]
        return found

    def _groups(self, pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
        """Pieces that run as one padded batch: single tokens together, the others by near lengths."""
        if single := [piece for piece in pieces if len(piece.tokens) == 1]:
            yield single
        group: list[Piece] = []
        for piece in sorted((p for p in pieces if len(p.tokens) > 1), key=lambda p: -len(p.tokens)):
            longest = len(group[0].tokens) if group else 0
            # padding, too, has a position, which must lie in the context
            if group and (
                (len(group) + 1) * longest > _TOKENS or max(p.start for p in [*group, piece]) + longest > self.context
            ):
                yield group
                group = []
            group.append(piece)
        if group:
            yield group

    def _run(self, group: list[Piece], rows: list[int]) -> tuple[Tensor, list[int]]:
        """Read a group: states (B, T, n_embd), and the place of each piece in B."""
        longest = max(len(piece.tokens) for piece in group)
        lengths = [self._lengths.get(sequence, 0) for sequence in self._of_row]
        idle = len(lengths) - len(group)
        in_place = idle * _FEW <= len(lengths) and max(lengths) + longest <= self.context
        cache = self._cache if in_place else self._cache.take(rows, max(piece.start for piece in group))
        places = rows if in_place else list(range(len(rows)))
        kept = lengths if in_place else [lengths[row] for row in rows]
        cache.lengths = torch.tensor(kept, device=self.device)
        tokens = np.zeros((len(kept), longest), dtype=np.int64)
        for place, piece in zip(places, group, strict=True):
            tokens[place, : len(piece.tokens)] = piece.tokens
        states = self.model.hidden(torch.from_numpy(tokens).to(self.device), cache=cache)
        if not in_place:
            self._cache.put(rows, cache)
        return states, places

    def _settle(self) -> None:
        """Give the coming sequences rows and drop dead ones, when there are any of the first or many of the second."""
        living = [row for row, sequence in enumerate(self._of_row) if sequence in self._lengths]
        if not self._coming and (len(self._of_row) - len(living)) * _FEW < max(1, len(self._of_row)):
            return
        if living or any(row >= 0 for row in self._coming.values()):
            rows = [*living, *(max(row, 0) for row in self._coming.values())]
            self._cache.lengths = torch.zeros(len(self._of_row), dtype=torch.int64, device=self.device)
            self._cache.keep(torch.tensor(rows, device=self.device))
        else:
            config = self.model.config
            self._cache = _Rows(config, len(self._coming), device=self.device, dtype=self._dtype)
        self._of_row = [*(self._of_row[row] for row in living), *self._coming]
        self._coming = {}

    def _affordable(self) -> int:
        """Tokens whose keys and values fit the memory set aside for them."""
        config = self.model.config
        a_token = 2 * config.n_layer * config.n_kv_head * config.head_dim * self._dtype.itemsize
        memory = torch.cuda.mem_get_info(self.device)[0] // 2 if self.device.type == "cuda" else _CACHE_BYTES
        return int(memory // a_token)


class _Rows(KVCache):
    """A cache some rows of which can be read apart from the others."""

    def __init__(self, config: ModelConfig, batch: int, *, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(config, batch, device=device, dtype=dtype)
        self.config = config

    def take(self, rows: list[int], end: int) -> "_Rows":
        """A copy of `rows`, up to `end` tokens of each."""
        keys = self.layers[0].keys
        part = _Rows(self.config, len(rows), device=keys.device, dtype=keys.dtype)
        index = torch.tensor(rows, device=keys.device)
        for layer, copy in zip(self.layers, part.layers, strict=True):
            copy.keys, copy.values = layer.keys[index, :, :end], layer.values[index, :, :end]
        return part

    def put(self, rows: list[int], part: KVCache) -> None:
        """Write `part` back to `rows`."""
        self._reserve(part.end)
        for layer, new in zip(self.layers, part.layers, strict=True):
            layer.keys[rows, :, : part.end] = new.keys[:, :, : part.end]
            layer.values[rows, :, : part.end] = new.values[:, :, : part.end]


def _scores(logits: Tensor, ids: Tensor) -> Tensor:
    """log softmax(logits)[id]: logits (..., V), ids (...) -> (...) in fp32."""
    wide = logits.float()
    return wide.gather(-1, ids[..., None]).squeeze(-1) - wide.logsumexp(-1)
