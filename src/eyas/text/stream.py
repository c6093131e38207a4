"""UTF-8 that arrives in pieces."""

import codecs


class Utf8Stream:
    """Turns a stream of bytes into text without ever emitting half a character.

    Bytes that can no longer become a character come out as U+FFFD, as `bytes.decode(errors="replace")` does.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """The characters completed by `data`."""
        return self._decoder.decode(data)

    def flush(self) -> str:
        """What remains at the end (a cut character becomes U+FFFD); the stream can then be used again."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest
