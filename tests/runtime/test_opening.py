"""MODEL becomes an engine in one place: the right one, or one sentence."""

from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.model.checkpoint import save_model
from eyas.model.transformer import Transformer
from eyas.runtime import opening
from eyas.runtime.gguf_write import write_gguf
from eyas.runtime.library import library
from eyas.runtime.opening import Kind, engine_of, open_engine
from eyas.runtime.sampling import Sampling
from eyas.runtime.speculate import Draft, Lookup
from eyas.runtime.torch_engine import TorchEngine
from eyas.text.tokenizer import Tokenizer, train_tokenizer

GREEDY = Sampling(max_tokens=12, temperature=0)


@pytest.fixture(scope="module")
def life(model: Transformer, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A life with one model, as a folder and beside it as a GGUF file."""
    folder = tmp_path_factory.mktemp("lives") / "life"
    save_model(folder / "models" / "base", model, tokenizer, lineage={})
    write_gguf(folder / "base.gguf", model, tokenizer, "f32", name="base")
    return folder


@pytest.mark.parametrize("name", ["models/base", "base", "base.gguf"])
def test_every_form_of_a_model_says_the_same(life: Path, name: str, kind: Kind, model: Transformer) -> None:
    engine = open_engine(str(life / name), kind=kind, threads=1)
    assert isinstance(engine, TorchEngine) == (kind == "torch")
    expected = TorchEngine(model, engine.tokenizer).generate([[20, 30]], GREEDY, ())
    assert [done.ids for done in engine.generate([[20, 30]], GREEDY, ())] == [done.ids for done in expected]


def test_a_model_on_the_cpu_runs_in_c_where_there_is_a_compiler(
    life: Path, model: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(engine_of(model, tokenizer), TorchEngine) == (library() is None)
    monkeypatch.setattr(opening, "_has_library", lambda: False)
    assert isinstance(open_engine(life / "base"), TorchEngine)
    assert isinstance(open_engine(life / "base.gguf"), TorchEngine)


def test_asking_for_c_where_there_is_none_is_one_sentence(life: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eyas.runtime.c_engine.library", lambda: None)
    for name in ("base", "base.gguf"):
        with pytest.raises(EyasError, match="C engine is not available"):
            open_engine(life / name, kind="c")


@pytest.mark.parametrize("name", ["nowhere.gguf", "nowhere"])
def test_what_is_not_there_is_told(life: Path, name: str) -> None:
    with pytest.raises(EyasError, match="there is no"):
        open_engine(life / name)


def test_a_file_that_is_no_gguf_is_told(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "m.gguf").write_bytes(b"no GGUF at all, but long enough to hold a header of one")
    with pytest.raises(EyasError, match="m.gguf is no GGUF"):
        open_engine(tmp_path / "m.gguf", kind=kind)


def test_a_draft_must_share_the_tokenizer(
    life: Path, tmp_path: Path, model: Transformer, tokenizer: Tokenizer, kind: Kind
) -> None:
    engine = open_engine(life / "base", kind=kind, draft=life / "base")
    assert isinstance(engine.batch.speculator, Draft)
    plain = open_engine(life / "base", kind=kind).generate([[20, 30]], GREEDY, ())
    assert [done.ids for done in engine.generate([[20, 30]], GREEDY, ())] == [done.ids for done in plain]
    other = train_tokenizer(["the quick brown fox jumps over the lazy dog " * 9] * 3, tokenizer.vocab_size - 10)
    save_model(tmp_path / "other", model, other, lineage={})
    with pytest.raises(EyasError, match="has another tokenizer"):
        open_engine(life / "base", kind=kind, draft=tmp_path / "other")
    with pytest.raises(EyasError, match="--draft and --lookup exclude each other"):
        open_engine(life / "base", draft=life / "base", lookup=True)
    assert isinstance(open_engine(life / "base", kind=kind, lookup=True).batch.speculator, Lookup)
