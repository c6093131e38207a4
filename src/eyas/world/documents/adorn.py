"""Adjectives for nouns: the cheapest way to make a frame say more."""

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


_SECOND = {("quality", "thing"): "colour", ("quality", "things"): "colour", ("trait", "job"): "mood"}
_SECOND |= {("mood", "relative"): "trait", ("mood", "bird"): "colour", ("quality", "small_thing"): "colour"}
_PAIR = re.compile(r"<((?:\^|a |\w+=)*)(quality|trait|mood)> <(\w+=)?(things?|small_thing|job|relative|bird)>")


def _second(match: re.Match[str]) -> str:
    flags, adjective, bind, noun = match.groups()
    if (adjective, noun) not in _SECOND:
        return match.group()
    return f"<{flags}{adjective}> [|<{_SECOND[adjective, noun]}> ]<{bind or ''}{noun}>"


def enrich(text: str) -> str:
    """Adorned, and some adjectives joined by a second one half of the time."""
    return _PAIR.sub(_second, adorn(text))
