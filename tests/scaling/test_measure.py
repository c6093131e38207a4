"""The stage fit: what it finds, and what it says of tables that do not tell enough."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyas.errors import EyasError
from eyas.scaling.law_file import read_law_file
from eyas.scaling.measure import FitConfig, check_runs, run
from tests.scaling.tables import KNOWN, as_runs, grid, isoflops, write


def table(folder: Path, n: Any, d: Any, loss: Any, **more: Any) -> Path:
    return write(folder / "runs.csv", {"params": n, "tokens": d, "loss": loss} | more)


def config(file: Path, **more: Any) -> FitConfig:
    return FitConfig(**({"table": file, "n": ["params"], "bootstrap": 100} | more))


def test_about_95_of_100_intervals_hold_the_known_law(tmp_path: Path) -> None:
    held = 0
    for seed in range(5):
        figures = run(config(table(tmp_path, *grid(noise=0.004, seed=seed)))).fits[0].figures
        held += sum(figures[name].low <= value <= figures[name].high for name, value in KNOWN.as_json().items())
    assert held >= 20  # of 25, five of which at a time stand and fall together


def test_best_runs_are_near_the_known_laws(tmp_path: Path) -> None:
    result = run(config(table(tmp_path, *grid(noise=0.004, sizes=6, lengths=6, seed=1))))
    one = result.fits[0]
    assert one.n_exponent.low <= KNOWN.n_exponent <= one.n_exponent.high
    assert [round(best.flops / one.runs.flops.max()) for best in one.best] == [1, 10, 100]
    for best in one.best:
        assert best.n.low <= KNOWN.best_run(best.flops)[0] <= best.n.high
        assert best.loss.value == pytest.approx(float(KNOWN.loss(*KNOWN.best_run(best.flops))), rel=0.03)
    assert one.notes == [] and one.residuals.typical < 0.01 and result.out is None


def test_a_seed_gives_the_same_figures(tmp_path: Path) -> None:
    file = table(tmp_path, *grid(noise=0.01))
    first, again, other = (run(config(file, seed=seed)).fits[0].figures["E"] for seed in (1, 1, 2))
    assert first == again and first != other


def test_both_ways_to_the_exponents_agree_on_isoflops(tmp_path: Path) -> None:
    runs = isoflops()
    one = run(config(table(tmp_path, runs.n, runs.d, runs.loss))).fits[0]
    assert one.isoflop.n_exponent is not None
    assert one.isoflop.n_exponent.value == pytest.approx(one.n_exponent.value, abs=0.03)


def test_the_highest_losses_can_be_left_out(tmp_path: Path) -> None:
    n, d, loss = grid()
    loss[[4, 9]] = 60.0
    one = run(config(table(tmp_path, n, d, loss), drop_highest=2)).fits[0]
    assert len(one.runs) == 23 and abs(one.law.E - 1.7) < 0.02
    assert one.residuals.worst_line not in (6, 11)


def test_the_law_file_holds_what_was_found(tmp_path: Path) -> None:
    result = run(config(table(tmp_path, *grid(noise=0.004)), out=tmp_path / "law.json"))
    held = read_law_file(tmp_path / "law.json")
    assert held.table == "runs.csv" and len(held.fits) == 1
    assert held.fits[0].best_law() == result.fits[0].law
    assert len(held.fits[0].replicates) == 100 and len(held.fits[0].residuals) == 25


def test_a_flat_direction_is_told_in_words(tmp_path: Path) -> None:
    n, d, _ = grid()
    one = run(config(table(tmp_path, n, d, 2 + 600 * d**-0.3))).fits[0]
    assert any("more size did not lower the loss" in note or "alpha is not settled" in note for note in one.notes)


def test_a_short_or_small_table_is_told_in_words(tmp_path: Path) -> None:
    n, d, loss = grid(sizes=3, lengths=3, noise=0.01)
    n, loss = 1e8 * (n / 1e8) ** 0.3, KNOWN.loss(1e8 * (n / 1e8) ** 0.3, d) * (loss / KNOWN.loss(n, d))
    run_names = [f"r{i % 4}" for i in range(9)]
    notes = run(config(table(tmp_path, n, d, loss, run=run_names))).fits[0].notes
    assert any("parameters span 0.6 decades" in note for note in notes)
    assert any("rest on 4 training runs" in note for note in notes)


def test_a_table_of_noise_gives_wide_intervals_not_silly_numbers(tmp_path: Path) -> None:
    n, d, _ = grid()
    loss = np.random.default_rng(0).uniform(2, 4, len(n))
    one = run(config(table(tmp_path, n, d, loss))).fits[0]
    assert one.figures["alpha"].high - one.figures["alpha"].low > 0.5
    assert 0 <= one.law.E < 4 and one.notes


@pytest.mark.parametrize(
    ("n", "d", "why"),
    [
        ([1e6] * 9, list(np.geomspace(1e8, 1e10, 9)), "has 1 different numbers of parameters .--n."),
        (list(np.geomspace(1e6, 1e8, 9)), [1e9] * 9, "has 1 different numbers of tokens"),
        ([1e6, 2e6] * 4, list(np.geomspace(1e8, 1e10, 8)), "has 2 different numbers of parameters"),
        ([1e6, 2e6, 3e6, 4e6, 5e6], [1e8, 3e8, 2e8, 1e9, 5e8], "has 5 rows and the law five unknowns"),
        (list(np.geomspace(1e6, 1e9, 9)), list(20 * np.geomspace(1e6, 1e9, 9)), "tokens follow parameters"),
    ],
)
def test_tables_that_cannot_tell_a_law_are_refused(n: list[float], d: list[float], why: str) -> None:
    sizes, tokens = np.array(n), np.array(d)
    with pytest.raises(EyasError, match=f"^runs.csv.*{why}"):
        check_runs(as_runs(sizes, tokens, KNOWN.loss(sizes, tokens)), "runs.csv")


def test_too_few_training_runs_are_refused(tmp_path: Path) -> None:
    file = table(tmp_path, *grid(), run=["one"] * 25)
    with pytest.raises(EyasError, match="names 1 training runs .--run. and an interval needs at least 4"):
        run(config(file))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"budget": [-1.0]}, "--budget must be a number of FLOPs above 0"),
        ({"out": "."}, "--out . is a folder"),
        ({"drop_highest": 21}, "has 4 rows and the law five unknowns"),
    ],
)
def test_settings_that_cannot_be_met_are_refused(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    with pytest.raises(EyasError, match=why):
        run(config(table(tmp_path, *grid()), **more))


def test_flops_that_are_no_product_are_told(tmp_path: Path) -> None:
    n, d, loss = grid()
    one = run(config(table(tmp_path, n, d, loss, flops=6 * n**0.9 * d))).fits[0]
    assert any("FLOPs are not proportional to N x D" in note for note in one.notes)
