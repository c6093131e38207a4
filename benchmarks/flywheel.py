"""One turn of the wheel on a world assistant: gaps are planted, corrected three times each, and `eyas fix` is run.

    python benchmarks/flywheel.py LIFE WORK [--seed 0] [--questions 500] [--json FILE]

LIFE is what `eyas raise` made in the world; it is copied to WORK and left as it is. A gap is a fact, habit or recipe
on which the assistant differs from what people want to hear: newcomers it has not heard of, facts it gets wrong, facts
that have changed since. Each is asked three times, in frames of the training rows, and labelled with the right answer.
Afterwards it is asked in the frames of the exam, which stand in no row, draft or label. A gap is closed when at least
half of its paraphrases are answered right. Also told: the exam elsewhere, question by question, and the seconds.
"""

import argparse
import json
import os
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from eyas.cli.show import plain
from eyas.evals.exam import ask
from eyas.evals.intervals import wilson
from eyas.files import write_atomic
from eyas.flywheel.fix import FixConfig, run
from eyas.flywheel.gates import paired
from eyas.flywheel.labels import label
from eyas.runtime.engine import Engine
from eyas.runtime.opening import open_engine
from eyas.store.conversations import Turn, record
from eyas.store.database import open_store
from eyas.train.upbringing import upbringing
from eyas.world.grammar import Draw, draw
from eyas.world.knowledge import MADE, WHY
from eyas.world.names import WOMEN
from eyas.world.people import RELATIONS, VALUES, Person, World
from eyas.world.questions import lore, people
from eyas.world.questions.question import Question, assistant, user
from eyas.world.questions.rows import exam

LABELS, PARAPHRASES = 3, 12
NEWCOMERS, WRONG, CHANGED, EXPLANATIONS = 8, 8, 6, 6
Maker = Callable[[Draw, str], Question]


@dataclass(frozen=True)
class Gap:
    """What is asked about, of what kind, how (frames of training), and how it is asked afterwards (of the exam)."""

    kind: str
    key: tuple[str, str]
    asked: list[Question]
    paraphrases: list[Question]


def gap(kind: str, key: tuple[str, str], make: Maker) -> Gap:
    """Draw the questions of a gap."""
    return Gap(kind, key, drawn(key, make, "train", LABELS), drawn(key, make, "exam", PARAPHRASES))


def drawn(key: tuple[str, str], make: Maker, split: str, n: int) -> list[Question]:
    """`n` different questions, or as many as the frames give."""
    found: dict[str, Question] = {}
    for i in range(30 * n):
        one = make(draw(f"gap {key} {split} {i}"), split)
        found.setdefault(str(one.prompt[0]["content"]), one)
    return list(found.values())[:n]


def about(kind: str, person: Person, relation: str) -> Gap:
    """A gap in what is known of a person."""
    return gap(kind, (person.name, relation), lambda d, split: people.fact(d, person, relation, split))


def explained(kind: str, frames: dict[str, Any], thing: str, answer: str, truth: str) -> Gap:
    """A gap in how or why something is."""

    def make(d: Draw, split: str) -> Question:
        d.say(frames[split], x=thing, k=thing)
        return Question("explain", (user(d.text),), (assistant(answer),), truth=truth, about=thing)

    return gap(kind, (thing, ""), make)


