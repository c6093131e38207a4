"""A sample life and its page, made once."""

from pathlib import Path

import pytest

from eyas.report.page import write_report
from tests.report.sample_life import write_life


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_life(tmp_path_factory.mktemp("lives") / "first")


@pytest.fixture(scope="session")
def page(life: Path) -> Path:
    return write_report(life)
