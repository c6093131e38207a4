"""What text is worth that is read again: equal steps on new text and on a part of it, read over and over.

    python benchmarks/repeats.py --data FILE [--sizes 1m 2m] [--unique 0.1 0.2 0.4] [--epochs 1 2 4 8 16]
                                 [--weight-decay 0.01 0.3] [--out FOLDER] [--json FILE]

Every run is one of `eyas pretrain`'s recipe, which chooses the weight decay unless `--weight-decay` does, and reads the
first `--unique` million tokens of the text `--epochs` times; bits per byte are those of the same held-out documents, a
twentieth of the text. Beside them stand runs that read as much without reading anything twice, as far as the text goes.
What a repeated run is worth is the new text that reaches the same, read off the line through those runs (log-log), and
R* the one of Muennighoff et al. 2023 (arXiv:2305.16264) that says so: worth = U + U R* (1 - exp(-(epochs - 1) / R*)).
As many models train at once as there are cores, each on one thread. What the file of results holds already is not
trained again.
"""

import argparse
import json
import math
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from recipe import measured, prepared

from eyas.data.packing import MemoryDocuments, PackedRows
from eyas.model.architectures import new_network
from eyas.model.config import ModelConfig
from eyas.train.dial import suiting_batch
from eyas.train.pretrain import PretrainConfig, trainer_of
from eyas.train.repeats import suiting_decay
from eyas.train.validation import evaluator

RESULTS = Path(__file__).parent / "results" / "repeats.json"
CONTEXT, VOCAB_SIZE = 512, 4096
LR = float(PretrainConfig.model_fields["lr"].default)
Run = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--sizes", nargs="+", default=["1m", "2m"])
    parser.add_argument("--unique", nargs="+", type=float, default=[0.1, 0.2, 0.4], help="million tokens")
    parser.add_argument("--epochs", nargs="+", type=int, default=[1, 2, 4, 8, 16])
    parser.add_argument("--weight-decay", nargs="+", type=float, help="instead of what suits")
    parser.add_argument("--out", type=Path, default=Path("repeats"))
    parser.add_argument("--json", type=Path, default=RESULTS)
    args = parser.parse_args()
    whole = prepared(args, VOCAB_SIZE)[1].tokens()
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes below
    wanted = [
        run
        for size in args.sizes
        for unique in args.unique
        for epochs in args.epochs
        for run in asked(size, round(1e6 * unique), round(1e6 * unique * epochs), whole, args.weight_decay)
    ]
    runs: list[Run] = json.loads(args.json.read_text()) if args.json.exists() else []
    done = [settings_of(run) for run in runs]
    wanted = [run for at, run in enumerate(wanted) if run not in done and run not in wanted[:at]]
    wanted.sort(key=lambda run: -run["tokens"])
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(trained, args, run) for run in wanted]):
            runs.append(future.result())
            args.json.write_text(json.dumps(runs, indent=1) + "\n")
            print(runs[-1], flush=True)
    for size in args.sizes:
        table(sorted((run for run in runs if run["size"] == size), key=lambda run: list(settings_of(run).values())))


def asked(size: str, unique: int, tokens: int, whole: int, decays: list[float] | None) -> list[Run]:
    """The runs that read `tokens` of `unique`, and the one that reads as many new ones where there are so many."""
    steps = tokens // suiting_batch(tokens)
    suiting = round(suiting_decay(tokens / unique, steps, LR), 3)
    runs = [{"weight_decay": decay, "unique": unique} for decay in decays or [suiting]]
    if tokens <= whole:
        runs.append({"weight_decay": suiting_decay(1, steps, LR), "unique": tokens})
    return [{"size": size, **run, "tokens": tokens} for run in runs]


def settings_of(run: Run) -> Run:
    """What was asked of a run."""
    return {name: run[name] for name in ("size", "weight_decay", "unique", "tokens")}


def trained(args: argparse.Namespace, run: Run) -> Run:
    """Train one model on the first `unique` tokens of the text."""
    tokenizer, shards = prepared(args, VOCAB_SIZE)
    ends = np.cumsum(shards.train.lengths, dtype=np.int64)
    count = int(np.searchsorted(ends, run["unique"])) + 1
    lengths = shards.train.lengths[:count].tolist()
    documents = MemoryDocuments([shards.train.read(at, 0, length) for at, length in enumerate(lengths)])
    batch = suiting_batch(run["tokens"])
    model = new_network(ModelConfig.from_size(run["size"], -(-tokenizer.vocab_size // 64) * 64, CONTEXT))
    model.init_weights(0)
    config = PretrainConfig(
        out=args.out, data=[args.data], tokens=run["tokens"], weight_decay=run["weight_decay"], compile="on",
        eval_every=0, sample_every=0, save_seconds=1e9,
    )  # fmt: skip
    settings = replace(trainer_of(config), steps=run["tokens"] // batch)
    rows = PackedRows(documents, CONTEXT, batch // CONTEXT, seed=0)
    evaluate = evaluator(shards.val, CONTEXT, 8, max_batches=10**9, token_bytes=tokenizer.token_bytes)
    return run | {"bpb": measured(model, rows, settings, evaluate)["bpb"]}


def table(runs: list[Run]) -> None:
    """What each repeated run reached, and the new text that would have reached the same."""
    new = {run["tokens"]: run["bpb"] for run in runs if run["unique"] == run["tokens"]}
    line = np.polyfit(np.log(list(new)), np.log(list(new.values())), 2)
    for run in runs:
        epochs = run["tokens"] / run["unique"]
        told = (
            f"{run['size']} decay {run['weight_decay']:g}: {run['unique'] / 1e6:.2f}m x {epochs:3.0f}: {run['bpb']:.4f}"
        )
        if epochs > 1:
            equal = worth(run["bpb"], line, run["tokens"])
            told += f" | worth {equal / run['unique']:.2f} epochs | R* {r_star(equal / run['unique'], epochs):.1f}"
            told += f" | new {new[run['tokens']]:.4f}" if run["tokens"] in new else ""
        print(told)


def worth(bpb: float, line: Any, tokens: int) -> float:
    """New tokens that reach `bpb` by the line."""
    grid = np.geomspace(tokens / 64, tokens, 2000)
    return float(grid[np.argmin(np.abs(np.polyval(line, np.log(grid)) - math.log(bpb)))])


def r_star(worth_epochs: float, epochs: float) -> float:
    """The R* with which so many epochs are worth `worth_epochs`."""
    grid = np.geomspace(0.1, 1000, 4000)
    said = 1 + grid * -np.expm1(-(epochs - 1) / grid)
    return float(grid[np.argmin(np.abs(said - worth_epochs))])


if __name__ == "__main__":
    main()
