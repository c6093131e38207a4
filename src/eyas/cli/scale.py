"""`eyas scale`: grids of runs, laws of scale out of them or out of any table, and predictions that are checked."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eyas.cli.flags import stage_command
from eyas.cli.show import harmless, print_figures, print_json
from eyas.files import write_atomic
from eyas.progress import duration
from eyas.scaling.bootstrap import Interval
from eyas.scaling.measure import Fit, FitConfig, FitResult
from eyas.scaling.measure import run as run_fit
from eyas.scaling.memory import what_is_seen
from eyas.scaling.predict import Outcome, PredictConfig, Prediction, reached
from eyas.scaling.predict import run as run_predict
from eyas.scaling.settings import CheckConfig, GridConfig
from eyas.scaling.table import COUNTINGS

if TYPE_CHECKING:
    from eyas.scaling.train_grid import GridResult

RUN_HELP = """Measure the law of scale of a text on this machine, in the minutes there are.

Plans a grid of sizes and lengths that fits the budget, trains it with the recipe of eyas pretrain on text seen once,
fits the law, and writes down what a run of 8 times the compute will reach. Everything is in LIFE/scale: runs.csv,
law.json, law.svg, the plan and the prediction. Stopped or killed, the same command goes on.

\b
Example:
  eyas scale run lives/first --data world --budget 20
  eyas scale run lives/first --data book.txt --budget 60 --arch transformer --arch rnn --arch cnn
"""
CHECK_HELP = """Train the run that eyas scale run predicted, and compare.

It takes about as long as the grid did, or longer. Stopped or killed, the same command goes on.

\b
Example:
  eyas scale check lives/first
"""
FIT_HELP = """Fit the law loss = E + A / N^alpha + B / D^beta to a table of runs.

TABLE is a CSV file with a row for each measured loss: parameters N, tokens D or FLOPs, and the loss, in columns named
by flags. Every figure has its 95 % interval from a bootstrap over training runs.

\b
Example:
  eyas scale fit runs.csv --n params --d tokens --loss loss --out law.json
  eyas scale fit runs.csv --n "Model Size" --flops "Training FLOP" --drop-highest 5 --plot law.svg
"""
PREDICT_HELP = """Predict the loss of a run before it is trained; afterwards, compare.

LAW is what eyas scale fit wrote with --out. With --out the prediction is written down with the time and a hash of its
content, and is never overwritten; --compare refuses a prediction that was changed since.

\b
Example:
  eyas scale predict law.json --params 1e9 --tokens 2e10 --out next.json
  eyas scale predict --compare next.json --loss 2.31
"""


def run_body(config: GridConfig, as_json: bool) -> None:
    from eyas.scaling.train_grid import run

    result = run(config)
    draw_grid(result)
    print_json(_grid_as_json(result)) if as_json else print_grid(result, config.life)


def draw_grid(result: "GridResult") -> None:
    """The picture of a grid's laws, with the runs ahead of it."""
    fits = [one for one in result.fits.fits if one.counting == COUNTINGS[0]]
    losses = reached(result.folder)
    draw(result.folder / "law.svg", fits, [(told, losses.get(arch)) for arch, told in result.predictions.items()])


def print_grid(result: "GridResult", life: Path) -> None:
    """What was measured, the law, and what it says of the run ahead."""
    print_result(result.fits)
    click.echo(f"\n{result.rows} runs in {result.folder / 'runs.csv'}, this call took {duration(result.seconds)}")
    if math.isfinite(result.noise):
        click.echo(f"another seed changes the loss by {100 * result.noise:.2f} % (standard deviation)")
    if seen := what_is_seen(result.memories):
        click.echo(f"\n{seen}")
    for grid in result.plan.grids:
        click.echo()
        print_prediction(result.predictions[grid.arch], result.folder / f"prediction-{grid.arch}.json")
        click.echo(
            f"\nTrain it in about {duration(grid.seconds_ahead)}, and compare: "
            f"eyas scale check {life} --arch {grid.arch}"
        )


def _grid_as_json(result: "GridResult") -> dict[str, Any]:
    told = {
        name: getattr(result, name)
        for name in ("folder", "rows", "noise", "predictions", "memories", "seconds", "plan")
    }
    return told | {"fits": _as_json(result.fits.fits)}


