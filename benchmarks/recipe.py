"""What trains best per minute: changes of the recipe, one at a time, at equal tokens and at equal time.

    python benchmarks/recipe.py --data FOLDER_OR_FILE|world [--out FOLDER] [--tokens 800000] [--seeds 3]
                                [--only NAME]... [--base NAME] [--json FILE]

Every change trains a fresh model on the same text from the same tokenizer for `--tokens` tokens, and again for as many
as it reads in the time that the default needs, where its speed differs by more than 3 %. A seed sets the weights and
the order of the rows; bits per byte are those of the same held-out documents, a twentieth of the text. As many models
train at once as there are cores, each on one thread: so they get more done than in turn on all. Seconds are processor
seconds of the steps, compiling left out. What the file of results holds already is not trained again.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

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
from eyas.train.validation import Evaluate, evaluator

RESULTS = Path(__file__).parent / "results" / "recipe.json"
SAME_SPEED = 0.03
SPARE = 1.6  # endless text: tokens to have beyond --tokens, for changes that read faster

SIZE = "1m"

# What `eyas pretrain` did when the search began; what won has become its default since.
DEFAULT: dict[str, Any] = {
    "optim": {"lr": 0.02, "matrix_lr": 0.02, "momentum": 0.95}, "train": {}, "model": {"n_layer": 3, "n_ff": 320},
    "batch_tokens": 4096, "context": 512, "vocab_size": 4096,
}  # fmt: skip
# What a change says differently: fields of the optimizer, of the trainer, of the model, or the batch.
CHANGES: dict[str, dict[str, Any]] = {
    "default": {},
    "batch 8192": {"batch_tokens": 8192},
    "batch 2048": {"batch_tokens": 2048},
    "batch 2048 at 0.014": {"batch_tokens": 2048, "optim": {"lr": 0.014, "matrix_lr": 0.014}},
    "rows of 256": {"context": 256},
    "vocabulary 2048": {"vocab_size": 2048},
    "vocabulary 1024": {"vocab_size": 1024},
    "AdamW 0.003": {"optim": {"kind": "adamw", "lr": 0.003}},
    "AdamW 0.006": {"optim": {"kind": "adamw", "lr": 0.006}},
    "AdamW 0.012": {"optim": {"kind": "adamw", "lr": 0.012}},
    "Muon 0.03": {"optim": {"matrix_lr": 0.03}},
    "Muon 0.013": {"optim": {"matrix_lr": 0.013}},
    "tables 0.04": {"optim": {"lr": 0.04}},
    "tables 0.01": {"optim": {"lr": 0.01}},
    "momentum 0.9": {"optim": {"momentum": 0.9}},
    "first beta 0.8": {"optim": {"betas": (0.8, 0.95)}},
    "decay 0.8": {"train": {"decay": 0.8}},
    "decay 0.3": {"train": {"decay": 0.3}},
    "no weight decay": {"optim": {"weight_decay": 0.0}},
    "weight decay 0.1": {"optim": {"weight_decay": 0.1}},
    "clip 0": {"train": {"clip": 0.0}},
    "no QK-norm": {"model": {"qk_norm": False}},
    "heads of 32": {"model": {"n_head": 4, "n_kv_head": 4, "head_dim": 32}},
    "fewer and wider layers": {"model": {"n_layer": 2, "n_ff": 512}},
    "fewer and wider layers with momentum 0.9": {"optim": {"momentum": 0.9}, "model": {"n_layer": 2, "n_ff": 512}},
    "tied": {"model": {"tie_embeddings": True}},
    "together": {
        "batch_tokens": 2048,
        "context": 256,
        "model": {"n_layer": 2, "n_ff": 512},
        "optim": {"lr": 0.04, "momentum": 0.9, "betas": (0.8, 0.95)},
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, default=Path("recipe"))
    parser.add_argument("--tokens", type=int, default=800_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=CHANGES, action="append", help="this change beside the default")
    parser.add_argument("--base", choices=CHANGES, default="default", help="make the changes to this one")
    parser.add_argument("--json", type=Path, default=RESULTS)
    args = parser.parse_args()
    names = [name for name in CHANGES if name == "default" or args.only is None or name in args.only]
    setting = {"data": Path(args.data).name, "size": SIZE, "tokens": args.tokens, "base": args.base}
    record = json.loads(args.json.read_text()) if args.json.exists() else {"setting": setting, "runs": {}}
    if record["setting"] != setting:
        parser.error(f"{args.json} holds runs of another setting: {record['setting']}; give another file with --json")
    runs = record["runs"]
    changes = {name: merged(DEFAULT, CHANGES[args.base], CHANGES[name]) for name in names}
    for vocab_size in {change["vocab_size"] for change in changes.values()}:
        prepared(args, vocab_size)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes below
    jobs = {(name, seed, "tokens"): args.tokens for seed in range(args.seeds) for name in names}
    train_all(args, changes, jobs, record)
    for name, seed, _ in list(jobs):
        slower = slowness(runs, name, seed)
        if abs(slower - 1) > SAME_SPEED:
            jobs[name, seed, "time"] = round(args.tokens / slower)
    train_all(args, changes, jobs, record)
    table(runs)


def merged(*recipes: dict[str, Any]) -> dict[str, Any]:
    """One recipe after the other; of a part that is a dict, key by key."""
    found: dict[str, Any] = {}
    for recipe in recipes:
        for name, value in recipe.items():
            found[name] = found.get(name, {}) | value if isinstance(value, dict) else value
    return found


def train_all(
    args: argparse.Namespace, changes: dict[str, Any], jobs: dict[tuple[str, int, str], int], record: dict[str, Any]
) -> None:
    """Train what is not in the record, and write each run down when it is done."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        found = {}
        for (name, seed, length), tokens in jobs.items():
            key = f"{name}, {seed}, equal {length}"
            if key not in record["runs"]:
                found[pool.submit(trained, args, changes[name], seed, tokens)] = key
        for future in as_completed(found):
            record["runs"][found[future]] = future.result()
            args.json.write_text(json.dumps(record, indent=1) + "\n")
            print(found[future], future.result(), flush=True)


