"""What trains best per minute: changes of the recipe, one at a time, at equal tokens and at equal time.

    python benchmarks/recipe.py --data FOLDER_OR_FILE [--out FOLDER] [--size 1m] [--tokens 600000] [--seeds 3]
                                [--only NAME] [--threads 1]

Every change trains a fresh model on the same text from the same tokenizer for `--tokens` tokens, and again for as many
as it reads in the time that the default needs, where its speed differs by more than 3 %. A seed sets the weights and
the order of the rows; bits per byte are those of the same held-out documents, a twentieth of the text. Seconds are
processor seconds of the steps (so `--threads 1` tells them on a busy machine), compiling left out. What is in
results/recipe.json already is not trained again.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from eyas.data import vocabulary
from eyas.data.build import build_shards
from eyas.data.packing import PackedRows
from eyas.data.shards import Shards
from eyas.model.architectures import new_network
from eyas.model.config import ModelConfig
from eyas.text.tokenizer import Tokenizer
from eyas.train.objectives import language_loss
from eyas.train.optim import OptimConfig
from eyas.train.trainer import TrainConfig, opened
from eyas.train.validation import evaluator

RESULTS = Path(__file__).parent / "results" / "recipe.json"
SAME_SPEED = 0.03

# What a change says differently: fields of the optimizer, of the trainer, of the model, or the batch.
DEFAULT: dict[str, Any] = {
    "optim": {"lr": 0.02}, "train": {}, "model": {}, "batch_tokens": 4096, "context": 512, "vocab_size": 4096,
}  # fmt: skip
CHANGES: dict[str, dict[str, Any]] = {
    "default": {},
    "batch 8192": {"batch_tokens": 8192},
    "batch 2048": {"batch_tokens": 2048},
    "rows of 256": {"context": 256},
    "vocabulary 2048": {"vocab_size": 2048},
    "AdamW 0.003": {"optim": {"kind": "adamw", "lr": 0.003}},
    "AdamW 0.006": {"optim": {"kind": "adamw", "lr": 0.006}},
    "Muon 0.03": {"optim": {"lr": 0.02, "matrix_lr": 0.03}},
    "Muon 0.013": {"optim": {"lr": 0.02, "matrix_lr": 0.013}},
    "decay 0.8": {"train": {"decay": 0.8}},
    "decay 0.3": {"train": {"decay": 0.3}},
    "no weight decay": {"optim": {"lr": 0.02, "weight_decay": 0.0}},
    "no QK-norm": {"model": {"qk_norm": False}},
    "tied": {"model": {"tie_embeddings": True}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, default=Path("recipe"))
    parser.add_argument("--size", default="1m")
    parser.add_argument("--tokens", type=int, default=600_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=CHANGES, help="this change beside the default")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    setting = {"data": Path(args.data).name, "size": args.size, "tokens": args.tokens, "threads": args.threads}
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"setting": setting, "runs": {}}
    if record["setting"] != setting:
        parser.error(f"{RESULTS} holds runs of another setting: {record['setting']}; move it away first")
    runs = record["runs"]
    for seed in range(args.seeds):
        for name in CHANGES if args.only is None else ("default", args.only):
            for length in ("tokens", "time"):
                key = f"{name}, {seed}, equal {length}"
                tokens = args.tokens
                if length == "time":
                    # Speeds are those of the same seed: trained one after the other, on an equally busy machine.
                    slower = runs[f"{name}, {seed}, equal tokens"]["seconds_per_token"]
                    slower /= runs[f"default, {seed}, equal tokens"]["seconds_per_token"]
                    if abs(slower - 1) <= SAME_SPEED:
                        continue
                    tokens = round(args.tokens / slower)
                if key not in runs:
                    runs[key] = trained(args, DEFAULT | CHANGES[name], seed, tokens)
                    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
    table(runs)


def prepared(args: argparse.Namespace, vocab_size: int) -> tuple[Tokenizer, Shards]:
    """The tokenizer of so many tokens and the text in it, made once."""
    folder = args.out / f"tokenizer-{vocab_size}"
    if not folder.exists():
        vocabulary.run(vocabulary.TokenizerConfig(data=[args.data], out=folder, vocab_size=vocab_size))
    tokenizer = Tokenizer.load(folder)
    return tokenizer, build_shards([args.data], tokenizer, args.out / f"shards-{vocab_size}", val_fraction=0.05, seed=0)


def trained(args: argparse.Namespace, change: dict[str, Any], seed: int, tokens: int) -> dict[str, float]:
    """Train one model; its bits per byte on held-out text and processor seconds a token."""
    tokenizer, shards = prepared(args, change["vocab_size"])
    context = change["context"]
    shape = ModelConfig.from_size(args.size, -(-tokenizer.vocab_size // 64) * 64, context)
    model = new_network(replace(shape, **change["model"]))
    model.init_weights(seed)
    rows, steps = change["batch_tokens"] // context, tokens // change["batch_tokens"]
    batches = PackedRows(shards.train, context, rows, seed)
    settings = TrainConfig(
        steps=steps, optim=OptimConfig(**change["optim"]), compile="on", save_seconds=1e9,
        **change["train"],
    )  # fmt: skip
    evaluate = evaluator(shards.val, context, rows, max_batches=10**9, token_bytes=tokenizer.token_bytes)
    with tempfile.TemporaryDirectory() as folder, opened(model, batches, language_loss, settings, Path(folder)) as run:
        begun = time.process_time()
        for _ in range(steps):
            run.step()
        seconds = time.process_time() - begun
        with run.autocast:
            figures = evaluate(model)
    return {"bpb": figures["val_bpb"], "tokens": run.state.tokens, "seconds_per_token": seconds / run.state.tokens}


def table(runs: dict[str, dict[str, float]]) -> None:
    """One line a change: bits per byte at equal tokens and at equal time, mean and deviation over seeds, and speed."""
    for name in CHANGES:
        line = f"{name:16s}"
        for length in ("tokens", "time"):
            found = [run["bpb"] for key, run in runs.items() if key.startswith(f"{name}, ") and key.endswith(length)]
            if found:
                spread = f" +- {statistics.stdev(found):.4f}" if len(found) > 1 else ""
                line += f" | equal {length} {statistics.fmean(found):.4f}{spread} (n = {len(found)})"
        ratios = [
            run["seconds_per_token"] / runs[f"default, {key.split(', ')[1]}, equal tokens"]["seconds_per_token"]
            for key, run in runs.items()
            if key.startswith(f"{name}, ") and key.endswith("tokens")
        ]
        if ratios:
            print(line + f" | {statistics.median(ratios):.2f} of the default's seconds a token", flush=True)


if __name__ == "__main__":
    main()
