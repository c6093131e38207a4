"""The one training loop: mixed precision, compiled regions, accumulation, several processes, guards, checkpoints."""

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from eyas.errors import EyasError
from eyas.progress import Progress
from eyas.train import device as machine
from eyas.train.checkpoint import load_latest, rng_state, save_checkpoint, set_rng_state
from eyas.train.compiling import compiling, half_written, has_compiler, plainly
from eyas.train.distributed import Loss, Ranks
from eyas.train.guards import Guard, interruptible
from eyas.train.metrics import MetricsLog, bits_per_byte
from eyas.train.objectives import Batch, Objective
from eyas.train.optim import OptimConfig, Optimizer
from eyas.train.schedule import DECISIONS, Clock, Plan, load_plan, plan_open, plan_steps, save_plan

# A cold compile takes about 20 s and speeds a step up by half, a warm one 3 s; below this it is not repaid.
_WORTH_COMPILING = 40.0
_TYPICAL_MFU = 0.35  # of an uncompiled step


class Batches(Protocol):
    """Where rows come from: a pure function of the number, so that a resumed run reads on where it stopped."""

    def batch(self, step: int) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class TrainConfig:
    """How to train; either `steps` or `minutes` says for how long, and `most_steps` how many the minutes may hold."""

    steps: int | None = None
    minutes: float | None = None
    most_steps: int | None = None
    optim: OptimConfig = field(default_factory=OptimConfig)
    warmup: int = 40
    decay: float = 0.5  # the last share of the run, in which the rate falls linearly
    final: float = 0.02  # the rate at the end, as a share of the peak
    clip: float = 1.0  # largest gradient norm; 0 for no clipping
    accumulate: int = 1
    precision: str = "auto"  # auto, bf16 or fp32
    compile: str = "auto"  # auto, on or off
    seed: int = 0
    eval_every: int = 0  # steps; 0 for only at the end
    sample_every: int = 0
    save_every: int = 0
    save_seconds: float = 60.0
    bytes_per_token: float | None = None  # lets the training loss be told in bits per byte


@dataclass(frozen=True)
class TrainResult:
    """What a run came to; `seconds` is training time over all its resumptions, compiling included."""

    steps: int
    tokens: int
    loss: float
    seconds: float
    compile_seconds: float
    tokens_per_second: float
    mfu: float
    compiled: bool
    precision: str
    figures: dict[str, float]


@dataclass
class _State:
    """What changes from step to step and is not in the model or the optimizer."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    compile_seconds: float = 0.0
    loss: float = float("nan")
    figures: dict[str, float] = field(default_factory=dict)


def train(
    model: nn.Module,
    batches: Batches,
    objective: Objective,
    config: TrainConfig,
    out: Path,
    *,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    sample: Callable[[nn.Module], str] | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train `model` in place; checkpoints, plan and metrics go to `out`, from where a second call resumes.

    On a CPU the resumed run equals an unbroken one bit for bit. Ctrl-C finishes the step, saves and raises
    KeyboardInterrupt. `evaluate` should read the model in the batches' shape and with gradients enabled: it then shares
    the compiled code. Raises EyasError when the loss is no number or jumps for good, or when the disk is full.
    """
    with opened(model, batches, objective, config, out, progress) as run, interruptible() as interrupted:
        while run.plan.end is None or run.state.step < run.plan.end:
            row = run.step()
            stop, late = run.ranks.total([float(interrupted.is_set()), float(run.late())], run.device)
            run.after_step(row, evaluate, sample, save=stop + late > 0)
            if stop:
                raise KeyboardInterrupt
        return run.result()


