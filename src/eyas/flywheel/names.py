"""Names in a text, by their capitals: whom a question is about, and whom an answer speaks of."""

import re

_WORD = r"[A-ZÀ-ÞА-ЯΑ-Ω](?:[^\W\d_]|['’-](?=\w))+(?![\w-])"
_CAPITALS = re.compile(rf"(?<!\w){_WORD}(?: {_WORD})*")
_ASKING = frozenset(
    "who what when where which whose whom why how is are was were do does did has have had can could may might will "
    "would should shall must tell name say give please hello hi hey dear the a an i my in on of for from to with by at "
    "as and or but if so let explain describe list show find write good excuse thank thanks".split()
)


def names_in(text: str) -> list[str]:
    """Names of two words and more: runs of capitalised words, less the words that only begin a question."""
    found = []
    for run in _CAPITALS.findall(text):
        parts = [re.sub(r"['’]s?$", "", part) for part in run.split()]
        while parts and parts[0].lower() in _ASKING:
            parts.pop(0)
        if len(parts) > 1:
            found.append(" ".join(parts))
    return list(dict.fromkeys(found))
