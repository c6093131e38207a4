"""What every database can hold: PostgreSQL takes no NUL, no lone surrogate and no NaN, and clients send them all."""

import json
import math
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def clean_text(text: str) -> str:
    """`text` as UTF-8 without NUL; what cannot be carried becomes U+FFFD."""
    if not text.isascii():
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "\ufffd")


def clean_json(value: Any) -> Any:
    """`value` with its strings cleaned, its keys as well; NaN and infinity become null."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {clean_text(str(key)): clean_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(one) for one in value]
    return value


def dump_json(value: Any) -> str:
    """`value` as the JSON text of a column, cleaned."""
    try:
        text = _ENCODER.encode(value)
        text.encode()
        if "\\u0000" not in text:
            return text
    except ValueError:  # NaN, or a lone surrogate
        pass
    return _ENCODER.encode(clean_json(value))
