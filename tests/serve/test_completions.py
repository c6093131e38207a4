"""A text goes on, and prompts are scored with exactly the engine's own log-probabilities."""

import json
import time
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI

from eyas.runtime.engine import Engine
from eyas.runtime.sampling import Sampling


@pytest.fixture(scope="module")
def engine(app: FastAPI) -> Engine:
    found: Engine = app.state.eyas.served.load("base").engine
    return found


def ask(http: httpx2.Client, **body: Any) -> dict[str, Any]:
    answer = http.post("/v1/completions", json={"model": "base"} | body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def refused(http: httpx2.Client, **body: Any) -> dict[str, Any]:
    answer = http.post("/v1/completions", json={"model": "base"} | body)
    assert answer.status_code == 400
    error: dict[str, Any] = answer.json()["error"]
    return error


def events(http: httpx2.Client, **body: Any) -> list[dict[str, Any]]:
    answer = http.post("/v1/completions", json={"model": "base", "stream": True} | body)
    *chunks, last = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert last == "[DONE]"
    return [json.loads(chunk) for chunk in chunks]


def test_a_text_goes_on_as_the_engine_says(http: httpx2.Client, engine: Engine) -> None:
    made = ask(http, prompt="The cat", max_tokens=12, temperature=0)
    prompt = [engine.tokenizer.start, *engine.tokenizer.encode("The cat")]
    done = engine.generate([prompt], Sampling(max_tokens=12, temperature=0))[0]
    assert made["choices"][0]["text"] == engine.tokenizer.decode(done.ids)
    assert made["object"] == "text_completion"
    assert made["usage"] == {
        "prompt_tokens": len(prompt),
        "completion_tokens": len(done.ids),
        "total_tokens": len(prompt) + len(done.ids),
    }


def test_ids_are_taken_as_they_are_and_strings_hold_no_special_tokens(http: httpx2.Client, engine: Engine) -> None:
    tokenizer = engine.tokenizer
    ids = [tokenizer.im_start, *tokenizer.encode("user")]
    echoed = ask(http, prompt=ids, max_tokens=0, echo=True, logprobs=0)["choices"][0]
    assert echoed["logprobs"]["tokens"][0] == "<|im_start|>"
    spelt = ask(http, prompt="<|im_start|>user", max_tokens=0, echo=True, logprobs=0)["choices"][0]
    assert echoed["text"] == spelt["text"] == "<|im_start|>user"
    assert len(spelt["logprobs"]["tokens"]) > len(ids)


def test_an_echo_has_the_engines_own_logprobs(http: httpx2.Client, engine: Engine) -> None:
    tokenizer = engine.tokenizer
    rows = [tokenizer.encode("Mira keeps a 猫 in Mill Lane."), tokenizer.encode("The cat")]
    made = ask(http, prompt=rows, max_tokens=1, echo=True, logprobs=1, temperature=0)
    for row, choice in zip(rows, made["choices"], strict=True):
        said, scores = choice["logprobs"], engine.logprobs([row])[0]
        assert said["token_logprobs"][0] is None
        assert said["top_logprobs"][0] is None
        assert len(said["tokens"]) == len(row) + 1
        assert said["token_logprobs"][1 : len(row)] == scores.tolist()  # equal, not near
        for place in range(1, len(row)):
            logits = engine.next_logits(row[:place])[: tokenizer.vocab_size]
            greedy = int(logits.argmax()) == row[place]
            assert (said["token_logprobs"][place] == max(said["top_logprobs"][place].values())) == greedy
        text = choice["text"]
        names = [name if not name.startswith("bytes:") else "" for name in said["tokens"]]
        for name, at in zip(names, said["text_offset"], strict=True):
            assert text[at:].startswith(name)


def test_a_string_is_scored_after_the_start_of_a_document(http: httpx2.Client, engine: Engine) -> None:
    ids = [engine.tokenizer.start, *engine.tokenizer.encode("The cat sat")]
    said = ask(http, prompt="The cat sat", max_tokens=0, echo=True, logprobs=1)["choices"][0]["logprobs"]
    assert said["token_logprobs"] == engine.logprobs([ids])[0].tolist()
    assert len(said["tokens"]) == len(ids) - 1


def test_alternatives_are_the_likeliest_with_the_token_itself(http: httpx2.Client, engine: Engine) -> None:
    row = engine.tokenizer.encode("The cat sat on")
    said = ask(http, prompt=row, max_tokens=3, echo=True, logprobs=4, temperature=0)["choices"][0]["logprobs"]
    for place in range(1, len(row)):
        logits = engine.next_logits(row[:place])[: engine.tokenizer.vocab_size].astype(np.float64)
        best = np.sort(logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max())[::-1][:4]
        top = said["top_logprobs"][place]
        assert np.allclose(sorted(top.values(), reverse=True)[:3], best[:3], atol=1e-4)
        assert top[said["tokens"][place]] == said["token_logprobs"][place]
    for chosen, top in zip(said["token_logprobs"][len(row) :], said["top_logprobs"][len(row) :], strict=True):
        assert chosen == max(top.values())  # greedy


def test_an_end_is_told_so_that_the_last_token_is_never_the_prompts(http: httpx2.Client, engine: Engine) -> None:
    tokenizer = engine.tokenizer
    row = tokenizer.encode("The cat")
    wanted = {str(tokenizer.endoftext): 100}  # so it ends at once
    choice = ask(http, prompt=row, max_tokens=1, echo=True, logprobs=1, logit_bias=wanted)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["text"] == "The cat"
    assert choice["logprobs"]["tokens"] == [*(tokenizer.decode([i]) for i in row), "<|endoftext|>"]
    assert choice["logprobs"]["token_logprobs"][1 : len(row)] == engine.logprobs([row])[0].tolist()


def test_several_prompts_and_several_answers_keep_their_order(http: httpx2.Client) -> None:
    made = ask(http, prompt=["The cat", "Mira"], n=2, max_tokens=4, seed=3, echo=True)
    assert [choice["index"] for choice in made["choices"]] == [0, 1, 2, 3]
    texts = [choice["text"] for choice in made["choices"]]
    assert [text.startswith("The cat") for text in texts] == [True, True, False, False]
    assert len(set(texts)) == 4
    assert ask(http, prompt=["The cat", "Mira"], n=2, max_tokens=4, seed=3, echo=True)["choices"] == made["choices"]


@pytest.mark.parametrize("echo", [False, True])
def test_a_stream_says_what_the_whole_says(http: httpx2.Client, echo: bool) -> None:
    body: dict[str, Any] = {"prompt": ["The cat", "猫"], "max_tokens": 9, "seed": 5, "logprobs": 2, "echo": echo}
    whole = ask(http, **body)
    parts = events(http, **body, stream_options={"include_usage": True})
    assert parts[-1]["choices"] == []
    assert parts[-1]["usage"] == whole["usage"]
    assert all(part["usage"] is None for part in parts[:-1])
    for index, choice in enumerate(whole["choices"]):
        mine = [part["choices"][0] for part in parts[:-1] if part["choices"][0]["index"] == index]
        assert "".join(part["text"] for part in mine) == choice["text"]
        assert [part["finish_reason"] for part in mine] == [None] * (len(mine) - 1) + [choice["finish_reason"]]
        for key in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
            told = [value for part in mine if part["logprobs"] for value in part["logprobs"][key]]
            assert told == choice["logprobs"][key]


def test_when_the_client_leaves_its_answers_end(http: httpx2.Client) -> None:
    def cancelled() -> float:
        lines = http.get("/metrics").text.splitlines()
        start = 'eyas_answers_total{finish_reason="cancelled",model="base"} '
        return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))

    before = cancelled()
    body = {"model": "base", "prompt": "The cat", "max_tokens": 1000, "n": 16, "stream": True}
    with http.stream("POST", "/v1/completions", json=body) as answer:
        next(answer.iter_lines())
    for _ in range(200):
        if 'eyas_requests{model="base"} 0.0' in http.get("/metrics").text and cancelled() > before:
            return
        time.sleep(0.05)
    raise AssertionError("the answers go on")


