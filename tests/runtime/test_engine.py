"""Batches of ragged prompts say what each prompt says alone, and what a loop without a cache says."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from eyas.errors import EyasError
from eyas.model.checkpoint import end_ids, save_model
from eyas.model.transformer import Transformer
from eyas.runtime.engine import Completion, TorchEngine
from eyas.runtime.sampling import Sampling
from eyas.text.tokenizer import Tokenizer

GREEDY = Sampling(max_tokens=20, temperature=0)
NEVER: set[int] = set()


def prompts(count: int, longest: int = 40, seed: int = 0) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(16, 280, generator.integers(1, longest)).tolist() for _ in range(count)]


def without_cache(engine: TorchEngine, prompt: list[int], count: int) -> list[int]:
    """The slowest and plainest greedy loop."""
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            ids.append(int(engine.model(torch.tensor([ids]))[0, -1].argmax()))
    return ids[len(prompt) :]


def test_greedy_batch_equals_the_plain_loop(engine: TorchEngine) -> None:
    asked = prompts(13)
    for prompt, done in zip(asked, engine.generate(asked, GREEDY, NEVER), strict=True):
        assert done.ids == without_cache(engine, prompt, 20)
        assert done.finish_reason == "length" and done.stop_id is None


def test_greedy_equals_transformers(engine: TorchEngine, tmp_path: Path) -> None:
    save_model(tmp_path / "m", engine.model, engine.tokenizer, lineage={})
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    prompt = prompts(1)[0]
    found = theirs.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False, eos_token_id=None)
    assert engine.generate([prompt], GREEDY, NEVER)[0].ids == found[0, len(prompt) :].tolist()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_a_row_says_does_not_depend_on_its_neighbours(engine: TorchEngine, temperature: float) -> None:
    asked = prompts(17)
    sampling = Sampling(max_tokens=24, temperature=temperature, top_p=0.9, seed=5)
    stops = set(range(16, 60))  # so that rows finish at different steps and leave
    together = engine.generate(asked, sampling, stops)
    assert len({len(done.ids) for done in together}) > 3
    for rows in (1, 5):
        assert texts(TorchEngine(engine.model, engine.tokenizer, batch_rows=rows).generate(asked, sampling, stops)) == (
            texts(together)
        )
    alone = [engine.generate([p], dataclasses.replace(sampling, seed=i), stops)[0] for i, p in enumerate(asked)]
    assert texts(alone) == texts(engine.generate(asked, sampling, stops, seeds=range(len(asked))))


def texts(completions: list[Completion]) -> list[tuple[list[int], int | None]]:
    return [(done.ids, done.stop_id) for done in completions]


def test_equal_prompts_get_different_draws_and_equal_seeds_equal_ones(engine: TorchEngine) -> None:
    sampling = Sampling(max_tokens=16, temperature=1.5, seed=1)
    first, second = engine.generate([[20, 30]] * 2, sampling, NEVER)
    assert first.ids != second.ids
    assert engine.generate([[20, 30]] * 2, sampling, NEVER)[1].ids == second.ids
    assert engine.generate([[20, 30]], dataclasses.replace(sampling, seed=2), NEVER)[0].ids != first.ids


def test_a_stop_token_ends_the_row_and_is_told_apart(engine: TorchEngine) -> None:
    prompt = prompts(1)[0]
    plain = engine.generate([prompt], GREEDY, NEVER)[0]
    stop = plain.ids[7]
    cut = plain.ids.index(stop)
    done = engine.generate([prompt], GREEDY, {stop})[0]
    assert (done.ids, done.finish_reason, done.stop_id) == (plain.ids[:cut], "stop", stop)
    assert done.logprobs == pytest.approx(plain.logprobs[:cut], abs=1e-5)
    assert done.stop_logprob == pytest.approx(plain.logprobs[cut], abs=1e-5)


def test_by_default_both_ends_stop(tokenizer: Tokenizer, engine: TorchEngine) -> None:
    assert end_ids(tokenizer) == [tokenizer.endoftext, tokenizer.im_end]
    model = Transformer(dataclasses.replace(engine.model.config, tie_embeddings=True))
    model.init_weights(0)
    for end in end_ids(tokenizer):
        with torch.no_grad():
            model.embed.weight.zero_()
            model.embed.weight[[20, end]] = 1.0  # after token 20 the likeliest are 20 and the end; ties go to the first
        assert TorchEngine(model, tokenizer).generate([[20]], GREEDY)[0].stop_id == end


def test_logprobs_are_the_models_own(engine: TorchEngine) -> None:
    asked = prompts(9)
    sampling = Sampling(max_tokens=12, temperature=0.7, top_k=5, seed=3)
    said = engine.generate(asked, sampling, NEVER)
    whole = [prompt + done.ids for prompt, done in zip(asked, said, strict=True)]
    for ids, values, done in zip(whole, engine.logprobs(whole), said, strict=True):
        with torch.no_grad():
            expected = engine.model(torch.tensor([ids]))[0].log_softmax(-1)
        picked = expected[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
        np.testing.assert_allclose(values, picked, atol=1e-4)
        np.testing.assert_allclose(done.logprobs, picked[-12:], atol=1e-4)


def test_long_prompts_are_read_in_chunks(engine: TorchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = prompts(5, longest=90)
    expected = texts(engine.generate(asked, GREEDY, NEVER)), engine.logprobs(asked)
    monkeypatch.setattr("eyas.runtime.engine._PREFILL_CHUNK", 7)
    assert texts(engine.generate(asked, GREEDY, NEVER)) == expected[0]
    for values, wanted in zip(engine.logprobs(asked), expected[1], strict=True):
        assert len(values) == len(wanted)
        np.testing.assert_allclose(values, wanted, atol=1e-4)


def test_stream_says_what_generate_says_and_can_be_left(engine: TorchEngine) -> None:
    sampling = Sampling(max_tokens=10, temperature=1.0, seed=4)
    expected = engine.generate([[40, 41]], sampling, NEVER)[0].ids
    assert list(engine.stream([40, 41], sampling, NEVER)) == expected
    pieces = engine.stream([40, 41], sampling, NEVER)
    assert [next(pieces), next(pieces)] == expected[:2]


def test_tokens_are_reported_as_they_are_said(engine: TorchEngine) -> None:
    heard: dict[int, list[int]] = {}
    asked = prompts(4)
    said = engine.generate(asked, GREEDY, NEVER, lambda row, token: heard.setdefault(row, []).append(token))
    assert [heard[i] for i in range(4)] == [done.ids for done in said]


def test_the_context_ends_an_answer(engine: TorchEngine) -> None:
    prompt = prompts(1, seed=2)[0] * 40
    near = prompt[: engine.context - 3]
    done = engine.generate([near], GREEDY, NEVER)[0]
    assert len(done.ids) == 3 and done.finish_reason == "length"
    assert done.ids == without_cache(engine, near, 3)


def test_a_prompt_beyond_the_context_is_refused_or_cut_as_the_caller_says(engine: TorchEngine) -> None:
    prompt = [30 + i % 200 for i in range(engine.context)]
    with pytest.raises(EyasError, match="128 tokens does not fit the model's context of 128"):
        engine.generate([prompt], GREEDY, NEVER)
    cut = engine.generate([prompt], GREEDY, NEVER, overflow="left")[0]
    assert cut.ids == engine.generate([prompt[20:]], GREEDY, NEVER)[0].ids and len(cut.ids) == 20


@pytest.mark.parametrize(("prompt", "word"), [([], "empty prompt"), ([16, -1], "beyond"), ([10**6], "beyond")])
def test_impossible_prompts_are_refused(engine: TorchEngine, prompt: list[int], word: str) -> None:
    for ask in (lambda: engine.generate([prompt], GREEDY), lambda: engine.logprobs([prompt])):
        with pytest.raises(EyasError, match=word):
            ask()


def test_nothing_asked_nothing_said(engine: TorchEngine) -> None:
    assert engine.generate([], GREEDY) == [] and engine.logprobs([]) == []


def test_ids_that_the_tokenizer_lacks_are_never_said(tokenizer: Tokenizer, engine: TorchEngine) -> None:
    padded = Transformer(dataclasses.replace(engine.model.config, vocab_size=tokenizer.vocab_size + 64))
    padded.init_weights(0)
    with torch.no_grad():
        padded.embed.weight[tokenizer.vocab_size :] = 5.0 * padded.embed.weight[20]
    done = TorchEngine(padded, tokenizer).generate([[20]], Sampling(max_tokens=5, temperature=0), NEVER)[0]
    assert max(done.ids) < tokenizer.vocab_size


def test_bf16_weights_generate(tokenizer: Tokenizer, new_model: Callable[..., Transformer]) -> None:
    half = TorchEngine(new_model(tokenizer.vocab_size).bfloat16(), tokenizer)
    assert all(len(done.ids) == 20 for done in half.generate(prompts(5), GREEDY, NEVER))
