"""Corrections become the next champion, or a clear reason why not; on a life of one's own rows, without the world."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eyas.cli.main import run as cli
from eyas.data.rows import read_rows
from eyas.errors import EyasError
from eyas.files import sha256_file
from eyas.flywheel import fix
from eyas.flywheel.fix import FixConfig, FixResult, run
from eyas.flywheel.verdicts import right_answer
from eyas.runtime.opening import open_engine
from eyas.runtime.sampling import Sampling
from eyas.store.champion import aliases, champion
from eyas.store.database import open_store
from eyas.store.lineage import read_lineage
from eyas.store.tables import Comparison, Evaluation, Promotion
from eyas.text.chat import parse_assistant, render
from eyas.train import finetune, pretrain
from tests.flywheel.labelled import corrected

PLACES = "barn mill pond inn ford hall".split()
PEOPLE = [f"{a}{b}" for a in ("Al", "Be", "Cy", "Di") for b in ("da", "no", "ro", "vi")]
FRAMES = ("Where is {}?", "Say where {} is.", "Where can I find {}?", "I look for {}.")
HOME = {name: PLACES[i % len(PLACES)] for i, name in enumerate(PEOPLE)}


def row(frame: str, name: str, place: str) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": frame.format(name)},
        {"role": "assistant", "content": f"{name} is at the {place}."},
    ]
    return {"messages": messages}


@pytest.fixture(scope="module")
def raised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A life whose assistant knows where sixteen people are."""
    life = tmp_path_factory.mktemp("lives") / "own"
    rows = [row(frame, name, place) for name, place in HOME.items() for frame in FRAMES]
    data = life / "rows.jsonl"
    life.mkdir()
    data.write_text("".join(json.dumps(one) + "\n" for one in rows))
    text = life / "text.jsonl"
    rng = random.Random(0)
    told = (" ".join(rng.choice(rows)["messages"][1]["content"] for _ in range(6)) for _ in range(300))
    text.write_text("".join(json.dumps({"text": one}) + "\n" for one in told))
    shape = {"context": 64, "compile": "off", "quiet": True}
    base, assistant = life / "models" / "base", life / "models" / "assistant"
    pretrain.run(
        pretrain.PretrainConfig(
            out=base,
            data=[str(text)],
            size="0.1m",
            vocab_size=300,
            tokens=20_000,
            sample_every=0,
            eval_every=0,
            val_fraction=0,
            **shape,
        )
    )
    finetune.run(
        finetune.FinetuneConfig(
            model=str(base), out=assistant, data=[str(data)], replay=[str(text)], tokens=150_000, batch_size=16,
            val_fraction=0.1,
            eval_every=0, **shape,
        )
    )  # fmt: skip
    return life


@pytest.fixture
def life(raised: Path, tmp_path: Path) -> Path:
    """A copy with three corrections: Alda and Beno have moved."""
    copy = tmp_path / "life"
    shutil.copytree(raised, copy)
    store = open_store(copy)
    for frame in FRAMES[:3]:
        for name, place in (("Alda", "ford"), ("Beno", "inn")):
            corrected(store, frame.format(name), f"{name} is at the {HOME[name]}.", f"{name} is at the {place}.")
    store.close()
    return copy


def say(model: Path, question: str) -> str:
    engine = open_engine(model)
    prompt = render(engine.tokenizer, [{"role": "user", "content": question}], add_generation_prompt=True).ids
    (said,) = engine.generate([prompt], Sampling(max_tokens=24, temperature=0.0))
    return str(parse_assistant(said.ids, engine.tokenizer)["content"])


def settings(life: Path, **given: Any) -> FixConfig:
    return FixConfig(life=life, quiet=True, **given)


