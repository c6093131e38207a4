"""Where models come from, down to the labels and conversations: one model, two side by side, a life's whole family."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from eyas.errors import EyasError
from eyas.store.champion import aliases, champion
from eyas.store.database import Store
from eyas.store.lineage import FILE_NAME, ancestry, dataset_sources, parent_folder, read_lineage
from eyas.store.names import models_of
from eyas.store.tables import Dataset, DatasetRow, Evaluation, Label, Message, Promotion

_TOLD_ELSEWHERE = ("out", "model", "data", "corrections", "quiet")
"""Settings that are no difference in themselves, or that the parent and the data tell better."""


@dataclass(frozen=True)
class RowOrigin:
    """One label of one row: line `number` (from 0) of the file `kind.split`. What was forgotten is None."""

    kind: str
    split: str
    number: int
    label: str
    person: str | None
    message: str | None
    conversation: str | None


@dataclass(frozen=True)
class Corrections:
    """A dataset version and where each of its rows comes from."""

    version: int
    sha256: str
    counts: Mapping[str, Any]
    rows: list[RowOrigin]

    @property
    def labels(self) -> list[str]:
        """Labels, each once, oldest first."""
        return sorted({row.label for row in self.rows})

    @property
    def people(self) -> list[str]:
        """Who labelled."""
        return sorted({row.person for row in self.rows if row.person is not None})

    @property
    def conversations(self) -> list[str]:
        """The conversations that were corrected, oldest first."""
        return sorted({row.conversation for row in self.rows if row.conversation is not None})

    @property
    def forgotten(self) -> int:
        """Labels that are not in the store any more."""
        return len({row.label for row in self.rows if row.person is None})


def datasets_of(session: Session, lineage: Mapping[str, Any]) -> list[Dataset]:
    """The dataset versions whose files a model was trained on, oldest first."""
    known = session.scalars(select(Dataset).order_by(Dataset.version))
    return [dataset for dataset in known if dataset_sources(lineage, dataset.path)]


def corrections(session: Session, lineage: Mapping[str, Any]) -> Corrections | None:
    """What a model learnt from people, beyond its forebears: its newest dataset; None when there is none."""
    datasets = datasets_of(session, lineage)
    if not datasets:
        return None
    dataset = datasets[-1]
    found = session.execute(
        select(DatasetRow, Label.person, Message.id, Message.conversation_id)
        .outerjoin(Label, Label.id == DatasetRow.label_id)
        .outerjoin(Message, Message.id == Label.message_id)
        .where(DatasetRow.version == dataset.version)
        .order_by(DatasetRow.kind.desc(), DatasetRow.split, DatasetRow.number, DatasetRow.label_id)
    )
    rows = [RowOrigin(row.kind, row.split, row.number, row.label_id, *rest) for row, *rest in found]
    return Corrections(dataset.version, dataset.sha256, dataset.counts, rows)


@dataclass(frozen=True)
class Difference:
    """What sets two models apart. Pairs are (of the first, of the second), None where one has no such thing."""

    ancestor: str | None
    """The nearest model that both come from, which may be one of them."""
    stages: tuple[str, str]
    config: dict[str, tuple[Any, Any]]
    data: tuple[list[str], list[str]]
    """`STAGE: SOURCE` that only one of them was trained on, forebears included."""
    labels: tuple[list[str], list[str]]
    """Labels that only one of them has learnt from, forebears included."""
    labels_shared: int
    figures: dict[str, tuple[Any, Any]]


def difference(first: Path, second: Path, session: Session | None = None) -> Difference:
    """Compare two model folders; `session` is of the life's store, if it has one. Raises EyasError without lineage."""
    lines = ancestry(first), ancestry(second)
    (_, one), (_, other) = lines[0][0], lines[1][0]
    above = {folder.resolve() for folder, _ in lines[1]}
    ancestor = next((folder.name for folder, _ in lines[0] if folder.resolve() in above), None)
    configs = [_settings(lineage) for lineage in (one, other)]
    if one["stage"] != other["stage"]:  # what only one of two stages can be told is no difference
        configs = [
            {key: value for key, value in config.items() if all(key in c for c in configs)} for config in configs
        ]
    sources = [{source for _, lineage in line for source in _sources(lineage)} for line in lines]
    labels = [_labels(session, [lineage for _, lineage in line]) for line in lines]
    figures = [numbers(lineage.get("figures") or {}) for lineage in (one, other)]
    if session is not None:
        figures = [own | _evaluated(session, folder.name) for own, folder in zip(figures, (first, second), strict=True)]
    return Difference(
        ancestor=ancestor,
        stages=(one["stage"], other["stage"]),
        config=_unlike(*configs),
        data=(sorted(sources[0] - sources[1]), sorted(sources[1] - sources[0])),
        labels=(sorted(labels[0] - labels[1]), sorted(labels[1] - labels[0])),
        labels_shared=len(labels[0] & labels[1]),
        figures=_unlike(*figures),
    )


