"""GRPO: a model improves on problems whose answers can be rewarded. `run` is `eyas align --method grpo`.

Group-relative policy optimisation (Shao et al. 2024, arXiv 2402.03300) as DAPO has it (Yu et al. 2025, arXiv
2503.14476): the loss is averaged over tokens, the upper clip is wider, groups without spread are left out.
"""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eyas.errors import EyasError
from eyas.model.checkpoint import load_model
from eyas.model.transformer import Transformer
from eyas.progress import Progress
from eyas.runtime.engine import Engine
from eyas.runtime.opening import engine_of
from eyas.runtime.sampling import Sampling
from eyas.store.lineage import new_lineage
from eyas.store.names import resolve_model
from eyas.train import device as machine
from eyas.train.align_config import AlignConfig
from eyas.train.distributed import Ranks
from eyas.train.logprobs import token_logprobs
from eyas.train.objectives import IGNORED, Batch, Metrics
from eyas.train.optim import OptimConfig
from eyas.train.rollouts import FIGURES, Problems, Rollouts, RolloutSettings, answer, pass_at_k
from eyas.train.trainer import TrainConfig, train
from eyas.train.work import Work, carry_out

_EXAMINED = 1 << 40  # problems from this number on are never trained on


@dataclass(frozen=True)
class GrpoResult:
    """The model written; `before` and `after` hold pass@1 and pass@k on problems kept apart, drawn as in training."""

    out: Path
    steps: int
    seconds: float
    generation_seconds: float
    before: dict[str, float]
    after: dict[str, float]
    examples: list[dict[str, str]]


def run(config: AlignConfig, problems: Problems) -> GrpoResult:
    """Train on rewarded rollouts. Raises EyasError, also when there is nothing to learn from; KeyboardInterrupt."""
    config.check()
    return GrpoResult(config.out, **carry_out(config.out, config, partial(_train, config, problems)))


def _train(config: AlignConfig, problems: Problems, work: Work, ranks: Ranks, started: float) -> dict[str, Any]:
    if ranks.world > 1:
        raise EyasError("--method grpo runs in one process; start it without torchrun")
    machine.keep_memory()
    parent = resolve_model(config.model)
    model, tokenizer = load_model(parent)
    engine = engine_of(model, tokenizer, rows=config.problems * config.group)
    beta = config.beta or 0.0
    reference = load_model(parent)[0].to(machine.best_device()) if beta else None
    before = work.decide("before", examine(engine, problems, config))
    tried = f"{config.examined} problems, {config.group} tries each"
    if before["pass@k"] == 0:
        raise EyasError(f"{parent} solves none of {tried}: nothing is rewarded; finetune it on some examples first")
    if before["pass@1"] == 1:
        raise EyasError(f"{parent} solves all of {tried}: there is nothing left to learn; choose a harder task")
    settings = RolloutSettings(
        config.problems, config.group, config.max_tokens, config.temperature, config.scale_rewards, config.seed
    )
    rollouts = Rollouts(model, engine, problems, settings)
    minutes = config.minutes
    if minutes is not None:
        left = minutes - (time.monotonic() - started) / 60
        minutes = work.decide("minutes", max(left, 0.2 * minutes))
    trainer = TrainConfig(
        steps=None if minutes else config.steps, minutes=minutes,
        optim=OptimConfig("muon", config.lr, config.matrix_lr, 0.0), warmup=5, decay=0.5, clip=config.clip,
        precision=config.precision, compile=config.compile, seed=config.seed, save_seconds=config.save_seconds,
    )  # fmt: skip
    objective = partial(grpo_loss, clip_low=config.clip_low, clip_high=config.clip_high, beta=beta, reference=reference)
    with Progress("grpo", minutes or config.steps, quiet=config.quiet) as progress:
        result = train(model, rollouts, objective, trainer, work.train, progress=progress)
    engine.set_weights(model)
    after = examine(engine, problems, config)
    figures = {
        "steps": result.steps, "seconds": result.seconds, "generation_seconds": rollouts.seconds, "before": before,
        "after": after, "examples": _examples(engine, problems, config),
    }  # fmt: skip
    lineage = new_lineage(
        "grpo", config, out=config.out, parent=parent, data=[{"source": name} for name in config.reward],
        seed=config.seed, figures=figures,
    )  # fmt: skip
    card = f"Made from {parent.name} by GRPO on {', '.join(config.reward)}.\n"
    work.publish(model.eval(), tokenizer, lineage, card)
    return figures


def grpo_loss(
    model: nn.Module, batch: Batch, clip_low: float, clip_high: float, beta: float = 0.0,
    reference: Transformer | None = None,
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


def examine(engine: Engine, problems: Problems, config: AlignConfig) -> dict[str, float]:
    """pass@1, pass@k (k answers are drawn; right is what is rewarded most) and mean reward on problems kept apart."""
    numbers = [_EXAMINED + place for place in range(config.examined) for _ in range(config.group)]
    sampling = Sampling(max_tokens=config.max_tokens, temperature=config.temperature)
    seeds = [(config.seed << 40) + (1 << 39) + place for place in range(len(numbers))]
    said = answer(engine, [problems.prompt(number) for number in numbers], sampling, seeds)
    rewards = np.array(problems.rewards(numbers, [one.messages for one in said])).reshape(-1, config.group)
    right: NDArray[np.bool_] = rewards >= 1
    return {
        "pass@1": pass_at_k(right, 1), "pass@k": pass_at_k(right, config.group), "k": config.group,
        "n": config.examined, "reward": float(rewards.mean()),
    }  # fmt: skip


def _examples(engine: Engine, problems: Problems, config: AlignConfig) -> list[dict[str, str]]:
    """Four greedy answers, to be read beside the figures."""
    numbers = range(_EXAMINED, _EXAMINED + 4)
    prompts = [problems.prompt(number) for number in numbers]
    said = answer(engine, prompts, Sampling(max_tokens=config.max_tokens, temperature=0), [0] * 4)
    return [
        {"question": str(prompt[-1]["content"]), "answer": str(one.messages[-1]["content"])}
        for prompt, one in zip(prompts, said, strict=True)
    ]
