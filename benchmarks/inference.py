"""Tokens a second of run.c beside llama.cpp (same GGUF files) and `transformers` in bf16, in alternating rounds.

    python benchmarks/inference.py [--models 15M-q8_0,110M-q4_0,...] [--rounds 5] [--threads 2] [--neighbour] [--json F]

Weights are random, shapes those of the research notes (260K to 1.1B parameters, Llama architecture). Each side lives in
its own process and the parent lets them run in turn, so that noise of the machine meets all. Measured per model: decode
(256 tokens from an empty context, one sequence), prefill (512 tokens), and 16 sequences decoding side by side; no
sampling on either side, logits of each step are read. `--neighbour` keeps one processor busy with another program, to
see who collapses. Also the time from starting `./run` to its first token. Prints medians and ratios.
"""

import argparse
import contextlib
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np

# n_embd, n_ff, n_layer, n_head, n_kv_head, vocab_size, max_seq_len, tied
SHAPES = {
    "260K": (64, 192, 5, 8, 8, 512, 512, True),
    "15M": (288, 768, 6, 6, 6, 32000, 1024, True),
    "42M": (512, 1376, 8, 8, 8, 32000, 1024, True),
    "110M": (768, 2048, 12, 12, 12, 32000, 1024, True),
    "1.1B": (2048, 5632, 22, 32, 4, 32000, 2048, False),
}
MODELS = "260K-f32,15M-q8_0,15M-q4_0,42M-q8_0,110M-q8_0,110M-q4_0,1.1B-q8_0,1.1B-q4_0"
PREFILL, SEQUENCES = 512, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--peers", default="llama.cpp,transformers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--neighbour", action="store_true", help="another program keeps one processor busy")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args)
        return
    found = []
    with tempfile.TemporaryDirectory() as folder, busy(args.neighbour):
        program = build_program(Path(folder))
        for model in args.models.split(","):
            file = Path(folder) / f"{model}.gguf"
            write_random(file, *model.split("-"))
            figures = compare(args, model, file)
            figures["first_token_seconds"] = first_token(program, file)
            print(f"  ./run to the first token: {figures['first_token_seconds']:.3f} s", flush=True)
            found.append(figures)
            file.unlink()
    if args.json:
        report = {"threads": args.threads, "rounds": args.rounds, "neighbour": args.neighbour, "models": found}
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def compare(args: argparse.Namespace, model: str, file: Path) -> dict[str, Any]:
    """Rounds of eyas and its peers in turn; medians, and the median of the ratios of each round."""
    peers = [peer for peer in args.peers.split(",") if peer == "llama.cpp" or (peer and not model.startswith("1.1B"))]
    sides = {name: start(name, file, args.threads) for name in ["eyas", *peers]}
    rounds: list[dict[str, dict[str, float]]] = []
    for number in range(args.rounds + 1):
        figures = {name: ask(side) for name, side in sides.items()}
        if number:  # the first one warms caches and compiles
            rounds.append(figures)
    for side in sides.values():
        side.communicate("stop\n")
    result: dict[str, Any] = {"model": model}
    print(f"{model}, {args.threads} threads, median of {args.rounds} rounds (tokens a second)")
    for what in ("decode", "prefill", "batch"):
        line = []
        for name in sides:
            rates = [figures[name][what] for figures in rounds if what in figures[name]]
            if rates:
                result[f"{what}_{name}"] = round(statistics.median(rates), 1)
                line.append(f"{name} {statistics.median(rates):,.0f}")
            if rates and name != "eyas":
                ratios = [figures["eyas"][what] / figures[name][what] for figures in rounds]
                result[f"{what}_over_{name}"] = round(statistics.median(ratios), 2)
                line.append(f"x{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]")
        print(f"  {what:8} {'  '.join(line)}", flush=True)
    return result


