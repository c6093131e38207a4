"""The report's section on laws of scale: figures, the prediction before and after its run, a picture without power."""

import base64
import json
import re
from pathlib import Path

import pytest

from eyas.cli.main import run
from eyas.evals.intervals import wilson
from eyas.report.data import load_report
from eyas.report.page import render
from eyas.scaling.law_file import read_law_file
from eyas.scaling.memory import memory_file
from tests.report.reading import read
from tests.report.sample_life import write_life
from tests.scaling.tables import grid, write


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """A life with a law, its picture and a prediction, as `eyas scale run` leaves them."""
    life = write_life(tmp_path / "first")
    folder = life / "scale"
    folder.mkdir()
    n, d, loss = grid(noise=0.004)
    table = {"arch": ["transformer"] * len(n), "multiplying": n, "tokens": d, "loss": loss}
    law = folder / "law.json"
    asked = ["fit", str(write(folder / "runs.csv", table)), "--data-set", "arch", "--bootstrap", "100", "-o", str(law)]
    assert run(["scale", *asked, "--plot", str(folder / "law.svg")]) == 0
    ahead = ["--params", "2e9", "--tokens", "4e10", "-o", str(folder / "prediction-transformer.json")]
    assert run(["scale", "predict", str(law), *ahead]) == 0
    return life


def test_the_law_and_its_prediction_stand_in_the_report(measured: Path) -> None:
    page = read(render(load_report(measured)))
    law = read_law_file(measured / "scale" / "law.json").fits[0].best_law()
    assert {law.E, law.alpha, law.beta, 2e9, 4e10} <= page.values
    assert f"eyas scale check {measured} --arch transformer" in page.text and "It reached" not in page.text


def test_what_the_predicted_run_reached_stands_beside_it(measured: Path) -> None:
    write(measured / "scale" / "ahead.csv", {"arch": ["transformer"], "loss": [9.5]})
    text = read(render(load_report(measured))).text
    assert "It reached 9.500" in text and "outside the interval" in text and "eyas scale check" not in text


def test_what_sets_networks_apart_is_told_beside_their_laws(measured: Path) -> None:
    folder = measured / "scale"
    n, d, loss = grid(noise=0.004)
    twice = {"arch": ["transformer"] * len(n) + ["rnn"] * len(n), "multiplying": [*n, *n], "tokens": [*d, *d]}
    table = str(write(folder / "runs.csv", twice | {"loss": [*loss, *loss]}))
    assert run(["scale", "fit", table, "--data-set", "arch", "--bootstrap", "100", "-o", str(folder / "law.json")]) == 0
    assert "second reading" not in read(render(load_report(measured))).text
    for arch, hits in (("transformer", 32), ("rnn", 8)):
        copied = {"8": wilson(40, 100).as_json(), "64": wilson(hits, 100).as_json()}
        told = {"params": 1_200_000, "tokens": 3_000_000, "copied": copied}
        memory_file(folder, arch).write_text(json.dumps(told))
    text = read(render(load_report(measured))).text
    assert "The transformer keeps most of its memory over the distance (80 %), the rnn least (20 %)" in text
    assert "Copied at the second reading" in text and "32.0" in text


def test_the_picture_is_an_image_not_markup(measured: Path) -> None:
    drawn = measured / "scale" / "law.svg"
    drawn.write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>")
    page = render(load_report(measured))
    assert "alert(" not in page
    shown = re.search(r'<img class="law" src="data:image/svg\+xml;base64,([^"]*)"', page)
    assert shown is not None and base64.b64decode(shown[1]) == drawn.read_bytes()


def test_a_life_without_a_grid_has_no_such_section(tmp_path: Path) -> None:
    assert "Laws of scale" not in render(load_report(write_life(tmp_path / "first")))
