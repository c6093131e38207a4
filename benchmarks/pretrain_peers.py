"""Bits per byte after ten minutes from scratch: `eyas pretrain` beside a `transformers` Llama and nanoGPT's recipe.

    python benchmarks/pretrain_peers.py SRC WORK [--apart NAME]... [--minutes 10] [--only PART]... [--json FILE]

SRC is a file or folder of text. A tenth of its documents is kept apart, or with --apart the files of these names. All
train on the same bytes, and all are read by one function, `eyas.evals.heldout.measure`: each document alone, after the
mark that begins it, its end counted; what is longer than a context in windows that overlap by half; in float32.

The minutes hold everything: reading, tokenizer, compiling (from a cold cache), training. So that a busy machine does
not decide, they are turned into steps: first all train a few steps in turn, several rounds, on one thread; of
processor seconds the best round of each counts; two threads are taken to be --speedup times as fast, for all alike.
For what comes before the first step, all are charged with the least that a peer needed.
Peers are tuned over GRID, each pair for --tuning minutes, and judged by a part of the text kept apart, which favours
them; the best pair then trains in full. eyas trains in the size of SIZES that its law, the one behind --minutes, makes
the best of; also for a half and a quarter of the time, which tells how long it needs for what a peer reaches.
As many parts as there are cores train at once, each on one thread. What is in WORK is not made again.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import eyas  # noqa: F401  before torch: it sets how threads wait, of which peers too have the good

PEERS = ("llama", "nanogpt", "nanogpt-bytes")
PARTS = ("llama", "eyas", "nanogpt", "nanogpt-bytes")
GRID = [(lr, batch) for batch in (2048, 4096) for lr in (1e-3, 2e-3, 4e-3, 8e-3)]
"""Learning rate and tokens a step of the peers."""
SIZES = ("1m", "1.4m", "2m")  # of eyas, to choose from
ROWS, CONTEXT = 8, 512  # a batch of eyas
BYTES_PER_TOKEN = 4.0  # of English in 4096 tokens, about
SHARES = (1, 2, 4)  # eyas also trains for the minutes divided by these
ROUNDS, WARMING, TIMED = 5, 1, 4
JUDGED = 200  # documents kept apart that judge the pairs of a grid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--apart", action="append", default=[], help="file of SRC to keep apart")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--tuning", type=float, default=0.75, help="minutes of each pair of a grid")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--speedup", type=float, default=1.8, help="of two threads over one, on a quiet machine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker in PARTS:
        (run_eyas if args.worker == "eyas" else run_peer)(args)
    elif args.worker:
        answer(paced(args.worker, args))
    else:
        split(args)
        measure_speed(args)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(train_part, args.only or PARTS))
        found = results(args)
        compare(found)
        if args.json:
            keep(args.json, found)


def train_part(part: str) -> None:
    """Train one part in a process of its own."""
    command = [sys.executable, *sys.argv, "--worker", part]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


# -- text and results


def split(args: argparse.Namespace) -> None:
    """Write the training text and the text kept apart, one document a line."""
    from eyas.data.build import cleaned_documents
    from eyas.data.sources import parse_source, source_files
    from eyas.data.split import split as by_hash

    if (args.work / "apart.jsonl").exists():
        return
    files = {path.name.split(".")[0]: parse_source(str(path)) for path in source_files(args.source)}
    named = [one for name, one in files.items() if name in args.apart]
    both = {"train": [], "apart": [text.text for _, text, _ in cleaned_documents(named)]}
    others = cleaned_documents([one for name, one in files.items() if name not in args.apart])
    for _, text, apart in by_hash(others, 0 if named else 0.1):
        both["apart" if apart else "train"].append(text.text)
    args.work.mkdir(parents=True, exist_ok=True)
    for name, texts in both.items():
        (args.work / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def documents(args: argparse.Namespace, name: str) -> list[str]:
    return [json.loads(line)["text"] for line in (args.work / f"{name}.jsonl").read_text().splitlines()]


def results(args: argparse.Namespace) -> dict[str, Any]:
    """What WORK holds already. Raises SystemExit when it was begun with other settings."""
    setting = {name: getattr(args, name) for name in ("minutes", "tuning", "speedup", "seed")}
    path = args.work / "speed.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text())
        if any(found["setting"][name] != value for name, value in setting.items()):
            raise SystemExit(f"{path} was begun with other settings; repeat them, or give another WORK")
    else:
        for name in ("train", "apart"):
            texts = documents(args, name)
            setting[name] = {"documents": len(texts), "bytes": sum(len(text.encode()) for text in texts)}
        setting["versions"] = {name: version(name) for name in ("torch", "transformers", "tokenizers")}
        found = {"setting": setting, "speed": {}}
    parts = {part: part_results(args, part) for part in PARTS}
    for what in ("tuning", "runs"):
        found[what] = {part: one[what] for part, one in parts.items() if one[what]}
    return found


def part_results(args: argparse.Namespace, part: str) -> dict[str, Any]:
    """What WORK holds of a part: the pairs tried, and runs by their minutes."""
    path = args.work / f"{part}.json"
    return json.loads(path.read_text()) if path.exists() else {"tuning": [], "runs": {}}


def keep(path: Path, found: dict[str, Any]) -> None:
    from eyas.cli.show import plain
    from eyas.files import write_atomic

    write_atomic(path, json.dumps(plain(found), indent=1) + "\n")


# -- speed


def measure_speed(args: argparse.Namespace) -> None:
    """Processor seconds before the first step, and of a step, of all contenders, which take turns.

    Also of those that --only leaves out: all are charged with the least that a peer needs to begin.
    """
    found = results(args)
    keys = [f"eyas {size}" for size in SIZES]
    keys += [f"{peer} {batch}" for peer in PEERS for batch in sorted({batch for _, batch in GRID})]
    keys = [key for key in keys if key not in found["speed"]]
    with TemporaryDirectory() as cold:
        sides = {key: start(key, cold) for key in keys}
        setup = {key: ask(side) for key, side in sides.items()}
        rounds = [{key: ask(side) for key, side in sides.items()} for _ in range(ROUNDS)]
        for side in sides.values():
            side.communicate()
    for key in keys:
        seconds = [one[key] for one in rounds]
        figures = {"setup_seconds": setup[key], "step_seconds": min(seconds), "median": statistics.median(seconds)}
        found["speed"][key] = figures | {"rounds": seconds}
    keep(args.work / "speed.json", {name: found[name] for name in ("setting", "speed")})


def start(key: str, cold: str) -> "subprocess.Popen[str]":
    """The process of one contender, with a compiler's cache of its own that is empty."""
    cache = f"{cold}/{key}".replace(" ", "-")  # the compiler does not quote paths
    own = {"TORCHINDUCTOR_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *sys.argv, "--worker", key]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | own)


def ask(side: "subprocess.Popen[str]") -> float:
    assert side.stdin is not None and side.stdout is not None
    side.stdin.write("go\n")
    side.stdin.flush()
    return float(side.stdout.readline())


def answer(figures: Iterator[float]) -> None:
    """Give one figure each time the parent asks."""
    for _ in sys.stdin:
        print(next(figures), flush=True)


def paced(key: str, args: argparse.Namespace) -> Iterator[float]:
    """Processor seconds before the first step, then those of a step as often as asked."""
    name, what = key.split()
    with ExitStack() as opened, TemporaryDirectory() as folder:
        if name == "eyas":
            pretrain_eyas(args, Path(folder) / "model", what, steps=1)
            step = opened.enter_context(eyas_run(what, Path(folder) / "run")).step
        else:
            from peer_loops import Loop, Text

            text = Text.prepared(name, documents(args, "train"))
            step = Loop(name, text, 1e-3, int(what), 10**6, args.seed).step
            step()
        used = os.times()
        yield used.user + used.system + used.children_user + used.children_system
        while True:
            seconds = []
            for _ in range(WARMING + TIMED):
                begun = time.process_time()
                step()
                seconds.append(time.process_time() - begun)
            yield statistics.median(seconds[WARMING:])


def eyas_run(size: str, folder: Path) -> Any:
    """eyas's trainer on rows of chance, which take as long as rows of text."""
    from eyas.model.architectures import new_network
    from eyas.model.config import ModelConfig
    from eyas.train.objectives import language_loss
    from eyas.train.speed import ChanceRows
    from eyas.train.trainer import TrainConfig, opened

    config = ModelConfig.from_size(size, max_seq_len=CONTEXT)
    model = new_network(config)
    model.init_weights(0)
    batches = ChanceRows(config.vocab_size, ROWS, CONTEXT)
    return opened(model, batches, language_loss, TrainConfig(steps=10**6, compile="on"), folder)


def setup_seconds(speed: dict[str, Any]) -> float:
    """Seconds before the first step that all are charged with: the least that a peer needed."""
    return min(one["setup_seconds"] for key, one in speed.items() if not key.startswith("eyas"))


# -- runs


def run_peer(args: argparse.Namespace) -> None:
    """Tune a peer, then train it in full with what was best."""
    from peer_loops import Text

    name, speed, own = args.worker, results(args)["speed"], part_results(args, args.worker)
    text = Text.prepared(name, documents(args, "train"))
    tuning = own["tuning"]
    for lr, batch in GRID:
        if any((one["lr"], one["batch_tokens"]) == (lr, batch) for one in tuning):
            continue
        steps = round(60 * args.tuning * args.speedup / speed[f"{name} {batch}"]["step_seconds"])
        tuning.append(train_peer(args, text, lr, batch, steps, JUDGED))
        keep(args.work / f"{name}.json", own)
        print(name, tuning[-1], flush=True)
    if own["runs"]:
        return
    best = min(tuning, key=lambda one: math.inf if one["bpb"] is None else one["bpb"])
    seconds = 60 * args.minutes - setup_seconds(speed)
    steps = round(seconds * args.speedup / speed[f"{name} {best['batch_tokens']}"]["step_seconds"])
    own["runs"][f"{args.minutes:g}"] = train_peer(args, text, best["lr"], best["batch_tokens"], steps, None)
    keep(args.work / f"{name}.json", own)


def train_peer(
    args: argparse.Namespace, text: Any, lr: float, batch: int, steps: int, judged: int | None
) -> dict[str, Any]:
    from peer_loops import Loop

    begun = time.perf_counter()
    loop = Loop(args.worker, text, lr, batch, steps, args.seed)
    for _ in range(steps):
        loop.step()
    figures = {"lr": lr, "batch_tokens": batch, "steps": steps, "n_params": loop.n_params()}
    return figures | read(loop.reader(), documents(args, "apart")[:judged]) | {"seconds": time.perf_counter() - begun}


def run_eyas(args: argparse.Namespace) -> None:
    """Train eyas for the minutes, and for parts of them."""
    from eyas.runtime.opening import open_engine

    speed, own = results(args)["speed"], part_results(args, "eyas")
    runs = own["runs"]
    for minutes in (args.minutes / share for share in SHARES):
        if f"{minutes:g}" in runs:
            continue
        out = args.work / f"eyas-{minutes:g}"
        size, steps = chosen(args, speed, minutes)
        result = pretrain_eyas(args, out, size, steps)
        figures = {"size": size, "batch_tokens": ROWS * CONTEXT, "steps": steps, "n_params": result.n_params}
        runs[f"{minutes:g}"] = figures | read(open_engine(out), documents(args, "apart")) | {"seconds": result.seconds}
        keep(args.work / "eyas.json", own)


def chosen(args: argparse.Namespace, speed: dict[str, Any], minutes: float) -> tuple[str, int]:
    """The size that the law makes the best of in `minutes` at the speeds measured, as the dial does, and its steps."""
    from eyas.model.config import ModelConfig
    from eyas.scaling.dial_law import default_law
    from eyas.train.repeats import worth

    law = default_law(level=False)
    unique = sum(len(text.encode()) for text in documents(args, "train")) / BYTES_PER_TOKEN
    seconds = 60 * minutes - setup_seconds(speed)
    found = []
    for size in SIZES:
        steps = round(seconds * args.speedup / speed[f"eyas {size}"]["step_seconds"])
        loss = law.loss(ModelConfig.from_size(size).n_multiplying(), worth(steps * ROWS * CONTEXT, unique))
        found.append((float(loss), size, steps))
    _, size, steps = min(found)
    return size, steps


def pretrain_eyas(args: argparse.Namespace, out: Path, size: str, steps: int) -> Any:
    from eyas.train.pretrain import PretrainConfig, run

    return run(
        PretrainConfig(
            out=out, data=[str(args.work / "train.jsonl")], size=size, context=CONTEXT, tokens=steps * ROWS * CONTEXT,
            batch_size=ROWS, compile="on", eval_every=0, sample_every=0, seed=args.seed, quiet=True,
        )
    )  # fmt: skip


def read(engine: Any, texts: Sequence[str]) -> dict[str, float]:
    """Bits per byte of `texts` and their 95 % interval (bootstrap over documents)."""
    from eyas.data.documents import Document
    from eyas.evals.heldout import measure

    found = measure(engine, [Document(text) for text in texts], "apart")
    return {"bpb": found.bpb, "low": found.low, "high": found.high, "documents": found.documents, "bytes": found.bytes}


# -- what it comes to


def minutes_for(bpb: float, runs: dict[str, Any]) -> tuple[str, float]:
    """Minutes that eyas needs for `bpb`, between those of its runs on a line in log(minutes); ("<" or ">", bound)."""
    curve = sorted((float(minutes), run["bpb"]) for minutes, run in runs.items())
    if bpb >= curve[0][1]:
        return "<", curve[0][0]
    for (low, worse), (high, better) in pairwise(curve):
        if better <= bpb:
            share = (worse - bpb) / (worse - better)
            return "=", math.exp(math.log(low) + share * math.log(high / low))
    return ">", curve[-1][0]


def compare(found: dict[str, Any]) -> None:
    """Print all runs, and the ratios of times to equal bits per byte."""
    for name, runs in found["runs"].items():
        for minutes, run in runs.items():
            print(
                f"{name}, {minutes} minutes: {run['steps']} steps of {run['batch_tokens']} tokens, "
                f"{run['n_params']:,} parameters: {run['bpb']:.4f} [{run['low']:.4f}, {run['high']:.4f}]"
            )
    ours = found["runs"].get("eyas", {})
    for name, runs in found["runs"].items():
        if name != "eyas" and ours:
            sign, minutes = minutes_for(runs[f"{found['setting']['minutes']:g}"]["bpb"], ours)
            print(f"eyas needs {sign} {minutes:.2f} minutes for what {name} reaches in {found['setting']['minutes']:g}")


if __name__ == "__main__":
    main()
