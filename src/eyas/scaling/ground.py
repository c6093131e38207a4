"""What all runs of a grid share: tokenizer, text seen once, held-out text, and the recipe of `eyas pretrain`."""

import json
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from math import ceil
from pathlib import Path

import torch
from pydantic import ValidationError

from eyas.data import vocabulary
from eyas.data.build import build_shards
from eyas.data.packing import PackedRows
from eyas.data.shards import Shards
from eyas.errors import EyasError
from eyas.files import read_json, write_atomic
from eyas.model.architectures import new_network
from eyas.model.config import Arch, ModelConfig
from eyas.model.network import Network
from eyas.progress import Progress
from eyas.scaling.branching import train_lengths
from eyas.scaling.memory import memory_file, remember
from eyas.scaling.plan import EVALUATION, Plan, Training
from eyas.scaling.settings import ARCH, FOLDER, GridConfig
from eyas.scaling.table import COUNTINGS, FLOPS, LOSS, RUN, TOKENS, Row
from eyas.store.names import is_model
from eyas.text.tokenizer import Tokenizer
from eyas.train.pretrain import PretrainConfig, trainer_of
from eyas.train.trainer import TrainConfig
from eyas.train.validation import evaluator

SEED, STEPS, SECONDS = "seed", "steps", "seconds"  # columns of the table, beside those a fit reads
BATCH_TOKENS = 4096  # as in eyas pretrain
_HELD_OUT = 0.01, 0.2  # shares of the text between which enough for an evaluation is held out
_LEAST_WIDTH, _LEAST_BLOCKS = 96, 225_000  # of the smallest models that are born copying: others follow another law


