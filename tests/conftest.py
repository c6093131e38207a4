"""What every test folder shares."""

import os
import shutil
from pathlib import Path

import pytest

# Small tensors gain nothing from threads, and tests that run side by side lose much.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test may reach the network through the hub's libraries.
os.environ["HF_HUB_OFFLINE"] = "1"
# Nor the store of whoever runs them.
os.environ.pop("EYAS_DB", None)

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; the test is skipped, and says so, where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no chromium on this machine (Debian: apt install chromium)")
