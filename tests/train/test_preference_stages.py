"""`eyas reward` and `eyas align` on a small language: what they learn, refuse, and survive."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from eyas.data.pairs import preferences
from eyas.errors import EyasError
from eyas.model.checkpoint import load_model, load_reward
from eyas.runtime.opening import open_engine
from eyas.store.database import open_store
from eyas.store.lineage import read_lineage
from eyas.store.tables import Comparison
from eyas.text.chat import render
from eyas.train import align, reward
from eyas.train.align_config import AlignConfig
from eyas.train.pair_stage import read_pairs
from eyas.train.reward import RewardConfig
from eyas.train.work import Work
from tests.train.small import WORDS

QUICK: dict[str, Any] = {"batch_size": 4, "epochs": 4, "lr": 0.002, "matrix_lr": 0.01, "compile": "off", "quiet": True}


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two words the one that was asked for is preferred."""
    rows = [
        {"prompt": [{"role": "user", "content": f"say {word} {n}"}], "chosen": said(word), "rejected": said(other)}
        for n in range(14)
        for word, other in zip(WORDS, WORDS[1:] + WORDS[:1], strict=True)
    ]
    return write(tmp_path_factory.mktemp("pairs") / "pairs.jsonl", rows)


@pytest.fixture(scope="session")
def judge(base: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> reward.RewardResult:
    out = tmp_path_factory.mktemp("judges") / "judge"
    return reward.run(RewardConfig(model=str(base), out=out, data=[str(pairs)], **QUICK))


@pytest.fixture(scope="session")
def aligned(base: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> align.AlignResult:
    out = tmp_path_factory.mktemp("aligned") / "dpo"
    return align.run(AlignConfig(model=str(base), out=out, data=[str(pairs)], **QUICK))


def test_a_reward_model_ranks_answers_to_prompts_it_never_saw(judge: reward.RewardResult) -> None:
    assert judge.val_pairs > 10
    assert judge.val_right / judge.val_pairs > 0.9
    assert sum(bin["n"] for bin in judge.calibration) == judge.val_pairs
    assert read_lineage(judge.out)["figures"]["val_right"] == judge.val_right


def test_transformers_gives_the_same_score(judge: reward.RewardResult) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(judge.out).eval()
    model, tokenizer = load_reward(judge.out)
    ids = render(tokenizer, [{"role": "user", "content": "say cat 1"}, *said("cat")]).ids
    ids = ids[: len(ids) - ids[::-1].index(tokenizer.im_end)]
    with torch.no_grad():
        mine = model.score(model.hidden(torch.tensor([ids])))[0, -1, 0]
        found = theirs(torch.tensor([ids])).logits[0, 0]
    assert found.item() == pytest.approx(mine.item(), abs=1e-4)


def test_a_reward_model_does_not_speak_and_a_speaker_does_not_score(judge: reward.RewardResult, base: Path) -> None:
    with pytest.raises(EyasError, match="is a reward model: it scores answers"):
        open_engine(judge.out)
    with pytest.raises(EyasError, match="is no reward model; make one with `eyas reward`"):
        load_reward(base)


def test_dpo_prefers_the_chosen_answers_and_tells_how(aligned: align.AlignResult) -> None:
    rows = [json.loads(line) for line in (aligned.out / "metrics.jsonl").read_text().splitlines()]
    assert abs(rows[0]["rewards/margins"]) < 0.01, "the model begins as its own reference"
    assert rows[-1]["rewards/accuracies"] > 0.95 and aligned.val["val_rewards/accuracies"] > 0.95
    assert {"logps/chosen", "logps/rejected", "rewards/chosen", "rewards/rejected"} <= set(rows[-1])


@pytest.mark.parametrize(
    "extra", [{"loss": "ipo", "beta": 0.5, "epochs": 8}, {"per_token": True, "beta": 2.0}, {"sft_weight": 1.0}]
)
def test_each_variant_learns_the_preference(extra: dict[str, Any], base: Path, pairs: Path, tmp_path: Path) -> None:
    found = align.run(AlignConfig(model=str(base), out=tmp_path / "new", data=[str(pairs)], **QUICK | extra))
    assert found.val["val_rewards/accuracies"] > 0.8, "chance is a half"
    if "sft_weight" in extra:
        assert found.val["val_logps/chosen"] > -2 and not found.falling


def test_held_rows_stay_as_they_are_while_the_preference_is_learnt(
    base: Path, pairs: Path, aligned: align.AlignResult, tmp_path: Path
) -> None:
    turns = [[{"role": "user", "content": f"{word} and {word} {n}"}, *said(word)] for n in range(40) for word in WORDS]
    rows = write(tmp_path / "rows.jsonl", [{"messages": one} for one in turns])
    text = write(tmp_path / "text.jsonl", [{"text": " ".join(WORDS) * 20} for _ in range(40)])
    asked = {"hold": [str(rows)], "hold_text": [str(text)], "hold_weight": 20.0}
    found = align.run(AlignConfig(model=str(base), out=tmp_path / "held", data=[str(pairs)], **QUICK, **asked))
    assert found.val["val_rewards/accuracies"] > 0.9
    assert {entry["source"] for entry in read_lineage(found.out)["data"]} == {str(pairs), str(rows), str(text)}
    strayed = {}
    old, tokenizer = load_model(base)
    ids = torch.tensor([render(tokenizer, turns[0]).ids])
    for name, out in (("free", aligned.out), ("held", found.out)):
        new, _ = load_model(out)
        with torch.no_grad():
            wanted, said_now = (model.lm_head(model.hidden(ids)).log_softmax(-1) for model in (old, new))
        strayed[name] = float((wanted.exp() * (wanted - said_now)).sum(-1).mean())
    assert strayed["held"] < 0.5 * strayed["free"]


def test_kto_learns_from_single_thumbs(base: Path, tmp_path: Path) -> None:
    rows = [
        {
            "prompt": [{"role": "user", "content": f"say {word} {n}"}],
            "completion": said(word),
            "label": WORDS.index(word) < 9,
        }
        for n in range(14)
        for word in WORDS
    ]
    data = write(tmp_path / "thumbs.jsonl", rows)
    found = align.run(AlignConfig(model=str(base), out=tmp_path / "new", method="kto", data=[str(data)], **QUICK))
    assert found.val["val_rewards/chosen"] > 0 > found.val["val_rewards/rejected"]


def test_falling_log_probabilities_are_told() -> None:
    def rows(chosen: float, rejected: float) -> list[dict[str, Any]]:
        return [{"rewards/chosen": chosen, "rewards/rejected": rejected}] * 20

    assert align._falling(rows(-3.0, -5.0))
    assert not align._falling(rows(0.2, -5.0))
    assert not align._falling(rows(-0.1, -5.0))


def test_a_prompt_is_never_on_both_sides(base: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": [{"role": "user", "content": f"say {n % 30}"}], "chosen": said("cat"), "rejected": said("dog")}
        for n in range(300)
    ]
    model, tokenizer = load_model(base)
    config = AlignConfig(model=str(base), out=tmp_path / "new", data=[str(write(tmp_path / "rows.jsonl", rows))])
    data = read_pairs(config, model, "pair", partial(preferences, tokenizer), Work(config.out, config))
    assert data.val is not None
    train, val = ({tokenizer.decode(pair.first.ids) for pair in part.pairs} for part in (data.train, data.val))
    assert train and val and not train & val


def test_a_lifes_votes_are_read_once_for_a_run(base: Path, tmp_path: Path) -> None:
    life = tmp_path / "life"
    life.mkdir()

    def vote(number: int, winner: str = "model_a") -> None:
        store = open_store(life)
        with store.session() as session:
            asked = [{"role": "user", "content": f"say {number}"}]
            session.add(
                Comparison(
                    prompt=asked, answer_a="cat", answer_b="dog", model_a="x", model_b="y", winner=winner, judge="Ann",
                    message_a="gone", message_b="gone",
                )
            )  # fmt: skip
        store.close()

    for number in range(30):
        vote(number, "model_a" if number else "tie")
    model, tokenizer = load_model(base)
    config = AlignConfig(model=str(base), out=tmp_path / "new", data=[str(life)])
    first = read_pairs(config, model, "pair", partial(preferences, tokenizer), Work(config.out, config))
    vote(30)
    again = read_pairs(config, model, "pair", partial(preferences, tokenizer), Work(config.out, config))
    assert first.val is not None and len(first.train.pairs) + len(first.val.pairs) == 29
    assert again.train.pairs == first.train.pairs, "a resumed run reads what the killed one read"
    assert first.left_out == again.left_out == {"undecided vote": 1}
    assert first.sources == again.sources and first.sources[0]["source"] == str(life)
    assert len(first.sources[0]["stored"]) == 29, "lineage names the votes, for those that are forgotten"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"context": 4096}, "--context 4096 is beyond the model's 64"),
        ({"method": "kto"}, "a pair row where a label row is expected"),
        ({"method": "kto", "per_token": True}, "--per-token does not belong to --method kto"),
        ({"group": 4}, "--group does not belong to --method dpo"),
        ({"data": []}, "--method dpo needs --data"),
        ({"beta": 0}, "--beta must be above 0"),
        ({"data": ["nowhere.jsonl"]}, "nowhere.jsonl does not exist"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing(
    settings: dict[str, Any], why: str, base: Path, pairs: Path, tmp_path: Path
) -> None:
    with pytest.raises(EyasError, match=why):
        align.run(
            AlignConfig(
                **({"model": str(base), "out": tmp_path / "new", "data": [str(pairs)], "quiet": True} | settings)
            )
        )
    assert not list(tmp_path.iterdir())


def test_a_run_killed_with_9_equals_an_unbroken_one(
    base: Path, pairs: Path, aligned: align.AlignResult, tmp_path: Path
) -> None:
    out = tmp_path / "dpo"
    config = AlignConfig(model=str(base), out=out, data=[str(pairs)], save_seconds=0.2, **QUICK)
    program = f"from eyas.train.align import *; run(AlignConfig.model_validate_json({config.model_dump_json()!r}))"
    child = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".dpo.work/train/step*")) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert not out.exists()
    align.run(config)
    mine, theirs = (load_file(folder / "model.safetensors") for folder in (out, aligned.out))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
