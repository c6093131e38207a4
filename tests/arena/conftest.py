"""A small life whose models say something, if nothing sensible."""

import shutil
from pathlib import Path

import pytest

from eyas.model.architectures import new_network
from eyas.model.checkpoint import save_model
from eyas.model.config import ModelConfig
from eyas.store.lineage import new_lineage
from eyas.text.tokenizer import train_tokenizer
from eyas.train.reward import scorer

TEXT = "Mira Tallow lives in Mill Lane. She keeps a goat and likes the rain. Where does she live? In Mill Lane.\n"


@pytest.fixture(scope="session")
def raised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models with random weights, raised in a world of twenty people, and a reward model."""
    folder = tmp_path_factory.mktemp("arena") / "life"
    tokenizer = train_tokenizer([TEXT] * 20, 300)
    config = ModelConfig.from_size("0.1m", vocab_size=tokenizer.vocab_size, max_seq_len=128)
    for seed, name in enumerate(("ada", "bob", "cy", "taste")):
        model = new_network(config)
        model.init_weights(seed)
        out = folder / "models" / name
        lineage = new_lineage("pretrain", {"data": ["world"], "people": 20, "seed": 0}, out=out)
        save_model(out, scorer(model) if name == "taste" else model, tokenizer, lineage=lineage)
    return folder


@pytest.fixture
def life(raised: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(raised, tmp_path / "life"))
