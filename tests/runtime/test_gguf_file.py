"""The bytes of a GGUF file: read as `gguf` reads them, and every damage told in one sentence."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, dequantize, quantize
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyas.errors import EyasError
from eyas.runtime.gguf_file import open_gguf

VALUES = np.random.default_rng(0).normal(size=(3, 256)).astype(np.float32)
QUANTIZABLE = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")


def write(path: Path, fill: Callable[[GGUFWriter], None] = lambda writer: None) -> Path:
    writer = GGUFWriter(path, "llama")
    fill(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def everything(writer: GGUFWriter) -> None:
    writer.add_uint8("a.u8", 7)
    writer.add_int64("a.i64", -(2**40))
    writer.add_float32("a.f32", 0.5)
    writer.add_float64("a.f64", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.text", "grüß 猫")
    writer.add_array("a.words", ["one", "", "three"])
    writer.add_array("a.numbers", [1, -2, 3])
    for name in QUANTIZABLE:
        kind = GGMLQuantizationType[name]
        writer.add_tensor(f"t.{name}", quantize(VALUES, kind), raw_dtype=kind)
    for name, block in (("Q4_K", 144), ("Q5_K", 176), ("Q6_K", 210)):
        raw = np.random.default_rng(1).integers(0, 60, size=(3, block), dtype=np.uint8)  # small: scales stay finite
        writer.add_tensor(f"t.{name}", raw, raw_dtype=GGMLQuantizationType[name])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("gguf") / "all.gguf", everything)


def test_metadata_of_every_type_is_read(whole: Path) -> None:
    found = open_gguf(whole).metadata
    assert found["general.architecture"] == "llama"
    assert [found[f"a.{key}"] for key in ("u8", "i64", "f32", "f64", "bool")] == [7, -(2**40), 0.5, 0.1, True]
    assert found["a.text"] == "grüß 猫" and found["a.words"] == ["one", "", "three"]
    assert found["a.numbers"].tolist() == [1, -2, 3]


def test_every_type_is_dequantised_as_gguf_does(whole: Path) -> None:
    file = open_gguf(whole)
    theirs = {tensor.name: tensor for tensor in GGUFReader(whole).tensors}
    assert set(theirs) == set(file.tensors)
    for name, tensor in theirs.items():
        values = np.asarray(dequantize(tensor.data, tensor.tensor_type))
        assert file.values(name).dtype == np.float32 and np.array_equal(file.values(name), values), name
        assert file.values(name).shape == (3, 256)


def parts(*values: Any) -> bytes:
    """Bytes of a header: text with its length before it, (format, number) as struct packs it, bytes as they are."""
    made = b""
    for value in values:
        if isinstance(value, str):
            made += struct.pack("<Q", len(value)) + value.encode()
        elif isinstance(value, bytes):
            made += value
        else:
            made += struct.pack(f"<{value[0]}", value[1])
    return made


def start(tensors: int, keys: int, version: int = 3) -> bytes:
    return parts(b"GGUF", ("I", version), ("Q", tensors), ("Q", keys))


def tensor(name: str = "t", dims: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0) -> bytes:
    return parts(name, ("I", len(dims)), *(("Q", dim) for dim in dims), ("I", kind), ("Q", offset))


HUGE = 2**63
TEXT_VALUE = parts(("I", 8), "x")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b"GG", "ends before"),
        (b"PK\x03\x04" * 10, "no GGUF file"),
        (b"FUGG" + bytes(40), "no GGUF file"),
        (start(0, 0, version=1), "GGUF version 1"),
        (parts(b"GGUF", b"\0\0\0\3") + bytes(40), "GGUF version 50331648"),
        (start(HUGE, 0), "announces 9,223,372,036,854,775,808 entries"),
        (start(0, HUGE), "announces"),
        (start(0, 1) + parts(("Q", HUGE)) + bytes(20), "announces"),
        (start(0, 1) + parts("k", ("I", 99)) + bytes(20), "unknown type 99"),
        (start(0, 1) + parts("k", ("I", 9), ("I", 8), ("Q", HUGE)) + bytes(20), "announces"),
        (start(0, 1) + parts("k", ("I", 9), ("I", 0), ("Q", HUGE)) + bytes(20), "announces"),
        (start(0, 1) + parts("k", ("I", 9), ("I", 9), ("Q", 1)) + bytes(20), "unknown type 9"),
        (start(0, 1) + parts("k", ("I", 8), ("Q", 2), b"\xff\xfe") + bytes(20), "not UTF-8"),
        (start(0, 2) + parts("k", TEXT_VALUE, "k", TEXT_VALUE) + bytes(20), "the key 'k' twice"),
        (start(1, 0) + tensor(kind=1000) + bytes(256), "of type 1000, which eyas does not know"),
        (start(1, 0) + tensor(kind=10, dims=(256,)) + bytes(256), "of type Q2_K; eyas reads"),
        (start(1, 0) + tensor(dims=()) + bytes(256), "0 dimensions"),
        (start(1, 0) + tensor(dims=(1,) * 5) + bytes(256), "5 dimensions"),
        (start(1, 0) + tensor(dims=(0, 4)) + bytes(256), r"the shape \[4, 0\]"),
        (start(1, 0) + tensor(dims=(33,), kind=8) + bytes(256), r"the shape \[33\]"),
        (start(1, 0) + tensor(dims=(HUGE, HUGE)) + bytes(256), "lies outside the file"),
        (start(1, 0) + tensor(offset=HUGE) + bytes(256), "lies outside the file"),
        (start(1, 0) + tensor(offset=4) + bytes(256), "lies outside the file"),
        (start(1, 0) + tensor(dims=(64,)) + bytes(100), "lies outside the file"),
        (start(2, 0) + tensor() + tensor() + bytes(256), "the tensor t twice"),
        (start(1, 0) + tensor(name="t" * 65) + bytes(256), "dimensions"),
        (start(0, 1) + parts("general.alignment", ("I", 4), ("I", 3)) + bytes(20), "alignment is 3"),
        (start(0, 1) + parts("general.alignment", TEXT_VALUE) + bytes(20), "alignment is x"),
    ],
)
def test_a_damaged_header_is_told_in_one_sentence(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "x.gguf").write_bytes(data)
    with pytest.raises(EyasError, match=why) as caught:
        open_gguf(tmp_path / "x.gguf")
    assert "x.gguf" in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_number_is_told(tmp_path: Path) -> None:
    values = np.array([1, np.inf, 2, 3], dtype=np.float32)
    file = open_gguf(write(tmp_path / "x.gguf", lambda writer: writer.add_tensor("t", values)))
    with pytest.raises(EyasError, match="t holds values that are no numbers"):
        file.values("t")


def test_every_cut_is_told(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    for length in [*range(0, 2000, 7), len(data) - 300, len(data) - 40]:
        (tmp_path / "x.gguf").write_bytes(data[:length])
        with pytest.raises(EyasError, match=r"x\.gguf"):
            open_gguf(tmp_path / "x.gguf")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_bytes_give_one_sentence_or_a_file(whole: Path, tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(whole.read_bytes())
    for place, byte in changes:
        content[place] = byte
    (tmp_path / "x.gguf").write_bytes(content)
    try:
        file = open_gguf(tmp_path / "x.gguf")
        for name in file.tensors:
            assert file.values(name).size
    except EyasError as error:
        assert "\n" not in str(error)
