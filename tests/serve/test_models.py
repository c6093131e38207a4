"""Which models there are."""

import httpx2
import pytest


def test_all_models_are_told_the_champion_first(http: httpx2.Client) -> None:
    found = http.get("/v1/models").json()
    assert [model["id"] for model in found["data"]] == ["assistant", "base"]
    assert found["data"][0]["aliases"] == ["eyas", "champion"]
    assert (found["first_id"], found["last_id"]) == ("assistant", "base")
    assert all(model["object"] == "model" and model["created"] > 1_600_000_000 for model in found["data"])


@pytest.mark.parametrize(("name", "meant"), [("base", "base"), ("eyas", "assistant"), ("champion", "assistant")])
def test_a_model_by_name_or_alias(http: httpx2.Client, name: str, meant: str) -> None:
    model = http.get(f"/v1/models/{name}").json()
    assert (model["id"], model["display_name"]) == (name, meant)


def test_an_unknown_model_is_a_404_that_names_those_there_are(http: httpx2.Client) -> None:
    answer = http.get("/v1/models/gpt-4")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
    assert "assistant, base" in answer.json()["error"]["message"]


def test_the_server_is_well(http: httpx2.Client) -> None:
    assert http.get("/health").json() == {"status": "ok"}
