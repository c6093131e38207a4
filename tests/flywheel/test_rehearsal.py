"""What is rehearsed beside the corrections: near misses with the model's own answers, and nothing that contradicts."""

from typing import Any

import pytest

from eyas.flywheel.battle import Round, fight
from eyas.flywheel.rehearsal import contradicting, near_misses
from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.runtime.engine import Completion, Engine
from eyas.runtime.torch_engine import TorchEngine
from eyas.text.tokenizer import train_tokenizer

PEOPLE = ("Ada Potter", "Bess Drake", "Cora Marsh", "Dirk Fenn")


def row(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


LESSON = row("Good day. Where does Ada Potter live?", "Ada Potter lives in Mill Lane.")
PAIR = {
    "prompt": LESSON["messages"][:1],
    "rejected": [{"role": "assistant", "content": "Ada Potter lives in Key Row."}],
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    """A real engine of random weights that says `yes` to everything, and never ends when asked about Dirk."""
    tokenizer = train_tokenizer([" ".join(PEOPLE), "where does live yes"] * 20, 300)
    model = Transformer(ModelConfig.from_size("0.1m", vocab_size=tokenizer.vocab_size, max_seq_len=128))
    model.init_weights(0)
    engine = TorchEngine(model, tokenizer)

    def generate(prompts: list[list[int]], *_: Any, **__: Any) -> list[Completion]:
        said = tokenizer.encode("yes")
        endless = ["Dirk" in tokenizer.decode(prompt) for prompt in prompts]
        return [Completion(said, finish_reason="length" if one else "stop") for one in endless]

    engine.generate = generate  # type: ignore[method-assign, assignment]
    return engine


def test_near_misses_change_the_name_alone(engine: Engine) -> None:
    questions = [f"Where does {name} live?" for name in PEOPLE]
    texts = [f"I saw {name} in the lane." for name in PEOPLE]
    rows = near_misses(engine, [LESSON], questions, texts, seed=0)
    asked = {one["messages"][0]["content"] for one in rows}
    assert all(one.startswith("Good day. Where does ") and one.endswith(" live?") for one in asked)
    assert LESSON["messages"][0]["content"] not in asked
    assert "Good day. Where does Bess Drake live?" in asked  # a whole name
    assert {"Good day. Where does Ada Marsh live?", "Good day. Where does Bess Potter live?"} & asked  # a mixed one
    assert all(one["messages"][-1]["content"] == "yes" for one in rows)
    assert not any("Dirk" in one for one in asked)  # an answer that never ends is no lesson
    assert rows == near_misses(engine, [LESSON], questions, texts, seed=0)


def test_a_question_without_a_name_has_no_near_miss(engine: Engine) -> None:
    assert near_misses(engine, [row("When does the mill open?", "At six.")], [], ["Ada Potter"], seed=0) == []


@pytest.mark.parametrize(
    ("question", "answer", "contradicts"),
    [
        ("Tell me the address of Ada Potter.", "Ada Potter lives in Key Row.", True),  # what was rejected
        ("Where does Ada Potter live?", "Ada Potter lives in Fish Street.", True),  # the same question
        ("Where does Ada Potter live?", "Ada Potter lives in Mill Lane.", False),
        ("Where does Ada Marsh live?", "Ada Marsh lives in Key Row.", False),
        ("What does Ada Potter do for a living?", "Ada Potter works as a baker.", False),
    ],
)
def test_rows_that_say_otherwise_are_found(question: str, answer: str, contradicts: bool) -> None:
    assert contradicting([row(question, answer)], [LESSON], [PAIR]) == ({0} if contradicts else set())


def test_declining_may_be_right_elsewhere() -> None:
    lesson = row("Where is the inn?", "By the pond.")
    pair = {"prompt": lesson["messages"][:1], "rejected": [{"role": "assistant", "content": "I don't know."}]}
    assert contradicting([row("Where is the moon?", "I don't know.")], [lesson], [pair]) == set()
    assert contradicting([row("Where is the inn?", "I don't know.")], [lesson], [pair]) == {0}


def rounds(won: int, lost: int, tied: int, bad: int) -> list[Round]:
    kinds = [(False, True)] * won + [(True, False)] * lost + [(True, True)] * tied + [(False, False)] * bad
    return [Round([{"role": "user", "content": str(i)}], "a", "b", *kind) for i, kind in enumerate(kinds)]


def test_a_battle_is_rated_for_the_new_model() -> None:
    better = fight(rounds(30, 10, 5, 5))
    assert (better.wins, better.losses, better.ties, better.both_bad, better.battles) == (30, 10, 5, 5, 50)
    assert 0 < better.low < better.points < better.high
    worse = fight(rounds(10, 30, 5, 5))
    assert worse.points == pytest.approx(-better.points, abs=0.5) and worse.high < 0
    assert fight(rounds(0, 0, 20, 20)).points == pytest.approx(0, abs=1e-6)
