"""A small random model and a tokenizer for it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.runtime.engine import Engine
from eyas.runtime.library import library
from eyas.runtime.opening import engine_of
from eyas.text.tokenizer import Tokenizer, train_tokenizer

TEXT = "What is 12 * 34? The cat sat on a mat, naïve and 猫-like. 12 * 34 = 408. Mira keeps a goat in Mill Lane.\n"


def random_model(vocab_size: int, *, seed: int = 0, max_seq_len: int = 128) -> Transformer:
    """Weights large enough that the distributions are far from uniform."""
    config = ModelConfig.from_size("0.5m", vocab_size=vocab_size, max_seq_len=max_seq_len)
    config = dataclasses.replace(config, n_layer=2, n_embd=64, n_head=4, n_kv_head=2, head_dim=16, n_ff=64)
    torch.manual_seed(seed)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.25)
    return model


@pytest.fixture(scope="session")
def new_model() -> Callable[..., Transformer]:
    return random_model


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer([TEXT] * 20, 300)


@pytest.fixture(scope="session")
def model(tokenizer: Tokenizer) -> Transformer:
    return random_model(tokenizer.vocab_size)


@pytest.fixture(scope="session", params=["torch", "c"])
def kind(request: pytest.FixtureRequest) -> Any:
    """Each engine in turn; the C one is left out, and says so, where there is no compiler."""
    if request.param == "c" and library() is None:
        pytest.skip("no C compiler on this machine")
    return request.param


@pytest.fixture(scope="session")
def engine(kind: Any, model: Transformer, tokenizer: Tokenizer) -> Engine:
    return engine_of(model, tokenizer, kind=kind)
