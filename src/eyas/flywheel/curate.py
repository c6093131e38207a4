"""From labels to data: a dataset version, which never changes.

Every accepted label becomes a row to learn from, `{"messages"}`, and, where the label corrects what was said, a
preference, `{"prompt", "chosen", "rejected"}`. Near-duplicates are merged, what an examination asks is refused, and
duplicates stand together in training or together in validation. The same labels give the same version again.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from eyas.data.importers import Row
from eyas.data.messages import BadRow, Message, chat_message, tool_list
from eyas.data.stored_pairs import labelled_answer
from eyas.errors import EyasError
from eyas.files import folder_atomic, sha256_file
from eyas.flywheel.clusters import components, near_duplicates
from eyas.store.conversations import history
from eyas.store.database import Store, write_lock
from eyas.store.tables import Dataset, DatasetRow, Label
from eyas.train.contamination import Contamination, evaluation_sets, user_texts

__all__ = ["FILES", "FOLDER", "VAL_SHARE", "Dataset", "curate"]

FOLDER = "datasets"
FILES = ("sft.train", "sft.val", "preference.train", "preference.val")
VAL_SHARE = 0.1
VAL_LEAST = 10
"""Fewer held-out clusters than this would measure nothing: every correction is then learnt from."""


@dataclass
class Lesson:
    """A question and the answer that people settled on, from one label or more."""

    prompt: list[Message]
    tools: list[dict[str, Any]]
    answer: Message
    said: list[Message] = field(default_factory=list)
    """What models answered instead."""
    labels: list[Label] = field(default_factory=list)

    @property
    def asked(self) -> str:
        """What the user said, in one text."""
        return "\n".join(user_texts(self.prompt))


def curate(life: Path, store: Store, *, seed: int = 0, questions: int = 0) -> Dataset:
    """The dataset version of all labels of a life, written to `LIFE/datasets/vN` unless it is there already.

    Each person's last word on a question counts, and an answer stands when more than half of them agree on it. What
    was in the training split of an earlier version stays there; of the other clusters of near-duplicates `VAL_SHARE`
    are held out by `seed`, if that makes `VAL_LEAST`. `questions` is how many a section the exam will have, where that
    is more than the life's own. Raises EyasError when no label can be learnt from.
    """
    counts: Counter[str] = Counter()
    sets = evaluation_sets(life, questions)
    contaminated = Contamination(sets)
    refused: list[dict[str, str]] = []
    with store.session() as session:
        lessons = []
        for lesson in _merged(_settled(_opinions(session, counts), counts), counts):
            if (name := contaminated(lesson.prompt)) is None:
                lessons.append(lesson)
            else:
                counts[f"in {name}"] += 1
                refused += [{"label": label.id, "reason": f"its question stands in {name}"} for label in lesson.labels]
        if not lessons:
            raise EyasError(_nothing(life, counts))
        held = _held_out(session, lessons, seed, counts)
    files = _files(lessons, held)
    tested = [{"name": one.name, "questions": len(one.questions), "sha256": one.sha256} for one in sets]
    config = {"seed": seed, "val_share": VAL_SHARE, "evaluation_sets": tested}
    with store.session() as session:
        write_lock(session)
        return _published(
            session, life, files, dict(counts) | {name: len(files[name]) for name in FILES}, config, refused
        )


def _nothing(life: Path, counts: Counter[str]) -> str:
    if not counts["labels"]:
        return f"{life} has no accepted labels yet; correct some answers with `eyas label {life}`"
    why = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"none of the labels of {life} can be learnt from ({why}); correct other answers with `eyas label {life}`"


# -- labels into lessons

Opinion = tuple[Label, Lesson]


def _opinions(session: Session, counts: Counter[str]) -> dict[str, list[Opinion]]:
    """Every label with its lesson, by the question that it is about: the same talk but for case and outer spaces."""
    found: dict[str, list[Opinion]] = defaultdict(list)
    for label in session.scalars(select(Label).order_by(Label.created, Label.id)):
        *before, answered = history(session, label.message_id)
        counts["labels"] += label.verdict == "accepted"
        try:
            prompt = [chat_message(message.content) for message in before]
            tools, said = tool_list(answered.tools), chat_message(answered.content)
            answer = labelled_answer(label.answer, said)
        except BadRow:
            counts["unreadable"] += 1
            continue
        if not any(text.strip() for text in user_texts(prompt)):
            counts["question not kept"] += 1
            continue
        lesson = Lesson(prompt, tools, answer, [said], [label])
        key = json.dumps([[one["role"], _plain(one), one.get("tool_calls")] for one in prompt], sort_keys=True)
        found[key].append((label, lesson))
    return found


def _plain(message: Message) -> str:
    return " ".join(str(message["content"]).casefold().split())


def _settled(opinions: dict[str, list[Opinion]], counts: Counter[str]) -> list[Lesson]:
    """One lesson a question, where more than half of the people agree."""
    lessons = []
    for group in opinions.values():
        last = {label.person: label for label, _ in group}
        words = [(label, lesson) for label, lesson in group if last[label.person] is label]
        winner, most = Counter(_vote(label, lesson) for label, lesson in words).most_common(1)[0]
        if 2 * most <= len(last):
            counts["disagreed"] += 1
        elif winner is None:
            counts["discarded"] += 1
        else:
            newest = [lesson for label, lesson in words if _vote(label, lesson) == winner][-1]
            said = [one for _, lesson in group for one in lesson.said]
            labels = [label for label, lesson in group if _vote(label, lesson) == winner]
            lessons.append(Lesson(newest.prompt, newest.tools, newest.answer, said, labels))
    return sorted(lessons, key=lambda lesson: lesson.labels[0].id)


def _vote(label: Label, lesson: Lesson) -> str | None:
    """What a label is counted as: its answer whatever the spacing and case, or None for nothing to be learnt."""
    return _key(lesson.answer) if label.verdict == "accepted" else None


def _key(answer: Message) -> str:
    return _plain(answer) + json.dumps(answer.get("tool_calls", []), sort_keys=True)


def _merged(lessons: Sequence[Lesson], counts: Counter[str]) -> list[Lesson]:
    """The lessons without those whose question nearly repeats an earlier one's and has the same answer."""
    with_answer: dict[str, list[int]] = defaultdict(list)
    for index, lesson in enumerate(lessons):
        with_answer[_key(lesson.answer)].append(index)
    links = (
        (group[one], group[other])
        for group in with_answer.values()
        for one, other in near_duplicates([lessons[index].asked for index in group])
    )
    first_of = components(len(lessons), links)
    for lesson, first in zip(lessons, first_of, strict=True):
        if lessons[first] is not lesson:
            counts["merged"] += 1
            lessons[first].labels += lesson.labels
            lessons[first].said += lesson.said
    return [lesson for index, lesson in enumerate(lessons) if first_of[index] == index]


