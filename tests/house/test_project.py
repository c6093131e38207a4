"""The house's own papers agree with each other."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import eyas


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_told_once(project: dict[str, Any]) -> None:
    assert project["version"] == eyas.__version__


def test_the_licence_is_in_the_checkout(project: dict[str, Any], root: Path) -> None:
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (root / "LICENSE").read_text(encoding="utf-8")


def test_ci_runs_the_test_command_of_the_readme(root: Path) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "make raise" in readme and "make test" in readme
    script = (root / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^make test\b", script, re.MULTILINE) and re.search(r"^make check\b", script, re.MULTILINE)


@pytest.mark.parametrize("target", ["raise", "test", "check"])
def test_make_knows_the_targets(target: str, root: Path) -> None:
    done = subprocess.run(["make", "--dry-run", target], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_python_too_old_is_refused_with_a_remedy(root: Path, tmp_path: Path) -> None:
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).write_bytes((root / name).read_bytes())
    done = subprocess.run(["make", "raise", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "eyas needs Python 3.11 or newer" in done.stdout
    assert not (tmp_path / ".venv").exists()
