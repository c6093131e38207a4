"""What all networks share: tables, blocks that end in a feed-forward half, a head.

Only how tokens reach one another differs: attention (`transformer`), a recurrent state (`recurrent`), convolutions
(`convolutional`). So a comparison of the three compares just that. Shapes: B rows, T tokens, V vocabulary.
"""

from collections.abc import Callable, Iterable
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eyas.errors import EyasError
from eyas.model import induction
from eyas.model.cache import KVCache
from eyas.model.config import ModelConfig


class RMSNorm(nn.Module):
    """x / rms(x) * weight, accumulated in fp32 whatever the input's type (Zhang & Sennrich 2019)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return (wide * scale).to(x.dtype) * self.weight


class Block(nn.Module):
    """The feed-forward half of a layer, SwiGLU (Shazeer 2020); the half before it lets tokens reach one another.

    `row_blocks` tells optimizers of the matrices that are fused in one parameter: the rows of each.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config
        self.mlp_norm = RMSNorm(c.n_embd, c.norm_eps)
        self.gate_up = nn.Linear(c.n_embd, 2 * c.n_ff, bias=False)
        self.down = nn.Linear(c.n_ff, c.n_embd, bias=False)
        self.row_blocks: dict[str, tuple[int, ...]] = {"gate_up.weight": (c.n_ff, c.n_ff)}

    def feed(self, x: Tensor) -> Tensor:
        """x + feed-forward(norm(x))."""
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, dim=-1)
        return cast(Tensor, x + self.down(F.silu(gate) * up))

    def init_weights(self, normal: Callable[[Tensor, float], None]) -> None:
        """`normal(weight, deviation)` draws: deviation 1/sqrt(fan-in), zero where the residual is written."""
        normal(self.gate_up.weight, self.gate_up.in_features**-0.5)
        self.down.weight.zero_()


class Network(nn.Module):
    """tokens (B, T) -> logits (B, T, V). A classifier has `score` (num_labels, n_embd) and no `lm_head`."""

    def __init__(self, config: ModelConfig, blocks: Iterable[Block]) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.n_embd)
        self.blocks = nn.ModuleList(blocks)
        self.norm = RMSNorm(config.n_embd, config.norm_eps)
        if config.num_labels:
            self.score = nn.Linear(config.n_embd, config.num_labels, bias=False)
        else:
            self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
            self._tie()

    def forward(self, tokens: Tensor, doc_ids: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        return self.head(self.hidden(tokens, doc_ids, cache))

    def head(self, hidden: Tensor) -> Tensor:
        """hidden (..., n_embd) -> logits (..., V)."""
        return cast(Tensor, self.lm_head(hidden))

    def hidden(self, tokens: Tensor, doc_ids: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """States after the final norm (B, T, n_embd).

        doc_ids (B, T): a token sees only earlier tokens of its own document. cache: tokens are appended to it, row b at
        position cache.lengths[b]; the caller moves `cache.lengths` on (rows may be padded on the right).
        Raises EyasError when a position lies beyond max_seq_len.
        """
        if cache is not None and doc_ids is not None:
            raise ValueError("doc_ids and a cache exclude each other: a cached row is one document")
        length = tokens.shape[1] + (int(cache.lengths.max()) if cache is not None else 0)
        if length > self.config.max_seq_len:
            raise EyasError(f"{length} tokens do not fit the model's context of {self.config.max_seq_len}")
        return cast(Tensor, self.norm(self.run_blocks(self.embed(tokens), doc_ids, cache)))

    def run_blocks(self, x: Tensor, doc_ids: Tensor | None, cache: KVCache | None) -> Tensor:
        """The residual stream (B, T, n_embd) after all blocks; see `hidden`."""
        raise NotImplementedError

    @torch.no_grad()
    def init_weights(self, seed: int) -> None:
        """Normal weights of deviation 1/sqrt(fan-in), 0.02 at the head, residual outputs zero.

        Every weight depends on `seed` and its place only, so equal seeds give equal models on every device.
        """
        generator = torch.Generator().manual_seed(seed)

        def normal(weight: Tensor, deviation: float) -> None:
            weight.copy_(torch.randn(weight.shape, generator=generator) * deviation)

        normal(self.embed.weight, 0.02 if self.config.tie_embeddings else induction.EMBEDDING)
        for block in self.blocks:
            cast(Block, block).init_weights(normal)
        if not self.config.tie_embeddings:
            normal(self.lm_head.weight, 0.02)
            self.init_circuits(generator)

    def init_circuits(self, generator: torch.Generator) -> None:
        """What a network with tables of its own is born knowing: nothing, unless it says otherwise."""

    def materialize(self, device: torch.device | str) -> Self:
        """Give a model built under torch.device("meta") memory on `device`; weights are undefined until loaded."""
        self.to_empty(device=device)
        self._tie()  # to_empty gives each module its own memory
        return self

    def _tie(self) -> None:
        if self.config.tie_embeddings and not self.config.num_labels:
            self.lm_head.weight = self.embed.weight


def document_positions(doc_ids: Tensor) -> Tensor:
    """How many tokens of its own document stand before each token of a row: (B, T) int64."""
    index = torch.arange(doc_ids.shape[1], device=doc_ids.device).expand(doc_ids.shape)
    begins = torch.ones_like(doc_ids, dtype=torch.bool)
    begins[:, 1:] = doc_ids[:, 1:] != doc_ids[:, :-1]
    return index - torch.where(begins, index, 0).cummax(1).values
