"""A tiny model and rows whose pattern it can learn; and a base model of a small language."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.train import finetune, pretrain
from eyas.train.finetune import FinetuneConfig
from eyas.train.pretrain import PretrainConfig
from tests.train.small import SHAPE, WORDS

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


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = random.Random(0)
    lines = [json.dumps({"text": " ".join(rng.choices(WORDS, k=20)) + "."}) for _ in range(400)]
    path = tmp_path_factory.mktemp("corpus") / "text.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="session")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        {"messages": [{"role": "user", "content": f"say {word} {n}"}, {"role": "assistant", "content": word}]}
        for word in WORDS
        for n in range(20)
    ]
    path = tmp_path_factory.mktemp("chats") / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.fixture(scope="session")
def base(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "base"
    pretrain.run(PretrainConfig(out=out, data=[str(corpus)], tokens=60_000, **SHAPE))
    return out


@pytest.fixture(scope="session")
def undecided(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An assistant that answers `say NUMBER` with any one of the words, and ends."""
    rng = random.Random(1)
    rows = [
        {"messages": [{"role": "user", "content": f"say {n % 7}"}, {"role": "assistant", "content": rng.choice(WORDS)}]}
        for n in range(720)
    ]
    folder = tmp_path_factory.mktemp("undecided")
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    finetune.run(
        FinetuneConfig(
            model=str(base), out=folder / "model", data=[str(folder / "rows.jsonl")], epochs=10, eval_every=0,
            lr=0.01, matrix_lr=0.02, compile="off", quiet=True,
        )
    )  # fmt: skip
    return folder / "model"
