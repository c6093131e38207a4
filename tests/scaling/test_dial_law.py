"""Which law minutes go by: the life's own on the same text, else the one that comes with eyas."""

import json
from pathlib import Path
from typing import Any

import pytest

from eyas.scaling.dial_law import DEFAULT, law_for
from eyas.scaling.law_file import FittedLaw, LawFile, read_law_file, write_law_file
from eyas.train.pretrain import PretrainConfig

FIVE = (0.5, 400.0, 900.0, 0.5, 0.5)


@pytest.fixture
def life(tmp_path: Path) -> Path:
    """A life with the laws of two networks, measured on the world with a vocabulary of 512."""
    fits = [
        FittedLaw(data_set=arch, counting="multiplying", law=FIVE, replicates=[FIVE], residuals=[0.01],
                  flops_factor=6.0, largest_flops=1e14)
        for arch in ("transformer", "rnn")
    ]  # fmt: skip
    folder = tmp_path / "life" / "scale"
    write_law_file(folder / "law.json", LawFile.new("runs.csv", "0", fits))
    (folder / "config.json").write_text(json.dumps({"data": ["world"], "vocab_size": 512, "tokenizer": None}))
    return tmp_path / "life"


def config(life: Path, **settings: Any) -> PretrainConfig:
    return PretrainConfig(out=life / "models" / "base", **({"data": ["world"], "vocab_size": 512} | settings))


@pytest.mark.parametrize("arch", [None, "transformer", "rnn"])
def test_the_lifes_own_law_comes_first(life: Path, arch: str | None) -> None:
    law = law_for(config(life, arch=arch))
    assert law is not None and law.name == f"the law of {life}" and law.expect(1e6, 1e7) is not None


@pytest.mark.parametrize("other", [{"vocab_size": 4096}, {"data": ["book.txt"]}, {"tokenizer": "elsewhere"}])
def test_a_law_of_other_text_or_words_is_not_the_lifes(life: Path, other: dict[str, Any]) -> None:
    law = law_for(config(life, **other))
    assert law is not None and law.name != f"the law of {life}"
    # Only the world under the default vocabulary is what the law that comes with eyas was measured on.
    assert (law.expect(1e6, 1e7) is not None) == (other == {"vocab_size": 4096})


def test_continued_models_and_other_networks_have_no_law_elsewhere(life: Path, tmp_path: Path) -> None:
    assert law_for(config(life, init="base")) is None
    assert law_for(config(tmp_path, arch="cnn")) is None


def test_the_law_that_comes_with_eyas_tells_how_it_was_measured() -> None:
    shipped = read_law_file(DEFAULT)
    law = shipped.fits[0].best_law()
    assert shipped.measured and "tokens of world" in shipped.measured
    assert law.A > 0 and law.B > 0 and 0.36 < float(law.loss(3e6, 1e7)) < 0.5
