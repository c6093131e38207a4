"""A life whose store holds answers and what people said of them."""

import json
from pathlib import Path
from typing import Any

from eyas.flywheel.labels import label
from eyas.store.conversations import Turn, record
from eyas.store.database import Store
from eyas.store.lineage import new_lineage, write_lineage
from eyas.store.tables import Flag, Group


def answered(store: Store, asked: str | list[dict[str, Any]], said: str | dict[str, Any], **turn: Any) -> str:
    """Record an answer of the assistant; give its message id. `asked` is a question or a history."""
    messages = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked
    answer = {"role": "assistant", "content": said} if isinstance(said, str) else said
    told: dict[str, Any] = {
        "model": "assistant", "model_sha256": None, "sampling": {}, "tools": None, "tokens": [], "prompt_tokens": 1,
        "completion_tokens": 1, "first_seconds": 0.0, "seconds": 0.0, "finish_reason": "stop",
    }  # fmt: skip
    with store.session() as session:
        return record(session, Turn(messages=messages, answers=[answer], **told | turn)).message_id


def corrected(store: Store, asked: Any, said: Any, right: str, person: str = "Ann", **turn: Any) -> str:
    """Record an answer and one person's correction of it; give the label's id."""
    return labelled(store, answered(store, asked, said, **turn), right, person)


def labelled(store: Store, message: str, right: str | None, person: str = "Ann") -> str:
    """A label: `right` is the accepted answer, or None for a discarded item."""
    with store.session() as session:
        return label(session, message, person, "discarded" if right is None else "accepted", right or "").id


def grouped(store: Store, messages: list[str]) -> None:
    """Flag these answers as one issue."""
    with store.session() as session:
        group = Group(title="an issue")
        session.add(group)
        session.flush()
        session.add_all(Flag(message_id=one, kind="thumbs_down", group_id=group.id) for one in messages)


def model(life: Path, name: str, stage: str, parent: str | None = None, **config: Any) -> Path:
    """A model folder that has no weights, only where it comes from."""
    folder = life / "models" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    above = None if parent is None else life / "models" / parent
    figures = {"loss": 0.5, "steps": 10}
    data = [{"source": source} for source in config.get("data", [])]
    write_lineage(folder, new_lineage(stage, config, out=folder, parent=above, data=data, seed=0, figures=figures))
    return folder


def lines(path: Path) -> list[Any]:
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