def plant(engine: Engine, world: World, seed: int) -> Iterator[Gap]:
    """Gaps of every kind; those of facts that are wrong already are looked for."""
    rng = random.Random(seed)
    for name in rng.sample(world.strangers["exam"], NEWCOMERS):
        first, last = name.split()
        facts = {relation: rng.choice(values) for relation, values in VALUES.items()}
        yield about("newcomer", Person(first, last, first in WOMEN, "C", **facts), rng.choice(RELATIONS))
    known = [(person, relation) for person in world.of_kind("B") for relation in RELATIONS]
    likely = [about("wrong fact", *one) for one in rng.sample(known, min(len(known), 40 * WRONG))]
    knows = iter(right(engine, [question for one in likely for question in one.asked]))
    wrong = [one for one in likely if not any(list(islice(knows, len(one.asked))))]
    yield from wrong[:WRONG]
    taken = {one.key for one in wrong}
    for kind in "AB":
        for person in rng.sample(world.of_kind(kind), CHANGED // 2):
            relation = rng.choice([one for one in RELATIONS if (person.name, one) not in taken])
            value = rng.choice([one for one in VALUES[relation] if one != getattr(person, relation)])
            changed = replace(person, **{relation: value})  # type: ignore[arg-type]
            yield about("changed fact", changed, relation)
    for thing in rng.sample(list(WHY), EXPLANATIONS // 2):
        reason = rng.choice([one for one in WHY.values() if one != WHY[thing]])
        yield explained("reason", lore.WHY_ASKS, thing, f"{thing[0].upper()}{thing[1:]} because {reason}.", reason)
    for thing in rng.sample(list(MADE)[len(lore.ALIKE) :], EXPLANATIONS // 2):
        how = rng.choice([one for one in MADE.values() if one != MADE[thing]])
        yield explained("recipe", lore.MAKE, thing, f"People make {thing} {how}.", how)


def correct(life: Path, engine: Engine, gaps: list[Gap]) -> None:
    """Every question of every gap is asked, answered, and labelled by one person."""
    store = open_store(life)
    questions = [question for one in gaps for question in one.asked]
    with store.session() as session:
        for question, said in zip(questions, ask(engine, questions), strict=True):
            turn = Turn(
                messages=list(question.prompt), answers=said.messages, model="assistant", model_sha256=None,
                sampling={}, tools=None, tokens=[], prompt_tokens=0, completion_tokens=0, first_seconds=0.0,
                seconds=0.0, finish_reason="stop",
            )  # fmt: skip
            answer = str(question.answer[-1]["content"])
            label(session, record(session, turn).message_id, "benchmark", "accepted", answer)
    store.close()


def right(engine: Engine, questions: list[Question]) -> list[bool]:
    return [answer.verdict == answer.question.right for answer in ask(engine, questions)]


def closed(engine: Engine, gaps: list[Gap]) -> dict[str, Any]:
    """Gaps closed and paraphrases right, in all and by kind."""
    hits: dict[str, list[list[bool]]] = defaultdict(list)
    for one in gaps:
        hits[one.kind].append(right(engine, one.paraphrases))
    hits["all"] = [found for kind in list(hits) for found in hits[kind]]
    return {
        kind: {
            "gaps": asdict(wilson(sum(2 * sum(found) >= len(found) for found in groups), len(groups))),
            "paraphrases": asdict(wilson(sum(map(sum, groups)), sum(map(len, groups)))),
        }
        for kind, groups in hits.items()
    }


def elsewhere(world: World, gaps: list[Gap], n: int) -> dict[str, list[Question]]:
    """The exam's questions that no gap is about; drawn by another seed than the fix's own gate asks."""
    keys = {one.key for one in gaps}
    return {
        name: [one for one in group if (one.about, one.tags.get("relation", "")) not in keys]
        for name, group in exam(world, n, seed=1).items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("life", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    shutil.copytree(args.life, args.work)
    old = args.work / "models" / "assistant"
    world = upbringing(old).world
    if world is None:
        raise SystemExit(f"{args.life} was not raised in the world")
    engine = open_engine(old)
    gaps = list(plant(engine, world, args.seed))
    correct(args.work, engine, gaps)
    wall, processor = time.monotonic(), time.process_time()
    result = run(FixConfig(life=args.work, questions=args.questions, seed=args.seed))
    wall, processor = time.monotonic() - wall, time.process_time() - processor
    new = open_engine(args.work / "models" / result.model)
    sections = elsewhere(world, gaps, args.questions)
    before, after = ({name: right(one, group) for name, group in sections.items()} for one in (engine, new))
    found: dict[str, Any] = {
        "gaps": len(gaps),
        "before": closed(engine, gaps),
        "after": closed(new, gaps),
        "exam": asdict(paired(list(chain(*before.values())), list(chain(*after.values())))),
        "sections": {name: asdict(paired(before[name], after[name])) for name in sections},
        "seconds": wall,
        "processor_seconds": processor,
        "load": os.getloadavg(),
        "seed": args.seed,
        "fix": plain(result),
    }
    del found["fix"]["life"]  # where it lay says nothing of how it went
    text = json.dumps(found, indent=1)
    print(text)
    if args.json is not None:
        write_atomic(args.json, text + "\n")


if __name__ == "__main__":
    main()
