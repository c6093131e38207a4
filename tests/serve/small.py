"""A small life with two random models: an assistant and a base model. They say nothing sensible, and quickly."""

from pathlib import Path

from eyas.model.checkpoint import save_model
from eyas.text.tokenizer import train_tokenizer
from tests.runtime.conftest import random_model

TEXT = 'What is 12 * 34? The cat sat on a mat, naïve and 猫-like: {"city": "Rome"}. Mira keeps a goat in Mill Lane.\n'


def make_life(folder: Path, context: int = 1024) -> Path:
    """Write the life; its champion is `assistant`."""
    tokenizer = train_tokenizer([TEXT] * 20, 330)
    for seed, name in enumerate(("base", "assistant")):
        model = random_model(tokenizer.vocab_size, seed=seed, max_seq_len=context)
        save_model(folder / "models" / name, model, tokenizer, lineage={"stage": name, "parent": None, "data": []})
    return folder
