"""The circuit a model is born with: it copies before any training, in every shape that has room for it."""

import dataclasses

import pytest
import torch

from eyas.model.config import ModelConfig
from eyas.model.induction import Subspaces
from eyas.model.transformer import Transformer, rope_tables


def _right(config: ModelConfig, length: int = 50) -> float:
    """Share of the tokens of a random row's repetition that a fresh model of `config` ranks first."""
    model = Transformer(config)
    model.init_weights(0)
    once = torch.randint(0, config.vocab_size, (8, length), generator=torch.Generator().manual_seed(1))
    row = torch.cat((once, once), 1)
    with torch.no_grad():
        guessed = model(row)[:, length:-1].argmax(-1)
    return float((guessed == row[:, length + 1 :]).float().mean())


@pytest.mark.parametrize("size", ["1m", "3m", "15m"])
@pytest.mark.parametrize("qk_norm", [True, False])
def test_a_fresh_model_repeats_what_it_has_seen(size: str, qk_norm: bool) -> None:
    assert _right(dataclasses.replace(ModelConfig.from_size(size), qk_norm=qk_norm)) > 0.8


def test_grouped_key_heads_carry_the_circuit_too() -> None:
    config = dataclasses.replace(ModelConfig.from_size("3m"), n_head=6, n_kv_head=2)
    assert _right(config) > 0.8


def _after(config: ModelConfig, row: list[int]) -> int:
    model = Transformer(config)
    model.init_weights(0)
    with torch.no_grad():
        return int(model(torch.tensor([row]))[0, -1].argmax())


def test_two_tokens_of_context_decide_where_one_is_ambiguous() -> None:
    """As with digits: after 1 7 comes 5, after 4 7 comes 9."""
    config = ModelConfig.from_size("1m")
    one, four, seven, five, nine = 11, 14, 17, 15, 19
    noise = [300, 301, 302, 303]
    row = [*noise, one, seven, five, *noise[::-1], four, seven, nine, 500, 501]
    assert _after(config, [*row, one, seven]) == five
    assert _after(config, [*row, four, seven]) == nine


def test_models_without_room_for_the_circuit_are_made_without_it() -> None:
    shape = ModelConfig.from_size("1m")
    for change in ({"n_layer": 1}, {"n_head": 1, "n_kv_head": 1}):
        assert _right(dataclasses.replace(shape, **change)) < 0.05  # type: ignore[arg-type]
    assert _right(dataclasses.replace(shape, tie_embeddings=True)) < 0.05


def test_the_subspaces_are_orthonormal_and_fill_the_stream() -> None:
    config = ModelConfig.from_size("3m")
    spaces = Subspaces(config.n_embd, rope_tables(config)[0], torch.Generator().manual_seed(0))
    basis = torch.cat(
        (spaces.common[None], spaces.content, spaces.previous, spaces.second, spaces.proposed, spaces.rest)
    )
    assert basis.shape == (config.n_embd, config.n_embd)
    torch.testing.assert_close(basis @ basis.T, torch.eye(config.n_embd), atol=1e-5, rtol=0)
    assert len(spaces.slow) == len(spaces.content) == 2 * len(spaces.previous) and max(spaces.slow) < config.head_dim