def slowness(runs: dict[str, dict[str, float]], name: str, seed: int) -> float:
    """Seconds a token over those of the default of this seed, which trained at about the same time."""
    seconds = [runs[f"{one}, {seed}, equal tokens"]["seconds_per_token"] for one in (name, "default")]
    return seconds[0] / seconds[1]


def prepared(args: argparse.Namespace, vocab_size: int) -> tuple[Tokenizer, Shards]:
    """The tokenizer of so many tokens and the text in it, made once."""
    folder = args.out / f"tokenizer-{vocab_size}"
    if not folder.exists():
        vocabulary.run(vocabulary.TokenizerConfig(data=[args.data], out=folder, vocab_size=vocab_size))
    tokenizer = Tokenizer.load(folder)
    n_tokens = round(SPARE * args.tokens) if args.data == "world" else None
    shards = build_shards(
        [args.data], tokenizer, args.out / f"shards-{vocab_size}", n_tokens=n_tokens, val_fraction=0.05, seed=0
    )
    return tokenizer, shards


def trained(args: argparse.Namespace, change: dict[str, Any], seed: int, tokens: int) -> dict[str, float]:
    """Train one model; its bits per byte on held-out text and processor seconds a token."""
    tokenizer, shards = prepared(args, change["vocab_size"])
    context = change["context"]
    shape = ModelConfig.from_size(SIZE, -(-tokenizer.vocab_size // 64) * 64, context)
    model = new_network(replace(shape, **change["model"]))
    model.init_weights(seed)
    rows, steps = change["batch_tokens"] // context, tokens // change["batch_tokens"]
    batches = PackedRows(shards.train, context, rows, seed)
    settings = TrainConfig(
        steps=steps, optim=OptimConfig(**change["optim"]), compile="on", save_seconds=1e9,
        **change["train"],
    )  # fmt: skip
    evaluate = evaluator(shards.val, context, rows, max_batches=10**9, token_bytes=tokenizer.token_bytes)
    return measured(model, batches, settings, evaluate)


def measured(model: Any, batches: Any, settings: TrainConfig, evaluate: Evaluate) -> dict[str, float]:
    """Take the steps of `settings`; what the model reaches on held-out text, and processor seconds a token."""
    assert settings.steps
    with tempfile.TemporaryDirectory() as folder, opened(model, batches, language_loss, settings, Path(folder)) as run:
        run.step()  # compiles
        first, begun = run.state.tokens, time.process_time()
        for _ in range(settings.steps - 1):
            run.step()
        seconds = time.process_time() - begun
        with run.autocast:
            figures = evaluate(model)
    return {
        "bpb": figures["val_bpb"], "tokens": run.state.tokens, "n_multiplying": model.config.n_multiplying(),
        "seconds_per_token": seconds / (run.state.tokens - first),
    }  # fmt: skip


def table(runs: dict[str, dict[str, float]]) -> None:
    """One line a change: bits per byte at equal tokens and at equal time, mean and deviation over seeds, and speed."""
    for name in CHANGES:
        line = f"{name:24s}"
        for length in ("tokens", "time"):
            found = [run["bpb"] for key, run in runs.items() if key.startswith(f"{name}, ") and key.endswith(length)]
            if found:
                spread = f" +- {statistics.stdev(found):.4f}" if len(found) > 1 else ""
                line += f" | equal {length} {statistics.fmean(found):.4f}{spread} (n = {len(found)})"
        seeds = [int(key.split(", ")[-2]) for key in runs if key.startswith(f"{name}, ") and key.endswith("tokens")]
        if seeds:
            ratio = statistics.median(slowness(runs, name, seed) for seed in seeds)
            print(line + f" | {ratio:.2f} of the default's seconds a token", flush=True)


if __name__ == "__main__":
    main()
