"""Which runs tell a law within a budget of minutes: a grid over sizes and lengths, and the larger run to predict.

Sizes N_i and budgets C_k grow by one ratio, and size i is trained with the budgets C_i, C_(i+1), ... up to the largest:
over N and D half a grid, whose diagonals are budgets that several sizes share, as parabolas want it. The other half,
large models that read much, would take nearly all of the time, and both axes would be shorter for it. They begin at the
least that trains soundly, and the ratio is the largest that the minutes pay for.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict

from eyas.errors import EyasError
from eyas.model.config import Arch
from eyas.train.pretrain import PretrainConfig

LEVELS = 6  # sizes, and lengths of the smallest one
BUDGETS = LEVELS + 1  # three of them are shared by five sizes or more
LEAST_LENGTHS = 3  # of the smallest size, where the data ends early
REPEATED = 2  # of the sizes, the smallest ones: trained with a second seed, to see how far luck goes
LEAST_STEPS = 128  # of the shortest run, three times the warm-up
NARROWEST, WIDEST = 0.4, 2.0  # decades that an axis spans
HIGHEST = 4.0  # beyond WIDEST the grid moves up as a whole
FINENESS = 0.02  # decades between the grids that are tried
AHEAD = 8.0  # compute of the run to predict, in times the largest of the grid
DECAY = float(PretrainConfig.model_fields["decay"].default)  # last share of a run, in which the rate falls
EVALUATION = 32  # batches of held-out text that end a run; a forward pass is a third of a step


class Training(BaseModel):
    """A model that is trained once and finished at several numbers of steps (ascending)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    arch: Arch
    size: str
    seed: int
    steps: tuple[int, ...]


class Grid(BaseModel):
    """The trainings of one kind of network, cheapest first, and the run to predict; each with its seconds, expected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arch: Arch
    trainings: tuple[Training, ...]
    seconds: float
    ahead: Training
    seconds_ahead: float


class Speed(BaseModel):
    """Seconds of a step as a line in its FLOPs, and the seconds that it takes to compile a size (0 for not)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a_step: float
    a_flop: float
    a_size: float

    @property
    def compiles(self) -> bool:
        """Whether training is compiled."""
        return self.a_size > 0

    def seconds(self, flops: float, steps: int) -> float:
        """Seconds of `steps` steps of `flops` each, compiling included."""
        return self.a_size + steps * (self.a_step + self.a_flop * flops)


class Plan(BaseModel):
    """The grids of all kinds of networks; `tokens` are to be read from the sources for all of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["eyas scale plan 1"] = "eyas scale plan 1"
    speeds: dict[Arch, Speed]
    seconds: float
    tokens: int
    grids: tuple[Grid, ...]

    @property
    def longest(self) -> int:
        """Steps of the longest run."""
        return max(grid.ahead.steps[-1] for grid in self.grids)


def branch_at(steps: int) -> int:
    """The step until which longer runs are the same run: there the rate of a run of `steps` begins to fall."""
    return round(steps * (1 - DECAY))


def steps_trained(lengths: tuple[int, ...]) -> int:
    """Steps to take for runs of `lengths` (ascending) that share their trunk, evaluations counted as steps."""
    return branch_at(lengths[-1]) + sum(steps - branch_at(steps) + EVALUATION // 3 for steps in lengths)


@dataclass(frozen=True)
class Kind:
    """A kind of network: the FLOPs of its step for a size such as "0.3m", and how fast it trains here."""

    arch: Arch
    flops: Callable[[str], float]
    speed: Speed


def plan_grids(
    kinds: Sequence[Kind], least: float, seconds: float, seed: int, most_steps: float = float("inf")
) -> tuple[Grid, ...]:
    """The widest grids of `kinds` that train in `seconds` together, no run of them longer than `most_steps`.

    All span alike, so that their laws are of the same sizes and comparable budgets, and who is slow gets more of the
    time. Sizes begin at `least` parameters. Raises EyasError, and says what would do, when even the narrowest take
    longer or read more.
    """
    counted = [replace(kind, flops=cache(kind.flops)) for kind in kinds]

    @cache
    def grids(index: int) -> tuple[Grid, ...] | None:
        found = [_grid(kind, least, NARROWEST + index * FINENESS, seed, most_steps) for kind in counted]
        whole = tuple(one for one in found if one is not None)
        return whole if len(whole) == len(found) else None

    def cost(index: int) -> float:
        found = grids(index)
        return sum(one.seconds for one in found) if found is not None else float("inf")

    fitting = bisect_right(range(round((HIGHEST - NARROWEST) / FINENESS) + 1), seconds, key=cost)
    if grids(0) is None:
        raise EyasError(f"--data holds {most_steps:,.0f} batches of text seen once, too few for a grid; give more")
    if not fitting or (found := grids(fitting - 1)) is None:
        names = " and ".join(kind.arch for kind in kinds)
        raise EyasError(
            f"--budget: the narrowest grid of {names} trains for {cost(0) / 60:.1f} minutes here, and "
            f"{max(0.0, seconds) / 60:.1f} are left for it; give more minutes, or a smaller --vocab-size or --context"
        )
    return found


def _grid(kind: Kind, least: float, decades: float, seed: int, most_steps: float) -> Grid | None:
    """The grid whose axes span `decades`; None when too few of its lengths fit the data."""
    arch, flops, speed = kind.arch, kind.flops, kind.speed
    ratio = 10 ** (min(decades, WIDEST) / (LEVELS - 1))
    up = 10 ** max(0.0, decades - WIDEST)
    sizes = [_size(least * up * ratio**level) for level in range(LEVELS)]
    shortest = LEAST_STEPS * up * flops(sizes[0])
    trainings = []
    for level, size in enumerate(sizes):
        budgets = (shortest * ratio**k for k in range(level, min(level + LEVELS, BUDGETS)))
        steps = tuple(one for budget in budgets if (one := round(budget / flops(size))) <= most_steps)
        for again in range(2 if level < REPEATED else 1):
            name = f"{arch}-{size}-seed{seed + again}"
            trainings.append(Training(name=name, arch=arch, size=size, seed=seed + again, steps=steps))
    if len(trainings[0].steps) < LEAST_LENGTHS or not trainings[-1].steps:
        return None
    seconds = sum(speed.seconds(flops(one.size), steps_trained(one.steps)) for one in trainings)
    largest = max(flops(one.size) * one.steps[-1] for one in trainings)
    ahead = _ahead(trainings[-LEVELS // 2], AHEAD * largest, flops, most_steps)
    return Grid(
        arch=arch, trainings=tuple(trainings), seconds=seconds, ahead=ahead,
        seconds_ahead=speed.seconds(flops(ahead.size), ahead.steps[-1]),
    )  # fmt: skip


def _ahead(middle: Training, budget: float, flops: Callable[[str], float], most_steps: float) -> Training:
    """The run of `budget` FLOPs whose share of parameters is that of a `middle` size, or larger where the data ends."""
    times = budget / flops(middle.size)  # parameters times steps, in those of the middle size
    wanted = min((times * middle.steps[-1]) ** 0.5, most_steps)
    size = _size(float(middle.size.removesuffix("m")) * 1e6 * times / wanted)
    steps = int(min(round(budget / flops(size)), most_steps))
    return Training(name=f"{middle.arch}-{size}-ahead", arch=middle.arch, size=size, seed=middle.seed, steps=(steps,))


def _size(parameters: float) -> str:
    """`0.345m`: as `--size` takes it."""
    return f"{parameters / 1e6:.3g}m"
