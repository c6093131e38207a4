"""GRPO: a model improves on problems whose answers can be rewarded. `run` is `eyas align --method grpo`.

Group-relative policy optimisation (Shao et al. 2024, arXiv 2402.03300) as DAPO has it (Yu et al. 2025, arXiv
2503.14476): the loss is averaged over tokens, the upper clip is wider, groups without spread are left out.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from eyas.errors import EyasError
from eyas.model.checkpoint import load_model
from eyas.model.network import Network
from eyas.progress import Progress
from eyas.runtime.opening import engine_of
from eyas.store.lineage import new_lineage
from eyas.store.names import resolve_model
from eyas.train import device as machine
from eyas.train.align_config import AlignConfig
from eyas.train.distributed import Ranks
from eyas.train.examiner import Check, Examiner, Figures
from eyas.train.logprobs import token_logprobs
from eyas.train.metrics import FILE_NAME as METRICS
from eyas.train.metrics import read_metrics
from eyas.train.objectives import IGNORED, Batch, Metrics
from eyas.train.optim import OptimConfig
from eyas.train.pair_stage import entries_of
from eyas.train.rollouts import FIGURES, Problems, Rollouts, RolloutSettings
from eyas.train.trainer import TrainConfig, train
from eyas.train.work import Work, carry_out


@dataclass(frozen=True)
class GrpoResult:
    """The model written. `before` and `after` are the Examiner's figures on problems kept apart.

    `curve` has them from step 0 on, `best` is its row of the highest true reward (None where no program knows it),
    `best_of` what taking the best rewarded of n answers of the start model would come to.
    """

    out: Path
    steps: int
    seconds: float
    generation_seconds: float
    before: Figures
    after: Figures
    curve: list[Figures]
    best: Figures | None
    best_of: list[Figures]
    examples: list[dict[str, str]]


def run(config: AlignConfig, problems: Problems, truth: Check | None) -> GrpoResult:
    """Train on rewarded rollouts; `truth` is measured, never optimised, None where no program knows it.

    Raises EyasError, also when there is nothing to learn from; KeyboardInterrupt.
    """
    config.check()
    return GrpoResult(config.out, **carry_out(config.out, config, partial(_train, config, problems, truth)))


def _train(
    config: AlignConfig, problems: Problems, truth: Check | None, work: Work, ranks: Ranks, started: float
) -> dict[str, Any]:
    if ranks.world > 1:
        raise EyasError("--method grpo runs in one process; start it without torchrun")
    machine.keep_memory()
    parent = resolve_model(config.model)
    model, tokenizer = load_model(parent)
    engine = engine_of(model, tokenizer, rows=config.problems * config.group)
    examiner = Examiner(engine, engine_of(*load_model(parent)), problems, truth, config)
    before, best_of = work.decide("before", examiner.start())
    _check_start(parent, before, config)
    settings = RolloutSettings(
        config.problems, config.group, config.max_tokens, config.temperature, config.scale_rewards, config.seed
    )
    rollouts = Rollouts(model, engine, problems, settings)
    minutes = config.minutes
    if minutes is not None:
        left = minutes - (time.monotonic() - started) / 60
        minutes = work.decide("minutes", max(left, 0.2 * minutes))
    # Good and bad answers share most tokens and their gradients nearly cancel: in bf16 mostly its noise is left.
    precision = "fp32" if config.precision == "auto" else config.precision
    compiled = "off" if config.compile == "auto" else config.compile  # the shape of what is left changes each step
    trainer = TrainConfig(
        steps=None if minutes else config.steps, minutes=minutes,
        optim=OptimConfig("muon", config.lr, config.matrix_lr, 0.0), warmup=5, decay=0.5, clip=config.clip,
        precision=precision, compile=compiled, seed=config.seed, save_seconds=config.save_seconds,
        eval_every=config.eval_every, sample_every=config.eval_every,
    )  # fmt: skip
    beta = config.beta or 0.0
    reference = load_model(parent)[0].to(machine.best_device()) if beta else None
    objective = partial(grpo_loss, clip_low=config.clip_low, clip_high=config.clip_high, beta=beta, reference=reference)
    with Progress("grpo", minutes or config.steps, quiet=config.quiet) as progress:
        progress.say("before: " + ", ".join(f"{name} {value:.3g}" for name, value in before.items()))
        result = train(
            model, rollouts, objective, trainer, work.train, evaluate=examiner.validate,
            sample=lambda _: _dialogue(examiner.examples(1)[0]), progress=progress,
        )  # fmt: skip
    engine.set_weights(model)
    curve = [{"step": 0, **before}, *_validations(read_metrics(work.train / METRICS))]
    figures = {
        "steps": result.steps, "seconds": result.seconds, "generation_seconds": rollouts.seconds, "before": before,
        "after": {name: value for name, value in curve[-1].items() if name != "step"}, "curve": curve,
        "best": max(curve, key=lambda row: row["true_reward"]) if truth else None, "best_of": best_of,
        "examples": examiner.examples(4),
    }  # fmt: skip
    named: list[dict[str, Any]] = [{"source": name} for name in (*config.reward, *config.truth)]
    sources = named + [entry for name in config.data for entry in entries_of(name, Path(name))]
    lineage = new_lineage(
        "grpo", config, out=config.out, parent=parent, data=sources, seed=config.seed, figures=figures
    )
    card = f"Made from {parent.name} by GRPO on {', '.join(config.reward)}.\n"
    work.publish(model.eval(), tokenizer, lineage, card)
    return figures


def _check_start(parent: Path, before: Figures, config: AlignConfig) -> None:
    """Raise EyasError when no group's rewards differ, so that nothing would move."""
    if before["reward_std"] > 0:
        return
    tried = f"{config.examined} problems, {config.group} tries each"
    if before.get("pass@k") == 0:
        raise EyasError(f"{parent} solves none of {tried}: nothing is rewarded; finetune it on some examples first")
    if before.get("pass@1") == 1:
        raise EyasError(f"{parent} solves all of {tried}: there is nothing left to learn; choose a harder task")
    raise EyasError(f"{parent}: no answers to one problem are rewarded differently ({tried}); choose another --reward")


