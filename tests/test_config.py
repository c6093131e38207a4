"""Settings: a YAML file, flags over it, and nothing unknown."""

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from eyas.config import StageConfig
from eyas.errors import EyasError


class Config(StageConfig):
    """A stage's config."""

    out: Path
    steps: int = Field(10, ge=1)
    batch_size: int = Field(4, ge=1)


def file(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text)
    return path


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    config = Config.resolve(file(tmp_path, "out: here\nsteps: 20\nbatch_size: 8\n"), steps=30, batch_size=None)
    assert config == Config(out=Path("here"), steps=30, batch_size=8)


def test_an_empty_file_is_no_settings(tmp_path: Path) -> None:
    assert Config.resolve(file(tmp_path, "# nothing\n"), out="x").steps == 10


def test_an_unknown_key_is_refused_and_the_known_ones_are_told(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="unknown config key `stepz`; known keys: out, steps, batch_size"):
        Config.resolve(file(tmp_path, "out: x\nstepz: 3\n"))


@pytest.mark.parametrize(("steps", "why"), [(0, "greater than or equal to 1"), ("many", "valid integer")])
def test_a_wrong_value_names_its_flag(steps: object, why: str) -> None:
    with pytest.raises(EyasError, match=f"^--steps: .*{why}.* \\(got {steps!r}\\)$"):
        Config.resolve(None, out="x", steps=steps)


def test_a_field_with_two_words_is_named_as_its_flag() -> None:
    with pytest.raises(EyasError, match="^--batch-size: "):
        Config.resolve(None, out="x", batch_size=0)


def test_a_setting_nobody_gave_is_asked_for() -> None:
    with pytest.raises(EyasError, match="^--out is required; give the flag, or `out:` in the --config file$"):
        Config.resolve(None, steps=3)


@pytest.mark.parametrize(("text", "why"), [("a: [", "cannot be read"), ("- a\n", "must hold `key: value` lines")])
def test_a_damaged_file_is_named(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(EyasError, match=f"--config .*settings.yaml {why}"):
        Config.resolve(file(tmp_path, text), out="x")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match=r"--config .*nowhere\.yaml cannot be read"):
        Config.resolve(tmp_path / "nowhere.yaml")


def test_yaml_that_would_build_python_objects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="cannot be read"):
        Config.resolve(file(tmp_path, "out: !!python/object/apply:os.getcwd []\n"))


def test_a_config_does_not_change() -> None:
    with pytest.raises(ValidationError):
        Config(out=Path("x")).steps = 3
