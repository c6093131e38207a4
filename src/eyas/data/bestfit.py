"""Best-fit packing of pieces into rows of one length (the bin-packing part, without tokens)."""

from bisect import bisect_left, insort
from collections.abc import Sequence


class Gaps:
    """Which rows still have how much room: finds the smallest gap that fits, or the largest there is."""

    def __init__(self) -> None:
        self._rows: dict[int, list[int]] = {}
        self._sizes: list[int] = []  # sorted, distinct; at most `capacity` of them, so inserting is cheap

    def put(self, row: int, gap: int) -> None:
        """Remember that `row` has room for `gap` tokens (none: the row is forgotten)."""
        if gap <= 0:
            return
        if gap not in self._rows:
            self._rows[gap] = []
            insort(self._sizes, gap)
        self._rows[gap].append(row)

    def take(self, length: int) -> tuple[int, int] | None:
        """Remove and return (row, gap) with the smallest gap >= `length`, or None."""
        at = bisect_left(self._sizes, length)
        return self._pop(at) if at < len(self._sizes) else None

    def take_largest(self) -> tuple[int, int]:
        """Remove and return (row, gap) with the largest gap. IndexError when every row is full."""
        return self._pop(len(self._sizes) - 1)

    def _pop(self, at: int) -> tuple[int, int]:
        gap = self._sizes[at]
        rows = self._rows[gap]
        row = rows.pop()
        if not rows:
            del self._rows[gap], self._sizes[at]
        return row, gap


def pack_whole(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Best-fit-decreasing: indices of `lengths` (each <= capacity) grouped into few rows, none of them cut."""
    rows: list[list[int]] = []
    gaps = Gaps()
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        found = gaps.take(lengths[index])
        if found is None:
            found = (len(rows), capacity)
            rows.append([])
        row, gap = found
        rows[row].append(index)
        gaps.put(row, gap - lengths[index])
    return rows


Piece = tuple[int, int, int]
"""(document number, first position, number of positions)"""


def pack_cutting(pieces: Sequence[Piece], capacity: int, n_rows: int) -> list[list[Piece]]:
    """Put all `pieces` into exactly `n_rows` rows, none empty if it can be helped; only what does not fit whole is cut.

    The pieces must total at most `n_rows * capacity` positions, each at most `capacity`.
    """
    rows: list[list[Piece]] = [[] for _ in range(n_rows)]
    gaps = Gaps()
    for row in reversed(range(n_rows)):
        gaps.put(row, capacity)
    left_over: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: -p[2]):
        found = gaps.take(piece[2])
        if found is None:
            left_over.append(piece)
            continue
        row, gap = found
        rows[row].append(piece)
        gaps.put(row, gap - piece[2])
    for document, start, length in left_over:
        while length > 0:
            row, gap = gaps.take(length) or gaps.take_largest()
            part = min(gap, length)
            rows[row].append((document, start, part))
            gaps.put(row, gap - part)
            start, length = start + part, length - part
    _fill_empty(rows)
    return rows


def _fill_empty(rows: list[list[Piece]]) -> None:
    """A row of padding only would be a batch without a target (a NaN loss): give it a share of the richest row."""
    empty = [row for row in rows if not row]
    if not empty:
        return
    richest = sorted((row for row in rows if row), key=lambda row: (-len(row), -row[-1][2]))
    for target, donor in zip(empty, richest, strict=False):
        document, start, length = donor.pop()
        if donor:
            target.append((document, start, length))
        elif length == 1:
            donor.append((document, start, length))
        else:
            donor.append((document, start, length // 2))
            target.append((document, start + length // 2, length - length // 2))
