"""Runs of several lengths from one training: a trunk at the full rate, and from it a branch down to each length.

A run of `steps` steps holds its rate until `branch_at(steps)`, and so does every longer one: they are the same run so
far (Hu et al. 2024, arXiv:2404.06395). A branch takes up the trunk's checkpoint, and ends bit for bit as a run of its
length alone. Killed at any moment, the same call goes on.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from torch import nn

from eyas.files import folder_atomic
from eyas.scaling.plan import branch_at
from eyas.train.checkpoint import checkpoint_path
from eyas.train.objectives import language_loss
from eyas.train.schedule import load_plan, save_plan
from eyas.train.trainer import Batches, TrainConfig, TrainResult, train
from eyas.train.validation import Evaluate

_PLAN = "plan.json"


def train_lengths(
    model: nn.Module, batches: Batches, evaluate: Evaluate, config: TrainConfig, lengths: list[int], folder: Path
) -> Iterator[tuple[int, TrainResult]]:
    """Train `model` to each of `lengths` (steps, ascending), and give each run's length and what it came to.

    `folder` holds what a killed call needs; a run's part goes when the next is asked for, the whole after the last.
    `config` says how to train, but for the number of steps. Raises EyasError as `train` does.
    """
    trunk = folder / "trunk"
    for steps in lengths:
        branch, start = folder / f"branch-{steps}", branch_at(steps)
        if not branch.exists():
            if (trunk / _PLAN).exists():
                save_plan(trunk / _PLAN, replace(load_plan(trunk / _PLAN), end=start))
            train(model, batches, language_loss, replace(config, steps=start, decay=0.0), trunk)
            with folder_atomic(branch) as beside:
                shutil.copy(checkpoint_path(trunk, start), beside)
                save_plan(beside / _PLAN, load_plan(trunk / _PLAN).finish(start, steps, config.final))
        yield steps, train(model, batches, language_loss, replace(config, steps=steps), branch, evaluate=evaluate)
        shutil.rmtree(branch)
    shutil.rmtree(folder)
