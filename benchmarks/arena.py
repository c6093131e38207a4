"""Ratings on public battles, next to what was published about them and to evalica on the same battles.

    python benchmarks/arena.py DATA_FOLDER [--simulations 400]

DATA_FOLDER holds `arena-nfl-elo` (FiveThirtyEight), `arena-alpaca-eval2` (AlpacaEval 2) and `arena-qlora-gpt4` (the
verdicts behind table 1 of the QLoRA paper, arXiv 2305.14314). Prints one `key=value` line a comparison, and last how
often 95 % intervals hold the truth in simulated arenas (fixed seeds).
"""

import argparse
import csv
import gzip
import io
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eyas.arena.battles import Battles, Columns, read_battles
from eyas.arena.board import Board, Settings, make_board
from eyas.arena.bradley_terry import Fit, fit, rows_of
from eyas.arena.elo import expected_score, online_elo
from eyas.arena.outcomes import Codes
from eyas.arena.scale import POINTS, win_probability

HOME = 65.0
"""FiveThirtyEight's home advantage in points; none on neutral ground."""
QLORA_ORDER = "gpt4 65b-guanaco 30b-guanaco vicuna-13b gpt35 13b-guanaco bard 7b-guanaco".split()
QLORA_CODES = Codes(win_a=("1",), win_b=("2",), tie=("3",), skip=("-1",))
ALPACA_CODES = Codes(win_a=("2",), win_b=("1",))


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a .csv or .csv.gz file."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's, without ties."""
    places = [np.argsort(np.argsort(np.asarray(one))) for one in (a, b)]
    return float(np.corrcoef(places[0], places[1])[0, 1])


def nfl(folder: Path) -> None:
    """Every `elo_prob1` from the two ratings of the row."""
    games = rows(folder / "nfl_games_to_2004.csv.gz")
    worst = 0.0
    for game in games:
        advantage = 0.0 if game["neutral"] == "1" else HOME
        found = expected_score(float(game["elo1"]), float(game["elo2"]), advantage)
        worst = max(worst, abs(found - float(game["elo_prob1"])))
    print(f"nfl games={len(games)} largest_difference_from_elo_prob1={worst:.1e} target=1e-12")


def alpaca(folder: Path) -> None:
    """Win rates, and length control, next to the published leaderboard."""
    columns = Columns(
        model_a="model",
        opponent="baseline",
        winner="preference",
        prompt="instruction_index",
        length_a="model_chars",
        length_b="baseline_chars",
    )
    battles = read_battles(folder / "annotations.csv.gz", columns, ALPACA_CODES)
    published = {row[""]: row for row in rows(folder / "published_leaderboard.csv")}
    board = make_board(battles)
    models = [one for one in board.standings if one.model != "baseline"]
    worst = max(abs(100 * one.win_rate - float(published[one.model]["win_rate"])) for one in models)
    print(f"alpaca battles={len(battles)} models={len(models)} largest_difference_from_win_rate={worst:.1e} (percent)")
    raw = [100 * one.win_rate for one in models]
    wanted = [float(published[one.model]["length_controlled_winrate"]) for one in models]
    base = next(one.rating for one in board.standings if one.model == "baseline")
    shared = [100 * win_probability(one.rating - base) for one in models]
    # AlpacaEval fits each model alone, with a length effect of its own.
    own = []
    for one in models:
        number = battles.models.index(one.model)
        alone = make_board(battles.select((battles.a == number) | (battles.b == number)))
        rating = {line.model: line.rating for line in alone.standings}
        own.append(100 * win_probability(rating[one.model] - rating["baseline"]))
    for name, found in (("raw", raw), ("one_length_effect", shared), ("own_length_effect", own)):
        difference = float(np.mean(np.abs(np.array(found) - np.array(wanted))))
        print(f"alpaca_lc {name} mean_difference={difference:.2f} spearman={rank_correlation(found, wanted):.4f}")


def read_qlora(folder: Path) -> Battles:
    columns = Columns(model_a="model_1", model_b="model_2", winner="score", prompt="question_id")
    return read_battles(folder / "vicuna_pairwise.csv.gz", columns, QLORA_CODES)


