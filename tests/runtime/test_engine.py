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
from eyas.runtime.engine import Completion, Engine, Mask
from eyas.runtime.opening import Kind, engine_of
from eyas.runtime.sampling import Sampling
from eyas.runtime.torch_engine import TorchEngine
from eyas.text.tokenizer import Tokenizer

GREEDY = Sampling(max_tokens=20, temperature=0)
NEVER: set[int] = set()
NewModel = Callable[..., Transformer]


def prompts(count: int, longest: int = 40, seed: int = 0) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(16, 280, generator.integers(1, longest)).tolist() for _ in range(count)]


def without_cache(model: Transformer, prompt: list[int], count: int) -> list[int]:
    """The slowest and plainest greedy loop."""
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return ids[len(prompt) :]


def test_greedy_batch_equals_the_plain_loop(engine: Engine, model: Transformer) -> None:
    asked = prompts(13)
    for prompt, done in zip(asked, engine.generate(asked, GREEDY, NEVER), strict=True):
        assert done.ids == without_cache(model, prompt, 20)
        assert done.finish_reason == "length" and done.stop_id is None


def test_greedy_equals_transformers(engine: Engine, model: Transformer, tmp_path: Path) -> None:
    save_model(tmp_path / "m", model, engine.tokenizer, lineage={})
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    prompt = prompts(1)[0]
    found = theirs.generate(torch.tensor([prompt]), max_new_tokens=20, do_sample=False, eos_token_id=None)
    assert engine.generate([prompt], GREEDY, NEVER)[0].ids == found[0, len(prompt) :].tolist()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_what_a_row_says_does_not_depend_on_its_neighbours(
    engine: Engine, model: Transformer, kind: Kind, temperature: float
) -> None:
    asked = prompts(17)
    sampling = Sampling(max_tokens=24, temperature=temperature, top_p=0.9, seed=5)
    stops = set(range(16, 60))  # so that rows finish at different steps and leave
    together = engine.generate(asked, sampling, stops)
    assert len({len(done.ids) for done in together}) > 3
    for rows in (1, 5):
        few = engine_of(model, engine.tokenizer, kind=kind, rows=rows)
        assert texts(few.generate(asked, sampling, stops)) == texts(together)
    alone = [engine.generate([p], dataclasses.replace(sampling, seed=i), stops)[0] for i, p in enumerate(asked)]
    assert texts(alone) == texts(engine.generate(asked, sampling, stops, seeds=range(len(asked))))


def texts(completions: list[Completion]) -> list[tuple[list[int], int | None]]:
    return [(done.ids, done.stop_id) for done in completions]


def test_equal_prompts_get_different_draws_and_equal_seeds_equal_ones(engine: Engine) -> None:
    sampling = Sampling(max_tokens=16, temperature=1.5, seed=1)
    first, second = engine.generate([[20, 30]] * 2, sampling, NEVER)
    assert first.ids != second.ids
    assert engine.generate([[20, 30]] * 2, sampling, NEVER)[1].ids == second.ids
    assert engine.generate([[20, 30]], dataclasses.replace(sampling, seed=2), NEVER)[0].ids != first.ids


def test_a_stop_token_ends_the_row_and_is_told_apart(engine: Engine) -> None:
    prompt = prompts(1)[0]
    plain = engine.generate([prompt], GREEDY, NEVER)[0]
    stop = plain.ids[7]
    cut = plain.ids.index(stop)
    done = engine.generate([prompt], GREEDY, {stop})[0]
    assert (done.ids, done.finish_reason, done.stop_id) == (plain.ids[:cut], "stop", stop)
    assert done.logprobs == pytest.approx(plain.logprobs[:cut], abs=1e-5)
    assert done.stop_logprob == pytest.approx(plain.logprobs[cut], abs=1e-5)


def test_by_default_both_ends_stop(tokenizer: Tokenizer, model: Transformer, kind: Kind) -> None:
    assert end_ids(tokenizer) == [tokenizer.endoftext, tokenizer.im_end]
    tied = Transformer(dataclasses.replace(model.config, tie_embeddings=True))
    tied.init_weights(0)
    for end in end_ids(tokenizer):
        with torch.no_grad():
            tied.embed.weight.zero_()
            tied.embed.weight[[20, end]] = 1.0  # after token 20 the likeliest are 20 and the end; ties go to the first
        assert engine_of(tied, tokenizer, kind=kind).generate([[20]], GREEDY)[0].stop_id == end


