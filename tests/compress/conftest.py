"""A small random model that predicts, from memory and as a folder."""

import dataclasses
from pathlib import Path

import pytest
import torch

from eyas.compress.predictor import Predictor, identity_of, predictor_of
from eyas.model.checkpoint import save_model
from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.runtime.library import library
from eyas.store.lineage import new_lineage
from eyas.text.tokenizer import Tokenizer, train_tokenizer

TEXT = "Mira Tallow lives in Mill Lane. She keeps a goat, naïve and 猫-like. 12 * 34 = 408. Where does she live?\n"


def random_model(vocab_size: int, seed: int = 0) -> Transformer:
    """Weights large enough that the distributions are far from uniform."""
    config = ModelConfig.from_size("0.5m", vocab_size=vocab_size, max_seq_len=64)
    config = dataclasses.replace(config, n_layer=2, n_embd=32, n_head=2, n_kv_head=1, head_dim=16, n_ff=32)
    torch.manual_seed(seed)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer([TEXT] * 20, 320)


@pytest.fixture(scope="session")
def model(tokenizer: Tokenizer) -> Transformer:
    return random_model(tokenizer.vocab_size)


@pytest.fixture(scope="session")
def needs_compiler() -> None:
    if library() is None:
        pytest.skip("no C compiler on this machine")


@pytest.fixture(scope="session")
def predictor(needs_compiler: None, model: Transformer, tokenizer: Tokenizer) -> Predictor:
    from eyas.runtime.c_engine import CEngine

    return predictor_of(CEngine.from_model(model, tokenizer, threads=1), identity_of(model, tokenizer))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, model: Transformer, tokenizer: Tokenizer) -> Path:
    out = tmp_path_factory.mktemp("models") / "small"
    save_model(out, model, tokenizer, lineage=new_lineage("pretrain", {}, out=out, seed=0))
    return out