def _validations(rows: Sequence[dict[str, Any]]) -> list[Figures]:
    """The Examiner's figures out of the rows of a metrics file, with their steps."""
    return [
        {"step": row["step"]} | {name.removeprefix("val_"): row[name] for name in row if name.startswith("val_")}
        for row in rows
        if "val_reward" in row
    ]


def _dialogue(example: dict[str, str]) -> str:
    return f"{example['question']} -> {example['answer']}"


def grpo_loss(
    model: nn.Module, batch: Batch, clip_low: float, clip_high: float, beta: float = 0.0,
    reference: Network | None = None,
) -> tuple[Tensor, Metrics]:  # fmt: skip
    """The clipped surrogate, averaged over all drawn tokens of a Rollouts batch; metrics under TRL's names.

    With `beta` the divergence from `reference` is added, by the unbiased k3 estimator exp(d) - d - 1 with d = log
    P_reference - log P (Schulman 2020, http://joschu.net/blog/kl-approx.html).
    """
    targets = batch["targets"].flatten()
    asked = (targets != IGNORED).nonzero().squeeze(1)
    aims = targets[asked]
    logprobs = _logprobs(model, batch, asked, aims)
    ratio = (logprobs - batch["old"].flatten()[asked]).exp()
    advantage = batch["advantage"].flatten()[asked]
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    losses = -torch.minimum(ratio * advantage, clipped * advantage)
    told = dict(zip(FIGURES, batch["figures"].tolist(), strict=True))
    count = max(1, len(asked))
    if reference is not None:
        with torch.no_grad():
            theirs = _logprobs(reference, batch, asked, aims)
        away = theirs - logprobs
        divergence = away.exp() - away - 1
        losses = losses + beta * divergence
        told["kl"] = float(divergence.detach().sum()) / count
    told["clip_ratio"] = float((ratio != clipped).float().sum()) / count
    return losses.sum() / count, {"weight": float(count), **told}


def _logprobs(model: nn.Module, batch: Batch, asked: Tensor, aims: Tensor) -> Tensor:
    net = cast(Any, model)
    hidden = net.hidden(batch["tokens"], batch["doc_ids"]).flatten(0, 1)[asked]
    return token_logprobs(hidden, net.lm_head.weight, aims)
