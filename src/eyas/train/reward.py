"""The reward model: pairs of answers in, a model out that scores an answer. `run` is the stage `eyas reward`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from eyas.data.pairs import Pair, PairRows, preferences, without_thoughts
from eyas.model.architectures import new_network
from eyas.model.checkpoint import load_model
from eyas.model.network import Network
from eyas.store.lineage import new_lineage
from eyas.store.names import resolve_model
from eyas.text.tokenizer import Tokenizer
from eyas.train.distributed import Ranks
from eyas.train.objectives import Batch, Metrics
from eyas.train.pair_stage import PairStageConfig, read_pairs, train_on_pairs
from eyas.train.preferences import bradley_terry
from eyas.train.trainer import to_tensors
from eyas.train.work import Work, carry_out

_BINS = 5


class RewardConfig(PairStageConfig):
    """`eyas reward`."""

    centring: float = Field(0.01, ge=0, description="Weight of the term that keeps scores near zero.")


@dataclass(frozen=True)
class RewardResult:
    """The reward model written, and how it judges the pairs held out.

    `val_right` of `val_pairs` are ranked as people did. `calibration`: for bins of the claimed probability its mean,
    the share that was right, and n. `length_bias`: how often the longer answer wins by the model and by people, and the
    correlation of score and length.
    """

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
    val_pairs: int
    val_right: int
    calibration: list[dict[str, float]]
    length_bias: dict[str, float]


def run(config: RewardConfig) -> RewardResult:
    """Train a reward model and write it to `config.out`. Raises EyasError; KeyboardInterrupt after Ctrl-C."""
    return RewardResult(config.out, **carry_out(config.out, config, partial(_train, config)))


def _train(config: RewardConfig, work: Work, ranks: Ranks, started: float) -> dict[str, Any]:
    parent = resolve_model(config.model)
    speaker, tokenizer = load_model(parent)
    model = scorer(speaker)
    data = read_pairs(config, model, "pair", partial(_seen, tokenizer), work)
    objective = partial(reward_loss, centring=config.centring)
    evaluate = partial(_evaluate, rows=data.val) if data.val else None
    figures = train_on_pairs("reward", config, model, data.train, objective, work, started, evaluate)
    figures |= {"left_out": data.left_out} | _judged(model.eval(), data.val)
    if ranks.first:
        lineage = new_lineage(
            "reward", config, out=config.out, parent=parent, data=data.sources, seed=config.seed, figures=figures
        )
        card = f"A reward model made from {parent.name} with {figures['pairs']:,} pairs of answers.\n"
        work.publish(model, tokenizer, lineage, card)
    return figures


def _seen(tokenizer: Tokenizer, rows: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """The pairs without thoughts: a judge of answers sees what a user sees."""
    names = ("prompt", "chosen", "rejected")
    return preferences(tokenizer, [{name: without_thoughts(row[name]) for name in names} for row in rows])


def scorer(speaker: Network) -> Network:
    """A copy of a model that gives one score a position instead of the next token; all scores are zero at first."""
    config = replace(speaker.config, num_labels=1, tie_embeddings=False)
    model = new_network(config)
    model.load_state_dict(speaker.state_dict(), strict=False)
    nn.init.zeros_(model.score.weight)
    return model


def scores(model: nn.Module, batch: Batch) -> Tensor:
    """The score of each sequence of a PairRows batch, (S,) fp32: the head at its last token."""
    net: Any = model
    last = net.hidden(batch["tokens"], batch["doc_ids"]).flatten(0, 1)[batch["last"]]
    found: Tensor = net.score(last).squeeze(1).float()
    return found


def reward_loss(model: nn.Module, batch: Batch, centring: float) -> tuple[Tensor, Metrics]:
    """Mean Bradley-Terry loss over the pairs of a PairRows batch; metrics as TRL names them."""
    found = scores(model, batch)
    chosen, rejected = found[0::2], found[1::2]
    margin = (chosen - rejected).detach()
    return bradley_terry(chosen, rejected, centring).mean(), {
        "weight": float(len(margin)),
        "accuracy": _accuracy(margin),
        "margin": float(margin.mean()),
        "mean_reward": float(found.detach().mean()),
    }


def _accuracy(margin: Tensor) -> float:
    """The share of pairs that are ranked right; a tie is half right."""
    return float((margin > 0).float().mean() + 0.5 * (margin == 0).float().mean())


def _evaluate(model: nn.Module, rows: PairRows) -> dict[str, float]:
    margins, _ = _margins(model, rows)
    return {"val_loss": float(-nn.functional.logsigmoid(margins).mean()), "val_accuracy": _accuracy(margins)}


def _margins(model: nn.Module, rows: PairRows) -> tuple[Tensor, list[int]]:
    """Score of the chosen minus score of the rejected answer, (pairs,), and which pairs these are."""
    device = next(model.parameters()).device
    found: list[Tensor] = []
    order: list[int] = []
    for batch in rows.epoch(0):
        found.append(scores(model, to_tensors(batch, device)).detach().cpu())
        order += batch["pairs"].tolist()
    every = torch.cat(found)
    return every[0::2] - every[1::2], order


def _judged(model: nn.Module, rows: PairRows | None) -> dict[str, Any]:
    """The held-out figures of RewardResult."""
    if rows is None:
        return {"val_pairs": 0, "val_right": 0, "calibration": [], "length_bias": {}}
    with torch.no_grad():
        margins, order = _margins(model, rows)
    pairs = [rows.pairs[at] for at in order]
    longer = torch.tensor([float(len(pair.first.ids) - len(pair.second.ids)) for pair in pairs])
    uneven = longer != 0
    claimed = torch.sigmoid(margins.abs())
    right = (margins > 0).float()
    bins = ((claimed - 0.5) * 2 * _BINS).long().clamp(max=_BINS - 1)
    calibration = [
        {"claimed": float(claimed[bins == at].mean()), "right": float(right[bins == at].mean()), "n": int(count)}
        for at in range(_BINS)
        if (count := (bins == at).sum()) > 0
    ]
    bias = {
        "longer_wins_by_model": float(((margins > 0) == (longer > 0))[uneven].float().mean()),
        "longer_wins_by_people": float((longer > 0)[uneven].float().mean()),
        "correlation": float(torch.corrcoef(torch.stack((margins, longer)))[0, 1]),
    }
    finite = {name: value if value == value else 0.0 for name, value in bias.items()}
    return {
        "val_pairs": len(pairs), "val_right": int(right.sum()), "calibration": calibration, "length_bias": finite
    }  # fmt: skip
