"""The head's softmax in C is the textbook's, in place, for rows of any width."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.model.softmax import exponentials_, kernels

pytestmark = pytest.mark.skipif(kernels() is None, reason="no C compiler on this machine")


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 9),
    width=st.integers(1, 70),
    scale=st.sampled_from([0.0, 1.0, 10.0, 300.0]),
    seed=st.integers(0, 99),
)
def test_terms_and_sums_are_those_of_the_textbook(rows: int, width: int, scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = (torch.randn(rows, width, generator=generator) * scale).bfloat16()
    room = torch.cat((torch.full((40,), 7.0), logits.flatten(), torch.full((40,), 7.0))).bfloat16()
    terms = room[40:-40].view(rows, width)
    top, sums = exponentials_(terms)
    exact = (logits.double() - logits.double().amax(-1, keepdim=True)).exp()
    assert torch.equal(top, logits.float().amax(-1, keepdim=True))
    torch.testing.assert_close(sums.double(), exact.sum(-1, keepdim=True), atol=0, rtol=5e-6)
    torch.testing.assert_close(terms.double(), exact, atol=1e-37, rtol=2**-8)
    assert (room[:40] == 7).all() and (room[-40:] == 7).all(), "it wrote beside its rows"


def test_what_is_no_number_is_seen_in_the_sum_of_its_row_alone() -> None:
    logits = torch.zeros(3, 50, dtype=torch.bfloat16)
    logits[1, 20], logits[2, 49] = torch.nan, -torch.inf
    _, sums = exponentials_(logits)
    assert sums[1].isnan() and sums[0] == 50 and sums[2] == 49


def test_any_number_of_threads_gives_the_same_bits() -> None:
    logits = torch.randn(33, 4096, generator=torch.Generator().manual_seed(0)).bfloat16()
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            terms = logits.clone()
            found.append((*exponentials_(terms), terms))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        assert all(map(torch.equal, other, found[0]))
