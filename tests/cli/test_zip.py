"""`eyas zip` and `eyas unzip` from the command line."""

import json
from pathlib import Path

import pytest

from eyas.cli.main import run
from eyas.runtime.library import library

pytestmark = pytest.mark.skipif(library() is None, reason="no C compiler on this machine")
TEXT = b"Mira Tallow lives in Mill Lane. She keeps a goat and likes the rain.\n" * 20


def test_a_file_is_zipped_and_unzipped(life: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(TEXT)
    assert run(["zip", str(file), "-m", f"{life}/base"]) == 0
    told = capsys.readouterr().out
    assert f"notes.txt.eyz: {len(TEXT):,} bytes became" in told
    assert "bits per byte" in told and "gzip -9" in told and "a second" in told
    assert "mixed with what came before" in told, "the same line twenty times"
    assert run(["unzip", f"{file}.eyz", "-m", f"{life}/base", "-o", str(tmp_path / "again.txt")]) == 0
    assert "as they were" in capsys.readouterr().out
    assert (tmp_path / "again.txt").read_bytes() == TEXT == file.read_bytes()
    file.unlink()
    assert run(["unzip", f"{file}.eyz", "-m", f"{life}/base"]) == 0
    assert file.read_bytes() == TEXT


def test_figures_come_as_json(life: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "a", tmp_path / "z"
    file.write_bytes(TEXT)
    assert run(["zip", str(file), "-m", f"{life}/base", "-o", str(out), "--streams", "2", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["bytes"] == len(TEXT) and figures["zipped"] == out.stat().st_size
    assert figures["bits_per_byte"] == 8 * figures["zipped"] / len(TEXT)
    assert set(figures["peers"]) == {"gzip -9", "xz -9e", "zstd -19"} and figures["streams"] == 2 and figures["mixed"]
    assert run(["unzip", str(out), "-m", f"{life}/base", "-o", str(tmp_path / "b"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == len(TEXT)


def test_files_without_content_and_without_text_survive(life: Path, tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("noise", bytes(range(256)))):
        file = tmp_path / name
        file.write_bytes(content)
        assert run(["zip", str(file), "-m", f"{life}/base"]) == 0
        file.unlink()
        assert run(["unzip", f"{file}.eyz", "-m", f"{life}/base"]) == 0
        assert file.read_bytes() == content


@pytest.mark.parametrize(
    ("arguments", "why", "code"),
    [
        (["zip", "-m", "LIFE/base"], "missing argument 'FILE'", 2),
        (["zip", "a.txt"], "--model is required", 1),
        (["zip", "nowhere.txt", "-m", "LIFE/base"], "nowhere.txt cannot be read: there is no such file", 1),
        (["zip", "a.txt", "-m", "LIFE/nobody"], "there is no model", 1),
        (["zip", "a.txt", "-m", "nobody.gguf"], "there is no file nobody.gguf", 1),
        (["zip", "a.txt", "-m", "LIFE/base", "-o", "a.txt"], "a.txt exists already", 1),
        (["zip", "a.txt", "-m", "LIFE/base", "--streams", "0"], "--streams", 1),
        (["unzip", "a.txt", "-m", "LIFE/base"], "a.txt does not end in .eyz; say with -o", 1),
        (["unzip", "a.txt", "-m", "LIFE/base", "-o", "b"], "a.txt is no eyas zip", 1),
        (["unzip", "other.eyz", "-m", "LIFE/base"], "other.eyz was zipped with another model", 1),
        (["unzip", "cut.eyz", "-m", "LIFE/base"], "cut.eyz is damaged or cut short", 1),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(
    life: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], why: str, code: int,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_bytes(TEXT)
    if "eyz" in arguments[1]:
        assert run(["zip", "a.txt", "-m", f"{life}/assistant", "-o", "other.eyz"]) == 0
        Path("cut.eyz").write_bytes(Path("other.eyz").read_bytes()[:-3])
    before = sorted(tmp_path.iterdir())
    capsys.readouterr()
    assert run([argument.replace("LIFE", str(life)) for argument in arguments]) == code
    told = capsys.readouterr().err.splitlines()
    assert why in told[-1] and sorted(tmp_path.iterdir()) == before
