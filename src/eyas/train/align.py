"""Learning from preferences without a reward model: DPO from pairs, KTO from thumbs. `run` is `eyas align` for both."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eyas.data.packing import PackedRows
from eyas.data.pairs import PairRows, preferences, thumbs
from eyas.model.checkpoint import load_model
from eyas.store.lineage import new_lineage
from eyas.store.names import resolve_model
from eyas.text.tokenizer import Tokenizer
from eyas.train import device as machine
from eyas.train.align_config import AlignConfig
from eyas.train.chats import ChatSource, Mixed, filling, load_chats, rows_of_share
from eyas.train.distributed import Ranks
from eyas.train.holding import PairsAndRows, preferring_and_holding
from eyas.train.logprobs import sequence_logprobs
from eyas.train.metrics import FILE_NAME as METRICS
from eyas.train.metrics import read_metrics
from eyas.train.objectives import Batch, Metrics, Objective
from eyas.train.pair_stage import read_pairs, train_on_pairs
from eyas.train.preferences import Answers, Loss, dpo, kto
from eyas.train.replay import replay_rows
from eyas.train.trainer import to_tensors
from eyas.train.work import Work, carry_out

_HELD_TOKENS = 2_000_000  # of text to hold; a thousand steps of the default batch meet none of it twice


@dataclass(frozen=True)
class AlignResult:
    """The model written. `val_*` are the metrics on held-out pairs; `falling`: both answers became less likely."""

    out: Path
    pairs: int
    left_out: dict[str, int]
    steps: int
    tokens: int
    loss: float
    seconds: float
    compile_seconds: float
    tokens_per_second: float
    mfu: float
    val: dict[str, float]
    falling: bool


def run(config: AlignConfig) -> AlignResult:
    """Train on preferences and write the model. Raises EyasError; KeyboardInterrupt after Ctrl-C (resumable)."""
    config.check()
    return AlignResult(config.out, **carry_out(config.out, config, partial(_train, config)))


def _train(config: AlignConfig, work: Work, ranks: Ranks, started: float) -> dict[str, Any]:
    parent = resolve_model(config.model)
    model, tokenizer = load_model(parent)
    model.to(machine.best_device())
    beta = 0.1 if config.beta is None else config.beta
    if config.method == "dpo":
        data = read_pairs(config, model, "pair", partial(preferences, tokenizer), work)
        objective: Objective = partial(
            dpo_loss, beta=beta, loss=config.loss, per_token=config.per_token, sft_weight=config.sft_weight
        )
    else:
        data = read_pairs(config, model, "label", partial(thumbs, tokenizer), work)
        objective = partial(kto_loss, beta=beta)
    for name, part in (("train", data.train), ("val", data.val)):
        if part is not None:
            part.set_reference(_reference(work.folder / f"reference.{name}.npy", model, part, config, ranks))
    evaluate = partial(_evaluate, rows=data.val, objective=objective) if data.val else None
    batches = None
    if (held := _held(config, data.train, tokenizer, work, ranks)) is not None:
        batches = PairsAndRows(data.train, held)
        objective = preferring_and_holding(objective, load_model(parent)[0], config.hold_weight)
    figures = train_on_pairs(config.method, config, model, data.train, objective, work, started, evaluate, batches)
    told = read_metrics(work.train / METRICS)
    figures |= {"left_out": data.left_out, "val": _last_validation(told), "falling": _falling(told)}
    if ranks.first:
        sources = [*data.sources, *_chats(config).lineage(), *({"source": name} for name in config.hold_text)]
        lineage = new_lineage(
            config.method, config, out=config.out, parent=parent, data=sources, seed=config.seed, figures=figures
        )
        card = f"Made from {parent.name} by {config.method.upper()} on {figures['pairs']:,} preferences.\n"
        work.publish(model.eval(), tokenizer, lineage, card)
    return figures


def _chats(config: AlignConfig) -> ChatSource:
    return ChatSource(config.hold, config.seed, config.people, config.skip_bad)


def _held(
    config: AlignConfig, pairs: PairRows, tokenizer: Tokenizer, work: Work, ranks: Ranks
) -> PackedRows | Mixed | None:
    """As many rows as a batch of pairs has, on which the model shall stay; half of them text where both are given."""
    n_text = pairs.batch_size if config.hold_text else 0
    if config.hold and config.hold_text:
        n_text = rows_of_share(pairs.batch_size, 0.5, "--hold-text")
    chat = text = None
    if config.hold:
        n_chat = pairs.batch_size - n_text
        rows = filling(load_chats(_chats(config), tokenizer, 0, verdicts=True).train, n_chat * pairs.seq_len)
        chat = PackedRows(rows, pairs.seq_len, n_chat, config.seed)
    if config.hold_text:
        text = replay_rows(
            config.hold_text, tokenizer, work, ranks, n_tokens=_HELD_TOKENS, seq_len=pairs.seq_len, batch_size=n_text,
            seed=config.seed, people=config.people, skip_bad=config.skip_bad,
        )  # fmt: skip
    return Mixed(chat, text) if chat and text else chat or text


def dpo_loss(
    model: nn.Module, batch: Batch, beta: float, loss: Loss = "sigmoid", per_token: bool = False, sft_weight: float = 0
) -> tuple[Tensor, Metrics]:
    """Mean DPO loss over the pairs of a PairRows batch, and metrics under TRL's names."""
    chosen, rejected = _answers(model, batch)
    losses = dpo(chosen, rejected, beta, loss, per_token)
    if sft_weight:
        losses = losses - sft_weight * chosen.logprobs / chosen.lengths
    rewards = [beta * one.gain(per_token).detach() for one in (chosen, rejected)]
    return losses.mean(), {
        "weight": float(len(losses)),
        "rewards/chosen": float(rewards[0].mean()),
        "rewards/rejected": float(rewards[1].mean()),
        "rewards/margins": float((rewards[0] - rewards[1]).mean()),
        "rewards/accuracies": float((rewards[0] > rewards[1]).float().mean()),
        "logps/chosen": float(chosen.logprobs.detach().mean()),
        "logps/rejected": float(rejected.logprobs.detach().mean()),
    }