def _settings(lineage: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (lineage.get("config") or {}).items() if key not in _TOLD_ELSEWHERE}


def _sources(lineage: Mapping[str, Any]) -> Iterator[str]:
    for row in lineage.get("data") or []:
        source, digest = (row.get("source"), row.get("sha256")) if isinstance(row, Mapping) else (row, None)
        yield f"{lineage['stage']}: {source}" + (f" ({str(digest)[:12]})" if digest else "")


def _labels(session: Session | None, line: list[dict[str, Any]]) -> set[str]:
    if session is None:
        return set()
    versions = [dataset.version for lineage in line for dataset in datasets_of(session, lineage)]
    return set(session.scalars(select(DatasetRow.label_id).where(DatasetRow.version.in_(versions))))


def _evaluated(session: Session, model: str) -> dict[str, Any]:
    """The newest figures of each evaluation of a model, by `NAME.FIGURE`."""
    found = session.scalars(select(Evaluation).where(Evaluation.model == model).order_by(Evaluation.created))
    return {key: value for one in found for key, value in numbers(one.figures, f"{one.name}.").items()}


def _unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys = dict.fromkeys([*one, *other])
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


@dataclass(frozen=True)
class Relative:
    """A model in its family. `parent` is a name of this life or None; `outside` is a parent from elsewhere."""

    name: str
    stage: str
    created: str
    parent: str | None
    outside: str | None
    figures: dict[str, Any]
    badges: list[str]
    """Which of champion, challenger and previous it is."""
    corrections: Corrections | None
    evaluations: list[Evaluation]
    history: list[Promotion]
    """When it was promoted, rolled back to or refused, and why; oldest first."""
    answers: int
    """Answers in the store that it gave."""
    children: list["Relative"]


def family(life: Path, store: Store) -> list[Relative]:
    """The models of a life that have no parent in it, each with its descendants, oldest first."""
    try:
        served: str | None = champion(life, store)
    except EyasError:
        served = None
    with store.session() as session:
        badges: dict[str, list[str]] = defaultdict(list)
        for alias, model in sorted((aliases(session) | ({"champion": served} if served else {})).items()):
            badges[model].append(alias)
        answers = select(Message.model, func.count()).where(Message.model.is_not(None)).group_by(Message.model)
        counts = {row[0]: row[1] for row in session.execute(answers)}
        relatives = [_relative(session, folder, badges[folder.name], counts) for folder in models_of(life)]
    by_name = {one.name: one for one in relatives}
    roots: list[Relative] = []
    for one in sorted(relatives, key=lambda one: (one.created, one.name)):
        (by_name[one.parent].children if one.parent in by_name else roots).append(one)
    return roots


def _relative(session: Session, folder: Path, badges: list[str], answers: Mapping[str | None, int]) -> Relative:
    """A model without a lineage, or with a damaged one, is shown all the same."""
    lineage: dict[str, Any] = {"stage": "unknown"}
    if (folder / FILE_NAME).is_file():
        try:
            lineage = read_lineage(folder)
        except EyasError:
            lineage = {"stage": "damaged lineage"}
    above = parent_folder(folder, lineage)
    here = (
        above is not None and above.parent == folder.parent.resolve() and above.is_dir() and above != folder.resolve()
    )
    evaluated = select(Evaluation).where(Evaluation.model == folder.name).order_by(Evaluation.created)
    told = select(Promotion).where(Promotion.model == folder.name).order_by(Promotion.created)
    return Relative(
        name=folder.name,
        stage=lineage["stage"],
        created=str(lineage.get("created") or ""),
        parent=above.name if above is not None and here else None,
        outside=above.name if above is not None and not here else None,
        figures=numbers(lineage.get("figures") or {}),
        badges=badges,
        corrections=corrections(session, lineage),
        evaluations=list(session.scalars(evaluated)),
        history=list(session.scalars(told)),
        answers=answers.get(folder.name, 0),
        children=[],
    )


def numbers(figures: Mapping[str, Any], before: str = "", depth: int = 2) -> dict[str, Any]:
    """The numbers in nested figures, by dotted name; what is nested deeper than `depth` is a matter for experts."""
    flat: dict[str, Any] = {}
    for key, value in figures.items():
        if isinstance(value, Mapping) and depth > 1:
            flat |= numbers(value, f"{before}{key}.", depth - 1)
        elif isinstance(value, bool | int | float):
            flat[f"{before}{key}"] = value
    return flat
