"""Exact duplicates by a 16-byte hash, at 16 bytes of memory a document."""

import hashlib

import numpy as np
from numpy.typing import NDArray

RECENT = 1 << 18


def document_hash(data: bytes) -> bytes:
    """16 bytes that name a text (its UTF-8): BLAKE2b, where two different texts agree with chance 2**-128."""
    return hashlib.blake2b(data, digest_size=16).digest()


class Seen:
    """The set of hashes met so far: new ones in a Python set, older ones in sorted arrays that are merged as they grow.

    A Python set alone costs about 100 bytes a document, which would bound the corpus by memory.
    """

    def __init__(self) -> None:
        self._recent: set[bytes] = set()
        self._runs: list[NDArray[np.uint64]] = []  # each (n, 2), rows sorted by the first column
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, digest: bytes) -> bool:
        """Remember `digest` (16 bytes); False when it was known already."""
        if digest in self._recent:
            return False
        high, low = np.frombuffer(digest, dtype="<u8")
        for run in self._runs:
            at = int(np.searchsorted(run[:, 0], high))
            while at < len(run) and run[at, 0] == high:
                if run[at, 1] == low:
                    return False
                at += 1
        self._recent.add(digest)
        self._count += 1
        if len(self._recent) >= RECENT:
            self._freeze()
        return True

    def _freeze(self) -> None:
        run = np.frombuffer(b"".join(self._recent), dtype="<u8").reshape(-1, 2)
        self._recent = set()
        while self._runs and len(self._runs[-1]) <= len(run):
            run = np.concatenate([self._runs.pop(), run])
        order = np.lexsort((run[:, 1], run[:, 0]))
        self._runs.append(np.ascontiguousarray(run[order]))
