"""The whole life, small: what it leaves, what it refuses, and that it goes on where it was killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.life.raising import run
from eyas.life.settings import RaiseConfig, people_for, remember

SMALL = {"minutes": 0.1, "people": 8, "questions": 2, "size": "0.3m", "context": 128}
FLAGS = ["--minutes", "0.1", "--people", "8", "--questions", "2", "--size", "0.3m", "--context", "128"]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lives") / "small"
    run(RaiseConfig(life=folder, **SMALL), quiet=True)
    return folder


def test_a_life_leaves_two_models_its_measurements_and_a_page(life: Path) -> None:
    for model in ("base", "assistant"):
        assert (life / "models" / model / "model.safetensors").is_file()
    exam = json.loads((life / "evals" / "exam.json").read_text())
    assert set(exam["right"]) == {
        "fact A", "fact B", "unknown C", "refuse", "lookalike", "explain", "arithmetic", "lookup", "smalltalk", "noise"
    }  # fmt: skip
    base = json.loads((life / "evals" / "base.json").read_text())
    assert base["bpb"] > base["floor_bpb"] > 0
    assert "<html" in (life / "report.html").read_text()
    assert not list(life.glob("models/.*")), "no work folder may stay behind"


def test_a_life_ends_with_two_files_that_speak(life: Path, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler on this machine")
    subprocess.run(["cc", "-O0", "-o", tmp_path / "run", life / "run.c", "-lm", "-lpthread"], check=True)
    command = [tmp_path / "run", life / "assistant.gguf", "The baker", "-n", "8"]
    said = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    assert said.stdout.startswith(b"The baker") and len(said.stdout) > len(b"The baker\n")


def test_the_same_command_again_changes_nothing(life: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in life.glob("models/**/*") if path.is_file()}
    again = run(RaiseConfig(life=life, **SMALL), quiet=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again.bpb == json.loads((life / "evals" / "base.json").read_text())["bpb"]


def test_other_settings_for_a_begun_life_are_refused(life: Path) -> None:
    with pytest.raises(EyasError, match="--seed"):
        run(RaiseConfig(life=life, seed=1, **SMALL), quiet=True)


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(EyasError, match="something else"):
        run(RaiseConfig(life=tmp_path, **SMALL), quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_a_life_may_begin_with_a_law_that_was_measured_in_it(tmp_path: Path) -> None:
    (tmp_path / "scale").mkdir()
    assert remember(RaiseConfig(life=tmp_path, **SMALL)).people == 8


def test_text_of_ones_own_needs_questions_and_answers(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("It was a dark night.\n" * 100)
    with pytest.raises(EyasError, match="--chat"):
        run(RaiseConfig(life=tmp_path / "life", data=[str(tmp_path / "book.txt")], **SMALL), quiet=True)
    assert not (tmp_path / "life").exists(), "a refused life leaves nothing behind"


def test_more_minutes_make_more_acquaintances() -> None:
    counts = [people_for(minutes) for minutes in (1, 10, 100)]
    assert counts == sorted(counts)
    assert counts[0] >= 60 and counts[-1] <= 300


@pytest.mark.timeout(300)
def test_a_killed_life_goes_on(tmp_path: Path) -> None:
    life = tmp_path / "life"
    command = [sys.executable, "-c", "from eyas.cli.main import main; main()", "raise", str(life), *FLAGS]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(life.glob("models/.base.work/train/*")) and time.monotonic() < deadline:
        assert first.poll() is None
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not (life / "models" / "base").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (life / "report.html").is_file()
