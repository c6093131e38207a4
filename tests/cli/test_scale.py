"""`eyas scale`: a table in, figures and files out, and a prediction that is kept."""

import json
import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from eyas.cli.main import run
from tests.scaling.tables import KNOWN, grid, isoflops, write

QUICK = ("--bootstrap", "100")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    n, d, loss = grid(noise=0.004)
    return write(tmp_path / "runs.csv", {"params": n, "inner": 0.8 * n, "tokens": d, "loss": loss})


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert run(["scale", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_fit_is_told_for_people(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scale", "fit", str(table), "--n", "params", *QUICK]) == 0
    text = capsys.readouterr().out
    assert "25 rows of 25 training runs, N counted as `params`" in text
    for word in ("95 % interval", "alpha", "parabolas", "best runs by the law", "residuals: typically"):
        assert word in text


def test_a_fit_is_told_as_json(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "fit", table, "--n", "params", *QUICK)["fits"][0]
    assert found["figures"]["alpha"]["value"] == pytest.approx(KNOWN.alpha, abs=0.06)
    assert found["n_exponent"]["low"] < found["n_exponent"]["value"] < found["n_exponent"]["high"]
    assert len(found["residuals"]["each"]) == found["rows"] == 25


def test_several_countings_stand_side_by_side(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scale", "fit", str(table), "--n", "params", "--n", "inner", *QUICK]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.strip().startswith("- ")] == ["params", "inner"]


@pytest.mark.parametrize("valleys", [False, True])
def test_the_picture_is_well_formed_and_shows_every_run(tmp_path: Path, table: Path, valleys: bool) -> None:
    if valleys:
        runs = isoflops()
        table = write(tmp_path / "a&b.csv", {"<n>": runs.n, "tokens": runs.d, "loss": runs.loss})
    picture = tmp_path / "law.svg"
    assert run(["scale", "fit", str(table), "--n", "<n>" if valleys else "params", *QUICK, "--plot", str(picture)]) == 0
    drawn = ET.fromstring(picture.read_text())
    rows = 28 if valleys else 25
    dots = [one for one in drawn.iter("{http://www.w3.org/2000/svg}circle") if one.get("r") == "3"]
    assert len(dots) == 3 * rows
    heads = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text") if one.get("class") == "head"]
    assert len(heads) == 3 and "best loss for a budget" in str(heads[0]) and ("valley" in str(heads[1])) is valleys


def test_laws_of_several_networks_come_first_together(tmp_path: Path, table: Path) -> None:
    head, *rows = table.read_text().splitlines()
    both = [f"arch,{head}", *(f"{arch},{row}" for arch in ("transformer", "rnn") for row in rows)]
    table.write_text("\n".join(both))
    picture = tmp_path / "law.svg"
    asked = ["scale", "fit", str(table), "--n", "params", "--data-set", "arch", *QUICK, "--plot", str(picture)]
    assert run(asked) == 0
    texts = list(ET.fromstring(picture.read_text()).iter("{http://www.w3.org/2000/svg}text"))
    heads = [str(one.text) for one in texts if one.get("class") == "head"]
    assert "best loss for a budget" in heads[0] and len(heads) == 5
    assert {"transformer", "rnn"} <= {str(one.text) for one in texts}


def test_a_picture_may_be_png(tmp_path: Path, table: Path) -> None:
    picture = tmp_path / "law.png"
    assert run(["scale", "fit", str(table), "--n", "params", *QUICK, "--plot", str(picture)]) == 0
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (2 * 1120, 2 * 1260)


def test_a_prediction_is_kept_and_compared(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    law, out = tmp_path / "law.json", tmp_path / "next.json"
    assert run(["scale", "fit", str(table), "--n", "params", *QUICK, "-o", str(law)]) == 0
    assert f"laws written to {law}" in capsys.readouterr().out
    assert run(["scale", "predict", str(law), "--params", "2e9", "--tokens", "4e10", "-o", str(out)]) == 0
    text = capsys.readouterr().out
    assert "loss expected" in text and "UTC, sha256" in text
    assert run(["scale", "predict", str(law), "--params", "2e9", "--tokens", "4e10", "-o", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err
    reached = float(KNOWN.loss(2e9, 4e10))
    assert told(capsys, "predict", "--compare", out, "--loss", reached)["inside"] is True
    assert run(["scale", "predict", "--compare", str(out), "--loss", "9"]) == 0
    assert "inside the 95 % interval  no" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["fit", "gone.csv"], "gone.csv cannot be read"),
        (["predict"], "give the law file"),
        (["predict", "gone.json", "--params", "1e9", "--tokens", "1e9"], "law file gone.json is missing"),
        (["predict", "--compare", "gone.json", "--loss", "2"], "prediction gone.json is missing"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert run(["scale", *arguments]) == 1
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and error[0].startswith("eyas: ") and why in error[0]
