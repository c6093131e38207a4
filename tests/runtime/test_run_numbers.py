"""The numbers of run.c: equal to PyTorch, to themselves in any company, and from one processor to another."""

import ctypes
import dataclasses
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.native import FLAGS
from eyas.runtime.backend import Piece
from eyas.runtime.c_engine import CBackend
from eyas.runtime.library import SOURCE, library

Floats = NDArray[np.float32]

SHAPES = {
    "qwen3": {"n_embd": 64, "n_head": 4, "n_kv_head": 2, "head_dim": 64, "n_ff": 96},
    "llama": {"n_embd": 96, "n_head": 6, "n_kv_head": 6, "head_dim": 48, "n_ff": 160, "qk_norm": False},
    "narrow": {"n_embd": 64, "n_head": 8, "n_kv_head": 4, "head_dim": 8, "n_ff": 172, "tie_embeddings": True},
    "odd": {"n_embd": 70, "n_head": 3, "n_kv_head": 1, "head_dim": 22, "n_ff": 50, "vocab_size": 203},
    "biased": {
        "n_embd": 64,
        "n_head": 2,
        "n_kv_head": 2,
        "head_dim": 32,
        "n_ff": 64,
        "qkv_bias": True,
        "qk_norm": False,
    },
}
TYPES = {"f32": 0, "f16": 1, "bf16": 30, "q8_0": 8, "q4_0": 2}
LENGTH = 150


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    if library() is None:
        pytest.skip("no C compiler on this machine")


@pytest.fixture(scope="module", params=sorted(SHAPES))
def model(request: pytest.FixtureRequest) -> Transformer:
    torch.manual_seed(1)
    wanted = {"vocab_size": 256, "n_layer": 3, "max_seq_len": 200} | SHAPES[request.param]
    made = Transformer(ModelConfig(**wanted)).eval()
    for parameter in made.parameters():
        with torch.no_grad():
            spread = parameter.shape[-1] ** -0.5 if parameter.dim() == 2 else 0.1
            parameter.copy_((parameter.dim() == 1) + spread * torch.randn(parameter.shape))
    return made


@pytest.fixture(scope="module")
def ids(model: Transformer) -> list[int]:
    return torch.randint(model.config.vocab_size, (LENGTH,), generator=torch.Generator().manual_seed(2)).tolist()


def backend(model: Transformer, kind: str = "f32", threads: int = 1) -> CBackend:
    return CBackend.from_model(model, model.config.vocab_size, kind, threads, 8)  # type: ignore[arg-type]


def in_pieces(engine: CBackend, ids: list[int], sizes: Iterator[int]) -> Floats:
    sequence, rows, start = engine.new(), [], 0
    while start < len(ids):
        tokens = ids[start : start + next(sizes)]
        rows.append(engine.forward([Piece(sequence, start, tokens, len(tokens))]))
        start += len(tokens)
    engine.release(sequence)
    return np.concatenate(rows)


def whole(engine: CBackend, ids: list[int]) -> Floats:
    return in_pieces(engine, ids, iter([len(ids)]))


def test_logits_and_hidden_states_equal_pytorch(model: Transformer, ids: list[int]) -> None:
    with torch.no_grad():
        hidden = model.hidden(torch.tensor([ids]))
        expected = model.head(hidden)[0].numpy()
    engine = backend(model)
    np.testing.assert_allclose(whole(engine, ids), expected, atol=1e-4)
    states = engine.hidden([Piece(engine.new(), 0, ids, len(ids))])
    np.testing.assert_allclose(states, hidden[0].numpy(), atol=1e-4)


def test_log_probabilities_equal_pytorch(model: Transformer, ids: list[int]) -> None:
    with torch.no_grad():
        expected = model(torch.tensor([ids]))[0, :-1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])
    engine = backend(model)
    found = engine.scores([Piece(engine.new(), 0, ids[:-1], LENGTH - 1)], ids[1:])
    np.testing.assert_allclose(found, expected[:, 0].numpy(), atol=1e-4)


@pytest.mark.parametrize("kind", TYPES)
def test_logits_are_the_same_bits_in_any_company(model: Transformer, ids: list[int], kind: str) -> None:
    alone = whole(backend(model, kind), ids)
    for threads in (1, 2):
        engine = backend(model, kind, threads)
        sizes = [1, 1, 3, 16, 5, 2, 64, 7, 33, 100]
        assert np.array_equal(in_pieces(engine, ids, iter(sizes)), alone), "chunked"
        first = engine.new()
        engine.forward([Piece(first, 0, ids[:100], 1)])
        forks = {length: engine.fork(first, length) for length in (37, 32, 99, 1)}
        crowd = [Piece(forks[length], length, ids[length : length + 8], 8) for length in forks]
        together = engine.forward(crowd)
        for row, length in enumerate(forks):
            assert np.array_equal(together[8 * row : 8 * row + 8], alone[length : length + 8]), "shared prefix"
        engine.truncate(forks[99], 40)
        again = engine.forward([Piece(forks[99], 40, ids[40:60], 20)])
        assert np.array_equal(again, alone[40:60]), "after forgetting"
        assert np.array_equal(engine.forward([Piece(first, 100, ids[100:], 50)]), alone[100:]), "the original"


