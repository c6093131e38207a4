"""The folder in which the commands of the documents are typed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# What a reader has after `make raise`, made in less time: enough to be looked at, not enough to be clever.
RAISE = ["raise", "lives/first", "--minutes", "0.5", "--people", "20"]


@pytest.fixture(scope="session")
def raised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small life at `lives/first`, raised once by the program itself."""
    folder = tmp_path_factory.mktemp("docs")
    program = [sys.executable, "-c", "from eyas.cli.main import main; main()", *RAISE]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"eyas {' '.join(RAISE)}\n{done.stdout}\n{done.stderr}"
    return folder


@pytest.fixture
def doc_folder(raised: Path, tmp_path: Path) -> Path:
    """A fresh copy for each page, so that no page leans on another's files."""
    return Path(shutil.copytree(raised, tmp_path / "page"))
