"""How fast networks train here: a few steps of two sizes, from which the time of any other is a line in its FLOPs."""

import statistics
from collections.abc import Callable

from eyas.model.network import Network
from eyas.scaling.plan import Speed
from eyas.train.speed import time_steps
from eyas.train.trainer import TrainConfig

APART = 8.0  # times the parameters of the smaller size


def measure_speed(make: Callable[[str], Network], least: float, shape: tuple[int, int], config: TrainConfig) -> Speed:
    """Seconds of a step of the models that `make` gives for a size, from `least` parameters on.

    `shape` is (rows, length) of a batch; `config` says how to train, but for the number of steps.
    """
    seconds, flops, compiling = [], [], []
    for parameters in (least, APART * least):
        model = make(f"{parameters / 1e6:.3g}m")
        steps, setup = time_steps(model, shape, config)
        seconds.append(steps)
        compiling.append(setup)
        flops.append(model.config.flops_per_token(shape[1]) * shape[0] * shape[1])
    a_flop = max(0.0, (seconds[1] - seconds[0]) / (flops[1] - flops[0]))
    return Speed(a_step=max(0.0, seconds[0] - a_flop * flops[0]), a_flop=a_flop, a_size=statistics.fmean(compiling))