def test_a_stop_string_is_left_out(http: httpx2.Client) -> None:
    whole = ask(http, prompt="The cat", max_tokens=40, seed=1)["choices"][0]["text"]
    stop = whole[10:13]
    choice = ask(http, prompt="The cat", max_tokens=40, seed=1, stop=[stop, "never said"], logprobs=0)["choices"][0]
    assert choice["text"] == whole[: whole.index(stop)]
    assert choice["finish_reason"] == "stop"
    assert len(choice["logprobs"]["tokens"]) == len(choice["logprobs"]["text_offset"])


def test_without_a_prompt_a_document_begins(http: httpx2.Client, engine: Engine) -> None:
    made = ask(http, max_tokens=5, temperature=0)
    done = engine.generate([[engine.tokenizer.start]], Sampling(max_tokens=5, temperature=0))[0]
    assert made["choices"][0]["text"] == engine.tokenizer.decode(done.ids)
    assert made["choices"] == ask(http, prompt="", max_tokens=5, temperature=0)["choices"]


def test_a_prompt_that_just_fits_and_one_that_does_not(http: httpx2.Client, engine: Engine) -> None:
    full = [20] * engine.context
    assert ask(http, prompt=full, max_tokens=0, echo=True, logprobs=0)["choices"][0]["finish_reason"] == "length"
    assert ask(http, prompt=full[1:], max_tokens=9)["usage"]["completion_tokens"] == 1
    error = refused(http, prompt=full, max_tokens=1)
    assert (error["code"], error["param"]) == ("context_length_exceeded", "prompt")
    assert str(engine.context) in error["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": "x", "suffix": "y"}, "suffix"),
        ({"prompt": "x", "best_of": 3}, "best_of"),
        ({"prompt": [100_000]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": "x", "logprobs": 21}, "logprobs"),
        ({"prompt": "x", "max_tokens": -1}, "max_tokens"),
        ({"prompt": ["x"] * 2000, "n": 2}, "prompt"),
        ({"prompt": "x", "temperature": "nan"}, "temperature"),
        ({"prompt": "x", "logit_bias": {"x": 1}}, "logit_bias"),
    ],
)
def test_what_cannot_be_done_names_its_field(http: httpx2.Client, body: dict[str, Any], param: str) -> None:
    assert refused(http, **body)["param"] == param
