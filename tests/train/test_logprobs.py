from collections.abc import Callable

import pytest
import torch

from eyas.model.transformer import Transformer
from eyas.train import logprobs
from eyas.train.logprobs import sequence_logprobs, token_logprobs
from eyas.train.objectives import IGNORED


@pytest.mark.parametrize("chunk_elements", [2**22, 64 * 5])
def test_token_logprobs_and_their_gradients_equal_log_softmax(
    chunk_elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logprobs, "CHUNK_ELEMENTS", chunk_elements)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(23, 8, generator=generator, requires_grad=True)
    weight = torch.randn(64, 8, generator=generator, requires_grad=True)
    targets = torch.randint(0, 64, (23,), generator=generator)
    pull = torch.randn(23, generator=generator)
    found = token_logprobs(hidden, weight, targets)
    wanted = torch.log_softmax(hidden @ weight.T, -1).gather(1, targets[:, None]).squeeze(1)
    assert torch.allclose(found, wanted, atol=1e-5)
    mine = torch.autograd.grad((found * pull).sum(), (hidden, weight))
    theirs = torch.autograd.grad((wanted * pull).sum(), (hidden, weight))
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(mine, theirs, strict=True))


def test_sequences_of_one_row_are_summed_apart(tiny: Callable[[], Transformer]) -> None:
    model = tiny()
    ids = torch.arange(1, 11)
    batch = {
        "tokens": torch.cat((ids[:6], ids[:4], torch.zeros(6, dtype=torch.int64))).view(1, 16),
        "targets": torch.full((1, 16), IGNORED),
        "doc_ids": torch.tensor([[0] * 6 + [1] * 4 + [2] * 6]),
        "sequence": torch.tensor([[1] * 6 + [0] * 10]),
        "reference": torch.zeros(2),
    }
    batch["targets"][0, 2:5] = ids[3:6]
    batch["targets"][0, 7:9] = ids[2:4]
    sums, lengths = sequence_logprobs(model, batch)
    with torch.no_grad():
        alone = torch.log_softmax(model(ids[None, :6]), -1)[0]
    assert lengths.tolist() == [2, 3]
    assert sums[1].item() == pytest.approx(sum(alone[at, ids[at + 1]].item() for at in (2, 3, 4)), rel=1e-4)
    assert sums[0].item() == pytest.approx(sum(alone[at, ids[at + 1]].item() for at in (1, 2)), rel=1e-4)
