"""Which labels and conversations made a model, what sets two apart, and who descends from whom."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.flywheel.lineage_of import Relative, corrections, difference, family
from eyas.store.database import Store
from eyas.store.forget import forget_conversation
from eyas.store.lineage import read_lineage
from tests.flywheel.family import make_family
from tests.flywheel.labelled import model


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = make_family(tmp_path)
    yield store
    store.close()


def lineage(life: Path, name: str) -> dict[str, object]:
    return read_lineage(life / "models" / name)


def members(roots: list[Relative]) -> dict[str, Relative]:
    return {one.name: one for root in roots for one in [root, *members(root.children).values()]}


def test_a_model_s_rows_lead_to_labels_people_and_conversations(tmp_path: Path, store: Store) -> None:
    with store.session() as session:
        assert corrections(session, lineage(tmp_path, "assistant")) is None
        found = corrections(session, lineage(tmp_path, "fix-3"))
    assert found is not None and found.version == 2
    assert found.people == ["Ann", "Bob"] and len(found.labels) == len(found.conversations) == 2
    assert found.forgotten == 0
    rows = [(row.kind, row.split, row.number, row.person) for row in found.rows]
    assert rows == [
        (kind, "train", i, person) for kind in ("sft", "preference") for i, person in enumerate(("Ann", "Bob"))
    ]
    manifest = json.loads((tmp_path / "datasets/v2/manifest.json").read_text())
    assert [[row.label] for row in found.rows if row.kind == "sft"] == manifest["labels"]["sft.train"]


def test_what_was_forgotten_is_counted_and_not_named(tmp_path: Path, store: Store) -> None:
    with store.session() as session:
        before = corrections(session, lineage(tmp_path, "fix-1"))
    assert before is not None
    forget_conversation(tmp_path, store, before.conversations[0])
    with store.session() as session:
        after = corrections(session, lineage(tmp_path, "fix-1"))
    assert after is not None and after.forgotten == 1
    assert after.labels == before.labels and after.conversations == after.people == []


def test_two_models_differ_in_settings_data_labels_and_figures(tmp_path: Path, store: Store) -> None:
    models = tmp_path / "models"
    with store.session() as session:
        found = difference(models / "fix-1", models / "fix-3", session)
        back = difference(models / "fix-3", models / "fix-1", session)
    assert found.ancestor == "fix-1" and found.stages == ("finetune", "finetune")
    assert found.config == {"lr": (0.002, 0.001)}
    assert found.figures["exam.right"] == (0.91, 0.93) and found.figures["battle.points"] == (None, 88.4)
    assert "exam.n" not in found.figures
    assert found.data == ([], [f"finetune: {tmp_path / 'datasets/v2/sft.train.jsonl'}"])
    with store.session() as session:
        gated = difference(models / "fix-1", models / "fix-2", session).figures
    assert gated == {
        "exam.right": (0.91, None),
        "exam.n": (4066, None),
        "gate.corrections.passed": (None, True),
        "gate.exam.passed": (None, False),
    }
    assert (len(found.labels[0]), len(found.labels[1]), found.labels_shared) == (0, 1, 1)
    assert back.labels == found.labels[::-1] and back.config == {"lr": (0.001, 0.002)}


def test_models_of_two_stages_are_compared_by_the_settings_that_both_have(tmp_path: Path) -> None:
    base = model(tmp_path, "base", "pretrain", data=["text"], lr=0.02, minutes=5)
    tuned = model(tmp_path, "assistant", "finetune", "base", data=["rows"], lr=0.004, epochs=2)
    found = difference(base, tuned)
    assert found.config == {"lr": (0.02, 0.004)} and found.labels_shared == 0
    assert found.data == ([], ["finetune: rows"])


def test_strangers_have_no_ancestor_and_a_model_without_lineage_is_an_error(tmp_path: Path) -> None:
    one, other = (model(tmp_path, name, "pretrain", data=[]) for name in ("one", "other"))
    assert difference(one, other).ancestor is None
    (other / "lineage.json").unlink()
    with pytest.raises(EyasError, match="lineage"):
        difference(one, other)


def test_the_family_is_a_tree_with_badges_decisions_and_figures(tmp_path: Path, store: Store) -> None:
    (base,) = family(tmp_path, store)
    found = members([base])
    assert {name: one.parent for name, one in found.items()} == {
        "base": None, "assistant": "base", "fix-1": "assistant", "fix-2": "fix-1", "fix-3": "fix-1", "fix-4": "fix-3"
    }  # fmt: skip
    assert {name: one.badges for name, one in found.items() if one.badges} == {
        "fix-1": ["previous"], "fix-3": ["champion"], "fix-4": ["challenger"]
    }  # fmt: skip
    assert [(told.action, told.person) for told in found["fix-3"].history] == [("promote", "Bob")]
    assert found["fix-2"].history[0].reason.startswith("the exam fell")
    assert found["fix-3"].evaluations[0].figures["right"] == 0.93
    assert (found["assistant"].answers, found["fix-1"].answers) == (2, 1)


def test_models_from_elsewhere_or_with_a_damaged_lineage_are_shown_too(tmp_path: Path, store: Store) -> None:
    elsewhere = model(tmp_path / "other", "ancient", "pretrain", data=[])
    model(tmp_path, "adopted", "finetune", data=[])
    path = tmp_path / "models/adopted/lineage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"parent": {"path": str(elsewhere)}}))
    model(tmp_path, "broken", "finetune", "base", data=[])
    (tmp_path / "models/broken/lineage.json").write_text("{")
    model(tmp_path, "bare", "finetune", data=[])
    (tmp_path / "models/bare/lineage.json").unlink()
    roots = {one.name: one for one in family(tmp_path, store)}
    assert set(roots) == {"base", "adopted", "broken", "bare"}
    assert (roots["adopted"].parent, roots["adopted"].outside) == (None, "ancient")
    assert (roots["broken"].stage, roots["bare"].stage) == ("damaged lineage", "unknown")
