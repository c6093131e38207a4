"""The stage `eyas scale fit`: from a table of runs to laws with their intervals."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.files import sha256_file
from eyas.scaling.bootstrap import Interval, interval, replicate_laws, resampled
from eyas.scaling.fit import DELTA, HIGHEST, LOWEST, fit
from eyas.scaling.isoflop import IsoFlop, find_isoflops
from eyas.scaling.law import NAMES, Array, Law
from eyas.scaling.law_file import FittedLaw, LawFile, write_law_file
from eyas.scaling.table import COUNTINGS, FLOPS, LOSS, RUN, TOKENS, Columns, Group, Runs, read_groups

LEAST_ROWS = 6  # the law has five unknowns
LEAST_DIFFERENT = 3  # different N, and different D: a level, a height and an exponent each
LEAST_RUNS = 4
FEW_RUNS = 8
ONE_LINE = 0.05  # spread of log D around a line in log N below which the two terms cannot be told apart
UNSEEN = 1e-4  # share of the loss below which a term is not there
AHEAD = (1.0, 10.0, 100.0)  # budgets to tell the best run for, in times the largest of the table


class FitConfig(StageConfig):
    """`eyas scale fit`: the table, its columns, and how sure to be."""

    table: Path = Field(description="CSV table with a row for each measured loss.")
    n: list[str] = Field(
        [], description=f"Column of parameters; repeat it to count in several ways (default: {', '.join(COUNTINGS)})."
    )
    d: str | None = Field(None, description=f"Column of training tokens (default: {TOKENS}, else FLOPs / 6 N).")
    flops: str | None = Field(None, description=f"Column of training FLOPs (default: {FLOPS}, else 6 N D).")
    loss: str = Field(LOSS, description="Column of the loss, in any unit.")
    run: str | None = Field(None, description=f"Column that names the training run (default: {RUN}, else one a row).")
    data_set: str | None = Field(None, description="Column that names the data set; each is fitted by itself.")
    drop_highest: int = Field(0, ge=0, description="Leave out so many rows of highest loss, of each data set.")
    huber: float = Field(DELTA, gt=0, description="Residual in log loss from which on a row counts as an outlier.")
    floor: float = Field(0, ge=0, description="Least E: a loss that no model can go below, where that is known.")
    budget: list[float] = Field(
        [], description="FLOPs to draw a parabola at and to tell the best run for; repeatable (default: found)."
    )
    bootstrap: int = Field(1000, ge=100, le=20_000, description="Resampled fits behind the intervals.")
    seed: int = Field(0, ge=0, description="Seed of the resampling.")
    out: Path | None = Field(None, description="Write the laws to this JSON file, for eyas scale predict.")
    plot: Path | None = Field(None, description="Draw the fits into this file, .svg or .png.")


@dataclass(frozen=True)
class Best:
    """The compute-optimal run for a budget, by the fitted law."""

    flops: float
    n: Interval
    d: Interval
    loss: Interval


@dataclass(frozen=True)
class Residuals:
    """How far the rows lie from the law, in log loss (0.01 is about one per cent)."""

    each: Array  # [rows]: log loss measured less log loss expected
    typical: float  # median size
    worst: float  # signed
    worst_line: int


@dataclass(frozen=True)
class Fit:
    """The law of one data set under one way of counting N.

    `figures` holds E, A, B, alpha, beta. `n_exponent` and `d_exponent` are a and b in N_opt ~ C^a, D_opt ~ C^b by the
    law; `isoflop` has those by parabolas. `flops_factor` is k in FLOPs = k N D. `notes` are sentences for the reader.
    """

    data_set: str | None
    counting: str
    law: Law
    figures: dict[str, Interval]
    n_exponent: Interval
    d_exponent: Interval
    flops_factor: float
    best: list[Best]
    isoflop: IsoFlop
    residuals: Residuals
    runs: Runs
    clusters: int
    replicates: Array
    notes: list[str]


@dataclass(frozen=True)
class FitResult:
    """The fits of a table, data set by data set; `out` is the law file, None when none was asked for."""

    table: Path
    fits: list[Fit]
    out: Path | None


def run(config: FitConfig) -> FitResult:
    """Fit every data set of `config.table` in every way of counting N. Raises EyasError."""
    for file, flag in ((config.out, "--out"), (config.plot, "--plot")):
        if file is not None and file.is_dir():
            raise EyasError(f"{flag} {file} is a folder; give the name of a file")
    if any(not (np.isfinite(one) and one > 0) for one in config.budget):
        raise EyasError("--budget must be a number of FLOPs above 0, such as 1e15")
    columns = Columns(tuple(config.n), config.d, config.flops, config.loss, config.run, config.data_set)
    groups = read_groups(config.table, columns)
    fits = [_fit_group(_without_highest(group, config), config) for group in groups]
    if config.out is not None:
        laws = [_for_file(one) for one in fits]
        write_law_file(config.out, LawFile.new(config.table.name, sha256_file(config.table), laws))
    return FitResult(config.table, fits, config.out)


def _without_highest(group: Group, config: FitConfig) -> Group:
    if config.drop_highest == 0:
        return group
    order = np.argsort(group.runs.loss, kind="stable")[: max(0, len(group.runs) - config.drop_highest)]
    return Group(group.data_set, group.counting, group.runs.kept(np.sort(order)))


def check_runs(runs: Runs, where: str) -> None:
    """Raise EyasError, beginning with `where`, when no law can be told from `runs`."""
    if len(runs) < LEAST_ROWS:
        raise EyasError(f"{where} has {len(runs)} rows and the law five unknowns; measure at least {LEAST_ROWS}")
    for name, values, flag in (("parameters", runs.n, "--n"), ("tokens", runs.d, "--d or --flops")):
        different = len(np.unique(np.round(np.log(values), 4)))
        if different < LEAST_DIFFERENT:
            raise EyasError(
                f"{where} has {different} different numbers of {name} ({flag}) and a power of them needs at least "
                f"{LEAST_DIFFERENT}; train runs that differ in {name}"
            )
    log_n, log_d = np.log(runs.n), np.log(runs.d)
    slope, level = np.polyfit(log_n, log_d, 1)
    if float(np.std(log_d - slope * log_n - level)) < ONE_LINE:
        raise EyasError(
            f"{where}: tokens follow parameters in every run, so that their shares of the loss cannot be told apart; "
            "add runs of one size with fewer or more tokens"
        )
    if runs.clusters < LEAST_RUNS:
        raise EyasError(
            f"{where} names {runs.clusters} training runs (--run) and an interval needs at least {LEAST_RUNS}; "
            "add runs, or leave --run out when each row is a run of its own"
        )


def _fit_group(group: Group, config: FitConfig) -> Fit:
    runs = group.runs
    where = f"{config.table}" + (f", data set {group.data_set}" if group.data_set is not None else "")
    check_runs(runs, where)
    if config.floor >= runs.loss.min():
        raise EyasError(f"--floor {config.floor:g} is not below {where}'s lowest loss, {runs.loss.min():g}; lower it")
    law = fit(runs.n, runs.d, runs.loss, config.huber, config.floor)
    replicates = replicate_laws(runs, config.bootstrap, config.seed, config.huber, config.floor)
    laws = [Law.of(values) for values in replicates]
    figures = {name: interval(value, replicates[:, i]) for i, (name, value) in enumerate(law.as_json().items())}
    factor, scatter = runs.flops_factor
    each = np.log(runs.loss) - np.log(law.loss(runs.n, runs.d))
    worst = int(np.abs(each).argmax())
    isoflop = find_isoflops(runs, resampled(runs, config.bootstrap, config.seed), config.budget)
    budgets = config.budget or [times * float(runs.flops.max()) for times in AHEAD]
    return Fit(
        group.data_set,
        group.counting,
        law,
        figures,
        interval(law.n_exponent, [one.n_exponent for one in laws]),
        interval(law.d_exponent, [one.d_exponent for one in laws]),
        factor,
        [_best(law, laws, budget, factor) for budget in budgets] if law.A > 0 and law.B > 0 else [],
        isoflop,
        Residuals(each, float(np.median(np.abs(each))), float(each[worst]), int(runs.line[worst])),
        runs,
        runs.clusters,
        replicates,
        _notes(runs, law, replicates, scatter),
    )


def _best(law: Law, laws: list[Law], budget: float, factor: float) -> Best:
    points = [law.best_run(budget, factor), *(one.best_run(budget, factor) for one in laws)]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        losses = [float(one.loss(*point)) for one, point in zip([law, *laws], points, strict=True)]
    n, d = zip(*points, strict=True)
    return Best(budget, *(interval(values[0], values[1:]) for values in (n, d, losses)))


def _notes(runs: Runs, law: Law, replicates: Array, scatter: float) -> list[str]:
    """What a reader of the figures must know, a sentence each."""
    notes = []
    small, short = law.shares(runs.n, runs.d)
    for share, what, letter, exponent in ((small, "size", "A", "alpha"), (short, "text", "B", "beta")):
        column = replicates[:, NAMES.index(exponent)]
        at_edge = float(((column <= LOWEST * 1.01) | (column >= HIGHEST * 0.99)).mean())
        if float((share / runs.loss).max()) < UNSEEN:
            notes.append(f"more {what} did not lower the loss here: {letter} is nothing and {exponent} has no meaning")
        elif at_edge > 0.025:
            notes.append(
                f"{exponent} is not settled by this table: {100 * at_edge:.0f} % of the resampled fits end at the edge "
                f"of what is searched ({LOWEST:g} to {HIGHEST:g})"
            )
    if law.E / float(runs.loss.min()) < UNSEEN:
        notes.append("E is nothing: the runs are too small, or too few, to show a floor of the loss")
    for name, values in (("parameters", runs.n), ("tokens", runs.d)):
        if (decades := float(np.log10(values.max() / values.min()))) < 1:
            notes.append(f"{name} span {decades:.1f} decades; below 1.5 the exponents are rough")
    if runs.clusters < FEW_RUNS:
        notes.append(f"the intervals rest on {runs.clusters} training runs and are rough")
    if scatter > 1.2:
        notes.append(
            f"FLOPs are not proportional to N x D in this table (they scatter by up to {scatter:.2f} times), "
            "so the best N and D for a budget are only about right"
        )
    return notes


def _for_file(one: Fit) -> FittedLaw:
    return FittedLaw(
        data_set=one.data_set,
        counting=one.counting,
        law=[float(value) for value in one.law.as_array()],
        replicates=[[float(f"{value:.8g}") for value in row] for row in one.replicates],
        residuals=[float(f"{value:.6g}") for value in one.residuals.each],
        flops_factor=one.flops_factor,
        largest_flops=float(one.runs.flops.max()),
    )
