"""From text files to training rows: reading, cleaning, encoding into shards and packing, beside the usual ways.

    python benchmarks/encoding.py [--data python-docs] [--megabytes 30] [--threads 2] [--rounds 2]

Prints one `key=value` line a stage and the ratios last. Megabytes are 10^6 bytes of UTF-8; `cpu_mb_s` is per second of
processor time over all threads, which a machine busy with other work changes less than the clock. Peers, run on the
same texts in the same run where they are installed: `datasets.map` over `tokenizers` into a memory map (the recipe of
nanoGPT's prepare.py) for the shards, `datasketch` for near-duplicates.
"""

import argparse
import gzip
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def seconds(job: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and of processor time (children included) that `job` takes."""

    def processor() -> float:
        usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    clock, used = time.perf_counter(), processor()
    job()
    return time.perf_counter() - clock, processor() - used


def rates(megabytes: float, took: tuple[float, float], name: str = "") -> str:
    return f"{name}mb_s={megabytes / took[0]:.1f} {name}cpu_mb_s={megabytes / took[1]:.1f}"


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_files(texts: list[str], folder: Path) -> dict[str, Path]:
    """The same documents in four formats."""
    files = {name: folder / f"corpus.{name}" for name in ("txt", "txt.gz", "jsonl.gz", "parquet")}
    joined = "\n<|endoftext|>\n".join(texts).encode()
    files["txt"].write_bytes(joined)
    files["txt.gz"].write_bytes(gzip.compress(joined, 6))
    files["jsonl.gz"].write_bytes(gzip.compress("\n".join(json.dumps({"text": t}) for t in texts).encode(), 6))
    pq.write_table(pa.table({"text": texts}), files["parquet"])
    return files


def usual_way(texts: list[str], tokenizer_json: Path, out: Path, threads: int) -> None:
    """datasets.map over tokenizers, then one memory map: what nanoGPT's prepare.py does."""
    import datasets
    import tokenizers

    datasets.disable_progress_bars()
    reference = tokenizers.Tokenizer.from_file(str(tokenizer_json))
    table = datasets.Dataset.from_dict({"text": texts})

    def encode(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        return {"ids": [found.ids for found in reference.encode_batch_fast(batch["text"])]}

    encoded = table.map(encode, batched=True, remove_columns=["text"], num_proc=threads, keep_in_memory=False)
    total = sum(len(ids) for ids in encoded["ids"])
    tokens = np.memmap(out, dtype=np.uint16, mode="w+", shape=(total,))
    at = 0
    for batch in encoded.with_format("numpy").iter(1024):
        ids = np.concatenate(batch["ids"])
        tokens[at : at + len(ids)] = ids
        at += len(ids)
    tokens.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="python-docs")
    parser.add_argument("--megabytes", type=float, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = "1"  # the peer splits the work over processes instead

    from eyas.data.build import BuildReport, build_shards
    from eyas.data.documents import Document, Tally
    from eyas.data.filters import FILTERS, make_filters
    from eyas.data.packing import PackedRows
    from eyas.data.sources import documents, texts
    from eyas.text.tokenizer import train_tokenizer

    corpus = list(texts([args.data], max_bytes=round(args.megabytes * 1e6)))
    size = sum(len(text.encode()) for text in corpus) / 1e6
    print(f"corpus data={args.data} mb={size:.1f} documents={len(corpus)} threads={args.threads} rounds={args.rounds}")
    tokenizer = train_tokenizer(corpus, 4096)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, path in write_files(corpus, folder).items():
            took = min(seconds(lambda path=path: sum(1 for _ in documents(str(path)))) for _ in range(args.rounds))
            print(f"read format={kind} {rates(size, took)}")

        before = peak_mb()
        took_all, encode_rates, source = [], [], str(folder / "corpus.txt")
        for round_number in range(args.rounds):
            report, out = BuildReport(), folder / f"shards{round_number}"
            took_all.append(
                seconds(lambda r=report, o=out: build_shards([source], tokenizer, o, workers=args.threads, report=r))
            )
            encode_rates.append(report.encode_mb_per_second)
        ours = min(took_all)
        shards = build_shards([source], tokenizer, out)
        print(f"shards {rates(size, ours)} encode_alone_mb_s={max(encode_rates):.1f}", end=" ")
        print(f"tokens={shards.tokens()} grown_peak_mb={peak_mb() - before:.0f}")

        rows = PackedRows(shards.train, 512, 8, seed=0)
        steps = min(500, int(rows.steps_per_epoch))
        took = min(seconds(lambda: [rows.batch(step) for step in range(steps)]) for _ in range(args.rounds))
        print(f"pack mtok_s={steps * 8 * 512 / 1e6 / took[0]:.2f} waste={rows.waste:.4f} rows={rows.rows_per_epoch}")

        for filter_name in FILTERS:
            (keep,), tally = make_filters([filter_name]), Tally()
            took = seconds(lambda keep=keep, tally=tally: [keep(Document(text), tally) for text in corpus])
            print(f"filter name={filter_name} {rates(size, took)} took='{tally}'")
            if filter_name == "near-duplicates":
                near = took

        tokenizer.save(folder / "tokenizer")
        try:
            theirs = min(
                seconds(lambda: usual_way(corpus, folder / "tokenizer" / "tokenizer.json", folder / "m", args.threads))
                for _ in range(args.rounds)
            )
            print(f"peer name=datasets+tokenizers {rates(size, theirs)}")
            print(f"ratio shards_clock={theirs[0] / ours[0]:.2f} shards_cpu={theirs[1] / ours[1]:.2f}")
        except ImportError:
            print("peer name=datasets+tokenizers not installed")

    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        print("peer name=datasketch not installed")
        return

    def sketch() -> None:
        index = MinHashLSH(params=(14, 8), num_perm=112)
        for number, text in enumerate(part):
            words = text.lower().split()
            one = MinHash(num_perm=112)
            one.update_batch([" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))])
            if not index.query(one):
                index.insert(str(number), one)

    part = corpus[: max(1, len(corpus) // 10)]
    part_size = sum(len(text.encode()) for text in part) / 1e6
    took = seconds(sketch)
    print(f"peer name=datasketch {rates(part_size, took)}")
    print(f"ratio near_duplicates_cpu={(took[1] / part_size) / (near[1] / size):.1f}")


if __name__ == "__main__":
    main()
