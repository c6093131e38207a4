"""A small untrained model in a life, for verbs that only need one to be there."""

from pathlib import Path

import pytest

TEXT = "Mira Tallow lives in Mill Lane. She keeps a goat and likes the rain. Where does she live? In Mill Lane.\n"


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A life with the models `base` and `assistant`, both with random weights."""
    from eyas.model.checkpoint import save_model
    from eyas.model.config import ModelConfig
    from eyas.model.transformer import Transformer
    from eyas.store.lineage import new_lineage
    from eyas.text.tokenizer import train_tokenizer

    folder = tmp_path_factory.mktemp("lives") / "life"
    tokenizer = train_tokenizer([TEXT] * 20, 300)
    config = ModelConfig.from_size("0.3m", vocab_size=tokenizer.vocab_size, max_seq_len=256)
    parent = None
    for seed, (name, stage) in enumerate((("base", "pretrain"), ("assistant", "finetune"))):
        model = Transformer(config)
        model.init_weights(seed)
        out = folder / "models" / name
        save_model(out, model, tokenizer, lineage=new_lineage(stage, {}, out=out, parent=parent, seed=seed))
        parent = out
    return folder