def check_body(config: CheckConfig, as_json: bool) -> None:
    from eyas.scaling import train_grid
    from eyas.scaling.check import run
    from eyas.scaling.ground import Ground

    outcome = run(config)
    draw_grid(train_grid.run(Ground.of_life(config.life, quiet=True).config))  # all is trained: it fits anew
    print_json(outcome.as_json()) if as_json else print_outcome(outcome)


def draw(file: Path, fits: Sequence[Fit], ahead: Sequence[tuple[Prediction, float | None]] = ()) -> None:
    """The picture of `fits` and of runs ahead, as PNG where the name ends so and as SVG elsewhere. Raises EyasError."""
    from eyas.report.laws import law_picture

    picture = law_picture(fits, ahead)
    if file.suffix.lower() != ".png":
        write_atomic(file, picture)
        return
    from resvg_py import svg_to_bytes

    write_atomic(file, bytes(svg_to_bytes(svg_string=picture, zoom=2)))


def fit_body(config: FitConfig, as_json: bool) -> None:
    result = run_fit(config)
    if config.plot is not None:
        draw(config.plot, result.fits)
    if as_json:
        print_json({"table": result.table, "out": result.out, "plot": config.plot, "fits": _as_json(result.fits)})
        return
    print_result(result)
    for what, file in (("laws", config.out), ("picture", config.plot)):
        if file is not None:
            click.echo(f"\n{what} written to {file}")


def print_result(result: FitResult) -> None:
    """A fit in full; several as one table, then what is to be known of each."""
    if len(result.fits) == 1:
        print_fit(result.fits[0])
        return
    click.echo("loss = E + A / N^alpha + B / D^beta with 95 % intervals; N ~ C^a for a budget C\n")
    rows = [["data set", "N counted as", "rows", "E", "A", "B", "alpha", "beta", "a", "residual"]]
    for one in result.fits:
        e, a, b, alpha, beta = one.figures.values()
        heights = [_number(a.value), _number(b.value)]
        figures = [_with_interval(e), *heights, *map(_with_interval, (alpha, beta, one.n_exponent))]
        head = [harmless(one.data_set or "-"), harmless(one.counting), str(len(one.runs))]
        rows.append([*head, *figures, f"{100 * one.residuals.typical:.2f} %"])
    _print_table(rows, left=2)
    for one in result.fits:
        for note in one.notes:
            click.echo(f"note: {harmless(': '.join([one.data_set or one.counting, note]))}")


def print_fit(fit: Fit) -> None:
    """Figures, the two ways to the best split, best runs, residuals, notes."""
    click.echo(f"{len(fit.runs):,} rows of {fit.clusters:,} training runs, N counted as `{harmless(fit.counting)}`")
    click.echo("loss = E + A / N^alpha + B / D^beta\n")
    rows = [["", "value", "95 % interval", "standard error"]]
    for name, found in fit.figures.items():
        rows.append([name, _number(found.value), _ends(found), _number(found.error)])
    _print_table(rows)
    bottoms = sum(one.n is not None for one in fit.isoflop.valleys)
    click.echo("\nhow a larger budget C is best split: N ~ C^a, D ~ C^b\n")
    rows = [["", "the law", "95 % interval", f"parabolas ({bottoms} budgets)", "95 % interval"]]
    for name, by_law, by_hand in (
        ("a", fit.n_exponent, fit.isoflop.n_exponent),
        ("b", fit.d_exponent, fit.isoflop.d_exponent),
    ):
        others = ["-", "-"] if by_hand is None else [_number(by_hand.value), _ends(by_hand)]
        rows.append([name, _number(by_law.value), _ends(by_law), *others])
    _print_table(rows)
    if fit.best:
        click.echo(f"\nbest runs by the law (FLOPs = {fit.flops_factor:.3g} N D)\n")
        rows = [["FLOPs", "N", "95 % interval", "D", "D / N", "loss", "95 % interval"]]
        for best in fit.best:
            split = [_number(best.d.value), _number(best.d.value / best.n.value)]
            row = [_number(best.flops), _number(best.n.value), _ends(best.n), *split]
            rows.append([*row, _number(best.loss.value), _ends(best.loss)])
        _print_table(rows)
    residuals = fit.residuals
    click.echo(
        f"\nresiduals: typically {100 * residuals.typical:.2f} %, at most {100 * residuals.worst:+.1f} % "
        f"(line {residuals.worst_line})"
    )
    for note in fit.notes:
        click.echo(f"note: {harmless(note)}")


