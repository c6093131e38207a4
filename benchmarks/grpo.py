"""GRPO on problems that a program checks: from a base model over some examples to a model that solves them.

    python benchmarks/grpo.py BASE WORK [--task arithmetic] [--task countdown] [--seeds 3] [--steps 1000] [--json FILE]

BASE is finetuned on examples, a part of them worked out (once a task, not counted in the minutes), and that model
improves by GRPO with the defaults of `eyas align`, once a seed. Told for each run: pass@1 and pass@8 on problems that
are in no example and no rollout, with a 95 % interval over different problems; the curve of the rewards in training;
and the share of the time that was spent on answering. Also what a rollout costs beside plain batched generation of the
same answers. Models that WORK holds are not made again. A run is of some steps (about 480 in three minutes of two quiet
cores), so that what is learnt does not depend on what else the machine does, as the seconds do.
"""

import argparse
import json
import re
import time
from collections import defaultdict
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import numpy as np

from eyas.cli.show import plain
from eyas.evals.problems import VERIFY, Verified, examples
from eyas.files import write_atomic
from eyas.runtime.engine import Engine
from eyas.runtime.opening import open_engine
from eyas.runtime.sampling import Sampling
from eyas.store.lineage import read_lineage
from eyas.text.chat import render
from eyas.train import finetune, grpo
from eyas.train.align_config import AlignConfig
from eyas.train.examiner import EXAMINED
from eyas.train.finetune import FinetuneConfig
from eyas.train.metrics import FILE_NAME, read_metrics
from eyas.train.rollouts import answer, pass_at_k

STARTS: dict[str, tuple[int, float, int]] = {"arithmetic": (8000, 0.25, 4), "countdown": (6000, 0.3, 3)}
"""Examples of each task, the share of them that is worked out, and how often they are read."""
PROBLEMS, GROUP, ROUNDS, ASKED = 16, 8, 8, 1024


def started(task: str, base: str, work: Path) -> Path:
    """The model that the runs of a task begin with; made unless it is there."""
    count, worked, epochs = STARTS[task]
    rows, out = work / f"{task}.jsonl", work / f"{task}-start"
    if not out.exists():
        work.mkdir(parents=True, exist_ok=True)
        rows.write_text("".join(json.dumps(row) + "\n" for row in examples(task, count, worked)))
        # Small batches: for so few examples the number of steps is what counts.
        finetune.run(FinetuneConfig(model=base, out=out, data=[str(rows)], epochs=epochs, context=128, batch_size=8))
    return out


def improved(task: str, start: Path, seed: int, steps: int) -> dict[str, Any]:
    """A run of GRPO and its figures."""
    problems = Verified([VERIFY + task])
    out = start.with_name(f"{task}-grpo-{seed}")
    if not out.exists():
        config = AlignConfig(
            method="grpo", model=str(start), out=out, reward=[VERIFY + task], steps=steps, seed=seed, eval_every=0
        )
        grpo.run(config, problems, problems.rewards)
    figures = read_lineage(out)["figures"]
    return {
        "seed": seed, "steps": figures["steps"], "seconds": figures["seconds"],
        "answering": figures["generation_seconds"] / figures["seconds"], "after": solved(out, task),
        "curve": curve(read_metrics(out / FILE_NAME)),
    }  # fmt: skip


def solved(model: Path, task: str) -> dict[str, Any]:
    """pass@1 with its interval, and pass@8; problems that differ only in their numbers' order count as one."""
    problems = Verified([VERIFY + task])
    numbers = [EXAMINED + place for place in range(ASKED) for _ in range(GROUP)]
    prompts = [problems.prompt(number) for number in numbers]
    said = answer(open_engine(str(model)), prompts, Sampling(max_tokens=64), range(len(numbers)))
    right = np.array(problems.rewards(numbers, [one.messages for one in said])).reshape(-1, GROUP)
    rates = defaultdict(list)
    for prompt, row in zip(prompts[::GROUP], right, strict=True):
        rates[tuple(sorted(re.findall(r"\d+|[-+]", prompt[-1]["content"])))].append(float(row.mean()))
    each = [fmean(rate) for rate in rates.values()]
    rate, wide = fmean(each), 1.96 * stdev(each) / len(each) ** 0.5
    return {
        "pass@1": rate, "interval": [rate - wide, rate + wide], "pass@8": pass_at_k(right >= 1, GROUP),
        "problems": len(each),
    }  # fmt: skip


def curve(rows: list[dict[str, Any]], points: int = 20) -> list[dict[str, float]]:
    """The mean reward and length of the rollouts over stretches of the run."""
    size = max(1, len(rows) // points)
    stretches = [rows[at : at + size] for at in range(0, len(rows), size)]
    return [
        {
            "step": part[-1]["step"], "seconds": part[-1]["seconds"], "reward": fmean(row["reward"] for row in part),
            "length": fmean(row["completions/mean_length"] for row in part),
            "entropy": fmean(row["entropy"] for row in part),
        }
        for part in stretches
    ]  # fmt: skip


def rollout_cost(engine: Engine, task: str) -> dict[str, float]:
    """Seconds of a batch of rollouts, rewards included, and of plain generation of the same: best, and middle ratio."""
    problems = Verified([VERIFY + task])
    tok, sampling = engine.tokenizer, Sampling(max_tokens=64)
    seconds: dict[str, list[float]] = {"rollouts": [], "generation": []}
    for batch in range(ROUNDS):
        numbers = [batch * PROBLEMS + place for place in range(PROBLEMS) for _ in range(GROUP)]
        prompts = [problems.prompt(number) for number in numbers]
        ids = [render(tok, prompt, add_generation_prompt=True).ids for prompt in prompts]
        seeds = list(range(len(numbers)))
        engine.batch.make_room()
        begun = time.perf_counter()
        engine.generate(ids, sampling, {tok.im_end, tok.endoftext}, seeds=seeds)
        seconds["generation"].append(time.perf_counter() - begun)
        engine.batch.make_room()
        begun = time.perf_counter()
        said = answer(engine, prompts, sampling, seeds)
        problems.rewards(numbers, [one.messages for one in said])
        seconds["rollouts"].append(time.perf_counter() - begun)
    best = {name: min(found) for name, found in seconds.items()}
    ratios = [one / other for one, other in zip(seconds["rollouts"], seconds["generation"], strict=True)]
    return best | {"ratio": median(ratios)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="model to start from, such as LIFE/base")
    parser.add_argument("work", type=Path, help="folder for the models made")
    parser.add_argument("--task", action="append", choices=list(STARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    told: dict[str, Any] = {"steps": given.steps}
    for task in given.task or list(STARTS):
        start = started(task, given.base, given.work)
        told[task] = {
            "examples": STARTS[task], "rollout_cost": rollout_cost(open_engine(str(start)), task),
            "before": solved(start, task),
            "runs": [improved(task, start, seed, given.steps) for seed in range(given.seeds)],
        }  # fmt: skip
        print(task, told[task]["before"], told[task]["rollout_cost"])
        for run in told[task]["runs"]:
            print(task, {name: value for name, value in run.items() if name != "curve"}, flush=True)
    if given.json:
        write_atomic(given.json, json.dumps(plain(told), indent=1) + "\n")


if __name__ == "__main__":
    main()
