"""Pretraining: text in, base model out. `run` is the stage; killed at any moment, the same call goes on."""

import math
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from eyas.config import StageConfig
from eyas.data import vocabulary
from eyas.data.build import BuildReport, build_shards
from eyas.data.packing import PackedRows
from eyas.data.shards import Shards
from eyas.data.sources import parse_source
from eyas.errors import EyasError
from eyas.model.architectures import new_network
from eyas.model.checkpoint import load_model
from eyas.model.config import Arch, ModelConfig
from eyas.model.network import Network
from eyas.progress import Progress
from eyas.store.lineage import new_lineage
from eyas.store.names import resolve_model
from eyas.text.tokenizer import Tokenizer
from eyas.train import device as machine
from eyas.train.chats import ChatSource, Mixed, load_chats, rows_of_share
from eyas.train.distributed import Ranks
from eyas.train.objectives import language_loss
from eyas.train.optim import OptimConfig
from eyas.train.samples import sampler
from eyas.train.trainer import TrainConfig, train
from eyas.train.validation import evaluator
from eyas.train.work import Work, carry_out

TOKENS_PER_PARAMETER = 10  # at a few minutes a model this small learns more from more tokens than from more size
_EXPECTED_MFU = 0.45
_TRAINING_SHARE = 0.85  # of --minutes, the rest goes to tokenizer, shards and compiling


class PretrainConfig(StageConfig):
    """`eyas pretrain`."""

    out: Path = Field(description="Model folder to write.")
    data: list[str] = Field(min_length=1, description="A source of text, SRC[:weight]; may be repeated.")
    chat: list[str] = Field([], description="Chat rows to mix in, a file, folder or world; may be repeated.")
    chat_share: float = Field(0.12, ge=0, lt=1, description="Share of the rows of a batch that are chat rows.")
    init: str | None = Field(None, description="Model to continue from instead of fresh weights.")
    tokenizer: str | None = Field(None, description="Folder or tokenizer.json to use instead of learning one.")
    vocab_size: int = Field(4096, ge=272, description="Vocabulary to learn, special tokens and bytes included.")
    size: str | None = Field(None, description="Parameters, such as 0.3m or 1b (default: 3m, or what --minutes allow).")
    arch: Arch | None = Field(None, description="Network: transformer, rnn (LSTM) or cnn (default: transformer).")
    minutes: float | None = Field(None, gt=0, description="Wall time for everything; the clock decides when to end.")
    tokens: int | None = Field(None, gt=0, description="Tokens to train on (default: the data once).")
    context: int = Field(512, ge=8, description="Tokens the model can look back on.")
    seq_len: int | None = Field(None, ge=8, description="Tokens a row of a batch (default: the context).")
    batch_size: int | None = Field(None, ge=1, description="Rows a batch (default: as many as make 4096 tokens).")
    accumulate: int = Field(1, ge=1, description="Batches a step.")
    optimizer: Literal["muon", "adamw"] = Field("muon", description="Muon with AdamW, or AdamW alone.")
    lr: float = Field(0.02, gt=0, description="Peak rate of AdamW.")
    matrix_lr: float = Field(0.02, gt=0, description="Peak rate of Muon.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay.")
    warmup: int = Field(40, ge=0, description="Steps of rising rate.")
    decay: float = Field(0.5, ge=0, le=1, description="Last share of the run, in which the rate falls linearly.")
    clip: float = Field(1.0, ge=0, description="Largest gradient norm, 0 for none.")
    filter: list[Literal["quality", "near-duplicates", "personal-data"]] = Field(
        [], description="Filter of the text; may be repeated, applied in the order given."
    )
    val_fraction: float = Field(0.01, ge=0, lt=1, description="Share of the documents held out.")
    eval_every: int = Field(200, ge=0, description="Steps between validations, 0 for only at the end.")
    sample_every: int = Field(500, ge=0, description="Steps between samples, 0 for none.")
    save_seconds: float = Field(60, gt=0, description="Seconds between checkpoints.")
    precision: Literal["auto", "bf16", "fp32"] = Field("auto", description="Format of the products.")
    compile: Literal["auto", "on", "off"] = Field("auto", description="torch.compile; auto when the run repays it.")
    people: int | None = Field(None, gt=0, description="Population of the world source.")
    seed: int = Field(0, description="Seed of everything random.")
    skip_bad: bool = Field(False, description="Count and report what cannot be read instead of stopping.")
    quiet: bool = Field(False, description="Print nothing while working.")


