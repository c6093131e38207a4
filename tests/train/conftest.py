"""A tiny model and rows whose pattern it can learn."""

from collections.abc import Callable

import pytest
import torch

from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer

VOCAB, LENGTH = 64, 16


class Counting:
    """Rows that count upwards from a random start: batch `step` is a pure function of the step."""

    def __init__(self, rows: int = 4) -> None:
        self.rows = rows

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(step)
        starts = torch.randint(0, VOCAB, (self.rows, 1), generator=generator)
        ids = (starts + torch.arange(LENGTH + 1)) % VOCAB
        doc_ids = torch.zeros(self.rows, LENGTH, dtype=torch.int32)
        return {"tokens": ids[:, :-1].contiguous(), "targets": ids[:, 1:].contiguous(), "doc_ids": doc_ids}


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def tiny() -> Callable[[], Transformer]:
    """A fresh tiny model, always the same."""

    def make() -> Transformer:
        config = ModelConfig(
            vocab_size=VOCAB, n_layer=2, n_embd=32, n_head=1, n_kv_head=1, head_dim=32, n_ff=64, max_seq_len=LENGTH
        )
        model = Transformer(config)
        model.init_weights(0)
        return model

    return make