class Ground:
    """The ground of a grid in `LIFE/scale/`. Raises EyasError where it was begun with other settings."""

    def __init__(self, config: GridConfig) -> None:
        self.config, self.folder = config, config.life / FOLDER
        self.rows = max(1, BATCH_TOKENS // config.context)
        self.batch_tokens = self.rows * config.context
        self._remember()

    def _remember(self) -> None:
        path = self.folder / "config.json"
        asked = {
            key: value for key, value in self.config.model_dump(mode="json").items() if key not in ("life", "quiet")
        }
        if not path.exists():
            write_atomic(path, json.dumps(asked, indent=1) + "\n")
        begun = read_json(path, "scale settings")
        if different := sorted(key for key in asked if asked[key] != begun.get(key)):
            flags = ", ".join(f"--{key.replace('_', '-')}" for key in different)
            raise EyasError(
                f"{self.folder} was begun with other settings ({flags}); repeat them, or remove it to start afresh"
            )

    @classmethod
    def of_life(cls, life: Path, quiet: bool) -> "Ground":
        """The ground that `eyas scale run` laid in `life`. Raises EyasError where it did not."""
        path = life / FOLDER / "config.json"
        if not path.exists():
            raise EyasError(f"{life} has no grid of runs; make one with eyas scale run {life} --data SRC --budget MIN")
        return cls(GridConfig.resolve(**read_json(path, "scale settings"), life=life, quiet=quiet))

    @property
    def runs(self) -> Path:
        """The folder of runs that are not finished."""
        return self.folder / "runs"

    @property
    def table(self) -> Path:
        """The table of those that are."""
        return self.folder / "runs.csv"

    @contextmanager
    def dropped_if_unused(self) -> Iterator[None]:
        """Bad input found before the first run leaves nothing that would stand in the way of the next try."""
        try:
            yield
        except EyasError:
            if not self.table.exists() and not self.runs.exists():
                shutil.rmtree(self.folder)
            raise

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of all runs; learned when the life has none."""
        folder, base = self.folder / "tokenizer", self.config.life / "models" / "base"
        if not folder.exists():
            c = self.config
            if c.tokenizer is not None or is_model(base):
                Tokenizer.load(c.tokenizer or base).save(folder)
            else:
                vocabulary.run(
                    vocabulary.TokenizerConfig(
                        data=c.data, out=folder, vocab_size=c.vocab_size, people=c.people, seed=c.seed,
                        skip_bad=c.skip_bad,
                    )
                )  # fmt: skip
        return Tokenizer.load(folder)

    @cached_property
    def vocab_size(self) -> int:
        """The models' vocabulary: whole vectors at the head."""
        return ceil(self.tokenizer.vocab_size / 64) * 64

    @property
    def least(self) -> float:
        """Parameters of the smallest model: below, too few heads are left to copy, and soon nothing but the last."""
        return float(_LEAST_WIDTH * self.vocab_size + _LEAST_BLOCKS)

    def shape(self, arch: Arch, size: str) -> ModelConfig:
        """The shape that `eyas pretrain --size` gives."""
        return ModelConfig.from_size(size, self.vocab_size, self.config.context, arch)

    def model(self, arch: Arch, size: str, seed: int) -> Network:
        """A fresh model."""
        model = new_network(self.shape(arch, size))
        model.init_weights(seed)
        return model

    def step_flops(self, arch: Arch, size: str) -> float:
        """Training FLOPs of a step."""
        return float(self.shape(arch, size).flops_per_token(self.config.context) * self.batch_tokens)

    def recipe(self, seed: int, compiled: bool) -> TrainConfig:
        """How `eyas pretrain` trains when nothing else is said; the number of steps is to be set."""
        p = PretrainConfig(out=self.folder, data=self.config.data)
        return replace(
            trainer_of(p), steps=1, compile="on" if compiled else "off", seed=seed, eval_every=0, sample_every=0
        )

    def read(self, tokens: int) -> Shards:
        """The text as shards, about `tokens` of them or all there are."""
        c = self.config
        least, most = _HELD_OUT
        wanted = EVALUATION * self.batch_tokens
        with Progress("tokenize", tokens, quiet=c.quiet) as progress:
            return build_shards(
                c.data, self.tokenizer, self.folder / "shards", n_tokens=tokens,
                val_fraction=min(most, max(least, wanted / tokens)), seed=c.seed, people=c.people, skip_bad=c.skip_bad,
                progress=progress,
            )  # fmt: skip

    def entropy(self, shards: Shards) -> float:
        """Bits per byte of the held-out text that no model can go below; 0 but for the world, whose truth is known."""
        known = [(document.floor_bits, document.n_bytes) for document in shards.val_documents()]
        bits = sum(floor or 0.0 for floor, _ in known)
        return bits / sum(size for _, size in known) if all(floor is not None for floor, _ in known) else 0.0

    def steps_once(self, shards: Shards) -> int:
        """Steps that see every document of `shards` at most once."""
        return int(PackedRows(shards.train, self.config.context, self.rows, self.config.seed).steps_per_epoch)

    def train(
        self, training: Training, done: Collection[int], shards: Shards, compiled: bool, memory: bool = False
    ) -> Iterator[Row]:
        """Train `training` to those of its lengths that are not `done`, and give each run's row of the table.

        With `memory` the model of the longest is asked how far back it remembers.
        """
        left = [steps for steps in training.steps if steps not in done]
        if not left:
            return
        c = self.config
        if compiled:
            torch.compiler.reset()  # code of other sizes; torch gives up after eight of one function
        model = self.model(training.arch, training.size, training.seed)
        evaluate = evaluator(
            shards.val, c.context, self.rows, max_batches=EVALUATION, token_bytes=self.tokenizer.token_bytes
        )
        batches = PackedRows(shards.train, c.context, self.rows, training.seed)
        shape, folder = model.config, self.runs / training.name
        tables = (1 if shape.tie_embeddings else 2) * shape.vocab_size * shape.n_embd
        sizes = (shape.n_multiplying(), shape.n_params(), shape.n_params() - tables)
        lengths = train_lengths(model, batches, evaluate, self.recipe(training.seed, compiled), left, folder)
        for steps, result in lengths:
            row = {RUN: training.name, ARCH: training.arch, SEED: training.seed}
            row |= dict(zip(COUNTINGS, sizes, strict=True)) | {
                TOKENS: result.tokens, STEPS: steps, FLOPS: result.tokens * shape.flops_per_token(c.context),
                LOSS: round(result.figures["val_bpb"], 6), SECONDS: round(result.seconds, 1),
            }  # fmt: skip
            told = {name: str(value) for name, value in row.items()}
            if memory and steps == training.steps[-1]:
                remember(memory_file(self.folder, training.arch), told, model, self.tokenizer, shards)
            yield told

    @property
    def plan(self) -> Plan | None:
        """The plan that is kept here; None before. Raises EyasError when it is damaged."""
        path = self.folder / "plan.json"
        if not path.exists():
            return None
        try:
            return Plan.model_validate(read_json(path, "plan of a grid"))
        except ValidationError as error:
            raise EyasError(
                f"{path} is damaged: {error.errors()[0]['msg']}; remove {self.folder} to start afresh"
            ) from error

    def keep(self, plan: Plan) -> None:
        """Write the plan down."""
        write_atomic(self.folder / "plan.json", plan.model_dump_json(indent=1) + "\n")

    def prediction(self, arch: Arch) -> Path:
        """The file of the prediction for a kind of network."""
        return self.folder / f"prediction-{arch}.json"
