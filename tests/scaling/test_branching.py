"""Branches of one training are the runs of their lengths, whatever stopped them in between."""

from pathlib import Path

import pytest
import torch

from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.scaling.branching import train_lengths
from eyas.train.objectives import language_loss
from eyas.train.trainer import TrainConfig, train
from tests.train.conftest import LENGTH, VOCAB, Counting

CONFIG = TrainConfig(steps=1, warmup=4, decay=0.5, compile="off", precision="fp32")


def fresh() -> Transformer:
    model = Transformer(ModelConfig(VOCAB, 2, 32, 1, 1, 32, 64, LENGTH))
    model.init_weights(0)
    return model


def weights(model: torch.nn.Module) -> dict[str, float]:
    """Evaluation that tells a bit-exact copy from any other model."""
    return {name: float(p.detach().double().sum()) for name, p in model.named_parameters()}


def alone(steps: int, folder: Path) -> dict[str, float]:
    config = TrainConfig(**{**CONFIG.__dict__, "steps": steps})
    return train(fresh(), Counting(), language_loss, config, folder, evaluate=weights).figures


class Stopping(Counting):
    """Rows that break off at one step, once."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        if step == self.at:
            self.at = -1
            raise KeyboardInterrupt
        return super().batch(step)


@pytest.mark.parametrize("stopped_at", [9, 17])  # in the first branch, and in the second
def test_branches_equal_runs_of_their_own_whatever_stops_them(tmp_path: Path, stopped_at: int) -> None:
    batches = Stopping(stopped_at)
    found: dict[int, dict[str, float]] = {}

    def go_on() -> None:
        left = [steps for steps in (12, 20) if steps not in found]
        for steps, result in train_lengths(fresh(), batches, weights, CONFIG, left, tmp_path / "runs"):
            found[steps] = result.figures

    with pytest.raises(KeyboardInterrupt):
        go_on()
    go_on()
    assert found == {12: alone(12, tmp_path / "12"), 20: alone(20, tmp_path / "20")}
    assert not (tmp_path / "runs").exists()
