"""Tables of runs whose law is known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eyas.scaling.law import Array, Law
from eyas.scaling.table import Runs

KNOWN = Law(E=1.7, A=400.0, B=600.0, alpha=0.34, beta=0.3)


def grid(
    law: Law = KNOWN, sizes: int = 5, lengths: int = 5, noise: float = 0.0, seed: int = 0
) -> tuple[Array, Array, Array]:
    """N, D and loss [sizes x lengths] of a full grid, with relative noise."""
    n, d = np.meshgrid(np.geomspace(1e7, 1e9, sizes), np.geomspace(2e8, 2e10, lengths))
    n, d = n.ravel(), d.ravel()
    luck = np.random.default_rng(seed).normal(0, noise, len(n)) if noise else np.zeros(len(n))
    return n, d, law.loss(n, d) * np.exp(luck)


def isoflops(law: Law = KNOWN, budgets: Sequence[float] = (1e17, 1e18, 1e19, 1e20)) -> Runs:
    """Seven sizes at each budget, evenly around the best."""
    n = np.concatenate([law.best_run(c)[0] * np.geomspace(0.4, 2.5, 7) for c in budgets])
    flops = np.repeat(np.array(budgets), 7)
    return as_runs(n, flops / (6 * n), law.loss(n, flops / (6 * n)))


def as_runs(n: Array, d: Array, loss: Array) -> Runs:
    """Every row a training run of its own."""
    rows = np.arange(len(n))
    return Runs(n, d, 6 * n * d, loss, rows, rows + 2)


def write(file: Path, columns: dict[str, Sequence[object] | Array]) -> Path:
    """A CSV file with these columns."""
    lines = [",".join(columns), *(",".join(str(cell) for cell in row) for row in zip(*columns.values(), strict=True))]
    file.write_text("\n".join(lines) + "\n")
    return file
