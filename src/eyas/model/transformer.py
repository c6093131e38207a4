"""The Transformer: RMSNorm, rotary positions, grouped-query attention, SwiGLU. Shapes: B rows, T tokens, V vocabulary.

Parameters of one product are fused (`qkv`, `gate_up`): one large matrix product is faster than three small ones.
`checkpoint.py` splits them into the field's names when it writes.
"""

import math
from collections.abc import Callable
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eyas.model import induction
from eyas.model.attention import causal_attention
from eyas.model.cache import KVCache, LayerCache
from eyas.model.config import ModelConfig, RopeScaling
from eyas.model.document_attention import TYPES, document_attention, document_begins, kernels
from eyas.model.network import Block, Network, RMSNorm


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on x (B, heads, T, head_dim); the pairs are (i, i + head_dim / 2), as Hugging Face lays them.

    cos, sin: (B or 1, 1, T, head_dim / 2).
    """
    left, right = x.chunk(2, dim=-1)
    return torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1).to(x.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Attention of q (B, H, T, D) over k, v (B, K, S, D); `mask` (B or 1, 1, T, S) is added to the scores.

    On other devices than the CPU it is bool, which their kernel takes as well, and None for causal. On the CPU the
    softmax is spelled out: PyTorch's fused kernel took 47 % of a training step and this a third of it.
    """
    groups = q.shape[1] // k.shape[1]
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=groups > 1)
    batch, heads, length, width = q.shape
    assert mask is not None
    if groups == 1 and k.shape[2] == length and q.requires_grad:
        return causal_attention(q, k, v, mask)
    if groups > 1:  # the query heads that share a key head become more queries of that head: no copies of k and v
        q = q.reshape(batch, k.shape[1], groups * length, width)
    scores = (q @ k.transpose(-2, -1)).view(batch, heads, length, k.shape[2]) * (1 / math.sqrt(width))
    weights = (scores.float() + mask).softmax(-1).to(v.dtype)
    return (weights.view(batch, k.shape[1], groups * length, k.shape[2]) @ v).view(batch, heads, length, width)


