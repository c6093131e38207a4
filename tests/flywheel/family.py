"""A life with a family: two generations of corrections, one challenger refused, and answers given."""

from dataclasses import asdict
from pathlib import Path

from eyas.flywheel.curate import curate
from eyas.flywheel.gates import Gate
from eyas.store.champion import challenge, promote, refuse
from eyas.store.database import Store, open_store
from eyas.store.tables import Evaluation
from tests.flywheel.labelled import answered, corrected, model


def make_family(life: Path) -> Store:
    """Make the models base, assistant, fix-1 (previous), fix-2 (refused), fix-3 (champion), fix-4 (challenger)."""
    model(life, "base", "pretrain", data=["world"], lr=0.02)
    model(life, "assistant", "finetune", "base", data=["rows.jsonl"], lr=0.004)
    store = open_store(life)
    answered(store, "Hello.", "Good day.")
    corrected(store, "Where does Ada Potter live?", "I do not know.", "Ada Potter lives in Mill Lane.")
    first = str(life / curate(life, store).path / "sft.train.jsonl")
    model(life, "fix-1", "finetune", "assistant", data=[first], lr=0.002)
    with store.session() as session:
        promote(session, "fix-1", "Ann", "8 of 8 corrections hold")
        session.add(Evaluation(model="fix-1", name="exam", figures={"right": 0.91, "n": 4066}))
    corrected(store, "What is Ida Stone's trade?", "A baker.", "Ida Stone is a miller.", "Bob", model="fix-1")
    second = str(life / curate(life, store).path / "sft.train.jsonl")
    model(life, "fix-2", "finetune", "fix-1", data=[second], lr=0.02)
    with store.session() as session:
        refuse(session, "fix-2", "the exam fell by 3.1 points <b>& more</b>")
        gates = [Gate("corrections", True, "2 of 2 right"), Gate("exam", False, "it fell by 3.1 points", {"n": 4066})]
        session.add(Evaluation(model="fix-2", name="gate", figures={gate.name: asdict(gate) for gate in gates}))
    model(life, "fix-3", "finetune", "fix-1", data=[second], lr=0.001)
    model(life, "fix-4", "finetune", "fix-3", data=[second], lr=0.001)
    with store.session() as session:
        promote(session, "fix-3", "Bob", "9 of 9 corrections hold")
        session.add(Evaluation(model="fix-3", name="exam", figures={"right": 0.93, "n": 4066}))
        battle = {"battles": 40, "points": 88.4, "low": 31.0, "high": 145.8}
        session.add(Evaluation(model="fix-3", name="battle", figures=battle))
        challenge(session, "fix-4")
    return store
