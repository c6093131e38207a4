import json
import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from eyas.errors import EyasError
from eyas.model.transformer import Transformer
from eyas.train import trainer
from eyas.train.checkpoint import checkpoints
from eyas.train.metrics import read_metrics
from eyas.train.objectives import Batch, Metrics, language_loss
from eyas.train.schedule import DECISIONS, load_plan, save_plan
from eyas.train.trainer import TrainConfig, train

QUICK = TrainConfig(steps=8, compile="off", warmup=2)
Make = Callable[[], Transformer]


class Killed(Exception):
    """Stands for kill -9: nothing after it runs, no file is closed by the program's own hand."""


class Until:
    """Batches of another source, up to a step that is never reached alive."""

    def __init__(self, batches: Any, step: int) -> None:
        self.batches, self.step = batches, step

    def batch(self, step: int) -> dict[str, Tensor]:
        if step == self.step:
            raise Killed
        return self.batches.batch(step)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def noisy_loss(model: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
    """The language loss with noise from torch's generator, as dropout would draw it."""
    loss, metrics = language_loss(model, batch)
    return loss * (1 + 0.1 * torch.rand(())), metrics


def test_loss_falls_and_metrics_tell_it(tiny: Make, counting: Any, tmp_path: Path) -> None:
    result = train(tiny(), counting, language_loss, replace(QUICK, steps=60, bytes_per_token=2.0), tmp_path)
    rows = read_metrics(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, 61))
    assert rows[-1]["tokens"] == result.tokens == 60 * 64
    assert rows[-1]["loss"] == result.loss < 0.6 * rows[0]["loss"]
    assert rows[5]["bpb"] == pytest.approx(rows[5]["loss"] / math.log(2) / 2)
    assert {"lr", "grad_norm", "tok_per_s", "mfu"} <= rows[0].keys()


@pytest.mark.parametrize(
    "config",
    [
        QUICK,
        replace(QUICK, precision="fp32", accumulate=2),
        replace(QUICK, precision="bf16"),
        replace(QUICK, compile="on"),
    ],
    ids=["default", "accumulating", "bf16", "compiled"],
)
def test_killed_run_resumes_bit_for_bit(config: TrainConfig, tiny: Make, counting: Any, tmp_path: Path) -> None:
    config = replace(config, save_every=3)
    whole, broken = tiny(), tiny()
    train(whole, counting, noisy_loss, config, tmp_path / "whole")
    with pytest.raises(Killed):
        # Step 5 is under way when it dies; the newest checkpoint is that of step 3.
        train(broken, Until(counting, 5 * config.accumulate), noisy_loss, config, tmp_path / "broken")
    resumed = tiny()
    result = train(resumed, counting, noisy_loss, config, tmp_path / "broken")
    assert same_weights(whole, resumed)
    assert result.steps == 8 and result.tokens == 8 * 64 * config.accumulate
    losses = [[row["loss"] for row in read_metrics(tmp_path / name / "metrics.jsonl")] for name in ("whole", "broken")]
    assert losses[0] == losses[1] and len(losses[0]) == 8


def test_finished_run_returns_at_once_with_its_figures(tiny: Make, counting: Any, tmp_path: Path) -> None:
    first = train(tiny(), counting, language_loss, QUICK, tmp_path, evaluate=lambda model: {"val_loss": 1.5})
    model = tiny()
    again = train(model, Until(counting, 1), language_loss, QUICK, tmp_path)
    assert (again.steps, again.loss, again.figures) == (first.steps, first.loss, {"val_loss": 1.5})