@dataclass(frozen=True)
class PretrainResult:
    """The model written, and what its training came to."""

    out: Path
    n_params: int
    steps: int
    tokens: int
    loss: float
    bpb: float | None
    seconds: float
    compile_seconds: float
    tokens_per_second: float
    mfu: float


def run(config: PretrainConfig) -> PretrainResult:
    """Train a base model and write it to `config.out`. Raises EyasError; KeyboardInterrupt after Ctrl-C (resumable)."""
    return PretrainResult(config.out, **carry_out(config.out, config, partial(_train, config)))


def _train(config: PretrainConfig, work: Work, ranks: Ranks, started: float) -> dict[str, Any]:
    machine.keep_memory()
    prepared = None
    if ranks.first:
        prepared = _prepare(config, work, ranks.world)
    ranks.wait()
    tokenizer, shards = prepared or (Tokenizer.load(work.folder / "tokenizer"), Shards.load(work.folder / "shards"))
    model = _model(config, tokenizer, work)
    seq_len = config.seq_len or config.context
    if seq_len > config.context:
        raise EyasError(f"--seq-len {seq_len} is beyond the --context of {config.context}")
    rows = config.batch_size or max(1, 4096 // seq_len)
    n_chat = rows_of_share(rows, config.chat_share, "--chat-share") if config.chat else 0
    text = PackedRows(shards.train, seq_len, rows - n_chat, config.seed)
    batches: PackedRows | Mixed = text
    if n_chat:
        chats = load_chats(ChatSource(config.chat, config.seed, config.people, config.skip_bad), tokenizer, 0)
        batches = Mixed(text, PackedRows(chats.train, seq_len, n_chat, config.seed))
    batch_tokens = rows * seq_len * config.accumulate * ranks.world
    steps = minutes = None
    if config.tokens is None and config.minutes is not None:
        left = config.minutes - (time.monotonic() - started) / 60
        minutes = work.decide("minutes", max(left, 0.2 * config.minutes))
    else:
        once = text.steps_per_epoch / (config.accumulate * ranks.world)
        steps = max(1, config.tokens // batch_tokens if config.tokens else round(once))
    trainer = TrainConfig(
        steps=steps, minutes=minutes, optim=_optim(config), warmup=config.warmup, decay=config.decay, clip=config.clip,
        accumulate=config.accumulate, precision=config.precision, compile=config.compile, seed=config.seed,
        eval_every=config.eval_every, sample_every=config.sample_every, save_seconds=config.save_seconds,
        bytes_per_token=None if n_chat else shards.bytes_per_token,
    )  # fmt: skip
    evaluate = None
    if len(shards.val):
        evaluate = evaluator(shards.val, seq_len, rows, max_batches=16, token_bytes=tokenizer.token_bytes)
    sample = sampler(tokenizer) if config.sample_every else None
    total = steps if steps is not None else minutes
    label = f"pretrain {model.config.n_params() / 1e6:.1f}m"
    with Progress(label, total, quiet=config.quiet or not ranks.first) as progress:
        result = train(
            model, batches, language_loss, trainer, work.train, evaluate=evaluate, sample=sample, progress=progress
        )
    figures: dict[str, Any] = {
        "n_params": model.config.n_params(), "steps": result.steps, "tokens": result.tokens, "loss": result.loss,
        "bpb": result.figures.get("val_bpb"), "seconds": result.seconds, "compile_seconds": result.compile_seconds,
        "tokens_per_second": result.tokens_per_second, "mfu": result.mfu,
    }  # fmt: skip
    if ranks.first:
        parent = resolve_model(config.init) if config.init else None
        data = [{"source": ", ".join(config.data), "sha256": shards.sha256, "tokens": shards.tokens()}]
        lineage = new_lineage(
            "pretrain", config, out=config.out, parent=parent, data=data, seed=config.seed, figures=figures
        )
        work.publish(model, tokenizer, lineage, _card(config, figures))
    return figures


def _prepare(config: PretrainConfig, work: Work, world: int) -> tuple[Tokenizer, Shards]:
    """Tokenizer and shards, made once and kept in the work folder."""
    folder = work.folder / "tokenizer"
    if not folder.exists():
        given = _given_tokenizer(config)
        if given is not None:
            given.save(folder)
        else:
            vocabulary.run(
                vocabulary.TokenizerConfig(
                    data=config.data, out=folder, vocab_size=config.vocab_size, megabytes=20.0, people=config.people,
                    seed=config.seed, skip_bad=config.skip_bad,
                )
            )  # fmt: skip
    tokenizer = Tokenizer.load(folder)
    n_tokens = work.decide("n_tokens", _tokens_wanted(config, tokenizer, work, world))
    report = BuildReport()
    with Progress("tokenize", n_tokens, quiet=config.quiet) as progress:
        shards = build_shards(
            config.data, tokenizer, work.folder / "shards", n_tokens=n_tokens, val_fraction=config.val_fraction,
            seed=config.seed, people=config.people, filters=config.filter, skip_bad=config.skip_bad, progress=progress,
            report=report,
        )  # fmt: skip
        if report.tally.counts:
            progress.say(f"left out: {report.tally}")
    return tokenizer, shards


def _given_tokenizer(config: PretrainConfig) -> Tokenizer | None:
    if config.init is not None:
        if config.tokenizer is not None:
            raise EyasError("--tokenizer and --init exclude each other: a model keeps its own tokenizer")
        return Tokenizer.load(resolve_model(config.init))
    if config.tokenizer is not None:
        return Tokenizer.load(Path(config.tokenizer))
    return None


def _model(config: PretrainConfig, tokenizer: Tokenizer, work: Work) -> Network:
    if config.init is not None:
        if config.size is not None:
            raise EyasError("--size and --init exclude each other: a model keeps its size")
        if config.arch is not None:
            raise EyasError("--arch and --init exclude each other: a model keeps its network")
        model, _ = load_model(resolve_model(config.init))
        if config.context > model.config.max_seq_len:
            raise EyasError(f"--context {config.context} is beyond the model's {model.config.max_seq_len}")
        return model
    model = new_network(_shape(config, tokenizer, work))
    model.init_weights(config.seed)
    return model


def _shape(config: PretrainConfig, tokenizer: Tokenizer, work: Work) -> ModelConfig:
    vocab_size = math.ceil(tokenizer.vocab_size / 64) * 64  # whole vectors at the head
    size = config.size
    if size is None and config.minutes is not None:
        size = work.decide("size", _size_for(config.minutes, config.context))
    return ModelConfig.from_size(size or "3m", vocab_size, config.context, config.arch or "transformer")


def _seconds_of_training(minutes: float) -> float:
    return minutes * 60 * _TRAINING_SHARE


def _speed() -> float:
    """FLOPs a second that training will reach here, roughly."""
    device = machine.best_device()
    dtype = torch.bfloat16 if machine.has_bf16(device) else torch.float32
    return machine.peak_flops(device, dtype) * _EXPECTED_MFU


def _size_for(minutes: float, context: int) -> str:
    """The size that sees TOKENS_PER_PARAMETER tokens a parameter in the time: FLOPs = 6 N D with D = ratio * N."""
    flops = _speed() * _seconds_of_training(minutes)
    return str(max(300_000, round(math.sqrt(flops / (6 * TOKENS_PER_PARAMETER)))))


def expected_tokens(minutes: float, context: int = 512) -> int:
    """Tokens that a run of `minutes` will read here with the size that it would choose, roughly."""
    shape = ModelConfig.from_size(_size_for(minutes, context), max_seq_len=context)
    return round(_speed() / shape.flops_per_token(context) * _seconds_of_training(minutes))


def _tokens_wanted(config: PretrainConfig, tokenizer: Tokenizer, work: Work, world: int) -> int | None:
    """Tokens to write to shards; None for all of a finite corpus."""
    if config.tokens is not None:
        return config.tokens
    endless = any(parse_source(source).endless for source in config.data)
    if config.minutes is None and not endless:
        return None
    shape = load_model(resolve_model(config.init))[0].config if config.init else _shape(config, tokenizer, work)
    if config.minutes is None:
        return TOKENS_PER_PARAMETER * shape.n_multiplying()
    # Half as much again as expected: a second epoch of the same documents is worse than a few unused ones.
    per_second = _speed() / shape.flops_per_token(config.seq_len or config.context)
    return round(1.5 * per_second * _seconds_of_training(config.minutes) * world)


def _optim(config: PretrainConfig) -> OptimConfig:
    return OptimConfig(config.optimizer, config.lr, config.matrix_lr, config.weight_decay)


def _card(config: PretrainConfig, figures: dict[str, Any]) -> str:
    reached = f"; {figures['bpb']:.3f} bits per byte on held-out text" if figures["bpb"] else ""
    return f"A base model trained on {figures['tokens']:,} tokens of {', '.join(config.data)}{reached}.\n"
