"""What an assistant was finetuned on, as its lineage tells: the rows to rehearse, and those that were held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyas.data.documents import Tally
from eyas.data.importers import Row
from eyas.data.sources import parse_source
from eyas.errors import EyasError
from eyas.store.lineage import FILE_NAME, ancestry
from eyas.train.chats import WORLD, ChatSource, held_out
from eyas.world.people import World


@dataclass(frozen=True)
class Upbringing:
    """Sources of the finetuning that made an assistant of a base model; later fixes do not count."""

    data: list[str]
    replay: list[str]
    seed: int
    people: int | None
    val_fraction: float
    context: int | None
    batch_size: int | None

    @property
    def world(self) -> World | None:
        """The world that the rows come from, if they do."""
        if WORLD not in self.data:
            return None
        return World(self.seed) if self.people is None else World(self.seed, self.people)

    def rows(self, given: Sequence[str] = ()) -> list[Row]:
        """The rows trained on, or those of the sources `given` instead. Raises EyasError when they are gone."""
        rows = self._all(given or self.data)
        held = set() if given else held_out(len(rows), self.val_fraction)
        return [row for number, row in enumerate(rows) if number not in held]

    def texts(self, given: Sequence[str] = ()) -> list[str]:
        """The text that was replayed, or the sources `given` instead. Raises EyasError when one is gone."""
        names = list(given or self.replay)
        try:
            for name in names:
                parse_source(name)
        except EyasError as error:
            raise EyasError(f"the text to rehearse is not there ({error}); name other text with --replay") from error
        return names

    def held_out(self) -> list[Row]:
        """The rows that were held out; none of the world, which has its exam."""
        if self.world is not None or not all(Path(name).exists() for name in self.data):
            return []
        rows = self._all(self.data)
        return [rows[number] for number in sorted(held_out(len(rows), self.val_fraction))]

    def _all(self, names: Sequence[str]) -> list[Row]:
        gone = [name for name in names if name != WORLD and not Path(name).exists()]
        if gone:
            raise EyasError(f"the rows {', '.join(gone)} are not there; name rows to rehearse with --data")
        found = ChatSource(names, self.seed, self.people, skip_bad=True).rows(Tally())
        return [{key: row[key] for key in ("messages", "tools") if key in row} for row in found]


def upbringing(model: Path) -> Upbringing:
    """The upbringing of a model folder; without lineage nothing is known."""
    line = [lineage for _, lineage in ancestry(model)] if (model / FILE_NAME).is_file() else []
    tuned: list[dict[str, Any]] = [one["config"] for one in line if one["stage"] == "finetune"]
    first: dict[str, Any] = next((config for config in reversed(tuned) if not config.get("corrections")), {})
    return Upbringing(
        data=list(first.get("data") or []),
        replay=list(first.get("replay") or []),
        seed=int(first.get("seed") or 0),
        people=first.get("people"),
        val_fraction=float(first.get("val_fraction") or 0),
        context=first.get("context"),
        batch_size=first.get("batch_size"),
    )
