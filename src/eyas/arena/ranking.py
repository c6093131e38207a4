"""What the battles can tell at all: which models were ever compared, who was never beaten, and rank from intervals."""

from dataclasses import dataclass

import numpy as np

from eyas.arena.battles import Battles, Bools, Floats, Ints


@dataclass(frozen=True)
class Structure:
    """The graph in which an arrow from i to j says that i took a point, or half of one, from j.

    `pool`: (models,) number of the part that was compared at all, 0 the largest. `group`: (models,) number of the
    strongly connected component; between two groups of a pool points flow one way only, so how far they stand apart is
    the prior's word alone (L. R. Ford, 1957). `main`: the largest group of each pool, from whose mean ratings are
    measured; all of a pool whose groups are single models. `leaning`: the rating leans on the prior, for want of a path
    of points to and from the main group. `unbeaten`: the group never lost a point outside itself in a pool of several;
    `winless`: it never took one.
    """

    pool: Ints
    group: Ints
    main: Bools
    leaning: Bools
    unbeaten: Bools
    winless: Bools


def structure(models: int, a: Ints, b: Ints, score: Floats) -> Structure:
    """Pools and groups of battles between `a` and `b` ((n,) indices of models), `score` (n,) A's share of the win."""
    took = np.zeros((models, models), dtype=np.bool_)
    took[a[score > 0], b[score > 0]] = True
    took[b[score < 1], a[score < 1]] = True
    reach = _closure(took)
    pool = _numbered(_closure(took | took.T))
    together = reach & reach.T
    group = _numbered(together)
    outside = took & ~together
    # One arrow into or out of any member decides for the whole group.
    losing = np.array([bool(outside[:, together[i]].any()) for i in range(models)])
    taking = np.array([bool(outside[together[i]].any()) for i in range(models)])
    # Groups are numbered by size, so the least number in a pool is its largest group.
    largest = np.array([group[pool == one].min() for one in pool.tolist()])
    divided = np.array([group[pool == one].max() for one in pool.tolist()]) > largest
    single = np.bincount(group)[largest] == 1
    main = (group == largest) | single
    leaning = divided & ((group != largest) | single)
    return Structure(pool, group, main, leaning, ~losing & divided, ~taking & divided)


def _closure(arrows: Bools) -> Bools:
    """Whether j can be reached from i, itself included; the paths' length doubles until nothing is new."""
    reach = arrows | np.eye(len(arrows), dtype=np.bool_)
    while True:
        # float32 counts paths exactly enough: only whether there is one matters.
        further = (reach.astype(np.float32) @ reach.astype(np.float32)) > 0
        if (further == reach).all():
            return np.asarray(reach)
        reach = further


def _numbered(together: Bools) -> Ints:
    """Numbers for the classes of an equivalence, the largest class first, then in order of appearance."""
    first = together.argmax(1)
    leaders = sorted(set(first.tolist()), key=lambda i: (-int(together[i].sum()), i))
    place = {leader: number for number, leader in enumerate(leaders)}
    return np.array([place[i] for i in first.tolist()], dtype=np.int64)


def ranks(low: Floats, high: Floats, pool: Ints) -> Ints:
    """1 + the number of models of the pool whose whole interval lies above one's own; several may share a rank."""
    above = (low[None, :] > high[:, None]) & (pool[None, :] == pool[:, None])
    return np.asarray(1 + above.sum(1), dtype=np.int64)


def warnings(battles: Battles, found: Structure) -> list[str]:
    """What a reader must know before believing the table, a sentence each; empty when the battles bear it."""
    names = np.array(battles.models, dtype=object)
    told = []
    pools = int(found.pool.max()) + 1
    if pools > 1:
        parts = "; ".join(_list(list(names[found.pool == p])) for p in range(min(pools, 4)))
        more = f"; and {pools - 4} more" if pools > 4 else ""
        told.append(
            f"{pools} pools of models were never compared with each other ({parts}{more}): "
            "ratings and ranks of different pools say nothing about each other"
        )
    alone = np.bincount(found.group)[found.group] == 1
    for mask, sentence in (
        (
            found.unbeaten & alone,
            "never lost a point: only the prior holds the rating down, its lower end is all that counts",
        ),
        (
            found.winless & alone,
            "never took a point: only the prior holds the rating up, its upper end is all that counts",
        ),
        (
            found.leaning & alone & ~found.unbeaten & ~found.winless,
            "took every point from some models and lost every point to others: the distance leans on the prior",
        ),
    ):
        if mask.any():
            told.append(f"{_list(list(names[mask]))} {sentence}")
    for one in np.unique(found.group[found.leaning & ~alone]):
        told.append(
            f"between {_list(list(names[found.group == one]))} and the others points went one way only: how far they "
            "stand apart comes from the prior alone"
        )
    return told


def _list(names: list[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
