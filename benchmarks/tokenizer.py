"""Training and bulk encoding against Hugging Face `tokenizers`, on this machine's own Python sources and documents.

    python benchmarks/tokenizer.py [--megabytes 60] [--threads 2] [--rounds 3]

Prints one `key=value` line a measurement and the ratios last. Both sides use the same regex, texts and threads; the ids
are compared on every text. Megabytes are 10^6 bytes of UTF-8. Each figure is the best round; beside the time on the
clock stand the seconds of processor time, which a machine busy with other work stretches less.
"""

import argparse
import os
import random
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SEED = 0
SUFFIXES = {".py", ".pyi", ".md", ".rst", ".txt", ".h", ".html"}


def corpus(megabytes: float) -> tuple[list[str], int]:
    """Seeded choice of text files of the Python installation, and their size in bytes."""
    folders = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")} | {"/usr/share/doc"}
    files = sorted({p for f in folders for p in Path(f).rglob("*") if p.suffix in SUFFIXES and p.is_file()})
    random.Random(SEED).shuffle(files)
    texts, size = [], 0
    for file in files:
        data = file.read_bytes()[:1_000_000]
        text = data.decode("utf-8", "replace")
        texts.append(text)
        size += len(text.encode())
        if size >= megabytes * 1e6:
            break
    return texts, size


def seconds(job: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and of processor time that `job` takes."""
    clock, processor = time.perf_counter(), time.process_time()
    job()
    return time.perf_counter() - clock, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--vocab-size", type=int, default=4096)
    args = parser.parse_args()
    # Read once by the thread pools of both libraries, so before they are imported.
    os.environ["RAYON_NUM_THREADS"] = str(args.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"

    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    from eyas.text import train_tokenizer
    from eyas.text.bpe import QWEN2_PATTERN, SPECIAL_TOKENS

    texts, size = corpus(args.megabytes)
    megabytes = size / 1e6
    print(f"corpus_mb={megabytes:.1f} documents={len(texts)} threads={args.threads} seed={SEED} rounds={args.rounds}")

    peer = tokenizers.Tokenizer(models.BPE())
    split = pre_tokenizers.Split(tokenizers.Regex(QWEN2_PATTERN), "isolated")
    peer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    trainer = trainers.BpeTrainer(
        vocab_size=args.vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(seconds(lambda: train_tokenizer(texts, args.vocab_size)))
        theirs.append(seconds(lambda: peer.train_from_iterator(texts, trainer)))
    (train, train_cpu), (train_peer, train_peer_cpu) = min(ours), min(theirs)
    print(f"train eyas_s={train:.2f} eyas_cpu_s={train_cpu:.2f}", end=" ")
    print(f"tokenizers_s={train_peer:.2f} tokenizers_cpu_s={train_peer_cpu:.2f}")

    tok = train_tokenizer(texts, args.vocab_size)
    with tempfile.TemporaryDirectory() as folder:
        tok.save(folder)
        same = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(seconds(lambda: tok.encode_batch(texts, threads=args.threads)))
        theirs.append(seconds(lambda: same.encode_batch_fast(texts)))
    encode, encode_peer = megabytes / min(ours)[0], megabytes / min(theirs)[0]
    print(f"encode eyas_mb_s={encode:.1f} eyas_cpu_s={min(ours)[1]:.2f}", end=" ")
    print(f"tokenizers_mb_s={encode_peer:.1f} tokenizers_cpu_s={min(theirs)[1]:.2f}")

    # The reference takes special tokens that a text spells for the tokens themselves; those texts cannot be compared.
    plain = [text for text in texts if not tok.special_pattern.search(text)]
    found = tok.encode_batch(plain, threads=args.threads)
    equal = sum(a.tolist() == b.ids for a, b in zip(found, same.encode_batch(plain), strict=True))
    bytes_per_token = sum(len(text.encode()) for text in plain) / sum(len(ids) for ids in found)
    print(f"ids equal_texts={equal} of={len(plain)} bytes_per_token={bytes_per_token:.2f}")

    lines = [line for text in texts[:200] for line in text.splitlines()]
    size = sum(len(line.encode()) for line in lines)
    took = min(seconds(lambda: tok.encode_batch(lines, threads=args.threads)) for _ in range(args.rounds))[0]
    print(f"encode_lines mb_s={size / 1e6 / took:.1f} mean_bytes={size / len(lines):.0f}")
    print(f"ratio train={train_peer / train:.2f} encode={encode / encode_peer:.2f}")
    for name, met in (("train_s<=6", train <= 6), ("encode_mb_s>=15", encode >= 15)):
        print(f"target {name} {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
