"""The stage `eyas scale check`: train the run that was predicted, and hold the prediction against what it reached."""

import shutil

from eyas.errors import EyasError
from eyas.progress import Progress, duration
from eyas.scaling import predict
from eyas.scaling.ground import Ground
from eyas.scaling.settings import ARCH, CheckConfig
from eyas.scaling.table import LOSS, Row, read_rows, write_rows


def run(config: CheckConfig) -> predict.Outcome:
    """Train the predicted run and compare. Raises EyasError; KeyboardInterrupt after Ctrl-C: the same call goes on."""
    ground = Ground.of_life(config.life, config.quiet)
    written = ground.prediction(config.arch)
    if not written.exists():
        raise EyasError(
            f"{config.life} holds no prediction for --arch {config.arch}; let eyas scale run {config.life} end first"
        )
    prediction = predict.read_prediction(written)  # a changed one is refused before the training
    table = ground.folder / predict.AHEAD
    rows = read_rows(table)
    row = next((row for row in rows if row[ARCH] == config.arch), None)
    if row is None:
        row = _trained(ground, config)
        write_rows(table, [*rows, row])
        shutil.rmtree(ground.runs, ignore_errors=True)
    return predict.held_against(prediction, float(row[LOSS]))


def _trained(ground: Ground, config: CheckConfig) -> Row:
    plan = ground.plan
    assert plan is not None, "a prediction is written after the plan"
    grid = next(grid for grid in plan.grids if grid.arch == config.arch)
    with Progress(grid.ahead.name, quiet=config.quiet) as progress:
        progress.say(f"training {grid.ahead.name}: about {duration(grid.seconds_ahead)} when the machine is as fast")
        shards = ground.read(plan.tokens)
        return next(ground.train(grid.ahead, (), shards, plan.speeds[grid.arch].compiles))
