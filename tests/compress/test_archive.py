"""Files zipped and unzipped."""

import hashlib
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.compress.archive import UnzipConfig, ZipConfig, compressed, plan, restored, run_unzip, run_zip
from eyas.compress.container import Archive, pack, unpack
from eyas.compress.predictor import Predictor, identity_of, open_predictor, predictor_of
from eyas.compress.streams import Layout
from eyas.errors import EyasError
from eyas.model.checkpoint import load_model, save_model
from eyas.native import Uncompiled
from eyas.runtime.gguf_write import write_gguf
from eyas.store.lineage import new_lineage
from eyas.text.tokenizer import Tokenizer, train_tokenizer
from tests.compress.conftest import TEXT, random_model
from tests.compress.test_symbols import data

FEW = settings(max_examples=25, deadline=None)


def back(archive: Archive, predictor: Predictor) -> bytes:
    return restored(unpack(pack(archive), "f"), predictor, "f", "m")


@FEW
@given(content=data)
def test_any_bytes_survive(predictor: Predictor, content: bytes) -> None:
    assert back(compressed(content, predictor), predictor) == content


@pytest.mark.parametrize("streams", [None, 1, 3, 64])
def test_a_text_longer_than_the_context_survives(predictor: Predictor, streams: int | None) -> None:
    content = (TEXT * 40).encode()
    archive = compressed(content, predictor, streams)
    assert archive.coded and back(archive, predictor) == content


def test_nothing_survives(predictor: Predictor) -> None:
    archive = compressed(b"", predictor)
    assert archive.payload == b"" and not archive.coded and back(archive, predictor) == b""


def test_what_the_model_makes_larger_is_stored(predictor: Predictor) -> None:
    content = hashlib.shake_128(b"noise").digest(2000)
    archive = compressed(content, predictor)
    assert not archive.coded and len(pack(archive)) < len(content) + 100 and back(archive, predictor) == content


def test_what_the_tokenizer_cannot_spell_is_stored(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(predictor.symbols._of_byte, 0xFF)
    content = TEXT.encode() * 3 + b"\xff"
    archive = compressed(content, predictor)
    assert not archive.coded and back(archive, predictor) == content


def test_the_window_is_the_one_that_codes_a_part_best(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.zeros(9000, dtype=np.int32)
    sizes = {64: 9, 32: 7}
    monkeypatch.setattr(
        "eyas.compress.archive.encode", lambda reader, ids, layout: (bytes(sizes[layout.window]), False)
    )
    assert plan(ids, predictor) == Layout(9000, 2, 32, 8)
    assert plan(ids, predictor, 1) == Layout(9000, 1, 32, 8)
    assert plan(ids[:20], predictor) == Layout(20, 1, 64, 16), "all windows are long enough"
    assert plan(ids[:0], predictor) == Layout(0, 0, 64, 16)


# -- refusals


def test_another_model_is_refused(predictor: Predictor, tokenizer: Tokenizer) -> None:
    other = replace(predictor, identity=identity_of(random_model(tokenizer.vocab_size, seed=1), tokenizer))
    with pytest.raises(EyasError, match="^f was zipped with another model or tokenizer than m; give -m the same one$"):
        back(compressed(TEXT.encode(), predictor), other)


def test_one_weight_or_token_makes_another_model(model: torch.nn.Module, tokenizer: Tokenizer) -> None:
    same, other = random_model(tokenizer.vocab_size), random_model(tokenizer.vocab_size)
    with torch.no_grad():
        other.embed.weight[3, 4] += 1e-3
    others = train_tokenizer([TEXT.upper()] * 20, 300)
    found = [identity_of(one, own) for one, own in ((same, tokenizer), (other, tokenizer), (same, others))]
    assert found[0] == identity_of(model, tokenizer) and len(set(found)) == 3  # type: ignore[arg-type]


def test_a_machine_that_computes_otherwise_is_refused(predictor: Predictor) -> None:
    other = replace(predictor, arithmetic=b"12345678")
    with pytest.raises(EyasError, match="other bits"):
        back(compressed(TEXT.encode(), predictor), other)


@FEW
@given(place=st.integers(0, 200), noise=st.binary(min_size=1, max_size=9))
def test_a_damaged_file_never_yields_anything_else(predictor: Predictor, place: int, noise: bytes) -> None:
    """Even one whose checksum was mended."""
    content = TEXT.encode() * 2
    whole = pack(compressed(content, predictor))
    place = 12 + place % (len(whole) - 12)
    body = bytearray(whole[12:])
    body[place - 12 : place - 12 + len(noise)] = noise
    mended = b"EYASZIP\x01" + zlib.crc32(body).to_bytes(4, "little") + body
    try:
        assert restored(unpack(mended, "f"), predictor, "f", "m") == content
    except EyasError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "layout",
    [Layout(10**15, 1, 64, 16), Layout(10**15, 64, 64, 16), Layout(10**15, 1, 10**15, 0), Layout(1, 1, 65, 64)],
    ids=str,
)
def test_sizes_that_somebody_made_up_take_no_memory(predictor: Predictor, layout: Layout) -> None:
    made_up = Archive(
        predictor.identity, predictor.arithmetic, bytes(32), "0.1.0", 2 * 10**15, layout, True, b"\x13\x57\x9b"
    )
    with pytest.raises(EyasError):
        restored(made_up, predictor, "f", "m")


def test_no_compiler_is_told_with_the_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Path) -> Path:
        raise Uncompiled("there is no C compiler")

    monkeypatch.setattr("eyas.compress.predictor.compiled", fail)
    with pytest.raises(EyasError, match="there is no C compiler.*install gcc or clang"):
        open_predictor(str(folder))


