"""Pretraining: text in, base model out. `run` is the stage; killed at any moment, the same call goes on."""

import math
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from eyas.config import StageConfig
from eyas.data import vocabulary
from eyas.data.build import BuildReport, build_shards
from eyas.data.packing import PackedRows
from eyas.data.shards import Shards
from eyas.data.sources import parse_source
from eyas.errors import EyasError
from eyas.model.architectures import new_network
from eyas.model.checkpoint import load_config, load_model
from eyas.model.config import Arch, ModelConfig, least_params, parse_size
from eyas.model.network import Network
from eyas.progress import Progress
from eyas.store.lineage import new_lineage
from eyas.store.names import resolve_model
from eyas.text.tokenizer import Tokenizer
from eyas.train import device as machine
from eyas.train.chats import ChatSource, Mixed, load_chats, rows_for, rows_of_share
from eyas.train.dial import (
    BATCH_TOKENS,
    TOKENS_PER_PARAMETER,
    Choice,
    Dial,
    Law,
    Pace,
    best_params,
    guessed_rate,
    suiting_batch,
)
from eyas.train.distributed import Ranks
from eyas.train.objectives import language_loss
from eyas.train.optim import OptimConfig
from eyas.train.repeats import suiting_decay
from eyas.train.samples import sampler
from eyas.train.trainer import TrainConfig, train
from eyas.train.validation import evaluator
from eyas.train.work import Work, carry_out

_LEAST_PARAMS = 300_000  # that minutes may choose
_SPARE = 1.25  # shards beyond what is expected to be read: a second epoch is worse than a few unused documents
_TRAINING_SHARE = 0.85  # of --minutes, before anything is measured


class PretrainConfig(StageConfig):
    """`eyas pretrain`."""

    out: Path = Field(description="Model folder to write.")
    data: list[str] = Field(min_length=1, description="A source of text, SRC[:weight]; may be repeated.")
    chat: list[str] = Field([], description="Chat rows to mix in, a file, folder or world; may be repeated.")
    chat_share: float = Field(0.12, ge=0, lt=1, description="Share of the rows of a batch that are chat rows.")
    init: str | None = Field(None, description="Model to continue from instead of fresh weights.")
    tokenizer: str | None = Field(None, description="Folder or tokenizer.json to use instead of learning one.")
    vocab_size: int = Field(4096, ge=272, description="Vocabulary to learn, special tokens and bytes included.")
    size: str | None = Field(None, description="Parameters, such as 0.3m or 1b (default: 3m, or what suits --minutes).")
    arch: Arch | None = Field(None, description="Network: transformer, rnn (LSTM) or cnn (default: transformer).")
    minutes: float | None = Field(None, gt=0, description="Wall time for everything, instead of --tokens.")
    tokens: int | None = Field(None, gt=0, description="Tokens to train on (default: the data once).")
    context: int = Field(512, ge=8, description="Tokens the model can look back on.")
    seq_len: int | None = Field(None, ge=8, description="Tokens a row of a batch (default: the context).")
    batch_size: int | None = Field(None, ge=1, description="Rows a batch (default: what suits the tokens or minutes).")
    accumulate: int = Field(1, ge=1, description="Batches a step.")
    optimizer: Literal["muon", "adamw"] = Field("muon", description="Muon with AdamW, or AdamW alone.")
    lr: float = Field(0.02, gt=0, description="Peak rate of AdamW.")
    matrix_lr: float = Field(0.02, gt=0, description="Peak rate of Muon.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of Muon; others take 0.95 for long runs.")
    weight_decay: float | None = Field(
        None, ge=0, description="Decoupled weight decay (default: 0.01, more for a fresh model that reads text again)."
    )
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
    epochs: float  # times that the text was to be read
    weight_decay: float
    expected_bpb: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    expected_error: float | None = None  # bpb over what was expected, less one

    def as_expected(self) -> str | None:
        """How well the expectation held, in words; None when there was none."""
        if self.expected_bpb is None or self.expected_error is None:
            return None
        ends = f"[{self.expected_low:.3f}, {self.expected_high:.3f}]"
        return f"{self.expected_bpb:.3f} {ends}, reached {100 * self.expected_error:+.1f} % of it"


def run(config: PretrainConfig, law: Law | None = None) -> PretrainResult:
    """Train a base model and write it to `config.out`. Raises EyasError; KeyboardInterrupt after Ctrl-C (resumable).

    By `law` the minutes choose the size, and it tells beforehand what to expect.
    """
    return PretrainResult(config.out, **carry_out(config.out, config, partial(_train, config, law)))


