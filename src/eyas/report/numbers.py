"""Numbers and untrusted text as people read them. Numbers keep their full value beside what is shown."""

import math
import re
from typing import Any

from markupsafe import Markup, escape

_NBSP = "\u00a0"
# Characters that a page cannot hold (lone surrogates, noncharacters) or that show nothing (controls).
_UNSHOWABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def showable(text: str) -> str:
    """`text` without what UTF-8 cannot carry or a page cannot show: C0 controls as their pictures, others as U+FFFD."""
    return _UNSHOWABLE.sub(lambda m: chr(0x2400 + ord(m[0])) if ord(m[0]) < 32 else "\ufffd", text)


def number(value: Any) -> float | None:
    """`value` as a finite float; None for anything else (files may hold NaN, null or text)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def data(value: float, shown: str) -> Markup:
    """`shown` with the exact value behind it, for programs and for people who copy."""
    return Markup('<data value="{}">{}</data>').format(value, shown)


def count(value: float) -> Markup:
    """A whole number with thousands separators."""
    return data(value, f"{value:,.0f}")


def about(value: float) -> str:
    """A large number in words: `3.4 million`, `512`."""
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:.3g}{_NBSP}{word}"
    return f"{value:,.0f}"


def bits(value: float) -> Markup:
    """Bits a byte, three decimals."""
    return data(value, f"{value:.3f}")


def percent(value: float, decimals: int = 1) -> Markup:
    """A share between 0 and 1 in per cent."""
    return data(value, f"{100 * value:.{decimals}f}{_NBSP}%")


def duration(seconds: float) -> str:
    """`45 s`, `6 min 40 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.2g}{_NBSP}s" if seconds < 1 else f"{whole}{_NBSP}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}{_NBSP}min" + (f" {rest}{_NBSP}s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{_NBSP}h" + (f" {minutes}{_NBSP}min" if minutes else "")


def byte_count(value: float) -> Markup:
    """Bytes in decimal units."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= size:
            return data(value, f"{value / size:.3g}{_NBSP}{unit}")
    return data(value, f"{value:.0f}{_NBSP}bytes")


def figure(value: float) -> str:
    """Any number, short: four digits that count."""
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def plain(value: Any) -> str | Markup:
    """A value of a JSON file as text for a table cell."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if (finite := number(value)) is not None:
        return data(finite, figure(finite))
    if isinstance(value, dict):
        return escape(", ").join(Markup("{} {}").format(name, plain(one)) for name, one in value.items())
    if isinstance(value, list | tuple):
        return escape(", ").join(plain(one) for one in value)
    return str(value)