def test_logprobs_are_the_models_own(engine: Engine, model: Transformer) -> None:
    asked = prompts(9)
    sampling = Sampling(max_tokens=12, temperature=0.7, top_k=5, seed=3)
    said = engine.generate(asked, sampling, NEVER)
    whole = [prompt + done.ids for prompt, done in zip(asked, said, strict=True)]
    for ids, values, done in zip(whole, engine.logprobs(whole), said, strict=True):
        with torch.no_grad():
            expected = model(torch.tensor([ids]))[0].log_softmax(-1)
        picked = expected[torch.arange(len(ids) - 1), torch.tensor(ids[1:])]
        np.testing.assert_allclose(values, picked, atol=1e-4)
        np.testing.assert_allclose(done.logprobs, picked[-12:], atol=1e-4)


def test_alternatives_are_the_likeliest_in_the_place_of_each_token(engine: Engine, model: Transformer) -> None:
    rows = prompts(5)
    for ids, found in zip(rows, engine.alternatives(rows, 3), strict=True):
        with torch.no_grad():
            best = model(torch.tensor([ids]))[0, :-1].log_softmax(-1).topk(3)
        assert [[token for token, _ in place] for place in found] == best.indices.tolist()
        np.testing.assert_allclose([[value for _, value in place] for place in found], best.values, atol=1e-4)


def test_long_prompts_are_read_in_chunks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = prompts(5, longest=90)
    expected = texts(engine.generate(asked, GREEDY, NEVER)), engine.logprobs(asked)
    for place in ("batch", "engine"):
        monkeypatch.setattr(f"eyas.runtime.{place}.PIECE", 7)
    assert texts(engine.generate(asked, GREEDY, NEVER)) == expected[0]
    for values, wanted in zip(engine.logprobs(asked), expected[1], strict=True):
        assert len(values) == len(wanted)
        np.testing.assert_allclose(values, wanted, atol=1e-4)


def test_stream_says_what_generate_says_and_can_be_left(engine: Engine) -> None:
    sampling = Sampling(max_tokens=10, temperature=1.0, seed=4)
    expected = engine.generate([[40, 41]], sampling, NEVER)[0].ids
    assert list(engine.stream([40, 41], sampling, NEVER)) == expected
    pieces = engine.stream([40, 41], sampling, NEVER)
    assert [next(pieces), next(pieces)] == expected[:2]


def test_tokens_are_reported_as_they_are_said(engine: Engine) -> None:
    heard: dict[int, list[int]] = {}
    asked = prompts(4)
    said = engine.generate(asked, GREEDY, NEVER, lambda row, token: heard.setdefault(row, []).append(token))
    assert [heard[i] for i in range(4)] == [done.ids for done in said]


def test_the_context_ends_an_answer(engine: Engine, model: Transformer) -> None:
    prompt = prompts(1, seed=2)[0] * 40
    near = prompt[: engine.context - 3]
    done = engine.generate([near], GREEDY, NEVER)[0]
    assert len(done.ids) == 3 and done.finish_reason == "length"
    assert done.ids == without_cache(model, near, 3)


def test_a_prompt_beyond_the_context_is_refused_or_cut_as_the_caller_says(engine: Engine) -> None:
    prompt = [30 + i % 200 for i in range(engine.context)]
    with pytest.raises(EyasError, match="128 tokens does not fit the model's context of 128"):
        engine.generate([prompt], GREEDY, NEVER)
    cut = engine.generate([prompt], GREEDY, NEVER, overflow="left")[0]
    assert cut.ids == engine.generate([prompt[20:]], GREEDY, NEVER)[0].ids and len(cut.ids) == 20


@pytest.mark.parametrize(("prompt", "word"), [([], "empty prompt"), ([16, -1], "beyond"), ([10**6], "beyond")])
def test_impossible_prompts_are_refused(engine: Engine, prompt: list[int], word: str) -> None:
    for ask in (lambda: engine.generate([prompt], GREEDY), lambda: engine.logprobs([prompt])):
        with pytest.raises(EyasError, match=word):
            ask()


def test_nothing_asked_nothing_said(engine: Engine) -> None:
    assert engine.generate([], GREEDY) == [] and engine.logprobs([]) == []


def test_ids_that_the_tokenizer_lacks_are_never_said(tokenizer: Tokenizer, model: Transformer, kind: Kind) -> None:
    padded = Transformer(dataclasses.replace(model.config, vocab_size=tokenizer.vocab_size + 64))
    padded.init_weights(0)
    with torch.no_grad():
        padded.embed.weight[tokenizer.vocab_size :] = 5.0 * padded.embed.weight[20]
    greedy = Sampling(max_tokens=5, temperature=0)
    done = engine_of(padded, tokenizer, kind=kind).generate([[20]], greedy, NEVER)[0]
    assert max(done.ids) < tokenizer.vocab_size