def qlora(battles: Battles) -> None:
    """The published order, whatever the model of ties, and the advantage of standing first."""
    for name, settings in (
        ("half", Settings()),
        ("davidson", Settings(davidson=True)),
        ("half_with_side", Settings(side=True)),
        ("bootstrap", Settings(bootstrap_rounds=500)),
    ):
        start = time.perf_counter()
        board = make_board(battles, settings=settings)
        took = time.perf_counter() - start
        told = " ".join(f"{one.model}:{one.rating:.0f}[{one.low:.0f},{one.high:.0f}]" for one in board.standings)
        same = [one.model for one in board.standings] == QLORA_ORDER
        effects = "".join(f" {one.name.replace(' ', '_')}={one.points:+.0f}" for one in board.effects)
        print(f"qlora {name} published_order={'yes' if same else 'NO'}{effects} seconds={took:.2f} {told}")
    # The paper's way: online Elo with K = 32 over shuffled orders.
    rng, total = np.random.default_rng(0), np.zeros(len(battles.models))
    for _ in range(200):
        order = rng.permutation(len(battles))
        shuffled = Battles(battles.models, battles.a[order], battles.b[order], battles.score[order], battles.both_bad)
        total += online_elo(shuffled, k=32)
    mean = dict(zip(battles.models, total / 200, strict=True))
    print("qlora online_elo_k32 " + " ".join(f"{name}:{mean[name]:.0f}" for name in QLORA_ORDER))


def evalica(battles: Battles) -> None:
    """Largest differences of log-ratings (natural-log units) and of Elo points where the definitions coincide."""
    try:
        import evalica as peer
    except ImportError:
        print("evalica is not here: pip install evalica")
        return
    names = list(battles.models)
    a, b = [names[i] for i in battles.a], [names[i] for i in battles.b]
    winner = peer.Winner
    won = [winner.X if score > 0.5 else winner.Y if score < 0.5 else winner.Draw for score in battles.score]

    def difference(scores: Any, found: Fit) -> float:
        theirs = np.log([scores[name] for name in names])
        return float(np.abs(theirs - theirs.mean() - found.theta + found.theta.mean()).max())

    plain = fit(rows_of(battles), prior_sd=math.inf)
    theirs = peer.bradley_terry(a, b, won, tolerance=1e-13, limit=100_000)
    print(f"evalica bradley_terry difference={difference(theirs.scores, plain):.1e} target=1e-6")
    davidson = fit(rows_of(battles), prior_sd=math.inf, davidson=True)
    ties = peer.newman(a, b, won, tolerance=1e-13, limit=100_000)
    assert davidson.log_tie is not None
    nu = abs(2 * ties.v - math.exp(davidson.log_tie))
    print(f"evalica davidson difference={difference(ties.scores, davidson):.1e} nu_difference={nu:.1e} target=1e-6")
    ticker = peer.elo(a, b, won)
    worst = float(np.abs(np.array([ticker.scores[name] for name in names]) - online_elo(battles)).max())
    print(f"evalica online_elo difference_points={worst:.1e} target=1e-6")


def simulated(rng: np.random.Generator, models: int, each: int, nu: float) -> tuple[np.ndarray, Battles]:
    """True ratings (points, mean 1000) spread by 150, and `each` battles a pair under Davidson's law."""
    theta = rng.normal(0, 150 / POINTS, models)
    a, b = (np.repeat(side, each) for side in np.triu_indices(models, 1))
    u = theta[a] - theta[b]
    weights = np.stack([np.exp(u / 2), np.full_like(u, nu), np.exp(-u / 2)])
    shares = np.cumsum(weights / weights.sum(0), axis=0)
    drawn = rng.random(len(u))
    score = np.where(drawn < shares[0], 1.0, np.where(drawn < shares[1], 0.5, 0.0))
    names = tuple(str(number) for number in range(models))
    return 1000 + POINTS * (theta - theta.mean()), Battles(names, a, b, score, np.zeros(len(a), dtype=bool))


def ends(board: Board) -> list[tuple[int, float, float]]:
    """(model, low, high) of every line; an open end is infinite."""
    return [
        (int(one.model), -math.inf if one.low is None else one.low, math.inf if one.high is None else one.high)
        for one in board.standings
    ]


def coverage(simulations: int) -> None:
    """How often the intervals of five models hold the true ratings; n is five times the simulations."""
    for each, nu in ((5, 0.0), (10, 0.0), (40, 0.0), (100, 0.0), (10, 0.6), (40, 0.6)):
        rng = np.random.default_rng(0)
        held, half = list[bool](), list[float]()
        for _ in range(simulations):
            truth, battles = simulated(rng, 5, each, nu)
            for model, low, high in ends(make_board(battles, settings=Settings(davidson=nu > 0))):
                held.append(low <= truth[model] <= high)
                half += [(high - low) / 2] if math.isfinite(high - low) else []
        share, width = np.mean(held), np.mean(half)
        print(f"coverage models=5 battles_a_pair={each} nu={nu} held={share:.3f} half_width={width:.0f} n={len(held)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA_FOLDER")
    parser.add_argument("--simulations", type=int, default=400)
    args = parser.parse_args()
    nfl(args.data / "arena-nfl-elo")
    alpaca(args.data / "arena-alpaca-eval2")
    battles = read_qlora(args.data / "arena-qlora-gpt4")
    qlora(battles)
    evalica(battles)
    coverage(args.simulations)


if __name__ == "__main__":
    main()