def test_corrections_make_the_next_champion(life: Path) -> None:
    result = run(settings(life))
    assert result.passed and result.promoted, result.reason
    assert (result.model, result.champion, result.dataset) == ("fix-1", "assistant", 1)
    model = life / "models" / "fix-1"
    # The fourth frame stands in no correction.
    assert say(model, "I look for Alda.") == "Alda is at the ford."
    others = [f"Where is {name}?" for name in PEOPLE if name not in ("Alda", "Beno")]
    kept = [say(model, asked) == say(life / "models" / "assistant", asked) for asked in others]
    assert sum(kept) >= 11  # of 14: the model is tiny
    assert {gate.name for gate in result.gates} == {"corrections", "refusals", "held-out rows", "export"}
    assert any("datasets/v1/" in source["source"] for source in read_lineage(model)["data"])
    rehearsed = {
        one["messages"][-1]["content"]
        for one in read_rows(life / "datasets" / "v1" / "fix-1" / "rehearsal.jsonl", want="chat")
    }
    assert not {f"{name} is at the {HOME[name]}." for name in ("Alda", "Beno")} & rehearsed  # it taught the mistake
    assert f"Divi is at the {HOME['Divi']}." in rehearsed
    store = open_store(life)
    with store.session() as session:
        assert aliases(session) == {"champion": "fix-1", "previous": "assistant"}
        assert {one.name for one in session.scalars(select(Evaluation))} == {"gate", "battle"}
        winners = [one.winner for one in session.scalars(select(Comparison))]
        assert "model_a" not in winners and winners.count("model_b") >= 0.8 * len(winners)  # as the gate wants it
    store.close()
    with pytest.raises(EyasError, match="fix-1 has learnt all corrections"):
        run(settings(life))


def test_what_hurts_is_refused_with_a_reason(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["fix", str(life), "--lr", "0.3", "--quiet"]) == 1
    assert "held-out rows: the loss" in capsys.readouterr().out
    with pytest.raises(EyasError, match="fix-1 was made of these corrections and failed"):
        run(settings(life, lr=0.3))
    store = open_store(life)
    assert champion(life, store) == "assistant"
    with store.session() as session:
        (refused,) = session.scalars(select(Promotion))
    assert refused.action == "refused" and refused.model == "fix-1" and "the loss" in refused.reason
    store.close()


def test_a_fix_stopped_at_the_gates_goes_on_with_the_model_it_made(life: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fix, "hold", stop)
        with pytest.raises(KeyboardInterrupt):
            run(settings(life))
    before = sha256_file(life / "models" / "fix-1" / "model.safetensors")
    assert champion(life) == "assistant"
    result: FixResult = run(settings(life))
    assert result.promoted and result.model == "fix-1"
    assert sha256_file(life / "models" / "fix-1" / "model.safetensors") == before


def test_without_promotion_people_decide_and_can_go_back(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["fix", str(life), "--no-promote", "--quiet"]) == 0
    assert f"eyas promote {life} fix-1" in capsys.readouterr().out
    assert champion(life) == "assistant"
    assert cli(["promote", str(life), "fix-1", "--reason", "it passed"]) == 0
    assert champion(life) == "fix-1"
    capsys.readouterr()
    assert cli(["rollback", str(life), "--json"]) == 0
    assert champion(life) == "assistant"
    assert json.loads(capsys.readouterr().out)["action"] == "rollback"


def test_a_life_without_labels_is_told_how_to_get_some(raised: Path, tmp_path: Path) -> None:
    shutil.copytree(raised, tmp_path / "life")
    with pytest.raises(EyasError, match="eyas label"):
        run(settings(tmp_path / "life"))


@pytest.mark.parametrize(("gone", "flag"), [("rows.jsonl", "--data"), ("text.jsonl", "--replay")])
def test_what_is_to_be_rehearsed_must_be_there(raised: Path, life: Path, gone: str, flag: str) -> None:
    (raised / gone).rename(raised / "away")  # the copied life's lineage names the first one's files
    try:
        with pytest.raises(EyasError, match=f"{gone}.*{flag}"):
            run(settings(life))
    finally:
        (raised / "away").rename(raised / gone)


def test_a_name_must_be_new(life: Path) -> None:
    with pytest.raises(EyasError, match="--name base"):
        run(settings(life, name="base"))


@pytest.mark.parametrize(
    ("said", "wanted", "same"),
    [
        ("Ada lives in Mill Lane.", "Ada lives in Mill Lane.", True),
        ("Ada lives in Fish Lane.", "Ada lives in Mill Lane.", False),
        ("I don't know anyone called Ada.", "I don't know. I have read nothing about Ada.", True),
        ("Ada lives in Mill Lane.", "I don't know anyone called Ada.", False),
        ("I will not help with that.", "I will not help with moon salt. The town forbids it.", True),
        ("It opens at 9.", "It opens at 8.", False),
        ("", "It opens at 8.", False),
    ],
)
def test_an_answer_is_right_when_it_says_the_same(said: str, wanted: str, same: bool) -> None:
    assert right_answer(said, wanted) is same
