"""Moving the rows of a head changes how they are written, not what they compute."""

import numpy as np
import pytest

from eyas.runtime.rotary import to_halves, to_neighbours, turned
from tests.runtime.foreign import shape


def test_halves_and_neighbours_are_each_others_inverse() -> None:
    rows = np.arange(2 * 6 * 3).reshape(12, 3)
    assert to_neighbours(rows[:, 0], 2).tolist() == [0, 9, 3, 12, 6, 15, 18, 27, 21, 30, 24, 33]
    assert (to_halves(to_neighbours(rows, 2), 2) == rows).all()
    assert (to_neighbours(to_halves(rows, 2), 2) == rows).all()


@pytest.mark.parametrize(
    ("name", "rows", "moves"),
    [
        ("q_proj.weight", 64, True),
        ("k_proj.bias", 32, True),
        ("v_proj.weight", 32, False),
        ("o_proj.weight", 64, False),
    ],
)
def test_only_queries_and_keys_move(name: str, rows: int, moves: bool) -> None:
    values = np.arange(rows * 2).reshape(rows, 2)
    moved = turned(values, f"model.layers.0.self_attn.{name}", shape("llama", 300), to_neighbours)
    assert (not np.array_equal(moved, values)) == moves
