"""Finetuning: rows of conversations in, assistant out; only what the assistant says is learnt. `run` is the stage."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from eyas.config import StageConfig
from eyas.data.packing import PackedRows
from eyas.errors import EyasError
from eyas.model.checkpoint import load_model
from eyas.progress import Progress
from eyas.store.lineage import new_lineage
from eyas.store.names import resolve_model
from eyas.train import device as machine
from eyas.train.chats import ChatSource, Mixed, filling, first_question, load_chats, rows_for, rows_of_share
from eyas.train.distributed import Ranks
from eyas.train.holding import holding_loss
from eyas.train.objectives import Objective, language_loss
from eyas.train.optim import OptimConfig
from eyas.train.replay import replay_rows
from eyas.train.samples import sampler
from eyas.train.trainer import TrainConfig, train
from eyas.train.validation import evaluator
from eyas.train.work import Work, carry_out

_REPLAY_MARGIN = 1.2  # replay text written to shards beyond what the run is expected to read
_STEPS_A_SECOND = 10  # more than any run with a time limit reaches on what the limit suits


class FinetuneConfig(StageConfig):
    """`eyas finetune`."""

    model: str = Field(description="Model to start from.")
    out: Path = Field(description="Model folder to write.")
    data: list[str] = Field(min_length=1, description="File or folder of chat rows, or world; may be repeated.")
    corrections: list[str] = Field([], description="Rows to learn while all others only hold the model to what it is.")
    corrections_share: float = Field(0.15, gt=0, lt=1, description="Share of the rows of a batch that are corrections.")
    replay: list[str] = Field([], description="Text to mix in, of the kind pretrained on; may be repeated.")
    replay_share: float = Field(0.15, ge=0, lt=1, description="Share of the rows of a batch that are replay.")
    epochs: float = Field(2.0, gt=0, description="Times every conversation is read.")
    tokens: int | None = Field(None, gt=0, description="Tokens to train on instead of --epochs.")
    minutes: float | None = Field(None, gt=0, description="Wall time instead of --epochs.")
    context: int | None = Field(None, ge=8, description="Tokens a row (default: the model's context).")
    batch_size: int | None = Field(None, ge=1, description="Rows a batch (default: as many as make 4096 tokens).")
    accumulate: int = Field(1, ge=1, description="Batches a step.")
    optimizer: Literal["muon", "adamw"] = Field("muon", description="Muon with AdamW, or AdamW alone.")
    lr: float = Field(0.004, gt=0, description="Peak rate of AdamW.")
    matrix_lr: float = Field(0.004, gt=0, description="Peak rate of Muon.")
    weight_decay: float = Field(0.0, ge=0, description="Decoupled weight decay.")
    warmup: int = Field(20, ge=0, description="Steps of rising rate.")
    decay: float = Field(0.8, ge=0, le=1, description="Last share of the run, in which the rate falls linearly.")
    clip: float = Field(1.0, ge=0, description="Largest gradient norm, 0 for none.")
    val_fraction: float = Field(0.02, ge=0, lt=1, description="Share of the conversations held out.")
    eval_every: int = Field(200, ge=0, description="Steps between validations, 0 for only at the end.")
    save_seconds: float = Field(60, gt=0, description="Seconds between checkpoints.")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="Format of the products.")
    compile: Literal["auto", "on", "off"] = Field("auto", description="torch.compile; auto when the run repays it.")
    people: int | None = Field(None, gt=0, description="Population of the world, where it is a source.")
    seed: int = Field(0, description="Seed of everything random.")
    skip_bad: bool = Field(False, description="Count and report rows that cannot be read instead of stopping.")
    quiet: bool = Field(False, description="Print nothing while working.")


@dataclass(frozen=True)
class FinetuneResult:
    """The model written, and what its training came to; `val_loss` is in nats a token of the assistant's."""

    out: Path
    conversations: int
    truncated: int
    left_out: dict[str, int]
    steps: int
    tokens: int
    loss: float
    val_loss: float | None
    seconds: float
    compile_seconds: float
    tokens_per_second: float
    mfu: float


def run(config: FinetuneConfig) -> FinetuneResult:
    """Train an assistant and write it to `config.out`. Raises EyasError; KeyboardInterrupt after Ctrl-C (resumable)."""
    return FinetuneResult(config.out, **carry_out(config.out, config, partial(_train, config)))


