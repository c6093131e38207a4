"""One model through every engine: the same greedy tokens, and what the smaller types of GGUF cost.

    python benchmarks/golden.py MODEL [--prompts 50] [--tokens 200] [--text 200] [--json FILE]

MODEL is a life's model (it knows the world's questions). Greedy answers to `--prompts` openings, `--tokens` tokens each
and no stop token, from PyTorch in fp32, run.c in f32 (folder and exported GGUF) and llama.cpp in f32 (where installed);
then the largest difference of a logit along PyTorch's answers. Where two logits lie closer than 1e-3 engines may part
ways and both be right, so such ties are counted apart. Last, for each type of GGUF:
perplexity and KL divergence against f32 on `--text` held-out documents of the world, activations rounded as run.c does.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.runtime.export import ExportConfig
from eyas.runtime.export import run as export
from eyas.runtime.opening import open_engine
from eyas.runtime.sampling import Sampling
from eyas.world.people import World
from eyas.world.stream import documents

TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0")
Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--text", type=int, default=200, help="documents for perplexity")
    parser.add_argument("--people", type=int, default=150, help="of the life's world (seed 0)")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch_engine = open_engine(args.model, kind="torch")
    tokenizer = torch_engine.tokenizer
    texts = held_out(args.text, args.people)
    openings = [[tokenizer.endoftext, *tokenizer.encode(text)][:24] for text in texts[: args.prompts]]
    room = torch_engine.context - 24
    sampling = Sampling(max_tokens=min(args.tokens, room), temperature=0.0)
    with tempfile.TemporaryDirectory() as folder:
        files = {kind: Path(folder) / f"{kind}.gguf" for kind in TYPES}
        for kind, file in files.items():
            export(ExportConfig(model=args.model, out=file, type=kind))
        said = {"torch": [done.ids for done in torch_engine.generate(openings, sampling, ())]}
        c_engine, gguf_engine = open_engine(args.model, kind="c"), open_engine(files["f32"], kind="c")
        said["run.c, folder"] = [done.ids for done in c_engine.generate(openings, sampling, ())]
        said["run.c, gguf"] = [done.ids for done in gguf_engine.generate(openings, sampling, ())]
        paths = [start + answer for start, answer in zip(openings, said["torch"], strict=True)]
        reference = [logits_of(torch_engine, path) for path in paths]
        logits = {"run.c, gguf": [logits_of(gguf_engine, path) for path in paths]}
        if peer := llama_cpp_logits(files["f32"], paths):
            logits["llama.cpp"] = peer
        report: dict[str, Any] = {"model": args.model, "prompts": len(openings), "tokens": sampling.max_tokens}
        for name, answers in said.items():
            equal = sum(a == b for a, b in zip(answers, said["torch"], strict=True))
            report[f"same_answers_{name}"] = equal
            print(f"{name:14} {equal} of {len(openings)} answers of {sampling.max_tokens} tokens are PyTorch's")
        for name, found in logits.items():
            worst = max(float(np.abs(a - b).max()) for a, b in zip(found, reference, strict=True))
            parted, ties = disagreements(found, reference)
            report[f"logits_{name}"] = {"worst": worst, "argmax_differs": parted, "of_them_ties": ties}
            print(f"{name:14} largest difference of a logit {worst:.2g}; likeliest differs {parted} times, {ties} ties")
        report["types"] = types_against_f32(files, [[tokenizer.endoftext, *tokenizer.encode(text)] for text in texts])
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def held_out(count: int, people: int) -> list[str]:
    """Documents of the world that no life is trained on: from the end of the stream's seeds."""
    stream = documents(World(0, people), seed=987_654)
    return [next(stream).text for _ in range(count)]


def logits_of(engine: Any, ids: list[int]) -> Floats:
    """(T, V) logits along `ids`."""
    from eyas.runtime.backend import Piece

    sequence = engine.backend.new()
    rows = engine.backend.forward([Piece(sequence, 0, ids, len(ids))])
    engine.backend.release(sequence)
    found: Floats = engine.backend.array(rows)
    return found


def disagreements(found: list[Floats], reference: list[Floats]) -> tuple[int, int]:
    """Positions whose likeliest token differs, and how many of them are ties within 1e-3."""
    parted = ties = 0
    for ours, theirs in zip(found, reference, strict=True):
        differs = np.flatnonzero(ours.argmax(-1) != theirs.argmax(-1))
        parted += len(differs)
        ties += sum(float(theirs[i].max() - theirs[i][ours[i].argmax()]) < 1e-3 for i in differs)
    return parted, ties


def llama_cpp_logits(file: Path, paths: list[list[int]]) -> list[Floats]:
    try:
        import llama_cpp
    except ImportError:
        print("llama.cpp is not installed (pip install llama-cpp-python): left out")
        return []
    model = llama_cpp.Llama(
        str(file), n_ctx=max(map(len, paths)), n_threads=2, logits_all=True, verbose=False, type_k=0, type_v=0
    )
    found = []
    for path in paths:
        model.reset()
        model.eval(path)
        found.append(np.array(model.scores[: len(path)], dtype=np.float32))
    model.close()
    return found


def types_against_f32(files: dict[str, Path], texts: list[list[int]]) -> dict[str, dict[str, float]]:
    """Perplexity of each type over that of f32, mean KL divergence, and the size of the file."""
    reference = open_engine(files["f32"], kind="c")
    texts = [ids[: reference.context] for ids in texts if len(ids) > 1]
    expected = [log_softmax(logits_of(reference, ids)) for ids in texts]
    base = perplexity(expected, texts)
    report = {}
    print(f"{'type':6} {'MB':>7} {'perplexity':>11} {'against f32':>12} {'KL, nats':>10}")
    for kind, file in files.items():
        engine = open_engine(file, kind="c")
        total = divergence = 0.0
        for ids, truth in zip(texts, expected, strict=True):
            found = log_softmax(logits_of(engine, ids))
            total -= float(np.take_along_axis(found[:-1], np.array(ids[1:])[:, None], 1).sum())
            divergence += float((np.exp(truth) * (truth - found)).sum())
        count = sum(len(ids) - 1 for ids in texts)
        value = float(np.exp(total / count))
        figures = {
            "megabytes": file.stat().st_size / 1e6,
            "perplexity": value,
            "perplexity_over_f32": value / base - 1,
            "kl": divergence / sum(map(len, texts)),
        }
        report[kind] = figures
        print(
            f"{kind:6} {figures['megabytes']:7.1f} {value:11.4f} {100 * figures['perplexity_over_f32']:+11.2f}% "
            f"{figures['kl']:10.5f}"
        )
    return report


def perplexity(scores: list[Floats], texts: list[list[int]]) -> float:
    total = sum(
        float(np.take_along_axis(s[:-1], np.array(ids[1:])[:, None], 1).sum())
        for s, ids in zip(scores, texts, strict=True)
    )
    return float(np.exp(-total / sum(len(ids) - 1 for ids in texts)))


def log_softmax(logits: Floats) -> Floats:
    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    scores: Floats = (wide - np.log(np.exp(wide).sum(-1, keepdims=True))).astype(np.float32)
    return scores


if __name__ == "__main__":
    main()
