"""Rollouts: the model that is trained answers problems, several times each, and a program or a model rewards it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from eyas.data.bestfit import pack_whole
from eyas.data.packing import IGNORE
from eyas.errors import EyasError
from eyas.model.network import Network
from eyas.runtime.engine import Engine
from eyas.runtime.sampling import Sampling
from eyas.runtime.tools import calculate, run_tool
from eyas.text.chat import parse_assistant, render

Message = dict[str, Any]
_TOOL_ROUNDS = 2

FIGURES = (
    "reward", "reward_std", "frac_reward_zero_std", "completions/mean_length", "completions/clipped_ratio", "entropy",
)  # fmt: skip
"""What a batch tells of its rollouts, under TRL's names; entropy in nats a token, estimated from what was drawn."""


class Problems(Protocol):
    """Where prompts and rewards come from; problem `number` is always the same one."""

    def prompt(self, number: int) -> list[Message]:
        """The conversation that is to be answered."""

    def rewards(self, numbers: Sequence[int], answers: Sequence[list[Message]]) -> list[float]:
        """How good each answer (all messages after the prompt) to its problem is."""


@dataclass
class Rollout:
    """One answer: all ids with the prompt's, which of them the model drew and their log-probabilities (else 0)."""

    ids: list[int]
    drawn: list[bool]
    logprobs: list[float]
    messages: list[Message] = field(default_factory=list)
    ended: bool = False
    """Whether the model came to an end by itself."""


def answer(engine: Engine, prompts: Sequence[list[Message]], sampling: Sampling, seeds: Sequence[int]) -> list[Rollout]:
    """Answer every prompt; sums are worked out by the calculator where the model calls it.

    Ids are never decoded and encoded again: training sees what was drawn, token by token. Raises EyasError.
    """
    tok = engine.tokenizer
    rollouts = []
    for prompt in prompts:
        ids = render(tok, prompt, add_generation_prompt=True).ids
        rollouts.append(Rollout(ids, [False] * len(ids), [0.0] * len(ids)))
    open_ = list(range(len(prompts)))
    for turn in range(_TOOL_ROUNDS + 1):
        fitting = [at for at in open_ if len(rollouts[at].ids) < engine.context]
        drawn = [seeds[at] + (turn << 48) for at in fitting]
        done = engine.generate([rollouts[at].ids for at in fitting], sampling, {tok.im_end, tok.endoftext}, seeds=drawn)
        open_ = []
        for at, said in zip(fitting, done, strict=True):
            one = rollouts[at]
            end = [] if said.stop_id is None else [said.stop_id]
            one.ids += [*said.ids, *end]
            one.logprobs += [*said.logprobs, *([said.stop_logprob] if end else [])]
            one.drawn += [True] * (len(said.ids) + len(end))
            one.ended = bool(end)
            one.messages.append(parse_assistant(said.ids, tok))
            calls = one.messages[-1].get("tool_calls") or []
            if end and calls and turn < _TOOL_ROUNDS:
                _run_tools(one, calls, engine)
                one.ended = False  # nor will it, where what the tools said fills the context
                open_.append(at)
    return rollouts


