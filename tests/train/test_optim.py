from collections.abc import Callable
from typing import Any

import pytest
import torch

from eyas.errors import EyasError
from eyas.model.transformer import Transformer
from eyas.train.objectives import language_loss
from eyas.train.optim import OptimConfig, Optimizer, orthogonalise


def _with_spectrum(shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """(matrices with singular values from 0.05 to 1, the semi-orthogonal matrices nearest to them)."""
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=torch.Generator().manual_seed(0)), full_matrices=False)
    return u * torch.linspace(0.05, 1, u.shape[2]) @ v, u @ v


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 16, 48), (2, 48, 16)])
def test_singular_values_come_near_one_and_their_vectors_stay(shape: tuple[int, int, int]) -> None:
    matrices, nearest = _with_spectrum(shape)
    found = orthogonalise(matrices).float()
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.7 and values.max() < 1.4
    assert (found - nearest).norm() < 0.2 * nearest.norm()
    assert torch.allclose(orthogonalise(1024 * matrices).float(), found, atol=0.02)


def test_zero_gradient_is_no_division_by_zero() -> None:
    assert torch.isfinite(orthogonalise(torch.zeros(2, 8, 8))).all()


def _trained(model: Transformer, optimizer: Optimizer, batches: Any, steps: range) -> float:
    loss = torch.tensor(0.0)
    for step in steps:
        loss, _ = language_loss(model, batches.batch(step))
        loss.backward()
        optimizer.step(1.0)
        optimizer.zero_grad()
    return float(loss.detach())


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_both_optimizers_learn(kind: str, tiny: Callable[[], Transformer], counting: Any) -> None:
    model = tiny()
    loss = _trained(model, Optimizer(model, OptimConfig(kind)), counting, range(60))
    assert loss < 1.5  # log 64 is 4.2


def test_muon_takes_the_block_matrices_and_nothing_else(tiny: Callable[[], Transformer]) -> None:
    model = tiny()
    optimizer = Optimizer(model, OptimConfig())
    counts = {name: t.shape[0] for name, t in optimizer.state().items() if name.startswith("muon")}
    # Two layers: query, key, value and output are 32 x 32; gate and up 64 x 32; down 32 x 64.
    assert counts == {"muon.32x32": 8, "muon.64x32": 4, "muon.32x64": 2}
    assert {name for name in optimizer.state() if name.startswith("adamw.mean")} == {
        f"adamw.mean.{name}" for name, _ in model.named_parameters() if "norm" in name or "embed" in name
    }


def test_fused_matrices_are_orthogonalised_part_by_part(tiny: Callable[[], Transformer]) -> None:
    model = tiny()
    qkv = model.blocks[0].qkv.weight
    before = qkv.detach().clone()
    generator = torch.Generator().manual_seed(0)
    for p in model.parameters():
        p.grad = torch.randn(p.shape, generator=generator)
    Optimizer(model, OptimConfig(weight_decay=0.0, matrix_lr=1.0)).step(1.0)
    for part in (before - qkv.detach()).split(32):
        values = torch.linalg.svdvals(part)
        assert values.max() < 1.4
        assert values.median() > 0.7  # orthogonalised as one matrix of 96 rows, a part would have about 0.58


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_state_carries_a_run_over_bit_for_bit(kind: str, tiny: Callable[[], Transformer], counting: Any) -> None:
    whole = tiny()
    _trained(whole, Optimizer(whole, OptimConfig(kind)), counting, range(6))
    first = tiny()
    optimizer = Optimizer(first, OptimConfig(kind))
    _trained(first, optimizer, counting, range(3))
    state = {name: tensor.clone() for name, tensor in optimizer.state().items()}
    second = tiny()
    second.load_state_dict(first.state_dict())
    resumed = Optimizer(second, OptimConfig(kind))
    resumed.load(state)
    _trained(second, resumed, counting, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_state_of_another_model_is_refused(tiny: Callable[[], Transformer]) -> None:
    model = tiny()
    with pytest.raises(EyasError, match="another run"):
        Optimizer(model, OptimConfig()).load({"muon.32x32": torch.zeros(3, 32, 32)})


def test_unknown_optimizer_is_named(tiny: Callable[[], Transformer]) -> None:
    with pytest.raises(EyasError, match="--optimizer sgd"):
        Optimizer(tiny(), OptimConfig("sgd"))
