"""A reward model at work: answers in, scores out. It judges what a user sees, so thoughts are left out."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch

from eyas.data.pairs import answer, without_thoughts
from eyas.errors import EyasError
from eyas.evals.intervals import Share, wilson
from eyas.model.checkpoint import load_reward
from eyas.model.network import Network
from eyas.store.lineage import FILE_NAME as LINEAGE
from eyas.store.lineage import read_lineage
from eyas.store.names import resolve_model
from eyas.text.tokenizer import Tokenizer
from eyas.train import device as machine

Messages = Sequence[Mapping[str, Any]]
_TOKENS = 8192  # read at once


class RewardModel:
    """What `eyas reward` wrote. `accuracy` is the share of held-out pairs that it ranked right."""

    def __init__(self, model: Network, tokenizer: Tokenizer, accuracy: Share) -> None:
        self.model, self.tokenizer, self.accuracy = model, tokenizer, accuracy

    @classmethod
    def open(cls, name: str) -> Self:
        """The reward model of a folder, LIFE/NAME or hub id. Raises EyasError, also when it is not shown to rank
        held-out pairs better than chance (the lower end of the 95 % interval lies at 50 % or below)."""
        folder = resolve_model(name)
        model, tokenizer = load_reward(folder, device=machine.best_device())
        figures = (read_lineage(folder).get("figures") or {}) if (folder / LINEAGE).exists() else {}
        if not figures.get("val_pairs"):
            raise EyasError(f"the accuracy of {name} was never measured; make it with `eyas reward` and held-out pairs")
        accuracy = wilson(figures["val_right"], figures["val_pairs"])
        if accuracy.low <= 0.5:
            raise EyasError(
                f"{name} is not shown to rank better than chance ({accuracy}); give `eyas reward` more pairs, or longer"
            )
        return cls(model, tokenizer, accuracy)

    def score(self, prompts: Sequence[Messages], answers: Sequence[Messages]) -> list[float]:
        """The score of each answer (the messages after its prompt). Raises EyasError for one beyond the context."""
        ids = [
            answer(self.tokenizer, without_thoughts(prompt), without_thoughts(said)).ids
            for prompt, said in zip(prompts, answers, strict=True)
        ]
        found = [0.0] * len(ids)
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        while order:
            count = max(1, _TOKENS // len(ids[order[-1]]))
            group, order = order[-count:], order[:-count]
            for at, score in zip(group, self._scores([ids[at] for at in group]), strict=True):
                found[at] = score
        return found

    @torch.no_grad()
    def _scores(self, rows: list[list[int]]) -> list[float]:
        """Scores at the last token of each row; what pads a row comes after it and changes nothing."""
        device = self.model.embed.weight.device
        longest = max(map(len, rows))
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
        last = torch.tensor([len(row) - 1 for row in rows], device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=machine.has_bf16(device)):
            hidden = self.model.hidden(tokens)[torch.arange(len(rows), device=device), last]
            scores = self.model.score(hidden).squeeze(1).float()
        return [float(score) for score in scores]