def _run_tools(rollout: Rollout, calls: list[dict[str, Any]], engine: Engine) -> None:
    """Append the tools' answers and the next turn's opening, none of it drawn by the model."""
    asked = [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
    answers = [{"role": "tool", "content": run_tool({"calculator": calculate}, *one)} for one in asked]
    # The template preserves prefixes: what follows a turn is the same after any turn, so a blank one stands in.
    blank = [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]
    whole = render(engine.tokenizer, [*blank, *answers], add_generation_prompt=True).ids
    ends = [at for at, token in enumerate(whole) if token == engine.tokenizer.im_end]
    extra = whole[ends[1] + 1 :]
    rollout.messages += answers
    rollout.ids += extra
    rollout.drawn += [False] * len(extra)
    rollout.logprobs += [0.0] * len(extra)


@dataclass(frozen=True)
class RolloutSettings:
    """How many problems a batch, how many answers a problem, and how they are drawn and scored."""

    problems: int
    group: int
    max_tokens: int
    temperature: float = 1.0
    scale: bool = True  # divide advantages by the group's spread
    seed: int = 0


class Rollouts:
    """Batches of rollouts by the model as it is when the batch is asked for.

    A batch holds tokens, targets and doc_ids (B, T) as PackedRows has them; `advantage` and `old` (B, T) fp32, the
    advantage of the answer that a target belongs to and its log-probability when it was drawn; and `figures` (6,),
    FIGURES. Groups whose answers are all rewarded alike teach nothing and are left out; an answer that was cut off
    counts in its group but is not trained on, since nobody knows how it would have ended. B and T are what is left
    needs.
    """

    def __init__(self, model: Network, engine: Engine, problems: Problems, settings: RolloutSettings) -> None:
        self.model, self.engine, self.problems, self.settings = model, engine, problems, settings
        prompts = [render(engine.tokenizer, problems.prompt(n), add_generation_prompt=True).ids for n in range(64)]
        longest = max(map(len, prompts))
        if longest + settings.max_tokens > engine.context:
            raise EyasError(
                f"a prompt of {longest} tokens and an answer of {settings.max_tokens} do not fit the model's "
                f"{engine.context}; lower --max-tokens"
            )
        # Short rows, since attention costs the square of a row; whole ones only for answers that tools make longer.
        self.length = min(engine.context, -(-2 * (longest + settings.max_tokens) // 64) * 64)
        self.seconds = 0.0
        """Spent on answering and rewarding."""
        self._last: tuple[int, dict[str, torch.Tensor]] | None = None

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """The rollouts of step number `step`; asked again before the next step, the same ones."""
        if self._last is None or self._last[0] != step:
            started = time.perf_counter()
            self._last = (step, self._roll(step))
            self.seconds += time.perf_counter() - started
        return self._last[1]

    def _roll(self, step: int) -> dict[str, torch.Tensor]:
        s = self.settings
        self.engine.set_weights(self.model)
        numbers = [step * s.problems + place for place in range(s.problems) for _ in range(s.group)]
        sampling = Sampling(max_tokens=s.max_tokens, temperature=s.temperature)
        seeds = [(s.seed << 40) + step * len(numbers) + place for place in range(len(numbers))]
        rollouts = answer(self.engine, [self.problems.prompt(number) for number in numbers], sampling, seeds)
        rewards = np.array(self.problems.rewards(numbers, [one.messages for one in rollouts]), dtype=np.float64)
        groups = rewards.reshape(s.problems, s.group)
        advantages = group_advantages(groups, s.scale).flatten()
        drawn = np.array([sum(one.drawn) for one in rollouts])
        surprise = -sum(sum(one.logprobs) for one in rollouts) / max(1, drawn.sum())
        spread = groups.std(axis=1)
        cut = np.mean([not one.ended for one in rollouts])
        told = [groups.mean(), spread.mean(), (spread == 0).mean(), drawn.mean(), cut, surprise]
        judged = zip(rollouts, advantages.tolist(), strict=True)
        kept = [(one, advantage) for one, advantage in judged if advantage and one.ended]
        return self._filled(kept) | {"figures": torch.tensor(told, dtype=torch.float32)}

    def _filled(self, kept: list[tuple[Rollout, float]]) -> dict[str, torch.Tensor]:
        longest = max((len(one.ids) for one, _ in kept), default=0)
        length = self.length if longest <= self.length else self.engine.context
        rows = pack_whole([len(one.ids) for one, _ in kept], length)
        shape = (max(1, len(rows)), length)
        arrays: dict[str, NDArray[Any]] = {
            "tokens": np.zeros(shape, dtype=np.int64),
            "targets": np.full(shape, IGNORE, dtype=np.int64),
            "doc_ids": np.zeros(shape, dtype=np.int32),
            "advantage": np.zeros(shape, dtype=np.float32),
            "old": np.zeros(shape, dtype=np.float32),
        }
        for at, row in enumerate(rows):
            position = 0
            for document, number in enumerate(row):
                one, advantage = kept[number]
                end = position + len(one.ids)
                asked = np.array(one.drawn[1:])
                arrays["tokens"][at, position:end] = one.ids
                arrays["targets"][at, position : end - 1][asked] = np.array(one.ids[1:])[asked]
                arrays["advantage"][at, position : end - 1][asked] = advantage
                arrays["old"][at, position : end - 1][asked] = np.array(one.logprobs[1:], dtype=np.float32)[asked]
                arrays["doc_ids"][at, position:end] = document
                position = end
            arrays["doc_ids"][at, position:] = len(row)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def group_advantages(rewards: NDArray[np.float64], scale: bool = True) -> NDArray[np.float64]:
    """How much better each answer was than its group, rewards (groups, answers); by the group's spread with `scale`.

    Without it harder and easier problems weigh alike in tokens (Liu et al. 2025, arXiv 2503.20783). Zero for a group
    without spread.
    """
    centred: NDArray[np.float64] = rewards - rewards.mean(axis=1, keepdims=True)
    spread = rewards.std(axis=1, keepdims=True)
    centred[np.broadcast_to(spread < 1e-9, centred.shape)] = 0.0
    return centred / np.maximum(spread, 1e-4) if scale else centred


def pass_at_k(right: NDArray[np.bool_], k: int) -> float:
    """The chance that one of k answers is right, from n >= k answers to each problem, (problems, n).

    The unbiased estimator 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374).
    """
    n, c = right.shape[1], right.sum(axis=1)
    failing = np.ones(len(right))
    for i in range(k):
        failing *= np.clip(n - c - i, 0, None) / (n - i)
    return float(1 - failing.mean())
