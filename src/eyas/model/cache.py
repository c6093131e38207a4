"""The key-value cache: what a batch of rows of different lengths has already said."""

import torch
from torch import Tensor

from eyas.model.config import ModelConfig


class LayerCache:
    """One layer's keys and values, (B, n_kv_head, capacity, head_dim) each."""

    def __init__(self, owner: "KVCache", keys: Tensor, values: Tensor) -> None:
        self.owner, self.keys, self.values = owner, keys, values

    def append(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Store k, v (B, K, T, D) where `owner.place` said; give back all keys and values so far (B, K, end, D)."""
        end = self.owner.end
        if self.owner.aligned:
            self.keys[:, :, end - k.shape[2] : end] = k
            self.values[:, :, end - k.shape[2] : end] = v
        else:
            index = self.owner.positions[:, None, :, None].expand_as(k)
            self.keys.scatter_(2, index, k.to(self.keys.dtype))
            self.values.scatter_(2, index, v.to(self.values.dtype))
        return self.keys[:, :, :end], self.values[:, :, :end]

    def last(self) -> tuple[Tensor, Tensor]:
        """Key and value of each row's last token so far, (B, K, D) each, zeros where a row is empty."""
        rows = torch.arange(len(self.owner.lengths), device=self.keys.device)
        place = (self.owner.lengths - 1).clamp(min=0)
        some = (self.owner.lengths > 0)[:, None, None]
        return self.keys[rows, :, place] * some, self.values[rows, :, place] * some


class KVCache:
    """Keys and values of every layer; row b holds `lengths[b]` tokens, what lies beyond is never attended to.

    Memory grows as rows do. The owner of the loop moves `lengths` on after each forward pass: rows padded on the right
    move by fewer tokens than they were given, and the next tokens overwrite the padding.
    """

    def __init__(
        self, config: ModelConfig, batch: int, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        shape = (batch, config.n_kv_head, 0, config.head_dim)
        empty = torch.empty(shape, device=device, dtype=dtype)
        self.layers = [LayerCache(self, empty, empty) for _ in range(config.n_layer)]
        self.lengths = torch.zeros(batch, dtype=torch.int64, device=device)
        self.limit = config.max_seq_len
        self.positions = torch.empty(0)
        self.aligned = True
        self.end = 0

    def place(self, length: int) -> tuple[Tensor, Tensor]:
        """Decide where the next `length` tokens of each row go: positions (B, T) and the mask (B, 1, T, end)."""
        self.positions = self.lengths[:, None] + torch.arange(length, device=self.lengths.device)
        longest, shortest = int(self.lengths.max()), int(self.lengths.min())
        self.aligned, self.end = longest == shortest, longest + length
        self._reserve(self.end)
        keys = torch.arange(self.end, device=self.lengths.device)
        return self.positions, (keys <= self.positions[:, :, None]).unsqueeze(1)

    def keep(self, rows: Tensor) -> None:
        """Keep only `rows` (indices, in the order given); a row may be named twice to fork it."""
        self.lengths = self.lengths[rows]
        for layer in self.layers:
            layer.keys, layer.values = layer.keys[rows], layer.values[rows]

    def _reserve(self, end: int) -> None:
        """Make room for `end` tokens a row, and some more, so that not every step copies."""
        capacity = self.layers[0].keys.shape[2]
        if end <= capacity:
            return
        wanted = max(end, min(self.limit, end + 32, 2 * end))
        for layer in self.layers:
            layer.keys, layer.values = _widened(layer.keys, wanted), _widened(layer.values, wanted)


def _widened(part: Tensor, capacity: int) -> Tensor:
    """(B, K, S, D) -> (B, K, capacity, D). Zeros, not rubbish: a masked slot weighs 0, and 0 * NaN would be NaN."""
    wide = part.new_zeros((part.shape[0], part.shape[1], capacity, part.shape[3]))
    wide[:, :, : part.shape[2]] = part
    return wide
