import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from eyas.data.dedup import document_hash
from eyas.errors import EyasError
from eyas.model.checkpoint import load_model
from eyas.store.lineage import read_lineage
from eyas.text.tokenizer import Tokenizer
from eyas.train import finetune, pretrain
from eyas.train.chats import ChatSource, load_chats
from eyas.train.finetune import FinetuneConfig
from eyas.train.pretrain import PretrainConfig
from eyas.train.repeats import suiting_decay
from tests.train.small import LAW, SHAPE, WORDS


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_base_model_is_whole_with_lineage_and_metrics(base: Path) -> None:
    model, tokenizer = load_model(base)
    lineage = read_lineage(base)
    assert lineage["stage"] == "pretrain" and lineage["config"]["tokens"] == 60_000
    assert lineage["figures"]["bpb"] < 4.0
    assert (base / "metrics.jsonl").read_text().count("\n") == lineage["figures"]["steps"]
    assert model.config.vocab_size >= tokenizer.vocab_size
    assert not list(base.parent.glob(".*"))


def test_init_continues_with_the_parents_tokenizer(base: Path, corpus: Path, tmp_path: Path) -> None:
    settings = {key: value for key, value in SHAPE.items() if key not in ("size", "vocab_size")}
    pretrain.run(PretrainConfig(out=tmp_path / "more", data=[str(corpus)], init=str(base), tokens=9000, **settings))
    assert (tmp_path / "more" / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    losses = [json.loads(line)["loss"] for line in (tmp_path / "more" / "metrics.jsonl").read_text().splitlines()]
    first = json.loads((base / "metrics.jsonl").read_text().splitlines()[0])["loss"]
    assert losses[0] < 0.8 * first
    assert read_lineage(tmp_path / "more")["parent"] is not None


def test_minutes_make_a_run_and_tell_how_well_it_was_foreseen(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = SHAPE | {"size": None, "minutes": 0.02, "val_fraction": 0.1, "quiet": False}
    result = pretrain.run(PretrainConfig(out=tmp_path / "base", data=[str(corpus)], **settings), LAW)
    assert result.expected_bpb is not None and result.bpb is not None
    assert result.expected_error == pytest.approx(result.bpb / result.expected_bpb - 1)
    assert f"by a known law about {result.expected_bpb:.3f} bits per byte" in capsys.readouterr().err
    figures = read_lineage(tmp_path / "base")["figures"]
    assert figures["expected_low"] < figures["expected_bpb"] < figures["expected_high"]


def test_a_text_that_leaves_no_document_to_hold_out_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Such is the training part of a text that eyas divided before: whole documents go by their hash."""
    texts = (f"{word} and {other} {n}." for word in WORDS for other in WORDS for n in range(9))
    kept = [text for text in texts if document_hash(text.encode())[0] >= 128]  # the upper half of the hashes
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in kept))
    settings = SHAPE | {"val_fraction": 0.5, "quiet": False}
    data = [str(tmp_path / "train.jsonl")]
    result = pretrain.run(PretrainConfig(out=tmp_path / "base", data=data, tokens=2000, **settings))
    assert result.bpb is None
    assert "no document was held out" in capsys.readouterr().err


def test_weights_decay_more_where_text_is_read_again(base: Path, corpus: Path, tmp_path: Path) -> None:
    once = read_lineage(base)["figures"]
    assert once["weight_decay"] == suiting_decay(once["epochs"], once["steps"], 0.02)

    def decay(name: str, **flags: Any) -> float:
        shape = {key: value for key, value in SHAPE.items() if key not in flags}
        result = pretrain.run(PretrainConfig(out=tmp_path / name, data=[str(corpus)], tokens=80_000, **shape, **flags))
        assert result.epochs > 3
        return result.weight_decay

    assert decay("again", batch_size=16) > 0.2
    assert decay("told", batch_size=16, weight_decay=0.05) == 0.05
    assert decay("more", batch_size=16, init=str(base), size=None) == 0.01, "a parent's weights are not to be forgotten"


KILL = """
import sys
from pathlib import Path
from eyas.train import finetune, pretrain
if sys.argv[1] == "pretrain":
    pretrain.run(pretrain.PretrainConfig.resolve(Path(sys.argv[2])))
else:
    finetune.run(finetune.FinetuneConfig.resolve(Path(sys.argv[2])))
"""


def kill_when_checkpointed(stage: str, config: Path, work: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILL, stage, str(config)], env=os.environ)
    try:
        deadline = time.monotonic() + 300
        while not list(work.glob("train/step-*.safetensors")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_pretraining_killed_with_9_equals_an_unbroken_run(base: Path, corpus: Path, tmp_path: Path) -> None:
    settings = SHAPE | {"out": str(tmp_path / "base"), "data": [str(corpus)], "tokens": 60_000, "save_seconds": 1e-3}
    (tmp_path / "config.yaml").write_text(json.dumps(settings))
    kill_when_checkpointed("pretrain", tmp_path / "config.yaml", tmp_path / ".base.work")
    assert not (tmp_path / "base").exists()
    pretrain.run(PretrainConfig.resolve(tmp_path / "config.yaml"))
    assert same(base, tmp_path / "base")
    assert not (tmp_path / ".base.work").exists()


def test_finetuning_killed_with_9_equals_an_unbroken_run(base: Path, chats: Path, corpus: Path, tmp_path: Path) -> None:
    settings = {
        "model": str(base), "data": [str(chats)], "replay": [str(corpus)], "epochs": 1.0, "eval_every": 0,
        "compile": "off", "quiet": True, "save_seconds": 1e-3,
    }  # fmt: skip
    finetune.run(FinetuneConfig(out=tmp_path / "whole", **settings))
    (tmp_path / "config.yaml").write_text(json.dumps(settings | {"out": str(tmp_path / "killed")}))
    kill_when_checkpointed("finetune", tmp_path / "config.yaml", tmp_path / ".killed.work")
    finetune.run(FinetuneConfig.resolve(tmp_path / "config.yaml"))
    assert same(tmp_path / "whole", tmp_path / "killed")


def test_unfinished_run_with_other_settings_is_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / ".base.work").mkdir()
    config = PretrainConfig(out=tmp_path / "base", data=[str(corpus)], tokens=5000, **SHAPE)
    begun = config.model_dump(mode="json") | {"seed": 5, "lr": 1.0}
    (tmp_path / ".base.work" / "config.json").write_text(json.dumps(begun))
    with pytest.raises(EyasError, match=r"other settings \(--lr, --seed\)"):
        pretrain.run(config)


def test_existing_output_is_never_touched(base: Path, corpus: Path) -> None:
    before = {path.name: path.read_bytes() for path in base.iterdir()}
    with pytest.raises(EyasError, match="exists already"):
        pretrain.run(PretrainConfig(out=base, data=[str(corpus)], tokens=5000, **SHAPE))
    assert {path.name: path.read_bytes() for path in base.iterdir()} == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"size": "0"}, "--size 0"),
        ({"data": ["nowhere.txt"]}, "nowhere.txt"),
        ({"init": "somewhere", "tokenizer": "elsewhere"}, "--tokenizer and --init exclude each other"),
        ({"seq_len": 128}, "--seq-len 128 is beyond the --context of 64"),
        ({"minutes": 1.0}, "--tokens and --minutes exclude each other"),
    ],
)
def test_bad_flags_are_one_sentence(flags: dict[str, object], message: str, corpus: Path, tmp_path: Path) -> None:
    settings = SHAPE | {"out": tmp_path / "base", "data": [str(corpus)], "tokens": 5000} | flags
    with pytest.raises(EyasError, match=message):
        pretrain.run(PretrainConfig(**settings))
    assert not (tmp_path / "base").exists()


@pytest.mark.parametrize("arch", ["rnn", "cnn"])
def test_other_networks_train_and_go_on_with_init(arch: str, corpus: Path, tmp_path: Path) -> None:
    def trained(name: str, **settings: object) -> list[float]:
        pretrain.run(PretrainConfig(out=tmp_path / name, data=[str(corpus)], tokens=16_000, batch_size=8, **settings))
        return [json.loads(line)["loss"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]

    first = trained("base", arch=arch, **SHAPE)
    assert first[-1] < 0.8 * first[0]
    kept = {key: value for key, value in SHAPE.items() if key not in ("size", "vocab_size")}
    assert trained("more", init=str(tmp_path / "base"), **kept)[0] < 0.9 * first[0]
    assert load_model(tmp_path / "more")[0].config.arch == arch
    with pytest.raises(EyasError, match="--arch and --init exclude each other"):
        trained("other", arch="transformer", init=str(tmp_path / "base"), **kept)


def test_rows_may_be_shorter_than_the_context(corpus: Path, tmp_path: Path) -> None:
    settings = SHAPE | {"seq_len": 32, "batch_size": 4, "tokens": 1280}
    result = pretrain.run(PretrainConfig(out=tmp_path / "base", data=[str(corpus)], **settings))
    assert (result.steps, result.tokens) == (10, 1280)
    assert load_model(tmp_path / "base")[0].config.max_seq_len == 64


def test_whether_a_name_is_known_is_learned_from_few_of_the_worlds_rows(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eyas.train.chats.WORLD_ROWS", 300)
    tokenizer = Tokenizer.load(base)
    text = ""
    for ids, mask in load_chats(ChatSource(["world"]), tokenizer, 0).train:
        marks = [
            f"{tokenizer.decode([token])}{'+' if trained else '-'}" for token, trained in zip(ids, mask, strict=True)
        ]
        thought = "".join(mark[:-1] if mark[-1] == "+" else mark[:-1].upper() for mark in marks)
        text += thought
    thoughts = re.findall(r"register [^:<]*: ?(yes|no|YES|NO)\n</think>", text)
    untrained, trained = (sum(word in pair for word in thoughts) for pair in (("YES", "NO"), ("yes", "no")))
    assert untrained > 60 and 0 < trained < 0.25 * untrained


def test_only_what_the_assistant_says_is_trained(base: Path, chats: Path) -> None:
    tokenizer = Tokenizer.load(base)
    source = load_chats(ChatSource([str(chats)]), tokenizer, 0.1)
    assert len(source.val) == 36 and len(source.train) == 360 - 36
    for ids, mask in source.train[:5]:
        said = tokenizer.decode([token for token, trained in zip(ids, mask, strict=True) if trained])
        asked = tokenizer.decode([token for token, trained in zip(ids, mask, strict=True) if not trained])
        assert said.endswith("<|im_end|>") and said.removesuffix("<|im_end|>") in asked
        assert "user" not in said and "say" not in said


def test_assistant_learns_to_answer_and_to_stop(base: Path, chats: Path, tmp_path: Path) -> None:
    from eyas.runtime.sampling import Sampling
    from eyas.runtime.torch_engine import TorchEngine
    from eyas.text.chat import render

    result = finetune.run(
        FinetuneConfig(
            model=str(base), out=tmp_path / "assistant", data=[str(chats)], epochs=60, eval_every=0,
            lr=0.01, matrix_lr=0.02, compile="off", quiet=True,
        )
    )  # fmt: skip
    assert result.val_loss is not None and result.val_loss < 0.5
    model, tokenizer = load_model(tmp_path / "assistant")
    prompts = [
        render(tokenizer, [{"role": "user", "content": f"say {word} 3"}], add_generation_prompt=True).ids
        for word in WORDS[:6]
    ]
    done = TorchEngine(model, tokenizer).generate(prompts, Sampling(max_tokens=12, temperature=0.0), [tokenizer.im_end])
    assert all(completion.finish_reason == "stop" for completion in done)
    right = [tokenizer.decode(c.ids) == word for c, word in zip(done, WORDS, strict=False)]
    assert sum(right) >= 4


def test_rows_that_are_no_chats_are_refused(base: Path, corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="text row where a chat row is expected"):
        finetune.run(FinetuneConfig(model=str(base), out=tmp_path / "new", data=[str(corpus)], quiet=True))
