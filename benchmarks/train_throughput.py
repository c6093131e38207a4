"""Training speed beside a plain `transformers` Llama + AdamW fp32 loop on the same shapes, in alternating rounds.

    python benchmarks/train_throughput.py [--size 3m] [--batch-size 16] [--rounds 7] [--steps 4]
                                          [--threads 2] [--clock wall|cpu]

Each side lives in its own process; the parent lets them run in turn, so that noise of the machine meets both. Prints
the median tokens a second of each, the median of the per-round ratios with its range, and MFU likewise: (6 N + 6 L D T)
FLOPs a token over the rate of a 2048-cubed bf16 linear layer with the same threads, right after the steps. With
`--clock cpu` processor seconds of the process count instead of wall seconds: with `--threads 1` it tells the ratio on
a busy machine.
"""

import argparse
import contextlib
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

VOCAB, CONTEXT = 4096, 256
_open = contextlib.ExitStack()  # the worker's run stays open until its process ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="3m", help="as eyas pretrain takes it")
    parser.add_argument("--batch-size", type=int, default=16, help=f"rows of {CONTEXT} tokens a step")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4, help="steps a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--optimizer", choices=("muon", "adamw"), default="muon")
    parser.add_argument("--worker", choices=("peer", "eyas"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args)
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    sides = {name: start(name) for name in ("peer", "eyas")}
    first = {name: ask(side) for name, side in sides.items()}
    rows = f"{args.batch_size} rows of {CONTEXT} tokens a step"
    print(f"{first['eyas']['n_params']:,} parameters, vocabulary {VOCAB}, {rows}")
    print(f"eyas: first step (compile included) {first['eyas']['first_seconds']:.1f} s")
    rounds = []
    for number in range(args.rounds):
        figures = {name: ask(side) for name, side in sides.items()}
        rounds.append(figures)
        peer, ours = figures["peer"]["tok_per_s"], figures["eyas"]["tok_per_s"]
        print(f"round {number + 1}: peer {peer:,.0f}, eyas {ours:,.0f} tok/s, ratio {ours / peer:.2f}", flush=True)
    for side in sides.values():
        side.communicate("stop\n")

    def median(name: str, key: str) -> float:
        return statistics.median(figures[name][key] for figures in rounds)

    def spread(values: Iterable[float]) -> str:
        found = sorted(values)
        return f"{statistics.median(found):.2f} (from {found[0]:.2f} to {found[-1]:.2f})"

    ratios = (figures["eyas"]["tok_per_s"] / figures["peer"]["tok_per_s"] for figures in rounds)
    flops = first["eyas"]["flops_per_token"]
    mfus = (flops * figures["eyas"]["tok_per_s"] / figures["eyas"]["gemm_flops"] for figures in rounds)
    speeds = ", ".join(f"{name} {median(name, 'tok_per_s'):,.0f}" for name in sides)
    print(f"medians of {args.rounds} rounds, tok/s: {speeds}")
    print(f"ratio {spread(ratios)}")
    how = f"2048-cubed bf16 linear, {args.threads} threads, {args.clock} clock"
    print(f"MFU {spread(mfus)} of {median('eyas', 'gemm_flops') / 1e9:.0f} GFLOP/s ({how})")


def start(name: str) -> "subprocess.Popen[str]":
    command = [sys.executable, __file__, *sys.argv[1:], "--worker", name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(side: "subprocess.Popen[str]") -> dict[str, Any]:
    assert side.stdin is not None and side.stdout is not None
    side.stdin.write("go\n")
    side.stdin.flush()
    answer: dict[str, Any] = json.loads(side.stdout.readline())
    return answer


def work(args: argparse.Namespace) -> None:
    if args.worker == "eyas":
        importlib.import_module("eyas")  # before torch, as in the program: it sets how OpenMP waits
    import torch

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    clock = time.perf_counter if args.clock == "wall" else time.process_time
    sys.stdin.readline()
    begun = time.perf_counter()
    step, facts = (peer if args.worker == "peer" else eyas)(args)
    step()
    print(json.dumps({"first_seconds": time.perf_counter() - begun, **facts}), flush=True)
    x = torch.randn(2048, 2048).bfloat16()
    step()
    for line in sys.stdin:
        if line.strip() != "go":
            break
        begun = clock()
        for _ in range(args.steps):
            step()
        speed = args.steps * args.batch_size * CONTEXT / (clock() - begun)
        gemms = []
        with torch.no_grad():
            for _ in range(5):
                begun = clock()
                torch.nn.functional.linear(x, x)
                gemms.append(clock() - begun)
        print(json.dumps({"tok_per_s": speed, "gemm_flops": 2 * 2048**3 / statistics.median(gemms)}), flush=True)
    _open.close()


def peer(args: argparse.Namespace) -> tuple[Callable[[], Any], dict[str, Any]]:
    """The loop most people would write: Hugging Face model, fp32, eager, AdamW, clipping."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from eyas.model.config import ModelConfig

    shape = ModelConfig.from_size(args.size, VOCAB, CONTEXT)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCAB, hidden_size=shape.n_embd, intermediate_size=shape.n_ff,
            num_hidden_layers=shape.n_layer, num_attention_heads=shape.n_head,
            max_position_embeddings=CONTEXT, tie_word_embeddings=False,
        )
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    ids = torch.randint(0, VOCAB, (args.batch_size, CONTEXT))

    def step() -> None:
        model(input_ids=ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step, {"n_params": sum(p.numel() for p in model.parameters())}


def eyas(args: argparse.Namespace) -> tuple[Callable[[], Any], dict[str, Any]]:
    """The trainer's own step, compiled, with rows of several documents each, metrics and guards included."""
    import torch

    from eyas.model.config import ModelConfig
    from eyas.model.transformer import Transformer
    from eyas.train.objectives import language_loss
    from eyas.train.optim import OptimConfig
    from eyas.train.trainer import TrainConfig, opened

    config = ModelConfig.from_size(args.size, VOCAB, CONTEXT)
    model = Transformer(config)
    model.init_weights(0)
    ids = torch.randint(0, VOCAB, (args.batch_size, CONTEXT + 1))
    doc_ids = (torch.arange(CONTEXT) // 100).int().expand(args.batch_size, CONTEXT).contiguous()
    batch = {"tokens": ids[:, :-1].contiguous(), "targets": ids[:, 1:].contiguous(), "doc_ids": doc_ids}

    class Same:
        def batch(self, step: int) -> dict[str, torch.Tensor]:
            return batch

    settings = TrainConfig(steps=10**6, compile="on", optim=OptimConfig(args.optimizer))
    run = _open.enter_context(opened(model, Same(), language_loss, settings, Path(tempfile.mkdtemp())))
    return run.step, {"n_params": config.n_params(), "flops_per_token": config.flops_per_token(CONTEXT)}


if __name__ == "__main__":
    main()
