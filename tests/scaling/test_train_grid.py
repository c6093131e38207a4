"""A grid that is trained in seconds: its table, its law, what it predicts, and what the prediction was worth."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from eyas.cli.main import run as eyas
from eyas.cli.scale import print_grid
from eyas.errors import EyasError
from eyas.model.config import Arch
from eyas.scaling import ground, train_grid
from eyas.scaling.ground import Ground
from eyas.scaling.memory import what_is_seen
from eyas.scaling.plan import Grid, Plan, Speed, Training
from eyas.scaling.predict import read_prediction
from eyas.scaling.settings import GridConfig
from eyas.scaling.table import read_rows, write_rows
from tests.train.small import WORDS

LENGTHS = (12, 16, 24)
SIZES = ("0.08m", "0.1m", "0.14m")


@pytest.fixture(scope="module", autouse=True)
def short_runs() -> Iterator[None]:
    """Batches of 256 tokens and a warm-up of 4 steps: what is tested hangs on neither, and takes a part of the time."""
    recipe = Ground.recipe
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ground, "recipe", lambda *asked: replace(recipe(*asked), warmup=4))
        patch.setattr(ground, "BATCH_TOKENS", 256)
        patch.setattr(ground, "EVALUATION", 4)
        yield


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> GridConfig:
    folder = tmp_path_factory.mktemp("scale")
    rng = random.Random(0)
    lines = (json.dumps({"text": " ".join(rng.choices(WORDS, k=20))}) for _ in range(3000))
    (folder / "text.jsonl").write_text("\n".join(lines))
    return GridConfig(
        life=folder / "life", data=[str(folder / "text.jsonl")], budget=1, vocab_size=300, context=32, quiet=True
    )


def training(size: str, seed: int = 0, steps: tuple[int, ...] = LENGTHS) -> Training:
    return Training(name=f"transformer-{size}-seed{seed}", arch="transformer", size=size, seed=seed, steps=steps)


@pytest.fixture(scope="module")
def life(config: GridConfig) -> Path:
    """A life with a trained grid of three sizes, the smallest with two seeds, each at three lengths."""
    trainings = (training(SIZES[0]), training(SIZES[0], seed=1), *(training(size) for size in SIZES[1:]))
    ahead = training("0.2m", steps=(40,))
    grid = Grid(arch="transformer", trainings=trainings, seconds=1, ahead=ahead, seconds_ahead=1)
    speeds = {"transformer": Speed(a_step=0.01, a_flop=0, a_size=0)}
    Ground(config).keep(Plan(speeds=speeds, seconds=60, tokens=40_000, grids=(grid,)))
    result = train_grid.run(config)
    assert 0 < result.noise < 0.05
    return config.life


def test_every_run_is_a_row_and_longer_ones_know_more(life: Path) -> None:
    rows = read_rows(life / "scale" / "runs.csv")
    assert len(rows) == 4 * len(LENGTHS)
    assert [int(row["tokens"]) for row in rows[: len(LENGTHS)]] == [256 * steps for steps in LENGTHS]
    for first, last in zip(rows[0 :: len(LENGTHS)], rows[len(LENGTHS) - 1 :: len(LENGTHS)], strict=True):
        assert first["run"] == last["run"] and float(last["loss"]) < float(first["loss"])
    assert int(rows[0]["non_embedding"]) < int(rows[0]["multiplying"]) < int(rows[0]["all"])
    assert not (life / "scale" / "runs").exists()


def test_lost_runs_are_trained_again_to_the_same_loss_and_all_is_told(
    life: Path, config: GridConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    table, written = life / "scale" / "runs.csv", life / "scale" / "prediction-transformer.json"
    rows, predicted = read_rows(table), read_prediction(written)
    write_rows(table, rows[:-2])
    asked = ["scale", "run", str(life), "--data", config.data[0], "--budget", "1", "--vocab-size", "300", "--quiet"]
    assert eyas([*asked, "--context", "32"]) == 0
    assert [{**row, "seconds": ""} for row in read_rows(table)] == [{**row, "seconds": ""} for row in rows]
    assert read_prediction(written) == predicted
    told = capsys.readouterr().out
    for words in ("12 runs", "another seed changes the loss by", "loss expected", f"eyas scale check {life}"):
        assert words in told
    picture = (life / "scale" / "law.svg").read_text()
    assert picture.startswith("<svg")
    assert 'class="mark predicted"' in picture and 'class="mark reached"' not in picture
    assert eyas([*asked, "--context", "64"]) == 1
    assert "was begun with other settings (--context)" in capsys.readouterr().err


def test_the_run_ahead_is_trained_once_and_compared(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["scale", "check", str(life), "--quiet", "--json"]
    assert eyas(asked) == 0
    outcome = json.loads(capsys.readouterr().out)
    (row,) = read_rows(life / "scale" / "ahead.csv")
    assert outcome["loss"] == float(row["loss"]) and outcome["prediction"]["tokens"] == 40 * 256
    assert abs(outcome["error"]) < 0.2
    picture = (life / "scale" / "law.svg").read_text()
    assert 'class="mark predicted"' in picture and 'class="mark reached"' in picture
    assert eyas(asked) == 0
    assert json.loads(capsys.readouterr().out) == outcome


def test_a_plan_longer_than_the_text_is_made_anew(config: GridConfig, tmp_path: Path) -> None:
    begun = Ground(config.model_copy(update={"life": tmp_path / "life"}))
    long = training(SIZES[0], steps=(1_000_000,))
    grid = Grid(arch="transformer", trainings=(long,), seconds=1, ahead=long, seconds_ahead=1)
    speeds = {"transformer": Speed(a_step=1e9, a_flop=0, a_size=0)}
    begun.keep(Plan(speeds=speeds, seconds=60, tokens=256_000_000, grids=(grid,)))
    with pytest.raises(EyasError, match="the narrowest grid of transformer"):
        train_grid.run(begun.config)


def test_a_budget_too_small_is_refused_after_a_look_at_the_speed(config: GridConfig, tmp_path: Path) -> None:
    short = config.model_copy(update={"life": tmp_path / "life", "budget": 0.001})
    with pytest.raises(EyasError, match=r"--budget: the narrowest .* give more minutes"):
        train_grid.run(short)
    assert not (short.life / "scale").exists()  # or the next try, with more minutes, would be one with other settings


def test_the_worlds_entropy_is_the_least_that_a_law_of_it_may_reach(
    config: GridConfig, life: Path, tmp_path: Path
) -> None:
    of_world = {"life": tmp_path / "life", "data": ["world"], "tokenizer": str(life / "scale" / "tokenizer")}
    begun = Ground(config.model_copy(update=of_world))
    assert 0.3 < begun.entropy(begun.read(20_000)) < 0.5
    known = Ground.of_life(life, quiet=True)
    assert known.entropy(known.read(40_000)) == 0


@pytest.mark.parametrize("arch", ["rnn", "cnn"])
def test_other_networks_have_a_ground_too(config: GridConfig, tmp_path: Path, arch: str) -> None:
    begun = Ground(config.model_copy(update={"life": tmp_path / "life"}))
    model = begun.model(arch, "0.14m", 0)  # type: ignore[arg-type]
    assert model.config.arch == arch and begun.step_flops(arch, "0.14m") > 0  # type: ignore[arg-type]


def test_a_check_without_a_grid_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert eyas(["scale", "check", str(tmp_path)]) == 1
    assert "make one with eyas scale run" in capsys.readouterr().err


def test_of_several_kinds_it_is_told_how_far_back_they_remember(
    config: GridConfig, life: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds: list[Arch] = ["transformer", "rnn"]
    asked = {"life": tmp_path / "life", "arch": kinds, "tokenizer": str(life / "scale" / "tokenizer")}
    two = config.model_copy(update=asked)
    grids = []
    for arch in kinds:
        trainings = tuple(
            Training(name=f"{arch}-{size}-{seed}", arch=arch, size=size, seed=seed, steps=LENGTHS)
            for seed, size in enumerate((SIZES[0], *SIZES))
        )
        grids.append(Grid(arch=arch, trainings=trainings, seconds=1, ahead=training("0.2m"), seconds_ahead=1))
    speeds = {arch: Speed(a_step=0.01, a_flop=0, a_size=0) for arch in kinds}
    Ground(two).keep(Plan(speeds=speeds, seconds=60, tokens=40_000, grids=tuple(grids)))
    result = train_grid.run(two)
    assert [one.arch for one in result.memories] == kinds and all(set(one.copied) == {8} for one in result.memories)
    rows = read_rows(two.life / "scale" / "runs.csv")
    for memory, row in zip(result.memories, (rows[11], rows[23]), strict=True):
        assert (memory.arch, str(memory.params), str(memory.tokens)) == (row["arch"], row["multiplying"], row["tokens"])
    print_grid(result, two.life)
    assert what_is_seen(result.memories) in capsys.readouterr().out
    assert not list((life / "scale").glob("memory-*"))  # a kind alone is compared with nothing
