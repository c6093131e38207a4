"""Samples along the way: what the model writes on its own, to be read beside the figures."""

from collections.abc import Callable
from typing import cast

from torch import nn

from eyas.model.network import Network
from eyas.text.tokenizer import Tokenizer


def sampler(
    tokenizer: Tokenizer, *, prompt: list[int] | None = None, max_tokens: int = 64
) -> Callable[[nn.Module], str]:
    """A function of a model that continues `prompt` (default: the start of a document), always by the same draws."""
    from eyas.runtime.sampling import Sampling
    from eyas.runtime.torch_engine import TorchEngine

    def sample(model: nn.Module) -> str:
        was_training = model.training
        model.eval()
        engine = TorchEngine(cast(Network, model), tokenizer)
        settings = Sampling(max_tokens=max_tokens, temperature=0.8, seed=0)
        ends = [tokenizer.endoftext, tokenizer.im_end]
        completion = engine.generate([prompt or [tokenizer.endoftext]], settings, ends)[0]
        model.train(was_training)
        return tokenizer.decode(completion.ids)

    return sample
