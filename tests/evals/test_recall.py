"""What is remembered is told from what is known anyway, and by its distance."""

from collections.abc import Sequence
from typing import Any

import pytest

from eyas.errors import EyasError
from eyas.evals.recall import measure_recall
from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.runtime.torch_engine import TorchEngine
from eyas.text.tokenizer import train_tokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Rememberer(TorchEngine):
    """Says what followed the last two tokens when they stood together before, at most `reach` tokens ago; else 0."""

    reach = 0

    def alternatives(self, sequences: Sequence[Sequence[int]], count: int) -> list[list[list[tuple[int, float]]]]:
        return [[[(self._next(list(ids[: at + 1])), 0.0)] for at in range(len(ids) - 1)] for ids in sequences]

    def _next(self, seen: list[int]) -> int:
        for at in range(len(seen) - 2, max(1, len(seen) - 1 - self.reach) - 1, -1):
            if seen[at - 1 : at + 1] == seen[-2:]:
                return seen[at + 1]
        return 0


@pytest.fixture(scope="module")
def engine() -> Rememberer:
    tokenizer = train_tokenizer(["the cat sat on the mat\n"] * 20, 275)
    model = Transformer(ModelConfig.from_size("0.1m", tokenizer.vocab_size, 80))
    model.init_weights(0)
    return Rememberer(model, tokenizer)


def shares(found: Any) -> dict[int, float]:
    return {distance: share.value for distance, share in found.items()}


def test_a_copy_counts_as_far_as_the_memory_reaches(engine: Rememberer) -> None:
    texts = [a + b for a in LETTERS for b in LETTERS if a != b]  # hardly a pair twice within a span
    engine.reach = 16
    found = shares(measure_recall(engine, texts, n=320).copied)
    assert list(found) == [8, 16, 32], "64 tokens do not fit a context of 80 twice"
    assert found[8] > 0.9 and found[16] > 0.7 and found[32] < 0.1


def test_a_pair_that_one_document_alone_holds_is_recalled_by_its_distance(engine: Rememberer) -> None:
    near, far = "qxz vv qxz", "kjw " + "v" * 30 + " kjw"
    engine.reach = 16
    found = measure_recall(engine, [near, far, "v v v v vv v vvv" * 4], n=64)
    recalled = shares(found.recalled)
    assert found.first.hits == 0 and found.first.n > 5
    assert recalled[8] > 0 and recalled.get(64, 0.0) == 0 and 64 in recalled


def test_too_little_text_is_said_so(engine: Rememberer) -> None:
    with pytest.raises(EyasError, match="2,000 tokens of text, and there are"):
        measure_recall(engine, ["the cat"])