# -- lessons into splits and files


def _held_out(session: Session, lessons: Sequence[Lesson], seed: int, counts: Counter[str]) -> set[int]:
    """Indices of the lessons that are kept for validation.

    A cluster is what has near-duplicate questions, one answer, or one group of flags. Whether it is held out hangs on
    the hash of its first question, so that new labels leave old ones where they are.
    """
    links = list(near_duplicates([lesson.asked for lesson in lessons]))
    first_with: dict[str, int] = {}
    for index, lesson in enumerate(lessons):
        groups = {f"group {label.group_id}" for label in lesson.labels if label.group_id}
        links += [(first_with.setdefault(key, index), index) for key in {*groups, _key(lesson.answer)}]
    cluster_of = components(len(lessons), links)
    counts["clusters"] = len(set(cluster_of))
    if counts["clusters"] * VAL_SHARE < VAL_LEAST:
        return set()
    trained = set(session.scalars(select(DatasetRow.label_id).where(DatasetRow.split == "train")))
    learnt = {
        cluster
        for cluster, lesson in zip(cluster_of, lessons, strict=True)
        if any(label.id in trained for label in lesson.labels)
    }
    chosen = {at for at in set(cluster_of) - learnt if _draw(seed, lessons[at].asked) < VAL_SHARE}
    return {index for index, cluster in enumerate(cluster_of) if cluster in chosen}