def test_two_half_batches_give_the_gradient_of_a_whole_one(tiny: Make, counting: Any, tmp_path: Path) -> None:
    """Micro-batches with different numbers of targets weigh by them, not equally."""

    class Halves:
        def batch(self, number: int) -> dict[str, Tensor]:
            step, half = divmod(number, 2)
            rows = slice(0, 1) if half == 0 else slice(1, 4)
            return {name: value[rows] for name, value in masked(step).items()}

    class Whole:
        def batch(self, step: int) -> dict[str, Tensor]:
            return masked(step)

    def masked(step: int) -> dict[str, Tensor]:
        batch: dict[str, Tensor] = counting.batch(step)
        batch["targets"][0, 3:] = -100
        return batch

    config = replace(QUICK, precision="fp32", clip=0.0)
    losses = []
    for name, batches, accumulate in (("whole", Whole(), 1), ("halves", Halves(), 2)):
        train(tiny(), batches, language_loss, replace(config, accumulate=accumulate), tmp_path / name)
        losses.append([row["loss"] for row in read_metrics(tmp_path / name / "metrics.jsonl")])
    assert losses[0] == pytest.approx(losses[1], rel=2e-3)


def test_ctrl_c_finishes_the_step_saves_and_resumes(tiny: Make, counting: Any, tmp_path: Path) -> None:
    class Interrupting:
        def batch(self, step: int) -> dict[str, Tensor]:
            if step == 4:
                os.kill(os.getpid(), signal.SIGINT)
            return counting.batch(step)

    whole, resumed = tiny(), tiny()
    train(whole, counting, language_loss, QUICK, tmp_path / "whole")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), Interrupting(), language_loss, QUICK, tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before
    assert checkpoints(tmp_path / "run")[-1].name == "step-000000005.safetensors"
    train(resumed, counting, language_loss, QUICK, tmp_path / "run")
    assert same_weights(whole, resumed)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_loss_that_is_no_number_stops_before_it_touches_the_weights(
    poison: float, tiny: Make, counting: Any, tmp_path: Path
) -> None:
    calls = []

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        loss, metrics = language_loss(model, batch)
        calls.append(1)
        return (loss * poison if len(calls) == 4 else loss), metrics

    model = tiny()
    with pytest.raises(EyasError, match=r"step 4: the loss is (nan|inf); lower the rates"):
        train(model, counting, objective, QUICK, tmp_path)
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_lasting_jump_of_the_loss_stops_but_one_odd_batch_does_not(tiny: Make, counting: Any, tmp_path: Path) -> None:
    def jumping(bad: range) -> Callable[[nn.Module, Batch], tuple[Tensor, Metrics]]:
        calls = iter(range(10**6))

        def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
            loss, metrics = language_loss(model, batch)
            return loss + (9.0 if next(calls) in bad else 0.0), metrics

        return objective

    config = replace(QUICK, steps=70)
    train(tiny(), counting, jumping(range(30, 33)), config, tmp_path / "odd")
    with pytest.raises(EyasError, match=r"step 60: the loss jumped from .* stayed there for 30 steps"):
        train(tiny(), counting, jumping(range(30, 70)), config, tmp_path / "jump")


