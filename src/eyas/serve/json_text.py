"""JSON as the server writes it: characters as they are, no numbers that JSON does not know."""

import json
from json.encoder import encode_basestring
from typing import Any

string = encode_basestring
"""A string between quotation marks."""


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


def dumps(value: Any) -> str:
    """`value` as JSON. Raises ValueError for NaN and infinities."""
    return _ENCODER.encode(value)