def kto_loss(model: nn.Module, batch: Batch, beta: float) -> tuple[Tensor, Metrics]:
    """Mean KTO loss over the thumbs of a PairRows batch, whose second answers belong to other prompts.

    Thumbs up and down weigh alike in sum, whatever their numbers in the batch.
    """
    answers, other = _answers(model, batch)
    wanted = batch["wanted"]
    share = wanted.float().mean().clamp(1e-6, 1 - 1e-6)
    evened = torch.where(wanted, 0.5 / share, 0.5 / (1 - share)) if bool(wanted.any() and (~wanted).any()) else 1.0
    losses = kto(answers, other, wanted, beta) * evened
    gains = beta * answers.gain().detach()
    return losses.mean(), {
        "weight": float(len(losses)),
        "rewards/chosen": float(gains[wanted].mean()) if wanted.any() else 0.0,
        "rewards/rejected": float(gains[~wanted].mean()) if (~wanted).any() else 0.0,
        "logps/chosen": float(answers.logprobs.detach()[wanted].mean()) if wanted.any() else 0.0,
        "logps/rejected": float(answers.logprobs.detach()[~wanted].mean()) if (~wanted).any() else 0.0,
        "kl": float(other.gain().detach().mean()),
    }


def _answers(model: nn.Module, batch: Batch) -> tuple[Answers, Answers]:
    """First and second answers of the batch's pairs."""
    logprobs, lengths = sequence_logprobs(model, batch)
    first, second = (Answers(logprobs[at::2], batch["reference"][at::2], lengths[at::2]) for at in (0, 1))
    return first, second


def _reference(
    path: Path, model: nn.Module, rows: PairRows, config: AlignConfig, ranks: Ranks
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Log-probabilities (pairs, 2) by the model as it is before training; found once, kept in the work folder.

    In training's own precision, so that every reward begins at zero.
    """
    if path.exists():
        kept: np.ndarray[Any, np.dtype[np.float32]] = np.load(path, allow_pickle=False)
        return kept
    device = next(model.parameters()).device
    low = config.precision == "bf16" or (config.precision == "auto" and machine.has_bf16(device))
    found = np.zeros((len(rows.pairs), 2), dtype=np.float32)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=low):
        for batch in rows.epoch(0):
            logprobs, _ = sequence_logprobs(model, to_tensors(batch, device))
            found[batch["pairs"].numpy()] = logprobs.view(-1, 2).cpu().numpy()
    if ranks.first:
        np.save(path, found)
    return found


def _evaluate(model: nn.Module, rows: PairRows, objective: Objective) -> dict[str, float]:
    """The objective and its metrics over all held-out pairs, each under `val_`."""
    device = next(model.parameters()).device
    sums: dict[str, float] = {}
    total = 0.0
    for batch in rows.epoch(0):
        loss, metrics = objective(model, to_tensors(batch, device))  # with gradients: that is what was compiled
        weight = metrics.pop("weight")
        total += weight
        for name, value in {"loss": float(loss.detach()), **metrics}.items():
            sums[name] = sums.get(name, 0.0) + weight * value
    return {f"val_{name}": value / total for name, value in sums.items()}


def _last_validation(rows: list[dict[str, Any]]) -> dict[str, float]:
    told: dict[str, Any] = next((row for row in reversed(rows) if "val_loss" in row), {})
    return {name: value for name, value in told.items() if name.startswith("val_")}


def _falling(rows: list[dict[str, Any]]) -> bool:
    """Whether chosen answers too ended clearly less likely than the reference has them.

    Known as likelihood displacement (Razin et al. 2024, arXiv 2410.08847): the mass goes to answers nobody looked at.
    """
    last = rows[-max(1, len(rows) // 10) :]
    chosen, rejected = (float(np.mean([row[f"rewards/{side}"] for row in last])) for side in ("chosen", "rejected"))
    return rejected < 0 and chosen < 0.1 * rejected
