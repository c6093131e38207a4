"""`eyas export`: every format opens elsewhere, and what cannot be written is told before anything is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from eyas.errors import EyasError
from eyas.model.checkpoint import load_model, save_model
from eyas.runtime.export import ExportConfig, ExportResult, run, tokenizer_beside
from eyas.runtime.gguf_file import open_gguf
from eyas.runtime.gguf_read import load_gguf
from eyas.runtime.llama2c import read_llama2c, read_llama2c_tokenizer
from eyas.store.lineage import new_lineage, read_lineage
from eyas.text.tokenizer import Tokenizer
from tests.runtime.foreign import random_weights, same_weights, shape, word_pieces

Saved = Callable[..., Path]


@pytest.fixture
def saved(tmp_path: Path, tokenizer: Tokenizer) -> Saved:
    """Writes a random model of a kind as a model folder."""

    def save(
        kind: str = "qwen3", dtype: torch.dtype = torch.float32, stage: str = "finetune", words: Tokenizer = tokenizer
    ) -> Path:
        folder = tmp_path / "models" / f"{kind}-{stage}"
        model = random_weights(shape(kind, words.vocab_size + 2)).to(dtype)
        lineage = new_lineage(stage, {}, out=folder, seed=3)
        save_model(folder, model, words, lineage=lineage, card="# A card\n\nOf two paragraphs.")
        return folder

    return save


def export(model: Path, out: Path, **settings: Any) -> ExportResult:
    return run(ExportConfig(model=str(model), out=out, **settings))


def test_a_gguf_holds_the_model_bit_for_bit(saved: Saved, tmp_path: Path) -> None:
    folder = saved()
    done = export(folder, tmp_path / "m.gguf")
    model, words = load_model(folder)
    again, its_words = load_gguf(tmp_path / "m.gguf")
    assert same_weights(model, again) and its_words.fingerprint == words.fingerprint
    assert (done.format, done.type, done.parameters) == ("gguf", "f32", model.config.n_params())
    assert done.bytes == (tmp_path / "m.gguf").stat().st_size and done.files == [tmp_path / "m.gguf"]
    assert done.bits_per_weight == pytest.approx(8 * done.bytes / done.parameters) and done.tensors == {"f32": 24}


def test_the_type_is_the_models_own_unless_asked(saved: Saved, tmp_path: Path) -> None:
    folder = saved(dtype=torch.bfloat16)
    assert export(folder, tmp_path / "m.gguf").type == "bf16"
    assert export(folder, tmp_path / "hf", format="hf").type == "bf16"
    assert export(folder, tmp_path / "q.gguf", type="q8_0").tensors == {"q8_0": 13, "f16": 2, "f32": 9}


def test_lineage_and_card_travel_with_the_file(saved: Saved, tmp_path: Path) -> None:
    folder = saved()
    export(folder, tmp_path / "m.gguf")
    told = open_gguf(tmp_path / "m.gguf").metadata
    assert json.loads(told["eyas.lineage"]) == read_lineage(folder)
    assert told["general.description"] == "# A card\n\nOf two paragraphs."
    assert (told["general.name"], told["general.finetune"]) == ("qwen3-finetune", "finetune")


def test_readers_begin_a_text_as_the_model_learned_it(saved: Saved, tmp_path: Path) -> None:
    """Documents begin with the start id, chats do not; an export or import on the way changes nothing of it."""
    for stage, first in (("pretrain", True), ("finetune", False)):
        folder = saved(stage=stage)
        export(folder, tmp_path / f"{stage}.gguf")
        export(folder, tmp_path / f"{stage}-copy", format="hf")
        export(tmp_path / f"{stage}-copy", tmp_path / f"{stage}-2.gguf")
        export(tmp_path / f"{stage}.gguf", tmp_path / f"{stage}-3.gguf", type="q8_0")
        for name in (stage, f"{stage}-2", f"{stage}-3"):
            assert open_gguf(tmp_path / f"{name}.gguf").metadata["tokenizer.ggml.add_bos_token"] is first
    folder = saved("llama", stage="import", words=word_pieces())
    export(folder, tmp_path / "foreign.gguf")
    assert open_gguf(tmp_path / "foreign.gguf").metadata["tokenizer.ggml.add_bos_token"] is True


@pytest.mark.parametrize(("kind", "wanted"), [("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16)])
def test_a_hugging_face_folder_says_the_same_in_transformers(
    saved: Saved, tmp_path: Path, kind: Any, wanted: torch.dtype
) -> None:
    transformers = pytest.importorskip("transformers")
    folder = saved()
    export(folder, tmp_path / "out", format="hf", type=kind)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert theirs.dtype == wanted
    model, words = load_model(tmp_path / "out")
    ids = [words.start, *words.encode("the cat")]
    mine = list(ids)
    with torch.no_grad():
        for _ in range(20):
            mine.append(int(model(torch.tensor([mine]))[0, -1].argmax()))
    made = theirs.float().generate(
        torch.tensor([ids]), max_new_tokens=20, min_new_tokens=20, do_sample=False, eos_token_id=None
    )
    assert made[0].tolist() == mine
    assert (
        transformers.AutoTokenizer.from_pretrained(tmp_path / "out").encode("the cat", add_special_tokens=False)
        == ids[1:]
    )
    lineage = read_lineage(tmp_path / "out")
    assert lineage["stage"] == "export" and lineage["parent"]["path"] == str(folder.resolve())


def test_llama2c_gets_the_model_and_its_tokenizer(saved: Saved, tmp_path: Path) -> None:
    folder = saved("llama-untied")
    done = export(folder, tmp_path / "m.bin")
    assert done.files == [tmp_path / "m.bin", tmp_path / "m-tokenizer.bin"] and "splitter" in done.notes[0]
    model, words = load_model(folder)
    moved, its_words = read_llama2c(tmp_path / "m.bin"), read_llama2c_tokenizer(tmp_path / "m-tokenizer.bin", 302)
    text = "the cat, 12 * 34"
    with torch.no_grad():
        ours = model(torch.tensor([words.encode(text)]))[0, -1].sort().values
        theirs = moved(torch.tensor([its_words.encode(text)]))[0, -1].sort().values
    torch.testing.assert_close(ours, theirs)


def test_a_gguf_can_be_exported_again(saved: Saved, tmp_path: Path) -> None:
    export(saved(), tmp_path / "m.gguf")
    export(tmp_path / "m.gguf", tmp_path / "out", format="hf")
    assert same_weights(load_model(tmp_path / "out")[0], load_gguf(tmp_path / "m.gguf")[0])
    assert read_lineage(tmp_path / "out")["origin"]["stage"] == "finetune"


@pytest.mark.parametrize(
    ("out", "settings", "why"),
    [
        ("m", {}, "m: the name says no format; end it in .gguf or .bin, or give --format"),
        ("m.bin", {}, "RMSNorm on queries and keys"),
        ("m.bin", {"type": "q8_0"}, "--type q8_0: llama2.c's format holds f32 only"),
        ("m", {"format": "hf", "type": "q4_0"}, "--type q4_0: a Hugging Face folder holds f32, f16 or bf16"),
        ("there", {"format": "gguf"}, "there exists already"),
        ("there", {"format": "hf"}, "there exists already"),
    ],
)
def test_what_cannot_be_written_is_told_and_leaves_nothing(
    saved: Saved, tmp_path: Path, out: str, settings: dict[str, Any], why: str
) -> None:
    folder = saved()
    (tmp_path / "there").write_text("mine")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(EyasError, match=why):
        export(folder, tmp_path / out, **settings)
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "there").read_text() == "mine"


def test_weights_too_large_for_halves_are_told(saved: Saved, tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = random_weights(shape("qwen3", 300))
    with torch.no_grad():
        model.embed.weight[0, 0] = 1e6
    save_model(tmp_path / "large", model, tokenizer, lineage={"stage": "pretrain"})
    for out, form in (("m.gguf", "gguf"), ("m", "hf")):
        with pytest.raises(EyasError, match="too large for f16; export with --type bf16 or f32"):
            export(tmp_path / "large", tmp_path / out, format=form, type="f16")
        assert not (tmp_path / out).exists()


def test_the_tokenizer_of_a_bin_never_overwrites(saved: Saved, tmp_path: Path) -> None:
    words = tokenizer_beside(tmp_path / "m.bin")
    words.write_text("mine")
    with pytest.raises(EyasError, match="m-tokenizer.bin exists already"):
        export(saved("llama"), tmp_path / "m.bin")
    assert words.read_text() == "mine" and not (tmp_path / "m.bin").exists()


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"x")
    with pytest.raises(EyasError, match="make one of it with eyas import"):
        export(tmp_path / "m.bin", tmp_path / "m.gguf")
