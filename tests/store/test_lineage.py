"""lineage.json: complete, readable, and movable with its life."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import eyas
from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.store import lineage as subject
from eyas.store.lineage import ancestry, code_commit, new_lineage, parent_folder, read_lineage, write_lineage


class Config(StageConfig):
    """A stage's config."""

    data: Path
    steps: int = 3


def model(folder: Path, weights: bytes = b"w") -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def write(folder: Path, stage: str, parent: Path | None = None) -> Path:
    model(folder)
    write_lineage(folder, new_lineage(stage, {}, out=folder, parent=parent))
    return folder


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    lineage = new_lineage(
        "pretrain",
        Config(data=Path("books")),
        out=tmp_path,
        data=[{"source": "books", "sha256": "ab"}],
        seed=7,
        figures={"bpb": 1.25},
    )
    write_lineage(tmp_path, lineage)
    read = read_lineage(tmp_path)
    assert read == json.loads(json.dumps(lineage))
    assert read["config"] == {"data": "books", "steps": 3}
    assert read["version"] == eyas.__version__
    assert read["seed"] == 7 and read["figures"]["bpb"] == 1.25 and read["parent"] is None
    assert read["created"].endswith("+00:00")


def test_a_sibling_parent_survives_moving_the_life(tmp_path: Path) -> None:
    base = write(tmp_path / "life/models/base", "pretrain")
    write(tmp_path / "life/models/assistant", "finetune", base)
    shutil.move(tmp_path / "life", tmp_path / "moved")
    line = ancestry(tmp_path / "moved/models/assistant")
    assert [(folder.name, entry["stage"]) for folder, entry in line] == [
        ("assistant", "finetune"),
        ("base", "pretrain"),
    ]
    assert line[1][0] == tmp_path / "moved/models/base"


def test_a_parent_elsewhere_is_named_in_full_and_hashed(tmp_path: Path) -> None:
    base = model(tmp_path / "far" / "base", b"weights")
    entry = new_lineage("finetune", {}, out=tmp_path / "near" / "new", parent=base)["parent"]
    assert entry["path"] == str(base)
    assert entry["sha256"] == subject.sha256_file(base / "model.safetensors")


def test_a_parent_that_is_gone_ends_the_line_and_is_still_named(tmp_path: Path) -> None:
    base = write(tmp_path / "base", "pretrain")
    child = write(tmp_path / "child", "finetune", base)
    shutil.rmtree(base)
    line = ancestry(child)
    assert len(line) == 1
    assert parent_folder(*line[0]) == base


def test_a_lineage_in_a_circle_ends(tmp_path: Path) -> None:
    first = write(tmp_path / "first", "pretrain")
    second = write(tmp_path / "second", "finetune", first)
    write_lineage(first, new_lineage("pretrain", {}, out=first, parent=second))
    assert len(ancestry(first)) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stage": 3}', "\x00"])
def test_a_damaged_lineage_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "lineage.json").write_text(text)
    with pytest.raises(EyasError, match=r"lineage\.json is damaged"):
        read_lineage(tmp_path)


def test_a_missing_lineage_is_named(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match=r"lineage .*lineage\.json is missing"):
        read_lineage(tmp_path)


def test_an_incomplete_lineage_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="lacks stage"):
        write_lineage(tmp_path, {"parent": None})
    assert list(tmp_path.iterdir()) == []


def test_the_commit_is_that_of_the_checkout_and_marked_when_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "src" / "eyas"
    package.mkdir(parents=True)
    file = package / "__init__.py"
    file.write_text("")
    monkeypatch.setattr(subject.eyas, "__file__", str(file))
    assert code_commit() is None

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        done = subprocess.run(
            ["git", *identity, "-C", str(tmp_path), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "other").write_text("")
    git("add", "other")
    git("commit", "-qm", "somebody else's repository")
    assert code_commit() is None
    git("add", ".")
    git("commit", "-qm", "ours")
    assert code_commit() == git("rev-parse", "HEAD")
    file.write_text("edited")
    assert code_commit() == git("rev-parse", "HEAD") + "-dirty"
