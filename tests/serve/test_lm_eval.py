"""The evaluation harness of the field scores our server, and finds exactly what the engine says."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from eyas.runtime.engine import Engine
from eyas.runtime.sampling import Sampling

pytest.importorskip("lm_eval", reason="lm_eval is not installed; see the extra `oracles`")

ITEMS = [
    ("The cat", [" sat on a mat", " keeps a goat", " 408", "猫"], 0),
    ("Mira keeps a goat in", [" Mill Lane.", " 12 * 34", " naïve and"], 1),
    ("What is 12 * 34?", [" 408.", " Rome", " The cat sat on a mat, naïve and 猫-like"], 2),
]


@pytest.fixture(scope="module")
def engine(app: FastAPI) -> Engine:
    found: Engine = app.state.eyas.served.load("base").engine
    return found


@pytest.fixture(scope="module")
def harness(url: str, life: Path) -> Any:
    from lm_eval.models.openai_completions import LocalCompletionsAPI

    return LocalCompletionsAPI(
        base_url=f"{url}/v1/completions",
        model="base",
        tokenizer=str(life / "models" / "base"),
        tokenizer_backend="huggingface",
        max_length=256,
        batch_size=4,
    )


def ours(engine: Engine, start: str, end: str) -> tuple[float, bool]:
    """log P(end | start) of the engine, and whether it would have said it greedily."""
    prompt = engine.tokenizer.encode(start)
    ids = engine.tokenizer.encode(start + end)
    said = range(len(prompt), len(ids))
    best = [int(engine.next_logits(ids[:at])[: engine.tokenizer.vocab_size].argmax()) for at in said]
    return sum(engine.logprobs([ids])[0].tolist()[len(prompt) - 1 :]), best == ids[len(prompt) :]


def instances(kind: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, one, i) for i, one in enumerate(arguments)]


def test_loglikelihoods_are_the_engines_own(harness: Any, engine: Engine) -> None:
    pairs = [(start, end) for start, ends, _ in ITEMS for end in ends]
    prompt = engine.tokenizer.encode("The cat")
    best = engine.tokenizer.decode([int(engine.next_logits(prompt)[: engine.tokenizer.vocab_size].argmax())])
    if engine.tokenizer.encode(f"The cat{best}")[:-1] == prompt:
        pairs.append(("The cat", best))
    found = harness.loglikelihood(instances("loglikelihood", pairs), disable_tqdm=True)
    assert found == [ours(engine, start, end) for start, end in pairs]  # equal, not near


def test_a_long_text_is_scored_window_by_window(harness: Any, engine: Engine) -> None:
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    text = "The cat sat on a mat. " * 60
    (found,) = harness.loglikelihood_rolling(instances("loglikelihood_rolling", [(text,)]), disable_tqdm=True)
    ids = engine.tokenizer.encode(text)
    assert len(ids) > 256
    windows = get_rolling_token_windows(
        ids, engine.tokenizer.endoftext, max_seq_len=harness.max_length - 1, context_len=1
    )
    expected = 0.0
    for start, end in map(make_disjoint_window, windows):
        expected += sum(engine.logprobs([[*start, *end]])[0].tolist()[len(start) - 1 :])
    assert found == pytest.approx(expected, abs=1e-9)


def test_texts_go_on_until_the_word_that_ends_them(harness: Any, engine: Engine) -> None:
    arguments = [("The cat", {"until": ["zzz"], "max_gen_toks": 6}), ("Mira", {"until": ["zzz"], "max_gen_toks": 6})]
    found = harness.generate_until(instances("generate_until", arguments), disable_tqdm=True)
    prompts = [engine.tokenizer.encode(start) for start, _ in arguments]
    done = engine.generate(prompts, Sampling(max_tokens=6, temperature=0))
    assert found == [engine.tokenizer.decode(one.ids) for one in done]
