"""The folder in which the commands of the documents are typed."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest

from eyas.world.people import World
from eyas.world.questions.rows import rows
from eyas.world.stream import documents

# What a reader has after `make raise`, made in less time: enough to be looked at, not enough to be clever.
RAISE = ["raise", "lives/first", "--minutes", "0.3", "--context", "256", "--people", "20", "--questions", "5"]


@pytest.fixture(scope="session")
def raised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small life at `lives/first`, raised once by the program itself."""
    folder = tmp_path_factory.mktemp("docs")
    program = [sys.executable, "-c", "from eyas.cli.main import main; main()", *RAISE]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, f"eyas {' '.join(RAISE)}\n{done.stdout}\n{done.stderr}"
    world = World(0, 20)
    (folder / "book.txt").write_text("\n\n".join(one.text for one in islice(documents(world), 60)), encoding="utf-8")
    talks = (json.dumps({"messages": one.messages}) for one in islice(rows(world), 500))
    (folder / "rows.jsonl").write_text("\n".join(talks) + "\n", encoding="utf-8")
    (folder / "pairs.jsonl").write_text("".join(_pairs(world, 200)), encoding="utf-8")
    return folder


@pytest.fixture
def doc_folder(raised: Path, tmp_path: Path) -> Path:
    """A fresh copy for each page, so that no page leans on another's files."""
    return Path(shutil.copytree(raised, tmp_path / "page"))


def _pairs(world: World, count: int) -> Iterator[str]:
    """Preferences: the true answer against the answer to the next row's question."""
    talks = [row.messages for row in islice(rows(world), count)]
    for mine, other in pairwise(talks):
        chosen, rejected = mine[1:2], other[1:2]
        yield json.dumps({"prompt": mine[:1], "chosen": chosen, "rejected": rejected}) + "\n"
