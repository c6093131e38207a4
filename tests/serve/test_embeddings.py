"""Vectors of texts."""

import base64
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI


def vectors(http: httpx2.Client, **body: Any) -> list[Any]:
    answer = http.post("/v1/embeddings", json={"model": "base"} | body)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert [one["index"] for one in data] == list(range(len(data)))
    return [one["embedding"] for one in data]


def test_a_vector_is_the_mean_of_the_states_with_length_1(http: httpx2.Client, app: FastAPI) -> None:
    engine = app.state.eyas.served.load("base").engine
    ids = [engine.tokenizer.start, *engine.tokenizer.encode("The cat")]
    mean = engine.hidden([ids])[0].mean(axis=0)
    (vector,) = vectors(http, input="The cat")
    assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
    assert np.isclose(np.linalg.norm(vector), 1)


def test_texts_and_ids_in_one_shape(http: httpx2.Client, app: FastAPI) -> None:
    tokenizer = app.state.eyas.served.load("base").engine.tokenizer
    ids = [tokenizer.start, *tokenizer.encode("Mira")]
    alone, pair = vectors(http, input="Mira"), vectors(http, input=["The cat", "Mira"])
    assert vectors(http, input=ids) == vectors(http, input=[ids]) == alone
    assert pair[1] == alone[0]
    assert pair[0] != pair[1]


def test_base64_holds_the_same_numbers(http: httpx2.Client) -> None:
    (numbers,), (packed,) = vectors(http, input="x"), vectors(http, input="x", encoding_format="base64")
    assert np.array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), np.float32(numbers))


def test_usage_counts_all_tokens(http: httpx2.Client) -> None:
    usage = http.post("/v1/embeddings", json={"input": [[20, 21], [22]]}).json()["usage"]
    assert usage == {"prompt_tokens": 3, "total_tokens": 3}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": [20] * 2000}, "input"),
        ({"input": [99_999]}, "input"),
        ({"input": "x", "dimensions": 3}, "dimensions"),
        ({"input": "x", "encoding_format": "int8"}, "encoding_format"),
        ({}, "input"),
    ],
)
def test_what_cannot_be_done_names_its_field(http: httpx2.Client, body: dict[str, Any], param: str) -> None:
    answer = http.post("/v1/embeddings", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
