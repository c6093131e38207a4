"""The unit of pretraining text, and the tally of what was read and left out."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.integer[Any]]
"""Token ids of one text."""

EXAMPLES_KEPT = 5


@dataclass(frozen=True, slots=True)
class Document:
    """One text. `floor_bits` is the exact -log2 of its probability where the source knows it (the world does)."""

    text: str
    floor_bits: float | None = None


@dataclass
class Tally:
    """How many documents or rows were left out, by reason, with the first few reasons in words."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def add(self, reason: str, count: int = 1, sentence: str | None = None) -> None:
        """Count `count` more under `reason` ("bad", "duplicate", ...); `sentence` says which file and line."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        if sentence is not None and len(self.examples) < EXAMPLES_KEPT:
            self.examples.append(sentence)

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.counts.items())) or "nothing left out"
