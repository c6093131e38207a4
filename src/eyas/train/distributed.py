"""One process or several under torchrun: who am I, one agreement a step, and the model wrapped for shared gradients."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from eyas.train.objectives import Batch, Metrics, Objective


class Loss(nn.Module):
    """An objective as a module, the shape in which DistributedDataParallel takes a model."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, batch: Batch) -> tuple[Tensor, Metrics]:
        return self.objective(self.model, batch)


@dataclass(frozen=True)
class Ranks:
    """The processes of one run: this one's number and how many there are."""

    rank: int = 0
    world: int = 1

    @classmethod
    @contextmanager
    def join(cls) -> Iterator[Self]:
        """Join the processes torchrun started (gloo on CPU, NCCL on CUDA); alone when it did not start this one."""
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            yield cls()
            return
        mine = not dist.is_initialized()
        if mine:
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        try:
            yield cls(dist.get_rank(), world)
        finally:
            if mine:
                dist.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def share(self, loss: Loss, device: torch.device) -> nn.Module:
        """`loss` such that backward averages gradients over all processes."""
        if self.world == 1:
            return loss
        ids = [device.index] if device.type == "cuda" else None
        return cast(nn.Module, nn.parallel.DistributedDataParallel(loss, device_ids=ids))

    def total(self, values: list[float], device: torch.device) -> list[float]:
        """The sums of `values` over all processes; every process gets the same bits."""
        if self.world == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(tensor)
        return cast(list[float], tensor.tolist())

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.world > 1:
            dist.barrier()
