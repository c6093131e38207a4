"""Filters keep what the field's own filters keep, and draws follow the distribution."""

import numpy as np
import pytest
import torch
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from eyas.errors import EyasError
from eyas.runtime.sampling import Ask, Sampling, distribution, draw_from, likeliest, log_chance, uniforms, unpacked
from eyas.runtime.torch_sampling import choose, pick, probabilities

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


@pytest.mark.parametrize("penalty", [1.0, 0.8, 1.4])
@pytest.mark.parametrize("rules", [{}, {"top_k": 7}, {"top_p": 0.8, "temperature": 0.6}, {"min_p": 0.1, "top_k": 40}])
def test_the_rules_in_plain_words_are_those_of_the_field(penalty: float, rules: dict[str, float]) -> None:
    sampling = Sampling(repetition_penalty=penalty, **rules)  # type: ignore[arg-type]
    generator = np.random.default_rng(0)
    for row in LOGITS[:10]:
        said = np.unique(generator.integers(0, 200, 30)).astype(np.int32)
        theirs = RepetitionPenaltyLogitsProcessor(penalty)(torch.from_numpy(said.astype(np.int64))[None], row[None])
        expected = probabilities(theirs, sampling)[0].numpy()
        np.testing.assert_allclose(distribution(row.numpy(), Ask(sampling, 0.0, said=said)), expected, atol=1e-6)


def test_a_mask_leaves_only_what_it_allows() -> None:
    allowed = np.array([0b1010, 0, 1 << 31, 0, 0, 0, 1], dtype=np.uint32)
    ids = [1, 3, 95, 192]
    assert np.flatnonzero(unpacked(allowed, 200)).tolist() == ids
    for temperature in (0.0, 1.0):
        for row in LOGITS[:5]:
            chances = distribution(row.numpy(), Ask(Sampling(temperature=temperature), 0.0, allowed))
            assert chances.sum() == pytest.approx(1) and set(np.flatnonzero(chances)) <= set(ids)
            assert chances.argmax() == ids[int(row[ids].argmax())]
    nothing = Ask(Sampling(), 0.0, np.zeros(7, dtype=np.uint32))
    for refuse in (lambda: distribution(LOGITS[0].numpy(), nothing), lambda: choose(LOGITS[:1], [nothing])):
        with pytest.raises(EyasError, match="allows no token"):
            refuse()


def test_a_bias_is_added_before_all_else() -> None:
    bias = (np.array([3, 7], dtype=np.int32), np.array([100.0, -100.0], dtype=np.float32))
    for row in LOGITS[:5].numpy():
        bent = row.copy()
        bent[3] += 100
        bent[7] -= 100
        for sampling in (Sampling(), Sampling(temperature=0.5, repetition_penalty=1.3, top_p=0.9)):
            said = np.array([3, 9], dtype=np.int32)
            expected = distribution(bent, Ask(sampling, 0.0, said=said))
            np.testing.assert_allclose(distribution(row, Ask(sampling, 0.0, said=said, bias=bias)), expected, atol=1e-6)


def test_the_likeliest_come_in_order_with_their_log_probabilities() -> None:
    row = LOGITS[0]
    top = row.log_softmax(-1).topk(7)
    found = likeliest(row.numpy(), 7)
    assert [token for token, _ in found] == top.indices.tolist()
    np.testing.assert_allclose([value for _, value in found], top.values, atol=1e-5)
    assert len(likeliest(row.numpy(), 999)) == 200


def test_rows_of_different_wishes_are_chosen_together_as_alone() -> None:
    generator = np.random.default_rng(1)
    wishes = [Sampling(temperature=0), Sampling(top_p=0.9), Sampling(temperature=0.7, repetition_penalty=1.2)]
    asks = []
    for place in range(50):
        mask = generator.integers(0, 2**32, 7, dtype=np.uint32) if place % 4 == 0 else None
        sampling = wishes[place % 3]
        said = np.arange(place, dtype=np.int32) if sampling.repetition_penalty != 1 else None
        bias = (np.array([place], np.int32), np.array([3.0], np.float32)) if place % 5 == 0 else None
        asks.append(Ask(sampling, float(generator.random()), mask, said, bias))
    expected = [draw_from(distribution(row.numpy(), ask), ask.draw) for row, ask in zip(LOGITS, asks, strict=True)]
    assert choose(LOGITS, asks).tolist() == expected


def test_a_log_probability_is_that_of_the_softmax() -> None:
    row = LOGITS[0]
    assert log_chance(row.numpy(), 17) == pytest.approx(float(row.log_softmax(-1)[17]), abs=1e-5)


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
     ("top_k", -1), ("top_p", 0.0), ("top_p", 1.5), ("min_p", 2.0), ("repetition_penalty", 0.0),
     ("frequency_penalty", float("inf")), ("presence_penalty", float("nan")), ("logit_bias", ((-1, 1.0),))],
)  # fmt: skip
def test_impossible_settings_are_refused_by_flag(field: str, value: float) -> None:
    with pytest.raises(EyasError, match=f"--{field.replace('_', '-')} must be"):
        Sampling(**{field: value})  # type: ignore[arg-type]
