"""Adjectives for bare nouns: the cheapest way to make a frame say more."""

import re

_ADJECTIVE = {
    "thing": "quality",
    "small_thing": "quality",
    "things": "quality",
    "small_things": "quality",
    "part": "colour",
    "job": "trait",
    "relative": "mood",
    "bird": "mood",
    "tree": "quality",
}
_BARE = re.compile(rf"(?<!> )<(\^?)(a )?(\w+=)?({'|'.join(_ADJECTIVE)})>")
_FOOD = "[|fresh |cold |warm |stale |good |cheap |salted ]"


def adorn(text: str) -> str:
    """Give every noun slot that no other slot precedes an adjective: ``<a thing>`` becomes ``<a quality> <thing>``."""

    def dressed(match: re.Match[str]) -> str:
        capital, article, bind, noun = (group or "" for group in match.groups())
        return f"<{capital}{article}{_ADJECTIVE[noun]}> <{bind}{noun}>"

    return re.sub(r"(?<!> )<food>", f"{_FOOD}<food>", _BARE.sub(dressed, text))