@contextmanager
def opened(
    model: nn.Module,
    batches: Batches,
    objective: Objective,
    config: TrainConfig,
    out: Path,
    progress: Progress | None = None,
) -> Iterator["Run"]:
    """A run, begun or resumed, with all that its steps need switched on: `train` loops over it, benchmarks step it."""
    if (config.steps is None) == (config.minutes is None):
        raise EyasError("a training run needs either a number of steps or a number of minutes")
    if (config.steps or config.minutes or 0) <= 0:
        raise EyasError("a training run needs at least one step")
    machine.keep_memory()
    device = machine.best_device()
    with Ranks.join() as ranks, machine.deterministic(device):
        run = Run(model, batches, objective, config, out, ranks, device, progress or Progress("train", quiet=True))
        if run.plan.compiled:
            run.try_compiling()
        with compiling(model, run.plan.compiled), run.log:
            yield run


class Run:
    """A run in progress."""

    def __init__(
        self, model: nn.Module, batches: Batches, objective: Objective, config: TrainConfig, out: Path, ranks: Ranks,
        device: torch.device, progress: Progress,
    ) -> None:  # fmt: skip
        self.model, self.batches, self.config, self.out = model.to(device).train(), batches, config, out
        self.ranks, self.device, self.progress = ranks, device, progress
        self.optimizer = Optimizer(model, config.optim)
        self.state = _State()
        self.guard = Guard()
        torch.manual_seed(config.seed + ranks.rank)
        first = batches.batch(0)["tokens"]
        self.flops_per_token = _flops_per_token(model, first.shape[1])
        batch_flops = self.flops_per_token * first.shape[0] * first.shape[1] * config.accumulate
        self.plan = self._resume() or self._new_plan(batch_flops)
        dtype = torch.bfloat16 if self.plan.precision == "bf16" else torch.float32
        self.autocast = torch.autocast(device.type, dtype, enabled=self.plan.precision == "bf16")
        self.peak = machine.peak_flops(device, dtype) * ranks.world
        self.loss = ranks.share(Loss(model, objective), device)
        self.log = MetricsLog(out, self.state.step, ranks.first)
        self.step_seconds: deque[float] = deque(maxlen=1000)
        self.clock = Clock((config.minutes or 0) * 60)
        self.started = time.perf_counter() - self.state.seconds
        self.saved_at = time.perf_counter()

    def _new_plan(self, batch_flops: float) -> Plan:
        c = self.config
        can = machine.has_bf16(self.device)
        if c.precision not in ("auto", "bf16", "fp32"):
            raise EyasError(f"--precision {c.precision} is unknown; use auto, bf16 or fp32")
        if c.compile not in ("auto", "on", "off"):
            raise EyasError(f"--compile {c.compile} is unknown; use auto, on or off")
        precision = "bf16" if c.precision == "bf16" or (c.precision == "auto" and can) else "fp32"
        peak = machine.peak_flops(self.device, torch.bfloat16 if can else torch.float32)
        seconds = c.minutes * 60 if c.minutes else (c.steps or 0) * batch_flops / (_TYPICAL_MFU * peak)
        wanted = c.compile == "on" or (c.compile == "auto" and seconds > _WORTH_COMPILING)
        compiled = wanted and has_compiler(self.device)
        if c.steps is None:
            plan = plan_open(c.warmup, compiled=compiled, precision=precision)
        else:
            plan = plan_steps(c.steps, c.warmup, c.decay, c.final, compiled=compiled, precision=precision)
        self._keep(plan)
        return plan

    def _keep(self, plan: Plan) -> None:
        self.plan = plan
        if self.ranks.first:
            save_plan(self.out / "plan.json", plan)

    def _resume(self) -> Plan | None:
        """Take up the newest checkpoint in `out`; a plan without a checkpoint is taken up too."""
        path = self.out / "plan.json"
        if not path.exists():
            return None
        found = load_latest(self.out)
        if found is not None:
            tensors, meta = found
            weights = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
            try:
                self.model.load_state_dict(weights, strict=False)
            except RuntimeError as error:
                raise EyasError(f"the checkpoint in {self.out} belongs to another model; remove that folder") from error
            self.optimizer.load(tensors)
            set_rng_state(tensors, self.device)
            self.state = _State(**{key: meta[key] for key in _State.__dataclass_fields__})
            if meta["threads"] != torch.get_num_threads():
                self.progress.say(f"resumed with other threads than before ({meta['threads']}): bits may differ")
            self.progress.say(f"resumed at step {self.state.step:,}")
        return load_plan(path)

    def try_compiling(self) -> None:
        """Compile by running one batch for nothing; go on uncompiled, with a word, when the compiler fails."""
        start = time.perf_counter()
        with torch.random.fork_rng(devices=[]):
            try:
                self._compile()
            except EyasError:
                raise
            except Exception as error:  # the compiler raises many kinds; a real fault shows again without it
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
                self.progress.say(f"going on without torch.compile, which failed: {reason[:200]}")
                self._keep(replace(self.plan, compiled=False))
        self.optimizer.zero_grad()
        self.state.compile_seconds += time.perf_counter() - start

    def _compile(self) -> None:
        while True:
            try:
                with compiling(self.model, True):
                    self._gradients(0, 1)
                return
            except Exception as error:
                broken = half_written(error)
                if broken is None or not broken.exists():
                    raise
                broken.unlink()
                torch.compiler.reset()

    def _gradients(self, step: int, micro_batches: int) -> tuple[float, int, dict[str, float]]:
        """Run forward and backward over a step's micro-batches: weight, tokens, mean loss and metrics of all ranks.

        The gradients left behind are those of the summed loss * weight, averaged over ranks.
        """
        total = torch.zeros((), device=self.device)
        weight, tokens = 0.0, 0
        told: dict[str, float] = {}
        for index in range(micro_batches):
            number = (step * micro_batches + index) * self.ranks.world + self.ranks.rank
            batch = to_tensors(self.batches.batch(number), self.device)
            last = index == micro_batches - 1
            with nullcontext() if last or self.ranks.world == 1 else self.loss.no_sync():  # type: ignore[operator]
                with self.autocast:
                    loss, metrics = self.loss(batch)
                share = metrics.get("weight", 1.0)
                (loss * share).backward()
            total += loss.detach() * share
            weight += share
            tokens += batch["tokens"].numel()
            told |= {name: told.get(name, 0.0) + value * share for name, value in metrics.items() if name != "weight"}
        weight, count, *sums = self.ranks.total([weight, float(tokens), float(total), *told.values()], self.device)
        means = [value / max(weight, 1.0) for value in sums]
        return weight, int(count), dict(zip(("loss", *told), means, strict=True))

    def step(self) -> dict[str, Any]:
        """One optimizer step; returns its row of metrics."""
        start = time.perf_counter()
        state, config = self.state, self.config
        if not self.step_seconds:
            self.clock.tick(start - self.started)
        weight, tokens, told = self._gradients(state.step, config.accumulate)
        loss = told["loss"]
        grads = [p.grad for p in self.optimizer.parameters if p.grad is not None]
        # Gradients are of the summed loss, averaged over ranks; the mean loss's are world / weight times that.
        scale = self.ranks.world / max(weight, 1.0)
        norm = float(torch.nn.utils.get_total_norm(grads)) * scale
        self.guard.check(state.step + 1, loss, norm)
        if config.clip and norm > config.clip:
            scale *= config.clip / norm
        torch._foreach_mul_(grads, scale)
        rate = self.plan.scale(state.step)
        self.optimizer.step(rate)
        self.optimizer.zero_grad()
        now = time.perf_counter()
        self.step_seconds.append(now - start)
        state.step += 1
        state.tokens += tokens
        state.loss = loss
        state.seconds = now - self.started
        self.clock.tick(state.seconds)
        speed = tokens / (now - start)
        row: dict[str, Any] = {"step": state.step, "tokens": state.tokens, **told}
        if config.bytes_per_token:
            row["bpb"] = bits_per_byte(loss, config.bytes_per_token)
        return row | {
            "lr": config.optim.lr * rate, "grad_norm": norm, "tok_per_s": round(speed),
            "mfu": round(speed * self.flops_per_token / self.peak, 4), "seconds": round(state.seconds, 3),
        }  # fmt: skip

    def after_step(
        self, row: dict[str, Any], evaluate: Callable[[nn.Module], dict[str, float]] | None,
        sample: Callable[[nn.Module], str] | None, save: bool,
    ) -> None:  # fmt: skip
        """Everything that is not the step: the clock's decisions, validation, samples, metrics, checkpoints."""
        state, config = self.state, self.config
        self._decide()
        done = state.step == self.plan.end
        with torch.random.fork_rng(devices=[]):
            if evaluate is not None and (done or _due(state.step, config.eval_every)):
                with self.autocast:
                    state.figures = evaluate(self.model)
                row.update(state.figures)
                self.model.train()
            if sample is not None and self.ranks.first and (done or _due(state.step, config.sample_every)):
                with plainly():
                    row["sample"] = sample(self.model)
                self.progress.say(f"step {state.step:,}: {row['sample']}")
                self.model.train()
        self.log.write(row)
        shown = {key: row[key] for key in ("loss", *state.figures) if key in row}
        done_part = state.step if config.minutes is None else min(state.seconds / 60, config.minutes)
        self.progress.update(done_part, **shown, tok_per_s=round(self._speed()), mfu=row["mfu"])
        if done or save or _due(state.step, config.save_every):
            self.save()

    def late(self) -> bool:
        """Whether a checkpoint is due by the clock; the first process's clock counts for all."""
        return self.ranks.first and time.perf_counter() - self.saved_at > self.config.save_seconds

    def _decide(self) -> None:
        """Let the clock set, and later correct, the step at which the rate reaches its end; kept on disk at once."""
        config, step = self.config, self.state.step
        if config.minutes is None or self.plan.decisions == DECISIONS:
            return
        # The first process's clock counts for all.
        total = self.ranks.total([step + self.clock.steps_left() if self.ranks.first else 0.0], self.device)[0]
        total = min(total, config.most_steps or total)
        plan = self.plan.corrected(step, total, config.decay, config.final)
        if plan is not self.plan:
            self._keep(plan)

    def save(self) -> None:
        """Write a checkpoint: everything the next step depends on."""
        if self.ranks.first:
            self.log.flush()
            weights = {f"model.{name}": p for name, p in self.model.named_parameters()}
            tensors = {**weights, **self.optimizer.state(), **rng_state(self.device)}
            meta = {**self.state.__dict__, "threads": torch.get_num_threads()}
            save_checkpoint(self.out, self.state.step, tensors, meta)
        self.saved_at = time.perf_counter()
        self.ranks.wait()

    def _speed(self) -> float:
        if not self.step_seconds:
            return 0.0
        return self.state.tokens / self.state.step / statistics.median(self.step_seconds)

    def result(self) -> TrainResult:
        s = self.state
        speed = self._speed()
        return TrainResult(
            steps=s.step, tokens=s.tokens, loss=s.loss, seconds=s.seconds, compile_seconds=s.compile_seconds,
            tokens_per_second=speed, mfu=speed * self.flops_per_token / self.peak, compiled=self.plan.compiled,
            precision=self.plan.precision, figures=s.figures,
        )  # fmt: skip


def to_tensors(batch: Mapping[str, Any], device: torch.device) -> Batch:
    """A batch of numpy arrays or tensors as tensors on `device`; unsigned ids become int64, which torch indexes by."""
    tensors = {}
    for name, value in batch.items():
        if isinstance(value, Tensor):
            tensors[name] = value.to(device)
            continue
        array = np.asarray(value)
        tensors[name] = torch.from_numpy(array.astype(np.int64) if array.dtype.kind == "u" else array).to(device)
    return tensors


def _flops_per_token(model: nn.Module, length: int) -> float:
    counted = getattr(getattr(model, "config", None), "flops_per_token", None)
    return float(counted(length)) if counted else 6.0 * sum(p.numel() for p in model.parameters())


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
