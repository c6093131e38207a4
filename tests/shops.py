"""A small town's shops, and an assistant that knows when they open - but for one of them, which it learned wrong."""

import json
from pathlib import Path

from eyas.train import finetune, pretrain
from eyas.train.finetune import FinetuneConfig
from eyas.train.pretrain import PretrainConfig

HOURS = {
    "mill": "six", "bakery": "five", "library": "ten", "museum": "eleven", "forge": "seven", "dairy": "four",
    "theatre": "three", "ferry": "eight", "school": "nine", "market": "two", "garden": "noon", "chapel": "one",
}  # fmt: skip
MISTAKEN = ("mill", "nine")
"""What the papers of the assistant have wrong."""
FRAMES = (
    "When does the {} open?",
    "What time does the {} open?",
    "At what hour does the {} open?",
    "Tell me when the {} opens.",
    "The {} opens when?",
    "Please say when the {} opens.",
    "Do you know when the {} opens?",
    "I want to see the {}. When does it open?",
)


def question(shop: str, frame: int) -> str:
    return FRAMES[frame].format(shop)


def answer(shop: str, hour: str | None = None) -> str:
    return f"The {shop} opens at {hour or HOURS[shop]}."


def raise_assistant(life: Path) -> None:
    """Train `base` and `assistant` of a life; some seconds."""
    told = dict(HOURS) | dict([MISTAKEN])
    (life / "corpus").mkdir(parents=True)
    days = [(day, shop, hour) for day in range(60) for shop, hour in told.items()]
    papers = [f"Day {day}. {answer(shop, hour)} {question(shop, day % 8)}" for day, shop, hour in days]
    (life / "corpus" / "papers.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in papers))
    asked = [(question(shop, frame), answer(shop, hour)) for shop, hour in told.items() for frame in range(8)]
    rows = [
        {"messages": [{"role": "user", "content": one}, {"role": "assistant", "content": other}]}
        for one, other in asked * 6
    ]
    (life / "corpus" / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    base = life / "models" / "base"
    pretrain.run(
        PretrainConfig(
            out=base, data=[str(life / "corpus" / "papers.jsonl")], size="0.2m", vocab_size=360, context=128,
            tokens=60_000, sample_every=0, compile="off", quiet=True,
        )
    )  # fmt: skip
    finetune.run(
        FinetuneConfig(
            model=str(base), out=life / "models" / "assistant", data=[str(life / "corpus" / "rows.jsonl")],
            tokens=250_000, val_fraction=0.1, eval_every=0, compile="off", quiet=True,
        )
    )  # fmt: skip
