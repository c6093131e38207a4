"""A reward model with random weights, as `eyas reward` writes them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from eyas.model.checkpoint import save_model
from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.store.lineage import new_lineage
from eyas.text.tokenizer import train_tokenizer
from eyas.train.reward import scorer

TEXT = "Ada Perkins lives in Garden Walk. Make 24 from 2, 3, 4. What do you know about Ada Perkins? In your head: 4.\n"


@pytest.fixture
def make_judge(tmp_path: Path) -> Callable[..., Path]:
    """Write a reward model whose lineage has the given figures."""

    def make(**figures: int) -> Path:
        tokenizer = train_tokenizer([TEXT] * 20, 300)
        speaker = Transformer(ModelConfig.from_size("0.1m", vocab_size=tokenizer.vocab_size, max_seq_len=128))
        speaker.init_weights(0)
        model = scorer(speaker)
        torch.manual_seed(0)
        torch.nn.init.normal_(model.score.weight)
        out = tmp_path / "judge"
        save_model(out, model, tokenizer, lineage=new_lineage("reward", {}, out=out, figures=figures))
        return out

    return make
