"""Which shape suits a size: models of other depths, widths and heads after as many tokens of the world.

    python benchmarks/shapes.py [--vocab-size 4096] [--context 512] [--tokens 1.1e6] [--out FOLDER] [--json FILE]
                                LAYERSxWIDTHxHEADSxFEEDFORWARD...

Every model is trained by `eyas pretrain`'s recipe with batches of 4096 tokens, one after the other on one thread; bits
per byte are those of the same held-out documents, seconds those of the processor for a step, compiling left out.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from recipe import measured, prepared

from eyas.data.packing import PackedRows
from eyas.model.architectures import new_network
from eyas.model.config import ModelConfig
from eyas.train.dial import BATCH_TOKENS
from eyas.train.pretrain import PretrainConfig, trainer_of
from eyas.train.validation import evaluator

RESULTS = Path(__file__).parent / "results" / "shapes.json"
JUDGED = 32  # batches of held-out text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="+", metavar="LAYERSxWIDTHxHEADSxFEEDFORWARD")
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--tokens", type=float, default=1.1e6)
    parser.add_argument("--out", type=Path, default=Path("shapes"))
    parser.add_argument("--json", type=Path, default=RESULTS)
    args = parser.parse_args()
    args.data = "world"
    torch.set_num_threads(1)
    runs: list[dict[str, Any]] = json.loads(args.json.read_text()) if args.json.exists() else []
    for shape in args.shapes:
        runs.append(trained(args, shape))
        args.json.write_text(json.dumps(runs, indent=1) + "\n")
        print(runs[-1], flush=True)


def trained(args: argparse.Namespace, shape: str) -> dict[str, Any]:
    """Train a model of `shape` and read the held-out text."""
    n_layer, n_embd, n_head, n_ff = (int(number) for number in shape.split("x"))
    tokenizer, shards = prepared(args, args.vocab_size)
    config = replace(
        ModelConfig.from_size("1m", -(-tokenizer.vocab_size // 64) * 64, args.context),
        n_layer=n_layer, n_embd=n_embd, n_head=n_head, n_kv_head=n_head, head_dim=n_embd // n_head, n_ff=n_ff,
    )  # fmt: skip
    model = new_network(config)
    model.init_weights(0)
    quiet = PretrainConfig(out=args.out, data=[args.data], compile="on", eval_every=0, sample_every=0, save_seconds=1e9)
    settings = replace(trainer_of(quiet), steps=int(args.tokens) // BATCH_TOKENS)
    n_rows = BATCH_TOKENS // args.context
    rows = PackedRows(shards.train, args.context, n_rows, seed=0)
    evaluate = evaluator(shards.val, args.context, n_rows, max_batches=JUDGED, token_bytes=tokenizer.token_bytes)
    found = measured(model, rows, settings, evaluate)
    seconds = found.pop("seconds_per_token") * BATCH_TOKENS
    asked = {"shape": shape, "vocab_size": args.vocab_size, "context": args.context}
    return asked | found | {"seconds_per_step": round(seconds, 4)}


if __name__ == "__main__":
    main()