def _train(config: PretrainConfig, law: Law | None, work: Work, ranks: Ranks, started: float) -> dict[str, Any]:
    if config.tokens is not None and config.minutes is not None:
        raise EyasError("--tokens and --minutes exclude each other: each says how long to train")
    given = _given_size(config)
    machine.keep_memory()
    seq_len = config.seq_len or config.context
    if seq_len > config.context:
        raise EyasError(f"--seq-len {seq_len} is beyond the --context of {config.context}")
    rows = config.batch_size
    if rows is None:
        wanted = work.settled("batch_tokens", ranks, lambda: _batch_tokens(config, law, given))
        rows = max(1, wanted // seq_len)
    n_chat = rows_of_share(rows, config.chat_share, "--chat-share") if config.chat else 0
    step_tokens = rows * seq_len * config.accumulate * ranks.world
    if ranks.first:
        _learn_tokenizer(config, work)
    ranks.wait()
    tokenizer = Tokenizer.load(work.folder / "tokenizer")
    network, trainer = partial(_network, config, tokenizer), trainer_of(config)
    size, n_tokens, dial = given or "3m", config.tokens, None
    if config.minutes is not None:
        least = max(_LEAST_PARAMS, least_params(tokenizer.vocab_size))
        dial = Dial(law, config.minutes, started, step_tokens, least, given)
        pace = Pace(**work.settled("pace", ranks, lambda: asdict(dial.measure(network, (rows, seq_len), trainer))))
        n_tokens = round(_SPARE * dial.tokens_ahead(pace))
    elif n_tokens is None and any(parse_source(source).endless for source in config.data):
        n_tokens = TOKENS_PER_PARAMETER * network(size).config.n_multiplying()
    if ranks.first:
        _build_shards(config, tokenizer, work, n_tokens)
    ranks.wait()
    shards = Shards.load(work.folder / "shards")
    text = PackedRows(shards.train, seq_len, rows - n_chat, config.seed)
    batches: PackedRows | Mixed = text
    if n_chat:
        source = ChatSource(config.chat, config.seed, config.people, config.skip_bad, rows_for(config.minutes))
        chats = load_chats(source, tokenizer, 0)
        batches = Mixed(text, PackedRows(chats.train, seq_len, n_chat, config.seed))
    choice = None
    if dial is not None:
        share = (rows - n_chat) / rows
        turned = work.settled("choice", ranks, lambda: asdict(dial.turn(pace, text.tokens_per_epoch, share)))
        choice = Choice(**turned)
        size, epochs, steps = choice.size, choice.epochs, max(1, choice.tokens // step_tokens)
        trainer = replace(trainer, minutes=choice.minutes, most_steps=steps if choice.ends else None)
    else:
        once = text.steps_per_epoch / (config.accumulate * ranks.world)
        steps = max(1, config.tokens // step_tokens if config.tokens else round(once))
        trainer, epochs = replace(trainer, steps=steps), steps / once
    if config.weight_decay is None and config.init is None:  # a parent's weights are not to be forgotten
        trainer = replace(trainer, optim=replace(trainer.optim, weight_decay=suiting_decay(epochs, steps, config.lr)))
    trainer = replace(trainer, bytes_per_token=None if n_chat else shards.bytes_per_token)
    model = network(size)
    evaluate = None
    if len(shards.val):
        evaluate = evaluator(shards.val, seq_len, rows, max_batches=16, token_bytes=tokenizer.token_bytes)
    sample = sampler(tokenizer) if config.sample_every else None
    label = f"pretrain {model.config.n_params() / 1e6:.1f}m"
    with Progress(label, trainer.steps or trainer.minutes, quiet=config.quiet or not ranks.first) as progress:
        if choice is not None:
            progress.say(choice.told(step_tokens, law))
        if evaluate is None and config.val_fraction:
            progress.say("no document was held out, so no bits per byte will be told: give a larger --val-fraction")
        result = train(
            model, batches, language_loss, trainer, work.train, evaluate=evaluate, sample=sample, progress=progress
        )
    figures: dict[str, Any] = {
        "n_params": model.config.n_params(), "steps": result.steps, "tokens": result.tokens, "loss": result.loss,
        "bpb": result.figures.get("val_bpb"), "seconds": result.seconds, "compile_seconds": result.compile_seconds,
        "tokens_per_second": result.tokens_per_second, "mfu": result.mfu, "epochs": epochs,
        "weight_decay": trainer.optim.weight_decay,
    }  # fmt: skip
    if choice is not None and choice.expected is not None and figures["bpb"]:
        figures |= dict(zip(("expected_bpb", "expected_low", "expected_high"), choice.expected, strict=True))
        figures["expected_error"] = figures["bpb"] / choice.expected[0] - 1
    if ranks.first:
        parent = resolve_model(config.init) if config.init else None
        data = [{"source": ", ".join(config.data), "sha256": shards.sha256, "tokens": shards.tokens()}]
        lineage = new_lineage(
            "pretrain", config, out=config.out, parent=parent, data=data, seed=config.seed, figures=figures
        )
        work.publish(model, tokenizer, lineage, _card(config, figures))
    return figures


def _learn_tokenizer(config: PretrainConfig, work: Work) -> None:
    """Make the tokenizer, once, in the work folder."""
    folder = work.folder / "tokenizer"
    if folder.exists():
        return
    given = _given_tokenizer(config)
    if given is not None:
        given.save(folder)
    else:
        megabytes = 20.0 if config.minutes is None else min(20.0, 2 + 4 * config.minutes)  # a short run cannot wait
        vocabulary.run(
            vocabulary.TokenizerConfig(
                data=config.data, out=folder, vocab_size=config.vocab_size, megabytes=megabytes, people=config.people,
                seed=config.seed, skip_bad=config.skip_bad,
            )
        )  # fmt: skip


def _build_shards(config: PretrainConfig, tokenizer: Tokenizer, work: Work, n_tokens: int | None) -> None:
    """Make the shards, once, in the work folder, of `n_tokens` or of all of a finite corpus."""
    n_tokens = work.decide("n_tokens", n_tokens)
    report = BuildReport()
    with Progress("tokenize", n_tokens, quiet=config.quiet) as progress:
        build_shards(
            config.data, tokenizer, work.folder / "shards", n_tokens=n_tokens, val_fraction=config.val_fraction,
            seed=config.seed, people=config.people, filters=config.filter, skip_bad=config.skip_bad, progress=progress,
            report=report,
        )  # fmt: skip
        if report.tally.counts:
            progress.say(f"left out: {report.tally}")


def _given_tokenizer(config: PretrainConfig) -> Tokenizer | None:
    if config.init is not None:
        return Tokenizer.load(resolve_model(config.init))
    if config.tokenizer is not None:
        return Tokenizer.load(Path(config.tokenizer))
    return None


def _network(config: PretrainConfig, tokenizer: Tokenizer, size: str) -> Network:
    """The model to train: a fresh one of `size`, or the one to continue from."""
    if config.init is not None:
        model, _ = load_model(resolve_model(config.init))
        return model
    vocab_size = math.ceil(tokenizer.vocab_size / 64) * 64  # whole vectors at the head
    model = new_network(ModelConfig.from_size(size, vocab_size, config.context, config.arch or "transformer"))
    model.init_weights(config.seed)
    return model


def _given_size(config: PretrainConfig) -> str | None:
    """The size that is not to be chosen. Raises EyasError for settings that a parent model excludes."""
    if config.init is None:
        return config.size and str(parse_size(config.size))
    if config.tokenizer is not None:
        raise EyasError("--tokenizer and --init exclude each other: a model keeps its own tokenizer")
    if config.size is not None:
        raise EyasError("--size and --init exclude each other: a model keeps its size")
    if config.arch is not None:
        raise EyasError("--arch and --init exclude each other: a model keeps its network")
    shape = load_config(resolve_model(config.init))
    if config.context > shape.max_seq_len:
        raise EyasError(f"--context {config.context} is beyond the model's {shape.max_seq_len}")
    return str(shape.n_multiplying())


def expected_tokens(minutes: float, law: Law | None, size: str | None = None) -> int:
    """Tokens that a run of `minutes` will read here with the size that it would choose, roughly: nothing is tried."""
    work = guessed_rate() * 60 * minutes * _TRAINING_SHARE
    return round(work / (parse_size(size) if size else best_params(law, work, _LEAST_PARAMS, BATCH_TOKENS)))


def _batch_tokens(config: PretrainConfig, law: Law | None, given: str | None) -> int:
    """Tokens a batch, where the rows were not given."""
    if config.tokens is not None:
        return suiting_batch(config.tokens)
    if config.minutes is not None:
        return suiting_batch(expected_tokens(config.minutes, law, given))
    return BATCH_TOKENS


def trainer_of(config: PretrainConfig) -> TrainConfig:
    """How the trainer is told to train on text that is read once."""
    decay = OptimConfig.weight_decay if config.weight_decay is None else config.weight_decay
    return TrainConfig(
        minutes=config.minutes,
        optim=OptimConfig(config.optimizer, config.lr, config.matrix_lr, decay, config.momentum),
        warmup=config.warmup, decay=config.decay, clip=config.clip, accumulate=config.accumulate,
        precision=config.precision, compile=config.compile, seed=config.seed, eval_every=config.eval_every,
        sample_every=config.sample_every, save_seconds=config.save_seconds,
    )  # fmt: skip


def _card(config: PretrainConfig, figures: dict[str, Any]) -> str:
    reached = f"; {figures['bpb']:.3f} bits per byte on held-out text" if figures["bpb"] else ""
    return f"A base model trained on {figures['tokens']:,} tokens of {', '.join(config.data)}{reached}.\n"
