"""What the stages that learn from preferences share: their settings, their rows, and a run of the one trainer."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from eyas.config import StageConfig
from eyas.data.documents import Tally
from eyas.data.pairs import Pair, PairRows
from eyas.data.rows import read_rows, row_files
from eyas.data.stored_pairs import is_life, stored_rows
from eyas.errors import EyasError
from eyas.files import sha256_file, write_atomic
from eyas.model.network import Network
from eyas.progress import Progress
from eyas.store.lineage import STORED
from eyas.train import device as machine
from eyas.train.contamination import unexamined
from eyas.train.objectives import Objective
from eyas.train.optim import OptimConfig
from eyas.train.trainer import Batches, TrainConfig, train
from eyas.train.validation import Evaluate
from eyas.train.work import Work

Row = dict[str, Any]


class PairStageConfig(StageConfig):
    """Settings of `eyas reward` and `eyas align` alike."""

    model: str = Field(description="Model to start from.")
    out: Path = Field(description="Model folder to write.")
    data: list[str] = Field(min_length=1, description="Preference rows: a file, a folder or a life; may be repeated.")
    epochs: float = Field(1.0, gt=0, description="Times every pair is read.")
    minutes: float | None = Field(None, gt=0, description="Wall time instead of --epochs.")
    context: int | None = Field(None, ge=8, description="Tokens a row (default: the model's context).")
    batch_size: int | None = Field(None, ge=1, description="Rows a batch (default: as many as make 4096 tokens).")
    accumulate: int = Field(1, ge=1, description="Batches a step.")
    optimizer: Literal["muon", "adamw"] = Field("muon", description="Muon with AdamW, or AdamW alone.")
    lr: float = Field(0.0005, gt=0, description="Peak rate of AdamW.")
    matrix_lr: float = Field(0.0005, gt=0, description="Peak rate of Muon.")
    weight_decay: float = Field(0.0, ge=0, description="Decoupled weight decay.")
    warmup: int = Field(10, ge=0, description="Steps of rising rate.")
    decay: float = Field(0.8, ge=0, le=1, description="Last share of the run, in which the rate falls linearly.")
    clip: float = Field(1.0, ge=0, description="Largest gradient norm, 0 for none.")
    val_fraction: float = Field(0.1, ge=0, lt=1, description="Share of the prompts held out.")
    eval_every: int = Field(50, ge=0, description="Steps between validations, 0 for only at the end.")
    save_seconds: float = Field(60, gt=0, description="Seconds between checkpoints.")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="Format of the products.")
    compile: Literal["auto", "on", "off"] = Field("auto", description="torch.compile; auto when the run repays it.")
    seed: int = Field(0, description="Seed of everything random.")
    skip_bad: bool = Field(False, description="Count and report rows that cannot be read instead of stopping.")
    quiet: bool = Field(False, description="Print nothing while working.")


@dataclass(frozen=True)
class PairData:
    """The pairs to train on, those held out (None: none), what was left out on the way, and lineage's `sources`."""

    train: PairRows
    val: PairRows | None
    left_out: dict[str, int]
    sources: list[dict[str, Any]]


def read_pairs(
    config: PairStageConfig, model: Network, want: str, pairs_of: Callable[[list[Row]], list[Pair]], work: Work
) -> PairData:
    """Read the rows of shape `want`, hold some prompts out, and pack what `pairs_of` makes of either part.

    A prompt's rows are all on one side, so that nothing held out was practised. Raises EyasError.
    """
    context = config.context or model.config.max_seq_len
    if context > model.config.max_seq_len:
        raise EyasError(f"--context {context} is beyond the model's {model.config.max_seq_len}")
    rows = config.batch_size or max(1, 4096 // context)
    tally = Tally()
    files = [_file(name, number, want, work, tally) for number, name in enumerate(config.data)]
    found = [row for file in files for row in read_rows(file, skip_bad=config.skip_bad, want=want, tally=tally)]
    sides: tuple[list[Row], list[Row]] = ([], [])
    for row in found:
        sides[_held_out(row["prompt"], config.val_fraction, config.seed)].append(row)
    if not sides[0]:
        raise EyasError(f"{', '.join(config.data)} holds too few prompts; give more, or a smaller --val-fraction")
    train_rows = PairRows(pairs_of(sides[0]), context, rows, config.seed)
    val_rows = PairRows(pairs_of(sides[1]), context, rows, config.seed) if sides[1] else None
    too_long = train_rows.n_too_long + (val_rows.n_too_long if val_rows else 0)
    left_out = tally.counts | ({"longer than a row": too_long} if too_long else {})
    sources = [entry for name, file in zip(config.data, files, strict=True) for entry in entries_of(name, file)]
    return PairData(train_rows, val_rows, left_out, sources)


def _file(name: str, number: int, want: str, work: Work, tally: Tally) -> Path:
    """Where the rows of a source are. A life's store changes, so that what it held is kept for a resumed run."""
    if not is_life(Path(name)):
        return Path(name)
    kept, counts = work.folder / f"stored.{number}.jsonl", Tally()
    if not kept.exists():
        rows = unexamined(Path(name), stored_rows(Path(name), want, counts), counts)
        work.decide(f"left out of {name}", counts.counts)
        write_atomic(kept, "".join(f"{json.dumps(row)}\n" for row in rows))
    for what, count in work.decide(f"left out of {name}", {}).items():
        tally.add(what, count)
    return kept


def entries_of(name: str, path: Path) -> list[dict[str, Any]]:
    """What lineage says of a source: its files, or the life that its rows came from."""
    if str(path) == name:
        return [{"source": str(file), "sha256": sha256_file(file)} for file in row_files(path)]
    return [{"source": name, "sha256": sha256_file(path), STORED: [row[STORED] for row in read_rows(path)]}]


def _held_out(prompt: Any, fraction: float, seed: int) -> bool:
    key = json.dumps([seed, prompt], sort_keys=True).encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8]) < fraction * 2**64


def train_on_pairs(
    name: str, config: PairStageConfig, model: Network, rows: PairRows, objective: Objective, work: Work,
    started: float, evaluate: Evaluate | None, batches: Batches | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train `model` in place and return the run's figures; `batches` are those of `rows` with more beside the pairs.

    Raises EyasError; KeyboardInterrupt after Ctrl-C.
    """
    machine.keep_memory()
    steps: int | None = max(1, round(config.epochs * rows.steps_per_epoch / config.accumulate))
    minutes = None
    if config.minutes is not None:
        left = config.minutes - (time.monotonic() - started) / 60
        steps, minutes = None, work.decide("minutes", max(left, 0.2 * config.minutes))
    trainer = TrainConfig(
        steps=steps, minutes=minutes,
        optim=OptimConfig(config.optimizer, config.lr, config.matrix_lr, config.weight_decay),
        warmup=config.warmup, decay=config.decay, clip=config.clip, accumulate=config.accumulate,
        precision=config.precision, compile=config.compile, seed=config.seed, eval_every=config.eval_every,
        save_seconds=config.save_seconds,
    )  # fmt: skip
    with Progress(name, steps if steps is not None else minutes, quiet=config.quiet) as progress:
        result = train(model, batches or rows, objective, trainer, work.train, evaluate=evaluate, progress=progress)
    return {
        "pairs": len(rows.pairs), "steps": result.steps, "tokens": result.tokens, "loss": result.loss,
        "seconds": result.seconds, "compile_seconds": result.compile_seconds,
        "tokens_per_second": result.tokens_per_second, "mfu": result.mfu,
    }  # fmt: skip
