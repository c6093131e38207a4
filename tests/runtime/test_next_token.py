"""Probabilities, entropy and surprise are those of the model's own softmax."""

import math

import pytest
import torch

from eyas.errors import EyasError
from eyas.model.transformer import Transformer
from eyas.runtime.engine import Engine
from eyas.runtime.next_token import expect


def test_figures_follow_from_the_logits(engine: Engine, model: Transformer) -> None:
    ids = [0, *engine.tokenizer.encode("The cat sat on a")]
    found = expect(engine, ids, top=7)
    with torch.no_grad():
        log_chances = model(torch.tensor([ids]))[0].double().log_softmax(-1)
    chances = log_chances[-1].exp()
    assert [one.id for one in found.candidates] == chances.argsort(descending=True)[:7].tolist()
    assert [one.probability for one in found.candidates] == pytest.approx(
        chances.sort(descending=True)[0][:7].tolist(), rel=1e-4
    )
    assert found.entropy == pytest.approx(-(chances * log_chances[-1]).sum().item() / math.log(2), rel=1e-4)
    expected = [-log_chances[i, token].item() / math.log(2) for i, token in enumerate(ids[1:])]
    assert [one.id for one in found.prompt] == ids[1:]
    assert [one.bits for one in found.prompt] == pytest.approx(expected, abs=1e-3)


def test_temperature_bends_the_next_token_only(engine: Engine) -> None:
    ids = [0, 40, 50]
    cold, warm = expect(engine, ids, temperature=0.5), expect(engine, ids, temperature=2.0)
    assert cold.entropy < expect(engine, ids).entropy < warm.entropy
    assert cold.prompt == warm.prompt


def test_all_candidates_sum_to_one(engine: Engine) -> None:
    found = expect(engine, [0], top=10**6)
    assert sum(one.probability for one in found.candidates) == pytest.approx(1)
    assert found.prompt == [] and len(found.candidates) == engine.vocab_size


def test_a_text_beyond_the_context_is_refused(engine: Engine) -> None:
    with pytest.raises(EyasError, match="does not fit"):
        expect(engine, [20] * 200)