@pytest.mark.parametrize("kind", ["f16", "bf16", "q8_0", "q4_0"])
def test_held_types_multiply_the_values_that_ggml_means(model: Transformer, ids: list[int], kind: str) -> None:
    """Logits come near those of PyTorch with the weights that the `gguf` library reads back (activations round too)."""
    quantised = gguf.GGMLQuantizationType[kind.upper()]
    again = Transformer(model.config).eval()
    again.load_state_dict(model.state_dict())
    with torch.no_grad():
        for name, parameter in again.named_parameters():
            if parameter.dim() == 2 and "norm" not in name:
                exact = "q" not in kind or parameter.shape[1] % 32 == 0
                stored = quantised if exact else gguf.GGMLQuantizationType.F16
                values = gguf.quants.quantize(parameter.numpy(), stored)
                parameter.copy_(torch.from_numpy(gguf.quants.dequantize(values, stored)))
        expected = again(torch.tensor([ids]))[0].numpy()
    found = whole(backend(model, kind), ids)
    bound = {"f16": 1e-4, "bf16": 0.03, "q8_0": 0.08, "q4_0": 0.12}[kind]
    assert np.sqrt(np.mean((found - expected) ** 2)) < bound * expected.std()


@pytest.mark.parametrize("name", ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"])
def test_dequantised_values_equal_those_of_the_gguf_library(name: str) -> None:
    kind = gguf.GGMLQuantizationType[name]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = np.random.default_rng(3).integers(0, 256, (64, size * max(1, 256 // block)), dtype=np.uint8)
    with np.errstate(all="ignore"):
        expected = gguf.quants.dequantize(data, kind).reshape(64, -1) if name != "F32" else data.view(np.float32)
    lib = library()
    assert lib is not None
    lib.eyas_dequantize.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    found = np.empty_like(expected, dtype=np.float32)
    lib.eyas_dequantize(int(kind), data.ctypes.data, found.ctypes.data, found.size)
    sensible = np.isfinite(expected) & (np.abs(expected) < 1e30)
    assert sensible.mean() > 0.5
    np.testing.assert_allclose(found[sensible], expected[sensible], rtol=3e-7, atol=1e-30)


def built(folder: Path, name: str, compiler: str, *flags: str) -> Path:
    target = folder / name
    command = [compiler, *FLAGS, *flags, "-o", str(target), str(SOURCE), "-lm", "-lpthread"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return target


def test_every_simd_path_gives_the_bits_of_plain_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(4)
    small = {"n_embd": 64, "n_head": 2, "n_kv_head": 1, "head_dim": 32, "n_ff": 160}
    model = Transformer(ModelConfig(vocab_size=80, n_layer=2, max_seq_len=64, **small)).eval()  # type: ignore[arg-type]
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    ids = torch.randint(80, (40,)).tolist()
    lib = library()
    assert lib is not None
    path = lib.eyas_simd().decode()
    builds = {"plain": ("-DEYAS_PLAIN", "-march=native")}
    if path.startswith("avx512"):
        builds["avx2"] = ("-march=x86-64-v3",)
    results = {kind: whole(backend(model, kind), ids) for kind in TYPES}
    for name, flags in builds.items():
        other = ctypes.CDLL(str(built(tmp_path, f"{name}.so", "cc", "-O0", *flags)))
        for function in dir(lib):
            if function.startswith("eyas_"):
                mirrored, known = getattr(other, function), getattr(lib, function)
                mirrored.restype, mirrored.argtypes = known.restype, known.argtypes
        assert other.eyas_simd().decode().startswith(name)
        monkeypatch.setattr("eyas.runtime.c_engine.library", lambda other=other: other)
        for kind, expected in results.items():
            found = whole(backend(model, kind), ids)
            if kind == "bf16" and "bf16" in path:  # its product has an instruction with a rounding of its own
                np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())
            else:
                assert np.array_equal(found, expected), (name, kind)


def test_a_program_for_arm_says_the_same(tmp_path: Path) -> None:
    cross, emulator = "aarch64-linux-gnu-gcc", "qemu-aarch64"
    if not (shutil.which(cross) and shutil.which(emulator)):
        pytest.skip(f"needs {cross} and {emulator} (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user)")
    from eyas.runtime.gguf_write import write_gguf
    from eyas.text.tokenizer import train_tokenizer

    torch.manual_seed(5)
    tokenizer = train_tokenizer(["one two three four five six seven eight nine ten. "] * 30, 300)
    config = ModelConfig.from_size("0.5m", vocab_size=tokenizer.vocab_size, max_seq_len=64)
    config = dataclasses.replace(config, n_layer=2, n_embd=64, n_head=2, n_kv_head=1, head_dim=32, n_ff=96)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.25)
    programs = {"here": ("cc", "-march=native"), "arm": (cross, "-static")}
    for name, (compiler, flag) in programs.items():
        command = [compiler, "-O1", flag, "-o", str(tmp_path / name), str(SOURCE), "-lm", "-lpthread"]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    for kind in TYPES:
        file = tmp_path / f"{kind}.gguf"
        write_gguf(file, model, tokenizer, kind, name="small")  # type: ignore[arg-type]
        asked = [str(file), "one two three", "-n", "16"]
        here = subprocess.run([tmp_path / "here", *asked], capture_output=True, check=True, timeout=60)
        arm = subprocess.run([emulator, tmp_path / "arm", *asked], capture_output=True, check=True, timeout=120)
        assert here.stdout == arm.stdout and len(here.stdout) > 14
