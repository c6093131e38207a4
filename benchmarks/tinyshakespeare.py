"""Character-level tinyshakespeare: seconds of training until 1.886 nats a character on the whole validation split.

    python benchmarks/tinyshakespeare.py PATH/input.txt [--steps 150] [--rows 32] [--threads 2] [--seed 1]

nanoGPT's README run (0.8M parameters, 2,000 steps of 12 x 64 characters, its CPU command) ends at 1.886. Here a model
of 0.5M in two layers, of the same context of 64, is trained by eyas's own trainer; the last tenth of the text is the
validation split, read whole in rows of 64. Prints training seconds and compile seconds apart.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.train.objectives import IGNORED, language_loss
from eyas.train.optim import OptimConfig
from eyas.train.trainer import TrainConfig, opened
from eyas.train.validation import heldout_loss

BLOCK = 64
TARGET = 1.886


class Windows:
    """Random windows of the text: batch `step` is a pure function of seed and step."""

    def __init__(self, ids: torch.Tensor, rows: int, seed: int) -> None:
        self.ids, self.rows, self.seed = ids, rows, seed

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        starts = np.random.default_rng((self.seed, step)).integers(0, len(self.ids) - BLOCK, self.rows)
        at = torch.from_numpy(starts)[:, None] + torch.arange(BLOCK + 1)
        window = self.ids[at]
        return {"tokens": window[:, :-1].contiguous(), "targets": window[:, 1:].contiguous()}


def validate(model: torch.nn.Module, ids: torch.Tensor, rows: int) -> float:
    """Nats a character over the whole split, in rows of BLOCK."""
    count = -(-(len(ids) - 1) // BLOCK)
    tokens = torch.zeros(-(-count // rows) * rows * BLOCK, dtype=torch.int64)
    targets = torch.full_like(tokens, IGNORED)
    tokens[: len(ids) - 1], targets[: len(ids) - 1] = ids[:-1], ids[1:]
    nats = characters = 0.0
    pairs = zip(tokens.view(-1, rows, BLOCK), targets.view(-1, rows, BLOCK), strict=True)
    for these, those in pairs:
        loss, counted = heldout_loss(model, {"tokens": these, "targets": those})
        nats, characters = nats + loss, characters + counted
    assert characters == len(ids) - 1
    return nats / characters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--matrix-lr", type=float, default=0.03)
    parser.add_argument("--optimizer", choices=("muon", "adamw"), default="muon")
    parser.add_argument("--decay", type=float, default=0.6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", choices=("on", "off"), default="on")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    text = args.text.read_text(encoding="utf-8")
    letters = sorted(set(text))
    number = {letter: index for index, letter in enumerate(letters)}
    ids = torch.tensor([number[letter] for letter in text])
    cut = int(0.9 * len(ids))
    config = ModelConfig(
        vocab_size=len(letters), n_layer=2, n_embd=128, n_head=2, n_kv_head=2, head_dim=64, n_ff=512, max_seq_len=BLOCK
    )
    model = Transformer(config)
    model.init_weights(args.seed)
    settings = TrainConfig(
        steps=args.steps, compile=args.compile, seed=args.seed, warmup=20, decay=args.decay, save_seconds=1e9,
        optim=OptimConfig(args.optimizer, lr=args.lr, matrix_lr=args.matrix_lr, weight_decay=0.1, momentum=0.9),
    )  # fmt: skip
    windows = Windows(ids[:cut], args.rows, args.seed)
    with tempfile.TemporaryDirectory() as folder, opened(model, windows, language_loss, settings, Path(folder)) as run:
        compiling = run.state.compile_seconds
        wall, processor = time.perf_counter(), time.process_time()
        for _ in range(args.steps):
            run.step()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        with run.autocast:
            nats = validate(model, ids[cut:], args.rows)
    print(f"{config.n_params():,} parameters, {args.steps} steps of {args.rows} x {BLOCK} characters, seed {args.seed}")
    print(f"validation {nats:.4f} nats a character over {len(ids) - cut - 1:,} characters (target {TARGET})")
    print(f"training {wall:.1f} s (processor {processor:.1f} s), compiling {compiling:.1f} s apart")
    print("reached" if nats <= TARGET else "not reached")


if __name__ == "__main__":
    main()
