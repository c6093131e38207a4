"""The optional filters by name (`--filter NAME`), applied to documents in the order given."""

from collections.abc import Callable, Sequence

from eyas.data.documents import Document, Tally
from eyas.errors import EyasError

Filter = Callable[[Document, Tally], Document | None]
"""Gives the document back (perhaps cleaned), or None when it is left out; what it took is counted in the tally."""

FILTERS = ("quality", "near-duplicates", "personal-data")


def make_filters(names: Sequence[str]) -> list[Filter]:
    """Fresh filters (near-duplicates remember what they saw). Raises EyasError for an unknown name."""
    return [_make(name) for name in names]


def _make(name: str) -> Filter:
    if name == "quality":
        from eyas.data.quality import Quality

        return Quality()
    if name == "near-duplicates":
        from eyas.data.near_duplicates import NearDuplicates

        return NearDuplicates()
    if name == "personal-data":
        from eyas.data.personal_data import PersonalData

        return PersonalData()
    raise EyasError(f"--filter {name} is unknown; there are {', '.join(FILTERS)}")


def through(filters: Sequence[Filter], document: Document, tally: Tally) -> Document | None:
    """The document after all filters, or None when one of them left it out."""
    for keep in filters:
        kept = keep(document, tally)
        if kept is None:
            return None
        document = kept
    return document
