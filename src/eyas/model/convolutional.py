"""The convolutional network: causal dilated convolutions where a Transformer has attention (WaveNet, van den Oord et
al. 2016; ByteNet, Kalchbrenner et al. 2016). Shapes: B rows, T tokens, D width.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eyas.model.cache import KVCache, LayerCache
from eyas.model.config import KERNEL, ModelConfig
from eyas.model.network import Block, Network, RMSNorm, document_positions


class ConvolutionBlock(Block):
    """x + convolution(norm(x)), then x + feed-forward(norm(x)).

    The convolution adds up a matrix's product with the token itself and with the three that stand `dilation`, twice
    and three times that before it. Tokens of another document count as zeros.
    """

    def __init__(self, config: ModelConfig, dilation: int) -> None:
        super().__init__(config)
        width = config.n_embd
        self.dilation = dilation
        self.norm = RMSNorm(width, config.norm_eps)
        self.taps = nn.Linear(width, KERNEL * width, bias=False)  # the products of all distances in one
        self.row_blocks["taps.weight"] = (width,) * KERNEL

    def forward(self, x: Tensor, positions: Tensor, cache: LayerCache | None = None) -> Tensor:
        """x (B, T, D); positions (B, T) int64 in the token's own document."""
        seen = self.norm(x)
        if cache is not None:
            return self.feed(x + self._from_cache(seen, positions, cache))
        first, *others = self.taps(seen).chunk(KERNEL, dim=-1)
        for tap, product in enumerate(others, 1):
            back = tap * self.dilation
            if back < x.shape[1]:
                earlier = F.pad(product[:, :-back], (0, 0, back, 0))
                first = first + torch.where((positions >= back).unsqueeze(-1), earlier, 0)
        return self.feed(x + first)

    def _from_cache(self, seen: Tensor, positions: Tensor, cache: LayerCache) -> Tensor:
        """The convolution (B, T, D) over the cache with `seen` at its end. It keeps inputs, as keys and as values."""
        kept = cache.append(seen.unsqueeze(1), seen.unsqueeze(1))[0].squeeze(1)
        back = torch.arange(KERNEL, device=seen.device) * self.dilation
        places = positions.unsqueeze(-1) - back  # (B, T, KERNEL)
        rows = torch.arange(len(seen), device=seen.device)[:, None, None]
        inputs = kept[rows, places.clamp(min=0)].to(seen.dtype) * (places >= 0).unsqueeze(-1)
        weight = self.taps.weight.view(KERNEL, -1, seen.shape[-1])
        return torch.einsum("btki,koi->bto", inputs, weight)

    def init_weights(self, normal: Callable[[Tensor, float], None]) -> None:
        super().init_weights(normal)
        self.taps.weight.zero_()


class Convolutional(Network):
    """Blocks of convolutions whose reach grows by the factor KERNEL a layer, until it spans the context, and again."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, (ConvolutionBlock(config, one) for one in dilations(config)))

    def run_blocks(self, x: Tensor, doc_ids: Tensor | None, cache: KVCache | None) -> Tensor:
        if cache is not None:
            positions = cache.place(x.shape[1])[0]
        elif doc_ids is not None:
            positions = document_positions(doc_ids)
        else:
            positions = torch.arange(x.shape[1], device=x.device).expand(x.shape[:2])
        for index, block in enumerate(self.blocks):
            x = block(x, positions, cache.layers[index] if cache is not None else None)
        return x


def dilations(config: ModelConfig) -> list[int]:
    """1, KERNEL, KERNEL^2 ... for the layers, anew where the next would reach beyond the context."""
    cycle = [1]
    while cycle[-1] * KERNEL < config.max_seq_len:
        cycle.append(cycle[-1] * KERNEL)
    return [cycle[layer % len(cycle)] for layer in range(config.n_layer)]