def _draw(seed: int, text: str) -> float:
    """A number from 0 to 1 that hangs on `seed` and `text` alone."""
    return int.from_bytes(sha256(f"{seed} {text}".encode()).digest()[:8], "big") / 2**64


Files = dict[str, list[tuple[Row, list[Label]]]]


def _files(lessons: Sequence[Lesson], held: set[int]) -> Files:
    """The rows of each file, each with the labels that it comes from."""
    files: Files = {name: [] for name in FILES}
    for index, lesson in enumerate(lessons):
        split = "val" if index in held else "train"
        tools: Row = {"tools": lesson.tools} if lesson.tools else {}
        context = [one | {"weight": 0} if one["role"] == "assistant" else one for one in lesson.prompt]
        files[f"sft.{split}"].append(({"messages": [*context, lesson.answer]} | tools, lesson.labels))
        wrong = {_key(said): said for said in lesson.said if _key(said) != _key(lesson.answer)}
        for said in wrong.values():
            pair = {"prompt": lesson.prompt, "chosen": [lesson.answer], "rejected": [said]}
            files[f"preference.{split}"].append((pair | tools, lesson.labels))
    return files


def _published(
    session: Session,
    life: Path,
    files: Files,
    counts: dict[str, Any],
    config: dict[str, Any],
    refused: list[dict[str, str]],
) -> Dataset:
    """The version with these rows: an earlier one, or a new one, written and entered into the store."""
    texts = {name: "".join(f"{_json(row)}\n" for row, _ in rows) for name, rows in files.items()}
    digest = _hash(texts)
    earlier = list(session.scalars(select(Dataset).order_by(Dataset.version)))
    same = next((one for one in earlier if one.sha256 == digest), None)
    if same is not None and (life / same.path).is_dir():
        return _checked(life, same)
    there = [int(path.name[1:]) for path in (life / FOLDER).glob("v*") if path.name[1:].isdecimal()]
    version = same.version if same else 1 + max([one.version for one in earlier] + there, default=0)
    made = same or Dataset(
        version=version,
        parent=earlier[-1].version if earlier else None,
        path=f"{FOLDER}/v{version}",
        sha256=digest,
        counts=counts,
        config=config,
    )
    with folder_atomic(life / made.path) as folder:
        for name, text in texts.items():
            (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        manifest = {
            "version": version,
            "parent": made.parent,
            "sha256": digest,
            "files": {f"{name}.jsonl": sha256_file(folder / f"{name}.jsonl") for name in FILES},
            "counts": made.counts,
            "config": made.config,
            "labels": {name: [[label.id for label in labels] for _, labels in rows] for name, rows in files.items()},
            "refused": refused,
        }
        (folder / "manifest.json").write_text(
            json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    if same is None:
        session.add(made)
        session.flush()
        session.add_all(_rows(version, files))
    return made


def _rows(version: int, files: Files) -> Iterable[DatasetRow]:
    for name, rows in files.items():
        kind, split = name.split(".")
        for number, (row, labels) in enumerate(rows):
            digest = sha256(_json(row).encode()).hexdigest()
            for label in dict.fromkeys(label.id for label in labels):
                yield DatasetRow(version=version, kind=kind, split=split, number=number, label_id=label, sha256=digest)


def _json(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False)


def _checked(life: Path, dataset: Dataset) -> Dataset:
    """The dataset, whose files still hold what was written. Raises EyasError when they were changed."""
    files = {name: life / dataset.path / f"{name}.jsonl" for name in FILES}
    texts = {name: file.read_text(encoding="utf-8") for name, file in files.items() if file.is_file()}
    if _hash(texts) != dataset.sha256:
        raise EyasError(
            f"dataset {life / dataset.path} was changed after it was written; "
            "put it back from a backup, or remove the folder and it is written again"
        )
    return dataset


def _hash(texts: Mapping[str, str]) -> str:
    return sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()
