"""Preferences in the world: answers are compared by a rubric, and make a reward model and a better assistant.

    python benchmarks/preferences.py LIFE WORK [--prompts 2000] [--battles 1000] [--seed 0] [--json FILE]

LIFE is what `eyas raise` made in the world; it is left as it is, and all that is made goes to WORK. The assistant
answers open-ended questions of training (`eyas.world.open_ended`) as it is, and by joining its answers to questions
for one fact each; the rubric makes pairs of them, from which `eyas reward` and `eyas align` learn. Then both assistants
meet questions of the exam, whose frames, people and strangers stand in no pair. Told: how many pairs the reward model
ranks right, of prompts held out, of the exam's, and of the battles; who wins the battles (equal scores are ties;
answers greedy, as `eyas chat` gives them, and drawn at temperature 1), with the rubric's parts; and the world's exam
before and after.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eyas.evals.exam import ask
from eyas.evals.intervals import Share, wilson
from eyas.evals.reward_model import RewardModel
from eyas.files import write_atomic
from eyas.flywheel.gates import fall_gate
from eyas.runtime.engine import Engine
from eyas.runtime.opening import open_engine
from eyas.runtime.sampling import Sampling
from eyas.text.chat import parse_assistant, render
from eyas.train import align, reward
from eyas.train.align_config import AlignConfig
from eyas.train.upbringing import upbringing
from eyas.world.grammar import draw
from eyas.world.open_ended import Grade, OpenQuestion, grade, open_questions
from eyas.world.people import RELATIONS, World
from eyas.world.questions.people import ASKS
from eyas.world.questions.question import Message, Question, user
from eyas.world.questions.rows import exam

DRAWN, FACTS, JOINED = 3, 2, 8
"""Answers drawn to a question, beside the greedy one; to each question for one fact; and joined of the latter."""
OWN, OTHER = 2, 1
"""Pairs of a question: the best answer against those that the assistant gave itself, and against joined ones."""
LEAST_BEST, LEAST_GAP = 0.9, 0.1
"""The score that a chosen answer must have, and by how much the rejected one's must be lower."""
REWARD: dict[str, Any] = {"epochs": 2, "lr": 0.001, "matrix_lr": 0.001, "precision": "fp32", "eval_every": 0}
DPO: dict[str, Any] = {
    "beta": 0.5, "sft_weight": 2.0, "epochs": 1.4, "lr": 0.003, "matrix_lr": 0.003, "precision": "fp32",
    "hold": ["world"], "hold_text": ["world"], "hold_weight": 60.0, "eval_every": 0,
}  # fmt: skip
"""Settings other than the defaults."""


@dataclass(frozen=True)
class Candidate:
    """An answer, its score by the rubric, and whether the assistant gave it itself."""

    message: Message
    score: float
    own: bool


def say(engine: Engine, prompts: Sequence[Sequence[Message]], temperature: float, seed: int) -> list[Message]:
    """One answer to each prompt."""
    tok = engine.tokenizer
    ids = [render(tok, list(prompt), add_generation_prompt=True).ids for prompt in prompts]
    done = engine.generate(ids, Sampling(max_tokens=96, temperature=temperature, seed=seed))
    return [parse_assistant(one.ids, tok) for one in done]


def facts(engine: Engine, names: Sequence[str], seed: int) -> dict[tuple[str, str], Message]:
    """What the assistant answers when it is asked for one fact of `names`: by name and relation."""
    keys = [(name, relation) for name in names for relation in RELATIONS]
    prompts = []
    for name, relation in keys:
        d = draw(f"one fact {seed} {name} {relation}")
        d.say(ASKS[relation]["train"], n=name)
        prompts.append([user(d.text)])
    return dict(zip(keys, say(engine, prompts, 1.0, seed), strict=True))


def joined(question: OpenQuestion, known: Sequence[dict[tuple[str, str], Message]], rng: random.Random) -> Message:
    """An answer of one to six facts: those asked for as a rule, then others; now and then one is said again."""
    asked = [relation for relation in question.wanted if rng.random() < 0.9]
    others = [relation for relation in rng.sample(RELATIONS, len(RELATIONS)) if relation not in asked]
    order = [*asked, *others][: rng.randint(1, 6)]
    if rng.random() < 0.2:
        order.append(rng.choice(order))
    parts = [rng.choice(known)[question.about, relation] for relation in order]
    return parts[0] | {"content": " ".join(str(part["content"]) for part in parts)}


def candidates(engine: Engine, world: World, questions: Sequence[OpenQuestion], seed: int) -> list[list[Candidate]]:
    """Different answers to each question, graded."""
    asked = [question.prompt for question in questions]
    given = [say(engine, asked, 0.0, seed), *(say(engine, asked, 1.0, seed + i) for i in range(DRAWN))]
    names = sorted({question.about for question in questions})
    known = [facts(engine, names, seed + i) for i in range(FACTS)]
    rng = random.Random(seed)
    found = []
    for at, question in enumerate(questions):
        answers = [(said[at], True) for said in given]
        answers += [(joined(question, known, rng), False) for _ in range(JOINED)]
        kept = {str(one): (one, own) for one, own in reversed(answers) if not one.get("tool_calls")}
        found.append(
            [Candidate(one, grade(world, question, str(one["content"])).score, own) for one, own in kept.values()]
        )
    return found


def thought(message: Message) -> str:
    """What was thought before the answer. Both answers of a pair share it, or names would be learned by heart."""
    return str(message.get("reasoning_content", ""))