def start(name: str, file: Path, threads: int) -> "subprocess.Popen[str]":
    command = [sys.executable, __file__, "--worker", name, "--file", str(file), "--threads", str(threads)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(side: "subprocess.Popen[str]") -> dict[str, float]:
    assert side.stdin is not None and side.stdout is not None
    side.stdin.write("go\n")
    side.stdin.flush()
    return dict(json.loads(side.stdout.readline()))


def work(args: argparse.Namespace) -> None:
    """One side: measure whenever the parent asks."""
    measure = {"eyas": eyas, "llama.cpp": llama_cpp, "transformers": hugging_face}[args.worker](args.file, args.threads)
    while sys.stdin.readline() == "go\n":
        print(json.dumps(measure()), flush=True)


def steps_for(file: Path) -> int:
    return 32 if file.name.startswith("1.1B") else 256


def rate(tokens: int, action: Callable[[], None]) -> float:
    started = time.perf_counter()
    action()
    return tokens / (time.perf_counter() - started)


def eyas(file: Path, threads: int) -> Callable[[], dict[str, float]]:
    from eyas.runtime.library import Shape, library

    lib = library()
    assert lib is not None
    model = lib.eyas_open(os.fsencode(file))
    assert model, lib.eyas_failure()
    shape = Shape()
    lib.eyas_shape(model, shape)
    engine = lib.eyas_engine(model, threads if shape.n_embd > 64 else 1, 16 * 512)
    logits = np.empty((SEQUENCES, shape.vocab_size), dtype=np.float32)
    tokens = np.arange(PREFILL, dtype=np.int32) % shape.vocab_size
    want = np.ones(PREFILL, dtype=np.uint8)
    last = np.zeros(PREFILL, dtype=np.uint8)
    last[-1] = 1
    n = steps_for(file)

    def read(ids: Any, sequences: Any, positions: Any, wanted: Any) -> None:
        arrays = (ids, sequences, positions, wanted, logits)
        at = [array.ctypes.data for array in arrays]
        assert lib.eyas_forward(engine, len(sequences), *at, None, None, None) == 0, lib.eyas_failure()

    def decode(count: int, n: int) -> None:
        sequences = np.array([lib.eyas_sequence(engine) for _ in range(count)], dtype=np.int32)
        for at in range(n):
            read(tokens[at : at + count] if count == 1 else tokens, sequences, np.full(count, at, dtype=np.int32), want)
        for sequence in sequences:
            lib.eyas_release(engine, int(sequence))

    def prefill() -> None:
        sequence = lib.eyas_sequence(engine)
        read(tokens, np.full(PREFILL, sequence, dtype=np.int32), np.arange(PREFILL, dtype=np.int32), last)
        lib.eyas_release(engine, sequence)

    return lambda: {
        "decode": rate(n, lambda: decode(1, n)),
        "prefill": rate(PREFILL, prefill),
        "batch": rate(SEQUENCES * n // 4, lambda: decode(SEQUENCES, n // 4)),
    }


def llama_cpp(file: Path, threads: int) -> Callable[[], dict[str, float]]:
    import llama_cpp as api

    quiet = api.llama_log_callback(lambda *_: None)
    api.llama_log_set(quiet, ctypes.c_void_p(0))
    api.llama_backend_init()
    model = api.llama_model_load_from_file(str(file).encode(), api.llama_model_default_params())
    wanted = api.llama_context_default_params()
    wanted.n_ctx, wanted.n_batch, wanted.n_ubatch, wanted.n_seq_max = 16 * 512, PREFILL, PREFILL, SEQUENCES
    wanted.n_threads = wanted.n_threads_batch = threads
    wanted.kv_unified = True  # a slot for each sequence would read the empty ones as well
    context = api.llama_init_from_model(model, wanted)
    memory = api.llama_get_memory(context)
    batch = api.llama_batch_init(PREFILL, 0, 1)
    n = steps_for(file)

    def read(entries: list[tuple[int, int, bool]]) -> None:
        batch.n_tokens = len(entries)
        for i, (position, sequence, row) in enumerate(entries):
            batch.token[i], batch.pos[i], batch.logits[i] = i, position, row
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
        assert api.llama_decode(context, batch) == 0
        api.llama_get_logits_ith(context, len(entries) - 1)

    def decode(count: int, n: int) -> None:
        api.llama_memory_clear(memory, True)
        for at in range(n):
            read([(at, sequence, True) for sequence in range(count)])

    def prefill() -> None:
        api.llama_memory_clear(memory, True)
        read([(at, 0, at == PREFILL - 1) for at in range(PREFILL)])

    def measure(kept: Any = quiet) -> dict[str, float]:  # the library calls `quiet` as long as it lives
        return {
            "decode": rate(n, lambda: decode(1, n)),
            "prefill": rate(PREFILL, prefill),
            "batch": rate(SEQUENCES * n // 4, lambda: decode(SEQUENCES, n // 4)),
        }

    return measure


def hugging_face(file: Path, threads: int) -> Callable[[], dict[str, float]]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(threads)
    n_embd, n_ff, n_layer, n_head, n_kv_head, vocab_size, context, tied = SHAPES[file.stem.split("-")[0]]
    config = LlamaConfig(
        vocab_size=vocab_size, hidden_size=n_embd, intermediate_size=n_ff, num_hidden_layers=n_layer,
        num_attention_heads=n_head, num_key_value_heads=n_kv_head, max_position_embeddings=context,
        tie_word_embeddings=tied,
    )  # fmt: skip
    model = LlamaForCausalLM(config).to(torch.bfloat16).eval()
    tokens = (torch.arange(PREFILL) % vocab_size)[None]

    def prefill() -> None:
        with torch.inference_mode():
            model(tokens, logits_to_keep=1)

    return lambda: {"prefill": rate(PREFILL, prefill)}


def write_random(file: Path, size: str, kind: str) -> None:
    """A GGUF of this shape with random weights, and a vocabulary of as many words."""
    n_embd, n_ff, n_layer, n_head, n_kv_head, vocab_size, context, tied = SHAPES[size]
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(context)
    writer.add_embedding_length(n_embd)
    writer.add_block_count(n_layer)
    writer.add_feed_forward_length(n_ff)
    writer.add_head_count(n_head)
    writer.add_head_count_kv(n_kv_head)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(n_embd // n_head)
    writer.add_vocab_size(vocab_size)
    normal = vocab_size - 259
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *(f"w{i}" for i in range(normal))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * vocab_size)
    writer.add_token_types([2, 3, 3, *[6] * 256, *[1] * normal])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)

    def matrix(name: str, rows: int, columns: int) -> None:
        stored = gguf.GGMLQuantizationType[kind.upper()]
        values = random.standard_normal((rows, columns), dtype=np.float32) / np.float32(columns**0.5)
        writer.add_tensor(name, gguf.quants.quantize(values, stored), raw_dtype=stored)

    matrix("token_embd.weight", vocab_size, n_embd)
    writer.add_tensor("output_norm.weight", np.ones(n_embd, dtype=np.float32))
    if not tied:
        matrix("output.weight", vocab_size, n_embd)
    shared = n_embd // n_head * n_kv_head
    for layer in range(n_layer):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(n_embd, dtype=np.float32))
        for name, rows, columns in (
            ("attn_q", n_embd, n_embd), ("attn_k", shared, n_embd), ("attn_v", shared, n_embd),
            ("attn_output", n_embd, n_embd), ("ffn_gate", n_ff, n_embd), ("ffn_up", n_ff, n_embd),
            ("ffn_down", n_embd, n_ff),
        ):  # fmt: skip
            matrix(f"blk.{layer}.{name}.weight", rows, columns)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def build_program(folder: Path) -> Path:
    from eyas.runtime.library import SOURCE

    program = folder / "run"
    command = ["cc", "-O3", "-march=native", "-o", str(program), str(SOURCE), "-lm", "-lpthread"]
    subprocess.run(command, check=True)
    return program


def first_token(program: Path, file: Path) -> float:
    """Seconds from starting `./run` to its end after one token, median of five."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([program, file, "w1", "-n", "1"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return round(statistics.median(seconds), 3)


@contextlib.contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """Another program that never rests, on the first processor, as long as the block lasts."""
    if not wanted:
        yield
        return
    first = min(os.sched_getaffinity(0))
    program = f"import os\nos.sched_setaffinity(0, {{{first}}})\nwhile True: pass"
    neighbour = subprocess.Popen([sys.executable, "-c", program])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


if __name__ == "__main__":
    main()
