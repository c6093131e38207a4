"""Full text over what was said: FTS5 on SQLite, a text-search index on PostgreSQL, one behaviour on both."""

import re

from sqlalchemy import ColumnElement, Select, and_, false, func, literal_column, select, table, true
from sqlalchemy.orm import Session

from eyas.store.tables import Message

# Scripts without spaces between words, or with signs in them at which indexes cut: text is searched for these as it is.
_UNSPACED = re.compile(
    r"[\u0900-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_WORD = re.compile(r"[^\W_]+")
MOST_WORDS = 32
"""Of a longer query the first words count."""
# What the index of migration 0002 holds on PostgreSQL; it is used only by queries that say exactly this.
POSTGRES_WORDS = r"to_tsvector('simple', regexp_replace(left(message.text, 100000), '[^[:alnum:]]+', ' ', 'g'))"


def search(session: Session, query: str, limit: int = 100) -> list[str]:
    """Ids of the messages that hold every word of `query`, newest first; the last word may be a word's beginning.

    Any text is a query; one without a word finds nothing.
    """
    found = select(Message.id).where(found_by(session, query)).order_by(Message.id.desc()).limit(limit)
    return list(session.scalars(found))


def found_by(session: Session, query: str) -> ColumnElement[bool]:
    """The condition on `Message` that it holds every word of `query`."""
    words = _WORD.findall(query)[:MOST_WORDS]
    if not words:
        return false()
    parts = [Message.text.contains(word, autoescape=True) for word in words if _UNSPACED.search(word)]
    spaced = [word for word in words if not _UNSPACED.search(word)]
    if not spaced:
        return and_(true(), *parts)
    if session.get_bind().dialect.name == "sqlite":
        # Each word stands in quotes, so that none is read as an operator of FTS5.
        wanted = "text : (" + " AND ".join(f'"{word}"' for word in spaced) + "*)"
        matches = literal_column("message_search").op("MATCH")(wanted)
        hits: Select[tuple[str]] = (
            select(literal_column("message_id")).select_from(table("message_search")).where(matches)
        )
        return and_(Message.id.in_(hits), *parts)
    wanted = " & ".join(f"'{word}'" for word in spaced) + ":*"
    return and_(literal_column(POSTGRES_WORDS).op("@@")(func.to_tsquery("simple", wanted)), *parts)
