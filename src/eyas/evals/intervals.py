"""How sure a share is: Wilson's score interval."""

from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `n`, with the 95 % Wilson interval [`low`, `high`] (E. B. Wilson, JASA 22, 1927)."""

    hits: int
    n: int
    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}] n={self.n}"


def wilson(hits: int, n: int, z: float = 1.959964) -> Share:
    """The share of `hits` in `n` tries with its interval at `z` standard deviations; n = 0 gives [0, 1]."""
    if not 0 <= hits <= n:
        raise ValueError(f"hits must lie in 0..n, got {hits} of {n}")
    if n == 0:
        return Share(0, 0, 0.0, 0.0, 1.0)
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if hits == 0 else centre - half
    high = 1.0 if hits == n else centre + half
    return Share(hits, n, p, low, high)
