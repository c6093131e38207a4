"""The stage `eyas scale run`: plan a grid for the minutes there are, train it, fit the law, predict a larger run.

All of it lies in `LIFE/scale/`: settings, tokenizer, text, `plan.json`, a row of `runs.csv` for each run, `law.json`,
for each kind of network the prediction of a run of 8 times the compute and, where there are several, how far back the
largest run remembers. Killed at any moment, the same call goes on.
"""

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from eyas.model.config import Arch
from eyas.progress import Progress, duration
from eyas.scaling import measure, predict
from eyas.scaling.ground import STEPS, Ground
from eyas.scaling.memory import Memory, read_memories
from eyas.scaling.plan import Grid, Kind, Plan, Speed, plan_grids
from eyas.scaling.settings import ARCH, GridConfig
from eyas.scaling.speed import measure_speed
from eyas.scaling.table import COUNTINGS, LOSS, RUN, Row, read_rows, write_rows
from eyas.train.compiling import has_compiler
from eyas.train.device import best_device

COUNTING = COUNTINGS[0]  # in which a run is predicted
_COMPILE_FROM = 600.0  # seconds a kind of network, from which on compiling each size is repaid
_TRAINING_SHARE = 0.9  # of the seconds that are left once the speed is known; the rest reads text
_SPARE = 1.02  # rows are not packed to the last token


@dataclass(frozen=True)
class GridResult:
    """A trained grid. `noise` is how far seeds differ, as a deviation of log loss; `seconds` are those of this call."""

    folder: Path
    plan: Plan
    rows: int
    fits: measure.FitResult
    noise: float
    predictions: dict[Arch, predict.Prediction]
    memories: list[Memory]
    seconds: float


def run(config: GridConfig) -> GridResult:
    """Plan, train, fit, predict. Raises EyasError; KeyboardInterrupt after Ctrl-C, from which the same call goes on."""
    started = time.monotonic()
    ground = Ground(config)
    with ground.dropped_if_unused():
        plan = ground.plan or _first_plan(ground, started)
        shards = ground.read(plan.tokens)
        if plan.longest > (once := ground.steps_once(shards)):
            plan = _plan(ground, plan.speeds, plan.seconds, once, plan.tokens)
    table = ground.table
    rows = read_rows(table)
    total = sum(len(training.steps) for grid in plan.grids for training in grid.trainings)
    with Progress("scale", total, quiet=config.quiet) as progress:
        progress.update(len(rows))
        for grid in plan.grids:
            progress.say(_told(grid, ground.batch_tokens))
            for training in grid.trainings:
                done = {int(row[STEPS]) for row in rows if row[RUN] == training.name}
                largest = len(plan.grids) > 1 and training is grid.trainings[-1]
                for row in ground.train(training, done, shards, plan.speeds[grid.arch].compiles, memory=largest):
                    rows.append(row)
                    write_rows(table, rows)
                    progress.say(f"{row[RUN]}: {float(row[LOSS]):.4f} bits per byte after {int(row[STEPS]):,} steps")
                    progress.advance()
    shutil.rmtree(ground.runs, ignore_errors=True)
    law = ground.folder / "law.json"
    fits = measure.run(
        measure.FitConfig(table=table, data_set=ARCH, out=law, seed=config.seed, floor=ground.entropy(shards))
    )
    predictions = {grid.arch: _predicted(ground, grid, law) for grid in plan.grids}
    memories = read_memories(ground.folder, [grid.arch for grid in plan.grids])
    return GridResult(
        ground.folder, plan, len(rows), fits, noise(rows), predictions, memories, time.monotonic() - started
    )


def _first_plan(ground: Ground, started: float) -> Plan:
    """Measure how fast networks train here, and plan for what is then left of the budget."""
    config = ground.config
    seconds = config.budget * 60
    compiled = seconds / len(config.arch) >= _COMPILE_FROM and has_compiler(best_device())
    speeds = {
        arch: measure_speed(
            partial(ground.model, arch, seed=0), ground.least, (ground.rows, config.context),
            ground.recipe(0, compiled),
        )
        for arch in config.arch
    }  # fmt: skip
    left = _TRAINING_SHARE * (seconds - (time.monotonic() - started))
    return _plan(ground, speeds, left)


def _plan(
    ground: Ground, speeds: dict[Arch, Speed], seconds: float, most_steps: float = math.inf, tokens: int = 0
) -> Plan:
    """Plan grids that train in `seconds`, and keep the plan; `tokens` once they were read."""
    kinds = [Kind(arch, partial(ground.step_flops, arch), speed) for arch, speed in speeds.items()]
    grids = plan_grids(kinds, ground.least, seconds, ground.config.seed, most_steps)
    plan = Plan(speeds=speeds, seconds=seconds, tokens=tokens, grids=grids)
    if not tokens:
        plan = plan.model_copy(update={"tokens": math.ceil(_SPARE * plan.longest * ground.batch_tokens)})
    ground.keep(plan)
    return plan


def _told(grid: Grid, batch_tokens: int) -> str:
    """A grid in one line."""
    steps = [one for training in grid.trainings for one in training.steps]
    sizes = f"{grid.trainings[0].size} to {grid.trainings[-1].size} parameters"
    tokens = f"{batch_tokens * min(steps) / 1e6:.2g}m to {batch_tokens * max(steps) / 1e6:.2g}m tokens"
    return f"{grid.arch}: {len(steps)} runs of {sizes} and {tokens}, in about {duration(grid.seconds)}"


def noise(rows: Sequence[Row]) -> float:
    """The deviation of log loss between runs that differ in nothing but the seed; NaN where there are none."""
    alike: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        alike.setdefault((row[ARCH], row[COUNTING], row[STEPS]), []).append(math.log(float(row[LOSS])))
    variances = [np.var(losses, ddof=1) for losses in alike.values() if len(losses) > 1]
    return float(np.sqrt(np.mean(variances))) if variances else math.nan


def _predicted(ground: Ground, grid: Grid, law: Path) -> predict.Prediction:
    """The prediction of the run that is ahead of `grid`, written down the first time."""
    file = ground.prediction(grid.arch)
    if not file.exists():
        predict.run(
            predict.PredictConfig(
                law=law, data_set=grid.arch, counting=COUNTING, out=file,
                params=ground.shape(grid.arch, grid.ahead.size).n_multiplying(),
                tokens=grid.ahead.steps[-1] * ground.batch_tokens,
            )
        )  # fmt: skip
    return predict.read_prediction(file)