def test_bf16_weights_generate(tokenizer: Tokenizer, new_model: Callable[..., Transformer]) -> None:
    half = TorchEngine(new_model(tokenizer.vocab_size).bfloat16(), tokenizer)
    assert all(len(done.ids) == 20 for done in half.generate(prompts(5), GREEDY, NEVER))


def test_states_and_logits_are_the_models_own(engine: Engine, model: Transformer) -> None:
    asked = prompts(7, longest=120)
    for ids, states in zip(asked, engine.hidden(asked), strict=True):
        with torch.no_grad():
            expected = model.hidden(torch.tensor([ids]))[0]
            np.testing.assert_allclose(states, expected, atol=1e-4)
            np.testing.assert_allclose(engine.next_logits(ids), model.head(expected)[-1], atol=1e-3)


def test_new_weights_speak_at_once(engine: Engine, model: Transformer, kind: Kind, new_model: NewModel) -> None:
    asked = prompts(5)
    other = new_model(engine.tokenizer.vocab_size, seed=1)
    changing = engine_of(model, engine.tokenizer, kind=kind)
    before = changing.generate(asked, GREEDY, NEVER)
    changing.set_weights(other)
    assert [done.ids for done in changing.generate(asked, GREEDY, NEVER)] == [
        without_cache(other, prompt, 20) for prompt in asked
    ]
    changing.set_weights(model)
    assert changing.generate(asked, GREEDY, NEVER) == before


def test_a_mask_decides_what_may_be_said(engine: Engine) -> None:
    asked = prompts(4)

    def only(*allowed: int) -> Mask:
        words = np.zeros(-(-engine.vocab_size // 32), dtype=np.uint32)
        for token in allowed:
            words[token // 32] |= np.uint32(1 << token % 32)
        return lambda said: words if len(said) % 2 == 0 else None

    free = engine.generate(asked, GREEDY, NEVER)
    bound = engine.generate(asked, GREEDY, NEVER, masks=[only(40, 50), None, only(60), None])
    assert [done.ids for done in bound[1::2]] == [done.ids for done in free[1::2]]
    assert set(bound[0].ids[::2]) <= {40, 50} and set(bound[2].ids[::2]) == {60}
    assert bound[2].ids[1] == without_masks(engine, [*asked[2], 60]), "where nothing is masked all is free"
    assert bound[2].logprobs[0] < free[2].logprobs[0], "log-probabilities are the model's own, whatever is masked"
    assert list(engine.stream(asked[2], GREEDY, NEVER, mask=only(60))) == bound[2].ids


def without_masks(engine: Engine, ids: list[int]) -> int:
    return int(engine.next_logits(ids).argmax())


@pytest.mark.parametrize(("words", "why"), [(10, "allows no token"), (2, "does not cover")])
def test_a_mask_that_cannot_be_obeyed_is_an_error_and_the_engine_goes_on(engine: Engine, words: int, why: str) -> None:
    nothing = np.zeros(words, dtype=np.uint32)
    with pytest.raises(EyasError, match=why):
        engine.generate(prompts(3), GREEDY, NEVER, masks=[None, lambda said: nothing if len(said) > 4 else None, None])
    assert len(engine.generate(prompts(1), GREEDY, NEVER)[0].ids) == 20


def test_a_penalty_keeps_the_model_from_repeating_itself(engine: Engine) -> None:
    asked = prompts(6)
    strong = Sampling(max_tokens=30, temperature=0, repetition_penalty=1e4)
    for prompt, done in zip(asked, engine.generate(asked, strong, NEVER), strict=True):
        assert len(set(done.ids)) == len(done.ids) and not set(done.ids) & set(prompt)
    none = dataclasses.replace(strong, repetition_penalty=1.0)
    assert any(len(set(done.ids)) < len(done.ids) for done in engine.generate(asked, none, NEVER))


def test_both_engines_say_the_same_by_all_rules(engine: Engine, model: Transformer) -> None:
    """Draws are inverted in the same order, so only what hits an edge to seven digits could differ."""
    asked = prompts(20)
    torch_engine = TorchEngine(model, engine.tokenizer)
    for rules in ({"top_p": 0.9}, {"top_k": 20, "min_p": 0.02}, {"repetition_penalty": 1.3}):
        sampling = Sampling(max_tokens=24, temperature=0.8, seed=3, **rules)  # type: ignore[arg-type]
        assert texts(engine.generate(asked, sampling, NEVER)) == texts(torch_engine.generate(asked, sampling, NEVER))


def test_what_a_caller_breaks_off_leaves_no_trace(engine: Engine) -> None:
    asked = prompts(5)
    expected = engine.generate(asked, GREEDY, NEVER)

    def stop(row: int, token: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.generate(asked, GREEDY, NEVER, stop)
    assert engine.generate(asked, GREEDY, NEVER) == expected
    assert not engine.batch.busy
