"""The file that `eyas zip` writes: a header that says what is needed to open it, then the coded bytes.

"EYASZIP" 1    8 bytes: the name and the version of the format: 2 where the model is mixed with what came before
checksum       4 bytes: CRC-32 of all that follows; numbers are little-endian
coded          1 byte: 1 when the payload is coded, 0 when it is the file itself
model          16 bytes: what identifies the parameters and the tokenizer
arithmetic     8 bytes: what identifies the bits that the model's logits had
content        32 bytes: SHA-256 of the original
written by     1 byte and as many characters: the version of eyas
size, tokens, streams, window, memory    a variable number of bytes each, 7 bits in a byte, the lowest first
payload        the rest
"""

import struct
import zlib
from dataclasses import dataclass

from eyas.compress.streams import Layout
from eyas.errors import EyasError

_NAME = b"EYASZIP"
MODEL_BYTES, ARITHMETIC_BYTES, CONTENT_BYTES = 16, 8, 32
_FIXED = struct.Struct(f"<B{MODEL_BYTES}s{ARITHMETIC_BYTES}s{CONTENT_BYTES}sB")
_BEFORE = len(_NAME) + 1 + 4  # what the checksum does not cover
_LONGEST_NUMBER = 9
LARGEST_STREAMS = 64


@dataclass(frozen=True)
class Archive:
    """What such a file says: `size` bytes whose SHA-256 is `content`, as `layout` of the tokens of `model`.

    `payload` is the file itself where `coded` is false, `mixed` says whether a mixture coded it; `written_by` is the
    version of eyas.
    """

    model: bytes
    arithmetic: bytes
    content: bytes
    written_by: str
    size: int
    layout: Layout
    coded: bool
    payload: bytes
    mixed: bool = False


def pack(archive: Archive) -> bytes:
    """The bytes of the file."""
    who = archive.written_by.encode("ascii", "replace")[:255]
    body = _FIXED.pack(archive.coded, archive.model, archive.arithmetic, archive.content, len(who)) + who
    layout = archive.layout
    for number in (archive.size, layout.tokens, layout.streams, layout.window, layout.memory):
        body += _number(number)
    body += archive.payload
    return _NAME + bytes([1 + archive.mixed]) + zlib.crc32(body).to_bytes(4, "little") + body


def unpack(data: bytes, name: str) -> Archive:
    """Read the bytes of the file `name`. Raises EyasError when they are no eyas zip, damaged, cut or of a later format.

    No memory beyond a copy of `data` is taken, whatever the header claims.
    """
    if not data.startswith(_NAME[: len(data)]) or not data:
        raise EyasError(f"{name} is no eyas zip; give a file that `eyas zip` wrote")
    if len(data) <= _BEFORE:
        raise _damaged(name)
    if (version := data[len(_NAME)]) not in (1, 2):
        raise EyasError(f"{name} is of version {version} of the format, this eyas reads 1 and 2; use a newer eyas")
    body = data[_BEFORE:]
    if zlib.crc32(body) != int.from_bytes(data[_BEFORE - 4 : _BEFORE], "little") or len(body) < _FIXED.size:
        raise _damaged(name)
    coded, model, arithmetic, content, length = _FIXED.unpack_from(body)
    at = _FIXED.size + length
    who = body[_FIXED.size : at].decode("ascii", "replace")
    numbers = []
    for _ in range(5):
        number, at = _read_number(body, at, name)
        numbers.append(number)
    size, tokens, streams, window, memory = numbers
    payload = body[at:]
    sound = coded in (0, 1) and who.isprintable() and len(who) == length
    if coded:
        sound &= tokens <= size and streams <= min(tokens, LARGEST_STREAMS) and 0 <= memory < window
        sound &= bool(tokens) == bool(streams) == bool(size) == bool(payload)
    else:
        sound &= len(payload) == size and tokens == streams == 0
    if not sound:
        raise _damaged(name)
    layout = Layout(tokens, streams, window, memory)
    return Archive(model, arithmetic, content, who, size, layout, bool(coded), payload, mixed=version == 2)


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_number(data: bytes, at: int, name: str) -> tuple[int, int]:
    """A number at `at`, and where the next thing begins."""
    value = 0
    for place in range(_LONGEST_NUMBER):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise _damaged(name)


def _damaged(name: str) -> EyasError:
    return EyasError(f"{name} is damaged or cut short; get a fresh copy of it")
