"""Small models to serve: random ones, which say nothing sensible and quickly, and one that knows two conversations."""

import math
from pathlib import Path
from typing import Any

import torch

from eyas.model.checkpoint import save_model
from eyas.model.transformer import Transformer
from eyas.text.chat import Rendered, render
from eyas.text.tokenizer import train_tokenizer
from tests.runtime.conftest import random_model

TEXT = 'What is 12 * 34? The cat sat on a mat, naïve and 猫-like: {"city": "Rome"}. Mira keeps a goat in Mill Lane.\n'
SUM = {"function": {"name": "calculator", "arguments": {"expression": "12 * 34"}}}
LESSONS: dict[str, list[dict[str, Any]]] = {
    "What does a cat say?": [{"role": "assistant", "reasoning_content": "A cat.", "content": "Meow."}],
    "What is 12 * 34?": [
        {"role": "assistant", "content": "", "tool_calls": [SUM]},
        {"role": "tool", "content": "408"},
        {"role": "assistant", "content": "It is 408."},
    ],
}


def make_life(folder: Path, context: int = 1024) -> Path:
    """Write the life; its champion is `assistant`."""
    tokenizer = train_tokenizer([TEXT] * 20, 330)
    for seed, name in enumerate(("base", "assistant")):
        model = random_model(tokenizer.vocab_size, seed=seed, max_seq_len=context)
        save_model(folder / "models" / name, model, tokenizer, lineage={"stage": name, "parent": None, "data": []})
    return folder


def make_pupil(folder: Path) -> Path:
    """Write a model that was taught two conversations by heart: one with a thought, one with a sum."""
    tokenizer = train_tokenizer([TEXT] * 20, 330)
    model = random_model(tokenizer.vocab_size, max_seq_len=256)
    taught = [render(tokenizer, [{"role": "user", "content": asked}, *said]) for asked, said in LESSONS.items()]
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    threads, loss = torch.get_num_threads(), torch.tensor(math.inf)
    torch.set_num_threads(1)  # for a model as small as this, threads only wait for each other
    while loss > 0.05:
        loss = torch.stack([_surprise(model, one) for one in taught]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.set_num_threads(threads)
    save_model(folder, model.eval(), tokenizer, lineage={"stage": "finetune", "parent": None, "data": []})
    return folder


def _surprise(model: Transformer, chat: Rendered) -> torch.Tensor:
    ids, mask = torch.tensor([chat.ids]), torch.tensor(chat.mask[1:])
    return torch.nn.functional.cross_entropy(model(ids[:, :-1])[0][mask], ids[0, 1:][mask])