# -- files


def test_a_file_goes_there_and_back(needs_compiler: None, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes((TEXT * 30).encode())
    zipped = run_zip(ZipConfig(path=file, model=str(folder)))
    assert zipped.out == tmp_path / "notes.txt.eyz" and zipped.zipped == zipped.out.stat().st_size
    assert zipped.bits_per_byte == 8 * zipped.zipped / zipped.bytes
    assert set(zipped.peers) == {"gzip -9", "xz -9e", "zstd -19"} and zipped.tokens > 0
    done = run_unzip(UnzipConfig(path=zipped.out, model=str(folder), out=tmp_path / "again.txt"))
    assert done.out.read_bytes() == file.read_bytes() and done.tokens == zipped.tokens


def test_a_folder_copied_in_another_type_is_another_model(needs_compiler: None, folder: Path, tmp_path: Path) -> None:
    file, copy, half = tmp_path / "a", tmp_path / "copy", tmp_path / "half"
    file.write_bytes(TEXT.encode())
    for out, dtype in ((copy, torch.float32), (half, torch.bfloat16)):
        model, tokenizer = load_model(folder, dtype=dtype)
        save_model(out, model, tokenizer, lineage=new_lineage("export", {}, out=out, seed=0))
    zipped = run_zip(ZipConfig(path=file, model=str(folder))).out
    run_unzip(UnzipConfig(path=zipped, model=str(copy), out=tmp_path / "b"))
    with pytest.raises(EyasError, match="another model"):
        run_unzip(UnzipConfig(path=zipped, model=str(half), out=tmp_path / "c"))
    assert not (tmp_path / "c").exists()


def test_a_gguf_file_is_a_model_too(needs_compiler: None, folder: Path, tmp_path: Path) -> None:
    file, gguf = tmp_path / "a", tmp_path / "m.gguf"
    file.write_bytes(TEXT.encode() * 4)
    write_gguf(gguf, *load_model(folder), "q8_0", name="m")
    zipped = run_zip(ZipConfig(path=file, model=str(gguf)))
    done = run_unzip(UnzipConfig(path=zipped.out, model=str(gguf), out=tmp_path / "b"))
    assert zipped.coded and done.out.read_bytes() == file.read_bytes()


def test_an_engine_with_too_many_words_is_refused(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    from eyas.runtime.engine import Engine

    engine = Engine(predictor.backend, predictor.symbols.tokenizer)
    monkeypatch.setattr("eyas.compress.predictor.LARGEST_VOCABULARY", 8)
    with pytest.raises(EyasError, match="too large to code; 8 are the most"):
        predictor_of(engine, b"")
