"""Filters keep what the field's own filters keep, and draws follow the distribution."""

import numpy as np
import pytest
import torch
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from eyas.errors import EyasError
from eyas.runtime.sampling import Sampling, pick, probabilities, uniforms

LOGITS = torch.randn(50, 200, generator=torch.Generator().manual_seed(0)) * 3


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
@pytest.mark.parametrize(("top_k", "top_p", "min_p"), [(0, 1, 0), (5, 1, 0), (0, 0.8, 0), (0, 1, 0.05), (20, 0.7, 0.1)])
def test_filters_equal_those_of_transformers(temperature: float, top_k: int, top_p: float, min_p: float) -> None:
    ids = torch.zeros(50, 1, dtype=torch.int64)
    scores = TemperatureLogitsWarper(temperature)(ids, LOGITS)
    scores = TopKLogitsWarper(top_k)(ids, scores) if top_k else scores
    scores = TopPLogitsWarper(top_p)(ids, scores) if top_p < 1 else scores
    scores = MinPLogitsWarper(min_p)(ids, scores) if min_p else scores
    ours = probabilities(LOGITS, Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p))
    torch.testing.assert_close(ours, scores.softmax(-1))


def test_draws_follow_the_distribution() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.0, 0.3, 0.2]]))
    draws = torch.from_numpy(uniforms(7, 0, 20_000))
    ids = pick(logits.expand(len(draws), -1), Sampling(), draws)
    shares = np.bincount(ids.numpy(), minlength=4) / len(draws)
    np.testing.assert_allclose(shares, [0.5, 0, 0.3, 0.2], atol=0.015)


def test_no_draw_hits_a_token_of_probability_zero() -> None:
    logits = torch.tensor([[-torch.inf, 1.0, -torch.inf, 1.0, -torch.inf]])
    for draw in (0.0, 0.5, 0.5 - 1e-16, 1 - 1e-16):
        assert pick(logits, Sampling(), torch.tensor([draw], dtype=torch.float64)).item() in (1, 3)


def test_temperature_zero_is_the_likeliest() -> None:
    greedy = Sampling(temperature=0)
    assert torch.equal(pick(LOGITS, greedy, torch.rand(50)), LOGITS.argmax(-1))
    assert torch.equal(probabilities(LOGITS, greedy).argmax(-1), LOGITS.argmax(-1))


def test_streams_depend_on_seed_and_row_alone() -> None:
    assert np.array_equal(uniforms(1, 2, 10), uniforms(1, 2, 20)[:10])
    assert not np.array_equal(uniforms(1, 2, 10), uniforms(1, 3, 10))
    assert not np.array_equal(uniforms(1, 2, 10), uniforms(2, 2, 10))
    assert len(uniforms(-1, 0, 3)) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_tokens", 0), ("temperature", -1.0), ("temperature", float("nan")), ("temperature", float("inf")),
     ("top_k", -1), ("top_p", 0.0), ("top_p", 1.5), ("min_p", 2.0)],
)  # fmt: skip
def test_impossible_settings_are_refused_by_flag(field: str, value: float) -> None:
    with pytest.raises(EyasError, match=f"--{field.replace('_', '-')} must be"):
        Sampling(**{field: value})  # type: ignore[arg-type]
