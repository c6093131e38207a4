"""Predictions: near the truth, written down once, and refused when changed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eyas.errors import EyasError
from eyas.files import sha256_file
from eyas.scaling.measure import FitConfig
from eyas.scaling.measure import run as run_fit
from eyas.scaling.predict import Outcome, PredictConfig, PredictResult, read_prediction, run
from tests.scaling.tables import KNOWN, grid, write


def fitted(folder: Path, seed: int = 0, noise: float = 0.005) -> Path:
    n, d, loss = grid(sizes=4, lengths=4, noise=noise, seed=seed)
    file = write(folder / f"runs{seed}.csv", {"all": n, "multiplying": n, "tokens": d, "loss": loss})
    run_fit(FitConfig(table=file, n=["all"], bootstrap=150, out=folder / f"law{seed}.json"))
    return folder / f"law{seed}.json"


@pytest.fixture(scope="module")
def law(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(tmp_path_factory.mktemp("law"))


def predict(**given: Any) -> PredictResult:
    result = run(PredictConfig(**given))
    assert isinstance(result, PredictResult)
    return result


def test_runs_of_eight_times_the_compute_fall_into_the_interval(tmp_path: Path) -> None:
    held, errors = 0, []
    for seed in range(8):
        told = predict(law=fitted(tmp_path, seed), params=2.8e9, tokens=5.6e10).prediction
        reached = float(KNOWN.loss(2.8e9, 5.6e10) * np.exp(np.random.default_rng(seed + 100).normal(0, 0.005)))
        held += told.low <= reached <= told.high
        errors.append(abs(told.loss / reached - 1))
        assert told.low < told.loss < told.high and told.times_largest == pytest.approx(7.84, rel=0.01)
    assert held >= 7 and np.median(errors) < 0.02


def test_a_run_within_the_table_is_surer_than_one_far_beyond(law: Path) -> None:
    near, far = (predict(law=law, params=n, tokens=20 * n).prediction for n in (1e8, 1e12))
    assert (near.high - near.low) / near.loss < 0.5 * (far.high - far.low) / far.loss
    assert far.far and not near.far


def test_the_best_run_of_a_budget_can_be_asked_for(law: Path) -> None:
    told = predict(law=law, flops=1e21).prediction
    assert told.flops == pytest.approx(1e21) and told.params * told.tokens * 6 == pytest.approx(1e21)


def test_a_prediction_is_written_down_with_time_and_hashes(law: Path, tmp_path: Path) -> None:
    out = tmp_path / "next.json"
    told = predict(law=law, params=2e9, tokens=4e10, out=out).prediction
    assert read_prediction(out) == told
    assert told.law_sha256 == sha256_file(law) and told.written.tzinfo is not None
    assert abs((datetime.now(UTC) - told.written).total_seconds()) < 3600
    with pytest.raises(EyasError, match="next.json exists already"):
        predict(law=law, params=2e9, tokens=4e10, out=out)
    assert read_prediction(out) == told


def test_the_outcome_is_held_against_it(law: Path, tmp_path: Path) -> None:
    out = tmp_path / "next.json"
    told = predict(law=law, params=2e9, tokens=4e10, out=out).prediction
    for times, inside in ((1.0, True), (1.5, False), (0.5, False)):
        outcome = run(PredictConfig(compare=out, loss=told.loss * times))
        assert isinstance(outcome, Outcome) and outcome.inside is inside
        assert outcome.error == pytest.approx(times - 1)
        assert json.loads(json.dumps(outcome.as_json()))["prediction"]["sha256"] == told.sha256


@pytest.mark.parametrize(("key", "value"), [("loss", 2.0), ("low", 0.1), ("written", "2020-01-01T00:00:00Z")])
def test_a_prediction_that_was_changed_is_refused(law: Path, tmp_path: Path, key: str, value: Any) -> None:
    out = tmp_path / "next.json"
    predict(law=law, params=2e9, tokens=4e10, out=out)
    out.write_text(json.dumps(json.loads(out.read_text()) | {key: value}))
    with pytest.raises(EyasError, match="was changed after it was written"):
        run(PredictConfig(compare=out, loss=3.0))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"format": "eyas prediction 1"}', '{"format": "eyas law 1"}']
)
def test_foreign_files_are_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    for given in ({"compare": file, "loss": 1.0}, {"law": file, "params": 1e9, "tokens": 1e9}):
        with pytest.raises(EyasError, match=r"x.json (is|holds) "):
            run(PredictConfig(**given))


def test_a_law_file_with_an_odd_number_is_refused(law: Path, tmp_path: Path) -> None:
    content = json.loads(law.read_text())
    content["fits"][0]["law"][3] = -1
    (tmp_path / "law.json").write_text(json.dumps(content))
    with pytest.raises(EyasError, match=r"law.json is damaged at fits.0.law.3"):
        predict(law=tmp_path / "law.json", params=1e9, tokens=1e9)


def test_of_several_laws_one_must_be_named(tmp_path: Path) -> None:
    n, d, loss = grid()
    columns = {"a": n, "b": 2 * n, "tokens": d, "loss": loss}
    file = write(tmp_path / "runs.csv", columns)
    run_fit(FitConfig(table=file, n=["a", "b"], bootstrap=100, out=tmp_path / "law.json"))
    with pytest.raises(EyasError, match="holds several laws; choose one with --counting: a, b"):
        predict(law=tmp_path / "law.json", params=1e9, tokens=1e10)
    with pytest.raises(EyasError, match="no law for --counting c; it has a, b"):
        predict(law=tmp_path / "law.json", params=1e9, tokens=1e10, counting="c")
    a = predict(law=tmp_path / "law.json", params=1e9, tokens=1e10, counting="a").prediction
    b = predict(law=tmp_path / "law.json", params=2e9, tokens=1e10, counting="b").prediction
    assert a.loss == pytest.approx(b.loss, rel=1e-3)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "give the law file"),
        ({"loss": 2.0}, "--compare FILE"),
        ({"law": 1}, "say which run: --params N and --tokens D"),
        ({"law": 1, "params": 1e9}, "say which run"),
        ({"law": 1, "params": 1e9, "flops": 1e20}, "not both"),
        ({"law": 1, "params": float("inf"), "tokens": 1e9}, "--params must be below"),
        ({"compare": "p.json"}, "--loss L"),
        ({"compare": "p.json", "loss": 2.0, "law": 1, "out": "o.json"}, "leave out LAW, --out"),
        ({"compare": "p.json", "loss": 2.0}, "p.json is missing"),
    ],
)
def test_half_a_question_is_one_sentence(law: Path, given: dict[str, Any], why: str) -> None:
    with pytest.raises(EyasError, match=why):
        run(PredictConfig(**(given | ({"law": law} if "law" in given else {}))))
