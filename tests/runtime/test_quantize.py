"""Fewer bits: what `gguf` reads back is near what was written, and the scale search pays."""

import numpy as np
import pytest
from gguf import dequantize, quantize
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eyas.runtime.quantize import TYPES, best_q4_0, encoded

NORMAL = np.random.default_rng(0).normal(size=(64, 256)).astype(np.float32)


def back(values: np.ndarray, kind: str) -> np.ndarray:
    return np.asarray(dequantize(encoded(values, kind), TYPES[kind]))


@pytest.mark.parametrize(("kind", "bits"), [("f32", 32), ("f16", 16), ("bf16", 16), ("q8_0", 8.5), ("q4_0", 4.5)])
def test_a_type_takes_its_bits(kind: str, bits: float) -> None:
    assert encoded(NORMAL, kind).nbytes * 8 == bits * NORMAL.size


def test_f32_is_exact_and_the_halves_are_where_they_can_be() -> None:
    assert (back(NORMAL, "f32") == NORMAL).all()
    assert (back(NORMAL.astype(np.float16).astype(np.float32), "f16") == NORMAL.astype(np.float16)).all()
    coarse = (NORMAL.view(np.uint32) & 0xFFFF0000).view(np.float32)
    assert (back(coarse, "bf16") == coarse).all()


def test_the_search_for_scales_loses_a_tenth_less_than_the_usual_scale() -> None:
    usual = np.square(dequantize(quantize(NORMAL, TYPES["q4_0"]), TYPES["q4_0"]) - NORMAL).mean()
    ours = np.square(back(NORMAL, "q4_0") - NORMAL).mean()
    assert ours < 0.9 * usual


@given(arrays(np.float32, (2, 64), elements=st.floats(-100, 100, width=32)))
def test_the_search_is_never_worse_in_any_block(values: np.ndarray) -> None:
    def errors(made: np.ndarray) -> np.ndarray:
        wide = np.asarray(dequantize(made, TYPES["q4_0"]), dtype=np.float64)
        return np.square(wide - values).reshape(4, 32).sum(1)

    with np.errstate(all="ignore"):
        usual = quantize(values, TYPES["q4_0"])
    largest = np.abs(values).reshape(4, 32).max(1)
    assert (errors(best_q4_0(values)) <= errors(usual) + 1e-4 * largest**2 + 1e-9).all()


def test_what_the_levels_hold_exactly_stays() -> None:
    levels = np.tile(np.arange(-8, 8, dtype=np.float32), (3, 4)) * np.float32(0.25)
    assert (back(levels, "q4_0") == levels).all()
    assert (back(np.zeros((2, 32), np.float32), "q4_0") == 0).all()