def test_compiler_that_fails_is_told_and_done_without(
    tiny: Make, counting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(function: Any, **options: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("no working C++ compiler")

        return call

    monkeypatch.setattr(torch, "compile", failing)
    plain, fallen = tiny(), tiny()
    result = train(fallen, counting, language_loss, replace(QUICK, compile="on"), tmp_path / "fallen")
    train(plain, counting, language_loss, QUICK, tmp_path / "plain")
    assert not result.compiled and not load_plan(tmp_path / "fallen" / "plan.json").compiled
    assert same_weights(plain, fallen)


def test_library_that_a_killed_compile_left_half_written_is_made_again(
    tiny: Make, counting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = [tmp_path / "one.main.so", tmp_path / "two.main.so"]
    for half in halves:
        half.touch()

    def loading(function: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            for half in halves:
                if half.exists():
                    raise RuntimeError(f"ImportError: {half}: file too short")
            return function(*args, **kwargs)

        return run

    monkeypatch.setattr(torch, "compile", loading)
    assert train(tiny(), counting, language_loss, replace(QUICK, compile="on"), tmp_path / "run").compiled
    assert not any(half.exists() for half in halves)


def test_short_run_is_not_compiled(tiny: Make, counting: Any, tmp_path: Path) -> None:
    assert not train(tiny(), counting, language_loss, replace(QUICK, compile="auto"), tmp_path).compiled


def test_without_bf16_hardware_the_run_is_fp32(
    tiny: Make, counting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer.machine, "has_bf16", lambda device: False)
    assert train(tiny(), counting, language_loss, QUICK, tmp_path).precision == "fp32"


def test_clock_ends_the_run_and_its_decisions_are_replayed(tiny: Make, counting: Any, tmp_path: Path) -> None:
    config = replace(QUICK, steps=None, minutes=0.02)
    first = train(tiny(), counting, language_loss, config, tmp_path)
    plan = load_plan(tmp_path / "plan.json")
    assert plan.decisions >= 1 and plan.end == first.steps
    rates = [row["lr"] for row in read_metrics(tmp_path / "metrics.jsonl")]
    assert rates[-1] < max(rates)
    for path in checkpoints(tmp_path):
        path.unlink()  # as if killed before the first checkpoint: the plan alone tells when to end
    save_plan(
        tmp_path / "plan.json", replace(plan, decisions=DECISIONS)
    )  # this machine may be slower now: no new correction
    again = train(tiny(), counting, language_loss, config, tmp_path)
    assert again.steps == first.steps
    assert [row["lr"] for row in read_metrics(tmp_path / "metrics.jsonl")] == rates


def test_minutes_hold_no_more_steps_than_are_wanted(tiny: Make, counting: Any, tmp_path: Path) -> None:
    config = replace(QUICK, steps=None, minutes=5.0, most_steps=60)
    assert train(tiny(), counting, language_loss, config, tmp_path).steps == 60
    rates = [row["lr"] for row in read_metrics(tmp_path / "metrics.jsonl")]
    assert rates[-1] < 0.2 * max(rates), "it cools down all the same"


def test_slow_first_steps_do_not_end_a_run_early(
    tiny: Make, counting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        now[0] += 1.0 if len(taken) < 6 else 0.2
        taken.append(1)
        return language_loss(model, batch)

    taken: list[int] = []
    monkeypatch.setattr(trainer, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    result = train(tiny(), counting, objective, replace(QUICK, steps=None, minutes=0.25), tmp_path)
    assert now[0] == pytest.approx(15, rel=0.05) and result.steps > 40


def test_validation_and_samples_do_not_disturb_the_run(tiny: Make, counting: Any, tmp_path: Path) -> None:
    def evaluate(model: nn.Module) -> dict[str, float]:
        return {"val_loss": float(torch.rand(()))}

    bare, watched = tiny(), tiny()
    train(bare, counting, noisy_loss, QUICK, tmp_path / "bare")
    config = replace(QUICK, eval_every=3, sample_every=4)
    train(watched, counting, noisy_loss, config, tmp_path / "watched", evaluate=evaluate, sample=lambda m: "so")
    assert same_weights(bare, watched)
    rows = read_metrics(tmp_path / "watched" / "metrics.jsonl")
    assert [row["step"] for row in rows if "val_loss" in row] == [3, 6, 8]
    assert [row["step"] for row in rows if "sample" in row] == [4, 8]


def test_half_written_metrics_line_of_a_killed_run_is_dropped(tiny: Make, counting: Any, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tiny(), Until(counting, 5), language_loss, replace(QUICK, save_every=2), tmp_path)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 6, "lo')
    train(tiny(), counting, language_loss, QUICK, tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 9))


@pytest.mark.parametrize("length", [{}, {"steps": 0}, {"minutes": 0.0}, {"steps": 3, "minutes": 1.0}])
def test_run_without_a_length_is_refused(length: dict[str, Any], tiny: Make, counting: Any, tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="a training run needs"):
        train(tiny(), counting, language_loss, TrainConfig(**length), tmp_path)