def _as_json(fits: Sequence[Fit]) -> list[dict[str, Any]]:
    """The fits without their runs and resampled laws, which the table and the law file hold."""
    shown = []
    for one in fits:
        figures = {name: getattr(one, name) for name in ("data_set", "counting", "figures")}
        figures |= {"n_exponent": one.n_exponent, "d_exponent": one.d_exponent, "flops_factor": one.flops_factor}
        valleys = [
            {"flops": v.flops, "rows": len(v.rows), "n": v.n, "d": v.d, "loss": v.loss} for v in one.isoflop.valleys
        ]
        parabolas = {"n_exponent": one.isoflop.n_exponent, "d_exponent": one.isoflop.d_exponent, "valleys": valleys}
        rows = {"rows": len(one.runs), "training_runs": one.clusters}
        shown.append(
            figures | rows | {"best": one.best, "isoflop": parabolas, "residuals": one.residuals, "notes": one.notes}
        )
    return shown


def _number(value: float) -> str:
    """Four figures; powers of ten from a million on."""
    return f"{value:.4g}" if abs(value) < 1e6 else f"{value:.3g}"


def _ends(found: Interval) -> str:
    return f"[{_number(found.low)}, {_number(found.high)}]"


def _with_interval(found: Interval) -> str:
    return f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"


def _print_table(rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Rows with their columns aligned: the first `left` to the left, figures to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  " + "  ".join(cells).rstrip())


def predict_body(config: PredictConfig, as_json: bool) -> None:
    result = run_predict(config)
    if isinstance(result, Outcome):
        print_json(result.as_json()) if as_json else print_outcome(result)
    else:
        print_json(result) if as_json else print_prediction(result.prediction, result.out)


def print_prediction(told: Prediction, file: Path | None) -> None:
    """The run, its loss, and where that is written down."""
    print_figures(
        f"a run of {_number(told.params)} parameters ({harmless(told.counting)}) on {_number(told.tokens)} tokens",
        {
            "data set": None if told.data_set is None else harmless(told.data_set),
            "FLOPs": f"{_number(told.flops)} ({told.times_largest:.3g} times the largest run of the table)",
            "loss expected": f"{told.loss:.4f}",
            f"{100 * told.level:.0f} % interval": f"[{told.low:.4f}, {told.high:.4f}]",
        },
    )
    if told.far:
        click.echo("note: so far beyond the table the interval says little, for it takes the law's form as given")
    if file is not None:
        click.echo(f"\nwritten to {file} at {told.written:%Y-%m-%d %H:%M:%S} UTC, sha256 {told.sha256}")


def print_outcome(outcome: Outcome) -> None:
    """What was said, when, and what came."""
    told = outcome.prediction
    print_figures(
        f"predicted {told.written:%Y-%m-%d %H:%M:%S} UTC (sha256 {told.sha256[:16]}..., unchanged since)",
        {
            "loss expected": f"{told.loss:.4f} [{told.low:.4f}, {told.high:.4f}]",
            "loss reached": f"{outcome.loss:.4f} ({100 * outcome.error:+.2f} %)",
            f"inside the {100 * told.level:.0f} % interval": outcome.inside,
        },
    )


run = stage_command(GridConfig, run_body, name="run", help=RUN_HELP, arguments={"life": "LIFE"})
check = stage_command(CheckConfig, check_body, name="check", help=CHECK_HELP, arguments={"life": "LIFE"})
fit = stage_command(FitConfig, fit_body, name="fit", help=FIT_HELP, arguments={"table": "TABLE"}, short={"out": "-o"})
predict = stage_command(
    PredictConfig, predict_body, name="predict", help=PREDICT_HELP, arguments={"law": "LAW"}, short={"out": "-o"}
)


@click.group("scale", commands=[run, fit, predict, check], no_args_is_help=False)
def command() -> None:
    """Measure a law of scale, or fit one to a table of runs, and predict a larger run.

    \b
    Example:
      eyas scale run lives/first --data world --budget 20
      eyas scale fit runs.csv --n params --d tokens --out law.json
      eyas scale predict law.json --params 1e9 --tokens 2e10 --out next.json
    """
