"""Very long runs of white space, which overflow the stack of regex engines that backtrack."""

import re

from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

LONG = 100_000  # characters; engines give up somewhere above 600,000
_STEP = 1000
# Exactly the \s of the tokenizer's regex; Python's own \s also takes U+001C to U+001F.
_BLANK = r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
_PROBE = re.compile(f"{_BLANK}{{{LONG // _STEP - 1}}}")
_RUN = re.compile(f"{_BLANK}+")
_LINE_ENDS = re.compile(r"[\r\n]*")
# The tokenizer's own engine says what is a letter or number; Python's tables may be of another Unicode version.
_DROP_WORD_CHARACTERS = Split(Regex(r"\p{L}|\p{N}"), "removed")


def cut_blanks(text: str) -> list[tuple[str, bool]]:
    """Cut `text` around runs of more than 100,000 blanks as the qwen2 pre-tokenizer would; [] when it has none.

    Gives (part, whole): a part with `whole` is one piece of the pre-tokenizer, made of blanks only, to be merged as it
    is; the others may be encoded on their own with the same result as in their place.
    """
    # A run that long covers 99 neighbouring samples of every thousandth character.
    if len(text) < LONG or not _PROBE.search(text[::_STEP]):
        return []
    parts: list[tuple[str, bool]] = []
    done = 0
    for run in _RUN.finditer(text):
        start, end = run.span()
        if end - start < LONG:
            continue
        if start > 0 and _DROP_WORD_CHARACTERS.pre_tokenize_str(text[start - 1]):
            # Punctuation takes the line ends behind it into its own piece.
            start = _LINE_ENDS.match(text, start).end()  # type: ignore[union-attr]
        last_line_end = max(text.rfind("\n", start, end), text.rfind("\r", start, end)) + 1
        stop = max(start, last_line_end)  # \s*[\r\n]+
        parts.append((text[done:start], False))
        parts.append((text[start:stop], True))
        if end == len(text):  # \s+(?!\S) at the end takes all blanks, elsewhere all but one
            parts.append((text[stop:end], True))
            done = end
        else:
            done = max(stop, end - 1)
            parts.append((text[stop:done], True))
    parts.append((text[done:], False))
    return [part for part in parts if part[0]]
