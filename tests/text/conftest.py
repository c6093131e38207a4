"""One small tokenizer, trained on many scripts, and the same folder opened by `transformers`."""

import random
from pathlib import Path
from typing import Any

import pytest

from eyas.text import Tokenizer, train_tokenizer
from tests.text.strings import SENTENCES


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    rng = random.Random(0)
    words = " ".join(SENTENCES).split(" ")
    return [" ".join(rng.choices(words, k=60)) + rng.choice(SENTENCES) for _ in range(400)]


@pytest.fixture(scope="session")
def tok(corpus: list[str]) -> Tokenizer:
    return train_tokenizer(corpus, 700)


@pytest.fixture(scope="session")
def folder(tok: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    tok.save(path)
    return path


@pytest.fixture(scope="session")
def reference(folder: Path) -> Any:
    return pytest.importorskip("transformers").AutoTokenizer.from_pretrained(folder)