def pairs(questions: Sequence[OpenQuestion], answers: Sequence[list[Candidate]], seed: int) -> list[dict[str, Any]]:
    """Rows of prompt, chosen and rejected: the best answer to each question against worse ones.

    First of all against what the assistant says of its own: that is what shall change.
    """
    rng = random.Random(seed)
    rows = []
    for question, group in zip(questions, answers, strict=True):
        best = max(group, key=lambda one: one.score, default=None)
        if best is None or best.score < LEAST_BEST:
            continue
        worse = [one for one in group if one.score <= best.score - LEAST_GAP]
        worse = [one for one in worse if thought(one.message) == thought(best.message)]
        own, other = ([one for one in worse if one.own is mine] for mine in (True, False))
        for one in rng.sample(own, min(OWN, len(own))) + rng.sample(other, min(OTHER, len(other))):
            rows.append({"prompt": list(question.prompt), "chosen": [best.message], "rejected": [one.message]})
    return rows


def judged(judge: RewardModel, rows: Sequence[dict[str, Any]]) -> Share:
    """How many pairs a reward model ranks right."""
    prompts = [row["prompt"] for row in rows]
    chosen, rejected = (judge.score(prompts, [row[side] for row in rows]) for side in ("chosen", "rejected"))
    return wilson(sum(a > b for a, b in zip(chosen, rejected, strict=True)), len(rows))


def answers(
    engine: Engine, world: World, questions: Sequence[OpenQuestion], temperature: float, seed: int
) -> list[tuple[Message, Grade]]:
    """One answer to each question, and its grade."""
    said = say(engine, [question.prompt for question in questions], temperature, seed)
    return [(one, grade(world, asked, str(one["content"]))) for asked, one in zip(questions, said, strict=True)]


def battles(
    engines: Sequence[Engine],
    judge: RewardModel,
    world: World,
    questions: Sequence[OpenQuestion],
    temperature: float,
    seed: int,
) -> dict[str, Any]:
    """The share of decided battles that the second model wins, by kind; the rubric's parts; the judge's agreement."""
    old, new = (answers(engine, world, questions, temperature, seed) for engine in engines)
    found: dict[str, Any] = {}
    for kind in ("all", *sorted({question.kind for question in questions})):
        at = [i for i, question in enumerate(questions) if kind in ("all", question.kind)]
        gains = [new[i][1].score - old[i][1].score for i in at]
        wins, losses = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
        found[kind] = {
            "won": asdict(wilson(wins, wins + losses)),
            "ties": len(at) - wins - losses,
            "assistant": parts([old[i][1] for i in at]),
            "aligned": parts([new[i][1] for i in at]),
        }
    sides = [sorted(pair, key=lambda one: one[1].score) for pair in zip(old, new, strict=True)]
    rows = [
        {"prompt": list(question.prompt), "chosen": [better[0]], "rejected": [worse[0]]}
        for question, (worse, better) in zip(questions, sides, strict=True)
        if better[1].score > worse[1].score
    ]
    return found | {"ranked_right_by_reward": asdict(judged(judge, rows))}


def parts(grades: Sequence[Grade]) -> dict[str, float]:
    """The mean of every part."""
    return {name: float(np.mean([getattr(one, name) for one in grades])) for name in asdict(grades[0])}


def right(engine: Engine, questions: Sequence[Question]) -> list[bool]:
    return [answer.verdict == answer.question.right for answer in ask(engine, questions)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("life", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--prompts", type=int, default=3000, help="questions that pairs are made of")
    parser.add_argument("--battles", type=int, default=1000, help="questions of the exam")
    parser.add_argument("--questions", type=int, default=500, help="questions a section of the world's exam")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    assistant = args.life / "models" / "assistant"
    raised = upbringing(assistant)
    world = raised.world
    if world is None:
        raise SystemExit(f"{args.life} was not raised in the world")
    started = time.monotonic()
    old = open_engine(assistant)
    file = args.work / "pairs.jsonl"
    questions = open_questions(world, args.prompts, seed=args.seed)
    rows = pairs(questions, candidates(old, world, questions, args.seed), args.seed)
    write_atomic(file, "".join(json.dumps(row) + "\n" for row in rows))
    common: dict[str, Any] = {"model": str(assistant), "data": [str(file)], "seed": raised.seed}
    scored = reward.run(reward.RewardConfig(out=args.work / "reward", **common, **REWARD))
    aligned = align.run(AlignConfig(out=args.work / "dpo", people=raised.people, **common, **DPO))
    asked = open_questions(world, args.battles, "exam", args.seed)
    judge = RewardModel.open(str(scored.out))
    others = pairs(asked, candidates(old, world, asked, args.seed), args.seed)
    new = open_engine(aligned.out)
    fights = {
        name: battles((old, new), judge, world, asked, temperature, args.seed)
        for name, temperature in (("greedy", 0.0), ("drawn", 1.0))
    }
    sections = exam(world, args.questions, seed=1)
    before, after = ({name: right(one, group) for name, group in sections.items()} for one in (old, new))
    found = {
        "pairs": len(rows),
        "reward_held_out": asdict(judge.accuracy),
        "reward_exam": asdict(judged(judge, others)),
        "length_bias": scored.length_bias,
        "calibration": scored.calibration,
        "dpo_held_out": aligned.val,
        "dpo_falling": aligned.falling,
        "battles": fights,
        "exam": asdict(fall_gate("exam", before, after)),
        "settings": {"reward": REWARD, "dpo": DPO},
        "seconds": time.monotonic() - started,
        "load": os.getloadavg(),
        "seed": args.seed,
    }
    text = json.dumps(found, indent=1)
    print(text)
    if args.json is not None:
        write_atomic(args.json, text + "\n")


if __name__ == "__main__":
    main()
