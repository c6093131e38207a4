"""How fast networks train here: a few steps of two sizes, from which the time of any other is a line in its FLOPs."""

import statistics
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from eyas.scaling.plan import Speed
from eyas.train.objectives import Batch, language_loss
from eyas.train.trainer import TrainConfig, opened

APART = 8.0  # times the parameters of the smaller size
WARMING, TIMED = 2, 6  # steps


class _Anything:
    """Rows of random ids: a step takes as long as on text."""

    def __init__(self, vocab_size: int, rows: int, length: int) -> None:
        ids = torch.randint(0, vocab_size, (rows, length), generator=torch.Generator().manual_seed(0))
        self.same: Batch = {"tokens": ids, "targets": ids, "doc_ids": torch.zeros_like(ids, dtype=torch.int32)}

    def batch(self, step: int) -> Batch:
        return self.same


def measure_speed(
    make: Callable[[str], nn.Module], least: float, vocab_size: int, shape: tuple[int, int], config: TrainConfig
) -> Speed:
    """Seconds of a step of the models that `make` gives for a size, from `least` parameters on.

    `shape` is (rows, length) of a batch; `config` says how to train, but for the number of steps.
    """
    batches = _Anything(vocab_size, *shape)
    seconds, flops, compiling = [], [], []
    for parameters in (least, APART * least):
        model: Any = make(f"{parameters / 1e6:.3g}m")
        with TemporaryDirectory() as folder:
            steps, setup = _time(model, batches, config, Path(folder))
        seconds.append(steps)
        compiling.append(setup)
        flops.append(model.config.flops_per_token(shape[1]) * shape[0] * shape[1])
    a_flop = max(0.0, (seconds[1] - seconds[0]) / (flops[1] - flops[0]))
    return Speed(a_step=max(0.0, seconds[0] - a_flop * flops[0]), a_flop=a_flop, a_size=statistics.fmean(compiling))


def _time(model: nn.Module, batches: _Anything, config: TrainConfig, folder: Path) -> tuple[float, float]:
    """Seconds of a step, and those of compiling."""
    with opened(model, batches, language_loss, config, folder) as run:
        for _ in range(WARMING + TIMED):
            run.step()
        return statistics.median(list(run.step_seconds)[WARMING:]), run.state.compile_seconds
