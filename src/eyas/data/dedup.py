"""Exact duplicates by a 16-byte hash, at 16 bytes of memory a document."""

import hashlib

import numpy as np
from numpy.typing import NDArray

RECENT = 1 << 18

Half = NDArray[np.uint64]


def document_hash(data: bytes) -> bytes:
    """16 bytes that name a text (its UTF-8): BLAKE2b, where two different texts agree with chance 2**-128."""
    return hashlib.blake2b(data, digest_size=16).digest()


class Seen:
    """The set of hashes met so far: new ones in a Python set, older ones in sorted arrays that are merged as they grow.

    A Python set alone costs about 100 bytes a document, which would bound the corpus by memory.
    """

    def __init__(self) -> None:
        self._recent: set[bytes] = set()
        self._runs: list[tuple[Half, Half]] = []  # (first halves, sorted; the second halves in the same order)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, digest: bytes) -> bool:
        """Remember `digest` (16 bytes); False when it was known already."""
        if digest in self._recent:
            return False
        first, second = np.frombuffer(digest, dtype="<u8")
        for firsts, seconds in self._runs:
            at = int(firsts.searchsorted(first))
            while at < len(firsts) and firsts[at] == first:
                if seconds[at] == second:
                    return False
                at += 1
        self._recent.add(digest)
        self._count += 1
        if len(self._recent) >= RECENT:
            self._freeze()
        return True

    def _freeze(self) -> None:
        halves = np.frombuffer(b"".join(self._recent), dtype="<u8").reshape(-1, 2)
        firsts, seconds = halves[:, 0], halves[:, 1]
        self._recent = set()
        while self._runs and len(self._runs[-1][0]) <= len(firsts):
            older = self._runs.pop()
            firsts, seconds = np.concatenate([older[0], firsts]), np.concatenate([older[1], seconds])
        order = firsts.argsort(kind="stable")
        self._runs.append((firsts[order], seconds[order]))
