"""The compressors that everyone has, on the same bytes, at their strongest."""

import gzip
import lzma

import zstandard


def peer_sizes(data: bytes) -> dict[str, int]:
    """Bytes that gzip -9, xz -9e and zstd -19 make of `data`."""
    return {
        "gzip -9": len(gzip.compress(data, 9, mtime=0)),
        "xz -9e": len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)),
        "zstd -19": len(zstandard.compress(data, 19)),
    }
