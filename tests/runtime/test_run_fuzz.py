"""run.c refuses damaged files, prompts and calls with one line; sanitisers watch that and its ordinary life."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from eyas.runtime.library import SOURCE

HERE = Path(__file__).parent
DRIVER, CORPUS = HERE / "fuzz_run.c", HERE / "corpus"
VARIANTS = 4000

# name: architecture, tokenizer, width, types of the matrices in turn
SEEDS: dict[str, tuple[str, str, int, str]] = {
    "qwen3-f32": ("qwen3", "qwen2", 16, "F32"),
    "qwen2-q8_0": ("qwen2", "llama-bpe", 32, "Q8_0"),
    "llama-q4_0": ("llama", "pieces", 32, "Q4_0"),
    "llama-k": ("llama", "gpt-2", 256, "Q4_K Q5_K Q6_K"),
    "qwen3-mixed": ("qwen3", "pieces", 32, "F16 BF16 Q4_1 Q5_0 Q5_1"),
}
ALPHABET = [
    *range(0x21, 0x7F),
    *range(0xA1, 0xAD),
    *range(0xAE, 0x100),
]  # bytes that byte-level vocabularies leave as they are
MERGES = "t h|h e|th e|Ġ t|Ġt he|c a|ca t|Ċ Ċ|Ã ©|1 2|Ġ Ġ|' s".split("|")
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>"]


def add_byte_level(writer: gguf.GGUFWriter, rule: str) -> int:
    """A byte-level vocabulary with a few merges; gives back its size."""
    spelled = {byte: chr(byte) for byte in ALPHABET}
    for byte in range(256):
        spelled.setdefault(byte, chr(256 + len(spelled) - len(ALPHABET)))
    tokens = [*SPECIALS, *spelled.values(), *(merge.replace(" ", "") for merge in MERGES)]
    normal = gguf.TokenType.NORMAL
    types = [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.USER_DEFINED] + [normal] * (len(tokens) - 4)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(rule)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_chat_template("{{ '<|im_start|>' }}")
    return len(tokens)


def add_pieces(writer: gguf.GGUFWriter) -> int:
    """A SentencePiece vocabulary; gives back its size."""
    kind = gguf.TokenType
    pieces = "▁t he ▁the ▁ t h e c a ca cat ▁cat s ▁▁ é 1 12".split(" ")
    tokens = [
        "<unk>",
        "<s>",
        "</s>",
        "<|im_start|>",
        "<|im_end|>",
        *(f"<0x{byte:02X}>" for byte in range(256)),
        *pieces,
    ]
    types = [kind.UNKNOWN, *[kind.CONTROL] * 4, *[kind.BYTE] * 256, *[kind.NORMAL] * len(pieces)]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 261 + [-float(i) for i in range(len(pieces))])
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_bool("tokenizer.ggml.add_space_prefix", True)
    return len(tokens)


def shapes(arch: str, vocab: int, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The tensors of a model of one or two layers with two heads that share one key-value head of 8."""
    layers = 1 if width > 32 else 2
    yield "token_embd.weight", (vocab, width)
    yield "output_norm.weight", (width,)
    if arch == "llama":
        yield "rope_freqs.weight", (4,)
        if width == 32:
            yield "output.weight", (vocab, width)
    for i in range(layers):
        sizes = {
            "attn_norm.weight": (width,), "ffn_norm.weight": (width,),
            "attn_q.weight": (16, width), "attn_k.weight": (8, width), "attn_v.weight": (8, width),
            "attn_output.weight": (width, 16), "ffn_gate.weight": (32, width), "ffn_up.weight": (32, width),
            "ffn_down.weight": (width, 32),
        }  # fmt: skip
        if arch == "qwen3":
            sizes |= {"attn_q_norm.weight": (8,), "attn_k_norm.weight": (8,)}
        if arch == "qwen2":
            sizes |= {"attn_q.bias": (16,), "attn_k.bias": (8,), "attn_v.bias": (8,)}
        for name, size in sizes.items():
            yield f"blk.{i}.{name}", size


def add_tensor(
    writer: gguf.GGUFWriter,
    name: str,
    size: tuple[int, ...],
    kind: gguf.GGMLQuantizationType,
    dice: np.random.Generator,
) -> None:
    values = dice.standard_normal(size).astype(np.float32) * 0.3
    if len(size) == 1:
        writer.add_tensor(name, values + np.float32(1))
        return
    block, width = gguf.GGML_QUANT_SIZES[kind]
    if size[-1] % block:
        kind = gguf.GGMLQuantizationType.F16
    if kind.name.endswith("_K"):  # the library cannot make these: random blocks with sensible scales
        data = dice.integers(0, 256, (size[0] * size[1] // block, width), dtype=np.uint8)
        scales = slice(208, 210) if kind is gguf.GGMLQuantizationType.Q6_K else slice(0, 4)
        data[:, scales] = np.frombuffer(np.full(2, 0.002, np.float16).tobytes(), np.uint8)[: scales.stop - scales.start]
        packed = data.reshape(size[0], -1)
    else:
        packed = gguf.quants.quantize(values, kind)
    writer.add_tensor(name, packed, raw_dtype=kind)


def write_seeds(folder: Path) -> list[Path]:
    """A small sound file of each kind that run.c reads."""
    dice = np.random.default_rng(1)
    for seed, (arch, words, width, types) in SEEDS.items():
        writer = gguf.GGUFWriter(str(folder / f"{seed}.gguf"), arch)
        vocab = add_pieces(writer) if words == "pieces" else add_byte_level(writer, words)
        tensors = list(shapes(arch, vocab if seed.endswith("q8_0") else 64, width))
        writer.add_block_count(1 if width > 32 else 2)
        writer.add_context_length(48)
        writer.add_embedding_length(width)
        writer.add_feed_forward_length(32)
        writer.add_head_count(2)
        writer.add_head_count_kv(1)
        writer.add_key_length(8)
        writer.add_layer_norm_rms_eps(1e-6)
        writer.add_rope_freq_base(10000.0)
        kinds = [gguf.GGMLQuantizationType[name] for name in types.split()]
        for i, (name, size) in enumerate(tensors):
            add_tensor(writer, name, size, kinds[i % len(kinds)], dice)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return sorted(folder.glob("*.gguf"))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_seeds(tmp_path_factory.mktemp("seeds"))


def built(folder: Path, *flags: str) -> Path:
    """The driver with these flags; skips the test where the compiler cannot make or this machine cannot run it."""
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs Linux and a C compiler")
    sanitised = [compiler, "-std=gnu11", "-O1", "-g1", "-march=native", *flags]
    probe, program = folder / "probe.c", folder / "fuzz_run"
    probe.write_text("int main(void) { return 0; }\n")
    known = subprocess.run([*sanitised, "-o", str(program), str(probe)], capture_output=True, check=False, timeout=60)
    if known.returncode or subprocess.run([program], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip(f"this machine has no sanitiser for {' '.join(flags)} (Debian: libasan, libubsan and libtsan)")
    command = [*sanitised, f'-DRUN_C="{SOURCE}"', "-o", str(program), str(DRIVER), "-lm", "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert not done.returncode, done.stderr[:3000]
    return program


@pytest.fixture(scope="module")
def fuzz_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    flags = ("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all")
    return built(tmp_path_factory.mktemp("fuzz"), *flags)


def watched(program: Path, *arguments: object) -> str:
    """What the driver tells; nothing of it may be a complaint. Damaged files it stumbles over stay in its folder."""
    settings = {name: value for name, value in os.environ.items() if not name.endswith("SAN_OPTIONS")}
    words = [str(program), *(str(argument) for argument in arguments)]
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", check=False, timeout=300, env=settings
    )
    assert not done.returncode, done.stderr[:4000]
    return done.stderr


def test_damaged_files_and_hostile_prompts_get_one_line(fuzz_run: Path, seeds: list[Path], tmp_path: Path) -> None:
    told = watched(fuzz_run, "fuzz", tmp_path, 1, 0, VARIANTS, *seeds)
    opened = re.search(r"(\d+) tokenizers and (\d+) models of them opened", told)
    assert opened and min(map(int, opened.groups())) > VARIANTS // 20, (
        "too damaged to reach what lies behind the reader"
    )


def test_files_that_once_went_wrong_do_so_no_more(fuzz_run: Path, tmp_path: Path) -> None:
    files = sorted(CORPUS.glob("*.gguf"))
    assert files and max(file.stat().st_size for file in files) <= 4096
    watched(fuzz_run, "replay", tmp_path, *files)


def test_an_ordinary_life_is_clean(fuzz_run: Path, seeds: list[Path]) -> None:
    told = watched(fuzz_run, "life", *seeds)
    assert told.count("with 2 threads") == len(seeds)


def test_threads_race_for_nothing(seeds: list[Path], tmp_path: Path) -> None:
    program = built(tmp_path, "-fsanitize=thread")
    told = watched(program, "life", next(seed for seed in seeds if "q8_0" in seed.name))
    assert "with 3 threads" in told
