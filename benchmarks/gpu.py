"""Training speed on a GPU: bf16, PyTorch's fused attention, compiled blocks, eyas's own trainer, at several sizes.

    python benchmarks/gpu.py [--sizes 15m,110m,350m] [--context 1024] [--tokens 65536] [--steps 20] [--out gpu.json]

Every size takes `--steps` steps of `--tokens` random tokens, whole rows of one document each, after five that are not
counted. Prints, and writes as JSON, the median tokens a second, MFU ((6 N + 6 L D T) FLOPs a token over the rate of a
2048-cubed bf16 linear layer on the same device) and the most memory held. Without a GPU it says so and fails.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from eyas.model.architectures import new_network
from eyas.model.config import ModelConfig
from eyas.train.objectives import language_loss
from eyas.train.trainer import TrainConfig, opened

UNCOUNTED = 5


class Random:
    """One batch of random tokens, given again and again."""

    def __init__(self, rows: int, context: int, vocab_size: int) -> None:
        ids = torch.randint(0, vocab_size, (rows, context + 1), generator=torch.Generator().manual_seed(0))
        self.rows = {"tokens": ids[:, :-1].contiguous(), "targets": ids[:, 1:].contiguous()}

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        return self.rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="15m,110m,350m")
    parser.add_argument("--vocab-size", type=int, default=32768)
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--tokens", type=int, default=65536, help="tokens a step")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    args = parser.parse_args()
    if args.tokens < args.context:
        parser.error(f"--tokens {args.tokens} is less than one row of --context {args.context}")
    if not torch.cuda.is_available():
        sys.exit("this benchmark needs a GPU that PyTorch can use; on a CPU run benchmarks/train_throughput.py")
    found = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "context": args.context}
    found |= {"tokens_per_step": args.tokens, "sizes": [measured(size, args) for size in args.sizes.split(",")]}
    args.out.write_text(json.dumps(found, indent=1) + "\n")


def measured(size: str, args: argparse.Namespace) -> dict[str, Any]:
    """Train a fresh model of `size` for a few steps; prints and returns its figures."""
    torch.cuda.reset_peak_memory_stats()
    config = ModelConfig.from_size(size, args.vocab_size, args.context)
    model = new_network(config)
    model.init_weights(0)
    model.cuda()
    rows = args.tokens // args.context
    batches = Random(rows, args.context, args.vocab_size)
    settings = TrainConfig(steps=10**6, compile="on", save_seconds=1e9)
    with tempfile.TemporaryDirectory() as folder, opened(model, batches, language_loss, settings, Path(folder)) as run:
        seconds = []
        for _ in range(UNCOUNTED + args.steps):
            torch.cuda.synchronize()
            begun = time.perf_counter()
            run.step()
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begun)
        speed = rows * args.context / statistics.median(seconds[UNCOUNTED:])
        figures = {
            "size": size, "n_params": config.n_params(), "compiled": run.plan.compiled, "precision": run.plan.precision,
            "tok_per_s": speed, "mfu": speed * run.flops_per_token / run.peak,
            "peak_tflops": run.peak / 1e12, "compile_seconds": run.state.compile_seconds,
            "gigabytes": torch.cuda.max_memory_allocated() / 1e9,
        }  # fmt: skip
    print(
        f"{size}: {config.n_params():,} parameters, {speed:,.0f} tokens a second, MFU {figures['mfu']:.0%} of "
        f"{run.peak / 1e12:.0f} TFLOP/s, {figures['gigabytes']:.1f} GB, first step {run.state.compile_seconds:.0f} s",
        flush=True,
    )
    return figures


if __name__ == "__main__":
    main()
