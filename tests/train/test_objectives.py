from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from eyas.model.attention import causal_attention
from eyas.model.transformer import Transformer, additive, document_mask
from eyas.train import objectives
from eyas.train.objectives import IGNORED, head_loss, language_loss


@pytest.mark.parametrize("chunk_elements", [2**22, 64 * 5])
def test_head_loss_and_its_gradients_equal_cross_entropy(chunk_elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objectives, "CHUNK_ELEMENTS", chunk_elements)
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(23, 8, generator=generator, requires_grad=True)
    weight = torch.randn(64, 8, generator=generator, requires_grad=True)
    targets = torch.randint(0, 64, (23,), generator=generator)
    targets[::4] = IGNORED
    total, count = head_loss(hidden, weight, targets)
    found = torch.autograd.grad(total, (hidden, weight))
    reference = F.cross_entropy(hidden @ weight.T, targets, ignore_index=IGNORED, reduction="sum")
    wanted = torch.autograd.grad(reference, (hidden, weight))
    assert count == int((targets != IGNORED).sum())
    assert torch.allclose(total, reference, rtol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, wanted, strict=True))


def test_loss_without_gradients_is_the_same(tiny: Callable[[], Transformer], counting: Any) -> None:
    model, batch = tiny(), counting.batch(0)
    loss, _ = language_loss(model, batch)
    with torch.no_grad():
        again, _ = language_loss(model, batch)
    assert torch.allclose(loss, again, rtol=1e-6)


def test_gradient_of_a_nearly_certain_target_survives_bf16() -> None:
    hidden = torch.tensor([[1.0]], requires_grad=True)
    weight = torch.tensor([[6.0], [0.0]], requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        total, _ = head_loss(hidden, weight, torch.tensor([0]))
    total.backward()
    certain = torch.softmax(torch.tensor([6.0, 0.0]), 0)[0]
    assert weight.grad is not None
    assert weight.grad[0].item() == pytest.approx(float(certain - 1), rel=0.01)


@pytest.mark.parametrize("compiler", [True, False])
def test_head_loss_in_bf16_is_cross_entropy_with_and_without_a_compiler(
    compiler: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiler:
        monkeypatch.setattr(objectives.softmax, "kernels", lambda: None)
    elif objectives.softmax.kernels() is None:
        pytest.skip("no C compiler on this machine")
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(50, 32, generator=generator).requires_grad_()
    weight = torch.randn(77, 32, generator=generator).requires_grad_()
    targets = torch.randint(77, (50,), generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = head_loss(hidden, weight, targets)
    exact = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    torch.testing.assert_close(found, exact, rtol=3e-3, atol=0)
    pairs = zip(torch.autograd.grad(found, (hidden, weight)), torch.autograd.grad(exact, (hidden, weight)), strict=True)
    for mine, wanted in pairs:
        torch.testing.assert_close(mine, wanted, rtol=0, atol=0.02 * float(wanted.abs().max()))


def test_batch_without_any_target_moves_nothing(tiny: Callable[[], Transformer], counting: Any) -> None:
    model, batch = tiny(), counting.batch(0)
    batch["targets"].fill_(IGNORED)
    loss, metrics = language_loss(model, batch)
    loss.backward()
    assert float(loss.detach()) == 0 and metrics["weight"] == 0
    assert all(p.grad is not None and bool((p.grad == 0).all()) for p in model.parameters())


def test_masked_targets_have_no_influence(tiny: Callable[[], Transformer], counting: Any) -> None:
    model, batch = tiny(), counting.batch(0)
    batch["targets"][:, 8:] = IGNORED
    loss, _ = language_loss(model, batch)
    changed = dict(batch, tokens=batch["tokens"].clone())
    changed["tokens"][:, 9:] = 0
    assert torch.equal(loss, language_loss(model, changed)[0])


@pytest.mark.parametrize("length", [16, 300])
def test_attention_for_training_equals_the_textbook(length: int) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v, g = (torch.randn(2, 2, length, 8, generator=generator, dtype=torch.float64) for _ in range(4))
    doc_ids = torch.arange(length).div(7, rounding_mode="floor").expand(2, length)
    allowed = document_mask(doc_ids)
    inputs = [nn.Parameter(x) for x in (q, k, v)]
    found = causal_attention(*inputs, additive(allowed))
    wanted = F.scaled_dot_product_attention(*inputs, attn_mask=allowed)
    assert torch.allclose(found, wanted, atol=1e-6)
    pairs = zip(torch.autograd.grad(found, inputs, g), torch.autograd.grad(wanted, inputs, g), strict=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)
