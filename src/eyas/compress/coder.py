"""The arithmetic coder: symbols to bytes and back, given how probable each was.

A range coder (G. N. N. Martin, "Range encoding: an algorithm for removing redundancy from a digitised message", 1979)
in whole numbers: a message is a number in an interval, and every symbol narrows the interval to its share. The interval
is held in 64 bits; bytes that can no longer change are written out, and a carry runs back into those that were.
"""

from eyas.errors import EyasError

_WORD = 1 << 64
_LEAST = 1 << 56
"""The interval is never narrower, so shares of a total up to `LARGEST_TOTAL` lose next to nothing in the division."""
LARGEST_TOTAL = 1 << 48


class Encoder:
    """Takes symbols as shares (start, size) of a total, in order; `finish` gives the bytes."""

    def __init__(self) -> None:
        self._low, self._range, self._out = 0, _WORD, bytearray()

    def encode(self, start: int, size: int, total: int) -> None:
        """Add a symbol that has `size` of `total`, with `start` before it; 0 < size, start + size <= total."""
        step = self._range // total
        self._low += step * start
        self._range = step * size
        if self._low >= _WORD:
            self._low -= _WORD
            self._carry()
        while self._range < _LEAST:
            self._out.append(self._low >> 56)
            self._low = self._low << 8 & _WORD - 1
            self._range <<= 8

    def finish(self) -> bytes:
        """All bytes: the shortest that lead a decoder, which reads zeros after the end, into the interval."""
        for count in range(1, 9):
            unit = 1 << 64 - 8 * count
            value = -(-self._low // unit) * unit
            if value < self._low + self._range:
                if value >= _WORD:
                    value -= _WORD
                    self._carry()
                self._out += value.to_bytes(8, "big")[:count]
                break
        return bytes(self._out)

    def _carry(self) -> None:
        """Add one to what was written."""
        at = len(self._out) - 1
        while self._out[at] == 255:
            self._out[at] = 0
            at -= 1
        self._out[at] += 1


class Decoder:
    """Gives back the symbols: ask with `target` where in the total the next one lies, then `take` it."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._range = data, 8, _WORD
        self._code = int.from_bytes(data[:8].ljust(8, b"\0"), "big")
        self._step = 1

    def target(self, total: int) -> int:
        """A number in [0, total) inside the share of the next symbol. Raises EyasError where no encoder ends up."""
        self._step = self._range // total
        found = self._code // self._step
        if found >= total:
            raise damaged()
        return found

    def take(self, start: int, size: int) -> None:
        """The symbol was the one with the share (start, size). Raises EyasError far beyond the end of the bytes."""
        self._code -= self._step * start
        self._range = self._step * size
        while self._range < _LEAST:
            byte = self._data[self._at] if self._at < len(self._data) else 0
            self._code = self._code << 8 | byte
            self._range <<= 8
            self._at += 1
        if self._at > len(self._data) + 8:
            raise damaged()


def damaged() -> EyasError:
    """The error of bytes that no encoder wrote."""
    return EyasError("the coded bytes are damaged; get a fresh copy of the file")
