"""The battles of a life: what people chose on its page, and what its trials decided."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

from eyas.store.database import open_existing
from eyas.store.tables import Comparison


def stored_battles(life: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where it stands, row) of every comparison in the store, the oldest first, columns named as `Columns` has them.

    A person's judge is `human:NAME`; a battle of a model against itself rates nobody and is left out. Raises EyasError.
    """
    store = open_existing(life)
    try:
        with store.session() as session:
            found = session.scalars(select(Comparison).order_by(Comparison.id)).all()
    finally:
        store.close()
    for one in found:
        if one.model_a == one.model_b:
            continue
        by_person = one.message_a is not None  # people vote on answers that they were given
        yield (
            f"comparison {one.id}",
            {
                "model_a": one.model_a,
                "model_b": one.model_b,
                "winner": one.winner,
                "prompt": json.dumps(one.prompt),
                "judge": f"human:{one.judge}" if by_person else one.judge,
                "length_a": len(one.answer_a),
                "length_b": len(one.answer_b),
            },
        )
