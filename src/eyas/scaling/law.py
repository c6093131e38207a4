"""The law of scale: loss = E + A / N^alpha + B / D^beta (Hoffmann et al. 2022, arXiv:2203.15556, approach 3)."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

NAMES = ("E", "A", "B", "alpha", "beta")


@dataclass(frozen=True)
class Law:
    """loss(N, D) = E + A / N^alpha + B / D^beta.

    N counts parameters, D tokens. `E` is the loss that neither more parameters nor more text can remove, in the
    table's own unit of loss (nats per token, bits per byte).
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, n: npt.ArrayLike, d: npt.ArrayLike) -> Array:
        """The expected loss of runs with `n` parameters and `d` tokens, elementwise."""
        small, short = self.shares(n, d)
        return np.asarray(self.E + small + short, dtype=np.float64)

    def shares(self, n: npt.ArrayLike, d: npt.ArrayLike) -> tuple[Array, Array]:
        """The loss a model owes to being small, A / N^alpha, and to having read little, B / D^beta."""
        sizes, tokens = np.asarray(n, dtype=np.float64), np.asarray(d, dtype=np.float64)
        return self.A * sizes**-self.alpha, self.B * tokens**-self.beta

    @property
    def n_exponent(self) -> float:
        """a in N_opt ~ C^a: how much of a larger budget goes into parameters."""
        return self.beta / (self.alpha + self.beta)

    @property
    def d_exponent(self) -> float:
        """b in D_opt ~ C^b: how much of a larger budget goes into text."""
        return self.alpha / (self.alpha + self.beta)

    def best_run(self, flops: float, factor: float = 6.0) -> tuple[float, float]:
        """N and D of least loss for a budget of `flops` = `factor` x N x D.

        Setting the derivative along N D = C / factor to zero gives N = G (C / factor)^a with
        G = (alpha A / (beta B))^(1 / (alpha + beta)). Without one of the two terms there is no such balance: then the
        figures are 0 and infinity, and the caller should look at A and B first.
        """
        product = flops / factor
        if self.A <= 0 or self.B <= 0:
            n = 0.0 if self.A <= 0 else float("inf")
        else:
            balance = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
            n = float(balance * product**self.n_exponent)
        return n, product / n if n > 0 else float("inf")

    def as_array(self) -> Array:
        """(E, A, B, alpha, beta)."""
        return np.array([self.E, self.A, self.B, self.alpha, self.beta])

    @classmethod
    def of(cls, values: npt.ArrayLike) -> "Law":
        """The law of the five numbers (E, A, B, alpha, beta)."""
        return cls(*(float(one) for one in np.asarray(values, dtype=np.float64)))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
