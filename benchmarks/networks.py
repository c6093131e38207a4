"""Which network? A Transformer, an LSTM and a convolutional network under one trainer, on the same text and tokenizer.

    python benchmarks/networks.py [--out FOLDER] [--data world] [--size 3m] [--minutes 5 | --tokens N] [--seed 0]

Each is trained for the same minutes (compiling included), or on the same tokens where the machine is busy, then
measured on the same held-out text: bits per byte, and how much better it knows what it has read before, by the
distance. What is whole in FOLDER already is not trained again. Writes results/networks.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any, get_args

from eyas.cli.show import plain
from eyas.data import vocabulary
from eyas.evals import evaluate
from eyas.model.config import Arch
from eyas.store.lineage import read_lineage
from eyas.train import pretrain

RESULTS = Path(__file__).parent / "results" / "networks.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("networks"))
    parser.add_argument("--data", action="append", default=[])
    parser.add_argument("--size", default="3m")
    parser.add_argument("--seed", type=int, default=0)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float)
    length.add_argument("--tokens", type=int)
    args = parser.parse_args()
    data = args.data or ["world"]
    minutes = args.minutes or (None if args.tokens else 5.0)
    tokenizer = args.out / "tokenizer"
    if not tokenizer.exists():
        vocabulary.run(vocabulary.TokenizerConfig(data=data, out=tokenizer, seed=args.seed))
    found: dict[str, Any] = {}
    for arch in get_args(Arch):
        out = args.out / arch
        if not out.exists():
            pretrain.run(
                pretrain.PretrainConfig(
                    out=out, data=data, tokenizer=str(tokenizer), arch=arch, size=args.size, minutes=minutes,
                    tokens=args.tokens, seed=args.seed, sample_every=0,
                )
            )  # fmt: skip
        measured = evaluate.run(evaluate.EvalConfig(model=str(out), tasks=["bpb", "recall"]))
        found[arch] = {"training": read_lineage(out)["figures"], **measured.as_json()}
        print_one(arch, found[arch])
    setting = {"data": data, "size": args.size, "minutes": minutes, "tokens": args.tokens, "seed": args.seed}
    RESULTS.write_text(json.dumps(plain({"setting": setting, "networks": found}), indent=1) + "\n")


def print_one(arch: str, figures: dict[str, Any]) -> None:
    training, bpb, recall = figures["training"], figures["bpb"], figures["recall"]
    print(
        f"{arch}: {training['n_params']:,} parameters, {training['tokens']:,} tokens, "
        f"{training['tokens_per_second']:,.0f} tokens a second, MFU {training['mfu']:.0%}; "
        f"{bpb['bpb']:.4f} [{bpb['low']:.4f}, {bpb['high']:.4f}] bits per byte"
    )
    for name in ("copied", "recalled"):
        print(f"  {name}", ", ".join(f"{d}: {share['value']:.1%}" for d, share in recall[name].items()), flush=True)


if __name__ == "__main__":
    main()