class AttentionBlock(Block):
    """x + attention(norm(x)), then x + feed-forward(norm(x)). All blocks share one compiled code."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        c = config
        self.n_head, self.n_kv_head, self.head_dim = c.n_head, c.n_kv_head, c.head_dim
        self.attn_norm = RMSNorm(c.n_embd, c.norm_eps)
        self.qkv = nn.Linear(c.n_embd, (c.n_head + 2 * c.n_kv_head) * c.head_dim, bias=c.qkv_bias)
        self.q_norm = RMSNorm(c.head_dim, c.norm_eps) if c.qk_norm else nn.Identity()
        self.k_norm = RMSNorm(c.head_dim, c.norm_eps) if c.qk_norm else nn.Identity()
        self.out = nn.Linear(c.n_head * c.head_dim, c.n_embd, bias=False)
        self.row_blocks["qkv.weight"] = (c.n_head * c.head_dim, c.n_kv_head * c.head_dim, c.n_kv_head * c.head_dim)

    def head_of_group(self, group: int) -> induction.Head:
        """Weights of the first query head that reads key-value head `group`, and of that one, as views."""
        heads = self.qkv.weight.view(-1, self.head_dim, self.qkv.in_features)
        query = group * self.n_head // self.n_kv_head
        out = self.out.weight[:, query * self.head_dim : (query + 1) * self.head_dim]
        key = self.n_head + group
        return induction.Head(heads[query], heads[key], heads[key + self.n_kv_head], out)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None, cache: LayerCache | None = None
    ) -> Tensor:
        """`mask` is what `attend` takes, or begins (B, T) int32: attention is then computed by our own code."""
        batch, length, _ = x.shape
        fused = self.qkv(self.attn_norm(x))
        if mask is not None and mask.dtype == torch.int32:
            seen = document_attention(fused, self._norms(), cos[0, 0], sin[0, 0], mask, self.n_head, self.attn_norm.eps)
            return self.feed(x + self.out(seen))
        heads = fused.view(batch, length, -1, self.head_dim).transpose(1, 2)
        q, k, v = heads.split((self.n_head, self.n_kv_head, self.n_kv_head), dim=1)
        q, k = rotate(self.q_norm(q), cos, sin).to(v.dtype), rotate(self.k_norm(k), cos, sin).to(v.dtype)
        if cache is not None:
            k, v = cache.append(k, v)
        seen = attend(q, k, v, mask).transpose(1, 2).reshape(batch, length, -1)
        return self.feed(x + self.out(seen))

    def _norms(self) -> Tensor | None:
        """The weights of the norms of queries and keys (2, head_dim) fp32, where there are such norms."""
        if isinstance(self.q_norm, RMSNorm) and isinstance(self.k_norm, RMSNorm):
            return torch.stack((self.q_norm.weight, self.k_norm.weight)).float()
        return None

    def init_weights(self, normal: Callable[[Tensor, float], None]) -> None:
        normal(self.qkv.weight, self.qkv.in_features**-0.5)
        if self.qkv.bias is not None:
            self.qkv.bias.zero_()
        super().init_weights(normal)
        self.out.weight.zero_()


class Transformer(Network):
    """Blocks of attention; born with the copying circuit of `induction` in its first two, where there are two layers,
    two key heads and an input table of its own."""

    rope_cos: Tensor
    rope_sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, (AttentionBlock(config) for _ in range(config.n_layer)))
        cos, sin = rope_tables(config)
        self.register_buffer("rope_cos", cos, persistent=False)
        self.register_buffer("rope_sin", sin, persistent=False)

    def run_blocks(self, x: Tensor, doc_ids: Tensor | None, cache: KVCache | None) -> Tensor:
        length = x.shape[1]
        mask: Tensor | None = None
        if cache is not None:
            positions, mask = cache.place(length)
            cos, sin = self.rope_cos[positions].unsqueeze(1), self.rope_sin[positions].unsqueeze(1)
        else:
            cos, sin = self.rope_cos[None, None, :length], self.rope_sin[None, None, :length]
            if x.device.type == "cpu" and x.dtype in TYPES and kernels() is not None:
                mask = document_begins(torch.zeros(x.shape[:2]) if doc_ids is None else doc_ids)
            elif doc_ids is not None:
                mask = document_mask(doc_ids)
            elif x.device.type == "cpu":
                mask = torch.ones(1, 1, length, length, dtype=torch.bool).tril()
        if mask is not None and mask.dtype == torch.bool and x.device.type == "cpu":
            mask = additive(mask)  # once, not once a layer
        for index, block in enumerate(self.blocks):
            x = block(x, cos, sin, mask, cache.layers[index] if cache is not None else None)
        return x

    def init_circuits(self, generator: torch.Generator) -> None:
        c, cos = self.config, self.rope_cos.cpu()
        if c.n_layer < 2 or c.n_kv_head < 2:
            return
        spaces = induction.Subspaces(c.n_embd, cos, generator)
        embed, head = induction.tables(c.vocab_size, spaces, generator)
        self.embed.weight.copy_(embed)
        self.lm_head.weight.copy_(head)
        first, second = cast("tuple[AttentionBlock, AttentionBlock]", tuple(self.blocks)[:2])
        induction.look_back(first.head_of_group(0), 1, spaces.previous, cos, spaces)
        induction.look_back(first.head_of_group(1), 2, spaces.second, cos, spaces)
        induction.match_and_copy(second.head_of_group(0), spaces)
        if c.qk_norm:
            for norm in (first.q_norm, first.k_norm, second.q_norm, second.k_norm):
                cast(RMSNorm, norm).weight.fill_(induction.SHARP)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Moving or casting the model remakes the rotary tables: in bf16 positions above 256 would no longer differ."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        with torch.device(self.rope_cos.device):
            self.rope_cos, self.rope_sin = rope_tables(self.config)
        return self


def document_mask(doc_ids: Tensor) -> Tensor:
    """(B, 1, T, T) bool: query t may see key s where s <= t and both stand in one document."""
    length = doc_ids.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=doc_ids.device).tril()
    return ((doc_ids[:, :, None] == doc_ids[:, None, :]) & causal).unsqueeze(1)


def additive(allowed: Tensor) -> Tensor:
    """0 where `allowed`, -inf elsewhere: added to scores it costs a third of what choosing by a bool does.

    In bf16, which holds both exactly and is the least to read.
    """
    return torch.zeros(allowed.shape, dtype=torch.bfloat16).masked_fill_(~allowed, -math.inf)


def rope_tables(config: ModelConfig) -> tuple[Tensor, Tensor]:
    """cos and sin of position * theta^(-2 i / head_dim), each (max_seq_len, head_dim / 2) in fp32 (Su et al. 2021)."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    speeds = 1.0 / config.rope_theta**exponents
    if config.rope_scaling is not None:
        speeds = speeds / rope_divisors(config, config.rope_scaling)
    angles = torch.outer(torch.arange(config.max_seq_len, dtype=torch.float32), speeds)
    return angles.cos(), angles.sin()


def rope_divisors(config: ModelConfig, scaling: RopeScaling) -> Tensor:
    """How many times slower each rotary pair turns under `scaling`: (head_dim / 2,) fp32, from 1 to its factor."""
    exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
    turns = scaling.original_context / (2 * math.pi * config.rope_theta**exponents)  # in the original context
    kept = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    kept = kept.clamp(0, 1)
    return 1 / ((1 - kept) / scaling.factor + kept)