def _train(config: FinetuneConfig, work: Work, ranks: Ranks, started: float) -> dict[str, Any]:
    machine.keep_memory()
    parent = resolve_model(config.model)
    model, tokenizer = load_model(parent)
    context = config.context or model.config.max_seq_len
    if context > model.config.max_seq_len:
        raise EyasError(f"--context {context} is beyond the model's {model.config.max_seq_len}")
    rows = config.batch_size or max(1, 4096 // context)
    n_replay = rows_of_share(rows, config.replay_share, "--replay-share") if config.replay else 0
    n_corrections = rows_of_share(rows, config.corrections_share, "--corrections-share") if config.corrections else 0
    if n_replay + n_corrections >= rows:
        raise EyasError("--replay-share and --corrections-share leave no row of a batch to --data; lower one of them")
    source = ChatSource(config.data, config.seed, config.people, config.skip_bad, rows_for(config.minutes))
    chats = load_chats(source, tokenizer, config.val_fraction)
    n_data = rows - n_replay - n_corrections
    train_rows = filling(chats.train, n_data * context) if n_corrections else chats.train
    packed = PackedRows(train_rows, context, n_data, config.seed)
    steps, minutes = _length(config, work, ranks, started, packed, rows * context)
    batches: PackedRows | Mixed = packed
    objective: Objective = language_loss
    if n_corrections:
        wanted = load_chats(ChatSource(config.corrections, skip_bad=config.skip_bad), tokenizer, 0).train
        wanted = filling(wanted, n_corrections * context)
        batches = Mixed(PackedRows(wanted, context, n_corrections, config.seed), batches)
        objective = holding_loss(load_model(parent)[0], n_corrections)
    if n_replay:
        expected = steps if steps is not None else (config.minutes or 1) * 60 * _STEPS_A_SECOND
        tokens = int(_REPLAY_MARGIN * expected * n_replay * context * config.accumulate * ranks.world) + 1
        text = replay_rows(
            config.replay, tokenizer, work, ranks, n_tokens=tokens, seq_len=context, batch_size=n_replay,
            seed=config.seed, people=config.people, skip_bad=config.skip_bad,
        )  # fmt: skip
        batches = Mixed(batches, text)
    trainer = TrainConfig(
        steps=steps, minutes=minutes, optim=_optim(config), warmup=config.warmup, decay=config.decay, clip=config.clip,
        accumulate=config.accumulate, precision=config.precision, compile=config.compile, seed=config.seed,
        eval_every=config.eval_every, sample_every=config.eval_every, save_seconds=config.save_seconds,
    )  # fmt: skip
    evaluate = evaluator(chats.val, context, rows, max_batches=8) if chats.val else None
    sample = sampler(tokenizer, prompt=first_question(source, tokenizer)) if config.eval_every else None
    total = steps if steps is not None else minutes
    with Progress("finetune", total, quiet=config.quiet or not ranks.first) as progress:
        result = train(
            model, batches, objective, trainer, work.train, evaluate=evaluate, sample=sample, progress=progress
        )
    figures: dict[str, Any] = {
        "conversations": len(chats.train), "truncated": packed.n_truncated,
        "left_out": chats.tally.counts | ({"nothing to learn": packed.n_untrained} if packed.n_untrained else {}),
        "steps": result.steps, "tokens": result.tokens, "loss": result.loss, "val_loss": result.figures.get("val_loss"),
        "seconds": result.seconds, "compile_seconds": result.compile_seconds,
        "tokens_per_second": result.tokens_per_second, "mfu": result.mfu,
    }  # fmt: skip
    if ranks.first:
        data = [*source.lineage(), *ChatSource(config.corrections).lineage()]
        lineage = new_lineage(
            "finetune", config, out=config.out, parent=parent, data=data, seed=config.seed, figures=figures
        )
        card = f"An assistant finetuned from {parent.name} on {len(chats.train):,} conversations.\n"
        work.publish(model.eval(), tokenizer, lineage, card)
    return figures


def _length(
    config: FinetuneConfig, work: Work, ranks: Ranks, started: float, packed: PackedRows, batch_tokens: int
) -> tuple[int | None, float | None]:
    """(steps, minutes): how long to train, one of them None."""
    batches_a_step = config.accumulate * ranks.world
    if config.tokens is not None:
        return max(1, config.tokens // (batch_tokens * batches_a_step)), None
    if config.minutes is not None:
        left = config.minutes - (time.monotonic() - started) / 60
        return None, work.decide("minutes", max(left, 0.2 * config.minutes))
    return max(1, round(config.epochs * packed.steps_per_epoch / batches_a_step)), None


def _optim(config: FinetuneConfig) -> OptimConfig:
    return OptimConfig(config.optimizer, config.lr, config.matrix_lr, config.weight_decay)
