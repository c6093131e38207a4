"""A stage's config as flags."""

import json
from pathlib import Path
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import Field

from eyas.cli.flags import stage_command
from eyas.cli.main import run
from eyas.config import StageConfig
from eyas.errors import EyasError


class Config(StageConfig):
    """A stage's config with a field of every kind."""

    model: str = Field(description="Where to start.")
    out: Path = Field(description="Where to write.")
    data: list[str] = Field(min_length=1, description="What to read.")
    sizes: tuple[int, ...] = Field((1, 2), description="How large.")
    steps: int = Field(10, ge=1, description="How long.")
    rate: float | None = Field(None, gt=0, le=1, description="How fast.")
    size: int | str = Field("3m", description="A number or a word.")
    arch: Literal["transformer", "rnn"] = Field("transformer", description="What shape.")
    compile: bool = Field(True, description="Compile it.")
    callback: Any = None


seen: list[tuple[Config, bool]] = []
command = stage_command(
    Config,
    lambda config, as_json: seen.append((config, as_json)),
    name="stage",
    help="Do it.",
    arguments={"model": "MODEL"},
    short={"out": "-o"},
    hidden=["callback"],
)


def parse(*arguments: str) -> tuple[Config, bool]:
    seen.clear()
    command.main(list(arguments), standalone_mode=False)
    return seen[0]


def test_flags_not_given_leave_the_defaults() -> None:
    config, as_json = parse("m", "-o", "out", "--data", "a")
    assert config == Config(model="m", out=Path("out"), data=["a"])
    assert not as_json


def test_every_kind_of_field_has_its_flag() -> None:
    config, as_json = parse(
        *["m", "--out", "o", "--data", "a", "--data", "b:2", "--sizes", "3", "--sizes", "4", "--steps", "5"],
        *["--rate", "0.5", "--size", "12", "--arch", "rnn", "--no-compile", "--json"],
    )
    assert as_json
    assert config.data == ["a", "b:2"] and config.sizes == (3, 4) and config.steps == 5
    assert config.rate == 0.5 and config.arch == "rnn" and config.compile is False


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("model: a\nout: b\ndata: [x, y]\nsteps: 3\ncompile: false\nrate: 0.1\n")
    config, _ = parse("--config", str(file), "--steps", "4")
    assert (config.model, config.data, config.steps, config.compile, config.rate) == ("a", ["x", "y"], 4, False, 0.1)
    config, _ = parse("n", "--config", str(file), "--data", "z", "--compile")
    assert (config.model, config.data, config.compile) == ("n", ["z"], True)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["m", "--data", "a"], "--out is required"),
        (["m", "-o", "o"], "--data is required"),
        (["m", "-o", "o", "--data", "a", "--steps", "0"], "--steps: Input should be greater than or equal to 1"),
        (["m", "-o", "o", "--data", "a", "--rate", "2"], "--rate: Input should be less than or equal to 1"),
    ],
)
def test_the_config_checks_what_the_flags_say(arguments: list[str], why: str) -> None:
    with pytest.raises(EyasError, match=why):
        parse(*arguments)


@pytest.mark.parametrize("arguments", [["--steps", "ten"], ["--arch", "cnn"], ["--stepz", "3"], ["--callback", "x"]])
def test_what_no_flag_holds_is_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse("m", "-o", "o", "--data", "a", *arguments)


def test_a_missing_argument_is_wrong_usage_unless_the_file_gives_it(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="missing argument 'MODEL'"):
        parse("-o", "o", "--data", "a")
    file = tmp_path / "c.yaml"
    file.write_text("steps: 3\n")
    with pytest.raises(EyasError, match="--model is required"):
        parse("-o", "o", "--data", "a", "--config", str(file))


def test_help_tells_description_range_and_default() -> None:
    text = " ".join(CliRunner().invoke(command, ["--help"], terminal_width=200).output.split())
    assert "How long. [>= 1; default: 10]" in text
    assert "How fast. [> 0, <= 1]" in text
    assert "-o, --out PATH Where to write. [required]" in text
    assert "[default: 1, 2]" in text and "[default: on]" in text
    assert "[transformer|rnn]" in text and "--compile / --no-compile" in text
    assert "callback" not in text
    assert "stage [OPTIONS] MODEL" in text


def test_a_type_no_flag_can_hold_is_found_when_the_command_is_made() -> None:
    with pytest.raises(TypeError, match="`callback`"):
        stage_command(Config, lambda config, as_json: None, name="stage", help="")


def test_settings_saved_with_a_model_can_be_given_back(tmp_path: Path) -> None:
    """The resolved config in lineage.json is itself a valid --config file (JSON is YAML)."""
    config = Config(model="m", out=Path("o"), data=["a"], rate=1e-05)
    file = tmp_path / "c.json"
    file.write_text(json.dumps(config.model_dump(mode="json")))
    assert parse("--config", str(file))[0] == config


def test_a_missing_config_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="cannot be read"):
        parse("--config", str(tmp_path / "none.yaml"))


def test_run_is_the_same_program() -> None:
    assert run(["--version"]) == 0
