"""Speculation changes when tokens come, never which: greedy answers are identical, drawn ones have the same law."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

from eyas.errors import EyasError
from eyas.model.transformer import Transformer
from eyas.runtime.engine import Engine
from eyas.runtime.opening import Kind, engine_of
from eyas.runtime.request import Request
from eyas.runtime.sampling import Ask, Sampling, distribution, uniforms
from eyas.runtime.speculate import Draft, Lookup, Speculator
from eyas.text.tokenizer import Tokenizer

NEVER: set[int] = set()


def prompts(count: int, seed: int = 0) -> list[list[int]]:
    """Texts that repeat themselves, so that looking up finds something."""
    generator = np.random.default_rng(seed)
    return [generator.integers(16, 280, 6).tolist() * int(generator.integers(1, 5)) for _ in range(count)]


@pytest.fixture(scope="module")
def relative(model: Transformer, new_model: Callable[..., Transformer]) -> Transformer:
    """A model that expects nearly what `model` does."""
    near = new_model(model.config.vocab_size)
    near.load_state_dict(model.state_dict())
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in near.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return near


@pytest.fixture(scope="module", params=["lookup", "draft"])
def guessing(
    request: pytest.FixtureRequest, model: Transformer, relative: Transformer, tokenizer: Tokenizer, kind: Kind
) -> Engine:
    speaking = engine_of(model, tokenizer, kind=kind)
    drafting = engine_of(relative, tokenizer, kind=kind)
    speaking.batch.speculator = Lookup() if request.param == "lookup" else Draft(drafting.backend)
    return speaking


def test_greedy_answers_are_identical_and_come_in_fewer_passes(guessing: Engine, engine: Engine) -> None:
    asked = prompts(9)
    sampling = Sampling(max_tokens=60, temperature=0)
    stops = {17, 30, 41}
    before = guessing.batch.accepted
    for prompt, expected in zip(asked, engine.generate(asked, sampling, stops), strict=True):
        (alone,) = guessing.generate([prompt], sampling, stops)
        assert (alone.ids, alone.stop_id) == (expected.ids, expected.stop_id)
        assert alone.logprobs == pytest.approx(expected.logprobs, abs=1e-4)
    assert guessing.batch.accepted > before + 20
    together = guessing.generate(asked, sampling, stops)
    assert [done.ids for done in together] == [done.ids for done in engine.generate(asked, sampling, stops)]


def test_the_end_of_the_context_and_of_the_answer_are_kept(guessing: Engine, engine: Engine) -> None:
    near = (prompts(1)[0] * 40)[: engine.context - 5]
    for limit in (1, 2, 3, 99):
        sampling = Sampling(max_tokens=limit, temperature=0)
        assert guessing.generate([near], sampling, NEVER)[0].ids == engine.generate([near], sampling, NEVER)[0].ids


def test_a_penalty_and_a_mask_hold_for_guesses_too(guessing: Engine, engine: Engine) -> None:
    even = np.full(10, 0x55555555, dtype=np.uint32)
    sampling = Sampling(max_tokens=40, temperature=0, repetition_penalty=1.05)
    asked = prompts(4)
    answers = [one.generate(asked, sampling, NEVER, masks=[lambda said: even] * 4) for one in (guessing, engine)]
    assert [done.ids for done in answers[0]] == [done.ids for done in answers[1]]
    assert all(token % 2 == 0 for done in answers[0] for token in done.ids)


def test_guesses_that_were_looked_up_change_no_draw(model: Transformer, tokenizer: Tokenizer, kind: Kind) -> None:
    plain, guessing = (engine_of(model, tokenizer, kind=kind) for _ in range(2))
    guessing.batch.speculator = Lookup()
    sampling = Sampling(max_tokens=50, temperature=0.1, top_p=0.95, seed=8)
    asked = prompts(8)
    assert [done.ids for done in guessing.generate(asked, sampling, NEVER)] == [
        done.ids for done in plain.generate(asked, sampling, NEVER)
    ]
    assert guessing.batch.accepted > 0


def test_drawn_answers_follow_the_models_own_distribution(
    model: Transformer, relative: Transformer, tokenizer: Tokenizer, kind: Kind
) -> None:
    """Chi-square over all answers of three tokens, against their exact probabilities."""
    sampling = Sampling(max_tokens=3, temperature=1.2, top_k=4, seed=1)
    engine = engine_of(model, tokenizer, kind=kind)
    engine.batch.speculator = Draft(engine_of(relative, tokenizer, kind=kind).backend)
    prompt, count = [20, 33, 47], 3000
    exact = exact_law(engine, prompt, sampling)
    found = Counter(tuple(done.ids) for done in engine.generate([prompt] * count, sampling, NEVER))
    assert set(found) <= set(exact)
    assert 0.2 < engine.batch.accepted / engine.batch.guessed < 0.95
    frequent = [answer for answer, chance in exact.items() if chance * count >= 5]
    rest = 1 - sum(exact[answer] for answer in frequent)
    expected = [exact[answer] * count for answer in frequent] + [rest * count]
    counted = [found[answer] for answer in frequent] + [count - sum(found[answer] for answer in frequent)]
    chi_square = sum((a - b) ** 2 / b for a, b in zip(counted, expected, strict=True) if b > 0)
    freedom = len(expected) - 1
    assert freedom > 15
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5


def exact_law(engine: Engine, prompt: list[int], sampling: Sampling) -> dict[tuple[int, ...], float]:
    law = {(): 1.0}
    for _ in range(sampling.max_tokens):
        longer = {}
        for said, chance in law.items():
            chances = distribution(engine.next_logits([*prompt, *said]), Ask(sampling, 0.0))
            longer |= {(*said, int(token)): chance * chances[token] for token in np.flatnonzero(chances)}
        law = longer
    return law


def request(tokens: list[int], left: int = 100) -> Request:
    return Request(tokens, Sampling(), frozenset(), (0, 0), uniforms(0, 0, left))


@pytest.mark.parametrize(
    ("tokens", "guess"),
    [
        ([1, 2, 3, 4, 5, 6, 1, 2, 3], [4, 5, 6, 1]),  # the longest match counts
        ([9, 2, 3, 7, 1, 2, 3, 8, 9, 2, 3], [7, 1, 2, 3]),
        ([5, 2, 3, 7, 1, 2, 3, 8, 9, 2, 3], [8, 9, 2, 3]),  # of equals, the latest
        ([4, 4, 4, 4], [4, 4, 4, 4]),  # what ends with the text goes round
        ([1, 2, 3, 4, 5], []),
        ([1], []),
    ],
)
def test_what_followed_before_is_guessed_again(tokens: list[int], guess: list[int]) -> None:
    lookup = Lookup(count=4)
    assert lookup.propose([request(tokens)])[0].ids == guess
    growing = request(tokens[:1])
    for token in tokens[1:]:
        lookup.propose([growing])
        growing.tokens.append(token)
    found = lookup.propose([growing])[0].ids
    assert found == (guess * 4)[: len(found)] and bool(found) == bool(guess)


def test_guesses_grow_while_they_are_right_and_shrink_when_wrong() -> None:
    lookup, speaking = Lookup(count=4, most=16), request([1, 2, 3] * 3)
    lengths = []
    for _ in range(3):
        (guess,) = lookup.propose([speaking])
        lengths.append(len(guess.ids))
        speaking.tokens += [*guess.ids, (speaking.tokens[-1] + len(guess.ids)) % 3 + 1]
    assert lengths == [4, 8, 16]
    (guess,) = lookup.propose([speaking])
    speaking.tokens += [*guess.ids[:1], 9, 1, 2, 3]
    assert len(lookup.propose([speaking])[0].ids) == 2


def test_no_guess_is_longer_than_the_answer_may_be() -> None:
    for left, length in ((1, 0), (2, 1), (4, 3), (100, 8)):
        assert len(Lookup(count=8).propose([request([1, 2, 3, 1, 2, 3], left)])[0].ids) == length


def test_a_draft_model_gives_its_sequences_back(model: Transformer, tokenizer: Tokenizer, kind: Kind) -> None:
    engine, small = (engine_of(model, tokenizer, kind=kind) for _ in range(2))
    held: set[int] = set()
    new, release = small.backend.new, small.backend.release
    small.backend.new = lambda: (held.add(number := new()), number)[1]  # type: ignore[func-returns-value,method-assign]
    small.backend.release = lambda number: (release(number), held.discard(number))[0]  # type: ignore[func-returns-value,method-assign]
    speculator: Speculator = Draft(small.backend)
    engine.batch.speculator = speculator
    engine.generate(prompts(5), Sampling(max_tokens=20, temperature=0), NEVER)
    for _ in engine.stream(prompts(1)[0], Sampling(max_tokens=20, temperature=0), NEVER):
        break
    with pytest.raises(EyasError):
        engine.generate([[]], Sampling())
    engine.batch.step()
    assert held == set()
