"""Personal data in text (e-mail addresses, telephone and card numbers, IP addresses) becomes a word in brackets.

Patterns find forms, not meanings: a version number such as 8.8.8.8 counts as an IP address, a name is never found.
"""

import ipaddress
import re
from collections.abc import Callable

from eyas.data.documents import Document, Tally

# Quantifiers are bounded, so that no text makes a pattern slow.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_CARD = re.compile(r"(?<![\w.,-])\d(?:[ -]?\d){12,18}(?![\w-]|[.,]\d)")
_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")
_PHONE = re.compile(
    r"(?<![\w.+/-])(?:"
    r"(?:\+|00)\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}"  # +44 20 7946 0958
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}([ .-])\d{3}\1\d{4}"  # (555) 010-1234, 555-010-1234
    r")(?![\w-]|[.,]\d)"
)


def luhn(digits: str) -> bool:
    """Whether a number's check digit is right (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return digits[0] in "3456" and luhn(digits)  # the leading digits of payment cards


def _is_public_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    # Of IPv6 only 2000::/3 is given to anyone; `a::b` is more often a name in a program.
    return address.is_global and (address.version == 4 or int(address) >> 125 == 1)


def _always(_: str) -> bool:
    return True


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool], str], ...] = (
    ("e-mail address", _EMAIL, _always, "[email]"),
    ("card number", _CARD, _is_card, "[card]"),
    ("IP address", _IPV4, _is_public_ip, "[ip]"),
    ("IP address", _IPV6, _is_public_ip, "[ip]"),
    ("telephone number", _PHONE, _always, "[phone]"),
)


def remove_personal_data(text: str) -> tuple[str, dict[str, int]]:
    """`text` with placeholders, and how many of each kind were replaced."""
    found: dict[str, int] = {}
    for kind, pattern, is_one, placeholder in _KINDS:

        def replaced(
            match: re.Match[str], kind: str = kind, is_one: Callable[[str], bool] = is_one, by: str = placeholder
        ) -> str:
            if not is_one(match[0]):
                return match[0]
            found[kind] = found.get(kind, 0) + 1
            return by

        text = pattern.sub(replaced, text)
    return text, found


class PersonalData:
    """A filter that keeps every document but replaces what looks like personal data (its floor is then unknown)."""

    def __call__(self, document: Document, tally: Tally) -> Document | None:
        """The document, cleaned; each kind is counted."""
        text, found = remove_personal_data(document.text)
        for kind, count in found.items():
            tally.add(kind, count)
        return Document(text) if found else document
