"""How fast a network trains here: some steps of it on rows of chance, which take as long as steps on text."""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from eyas.model.network import Network
from eyas.train.objectives import Batch, language_loss
from eyas.train.trainer import TrainConfig, opened

WARMING, TIMED = 2, 6  # steps
ENOUGH = 10.0  # seconds, after which one timed step will do


class ChanceRows:
    """The same rows of random ids in every batch."""

    def __init__(self, vocab_size: int, rows: int, length: int) -> None:
        ids = torch.randint(0, vocab_size, (rows, length), generator=torch.Generator().manual_seed(0))
        self.same: Batch = {"tokens": ids, "targets": ids, "doc_ids": torch.zeros_like(ids, dtype=torch.int32)}

    def batch(self, step: int) -> Batch:
        return self.same


def time_steps(model: Network, shape: tuple[int, int], config: TrainConfig) -> tuple[float, float]:
    """Seconds of a step on batches of `shape` (rows, length), and those of compiling; `model` is trained by it.

    The compiled code is kept: a run of the same shapes need not wait for it.
    """
    batches = ChanceRows(model.config.vocab_size, *shape)
    with (
        TemporaryDirectory() as folder,
        opened(model, batches, language_loss, config, Path(folder)) as run,
    ):
        for _ in range(WARMING + TIMED):
            run.step()
            if len(run.step_seconds) > WARMING and sum(run.step_seconds) > ENOUGH:
                break
        return statistics.median(list(run.step_seconds)[WARMING:]), run.state.compile_seconds
