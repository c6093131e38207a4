"""The machine's limits, and one line where there is no library."""

from pathlib import Path

import pytest

from eyas.runtime.library import library, limits


@pytest.mark.skipif(library() is None, reason="no C compiler on this machine")
def test_the_machines_limits_are_measured() -> None:
    limit = limits()
    assert limit is not None
    found = [limit(what, 1) for what in range(3)]
    assert all(value > 1e6 for value in found)


@pytest.mark.parametrize("how", ["no compiler", "a compiler that fails", "a cache that is a file"])
def test_without_a_library_pytorch_serves_after_one_line(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if how == "a cache that is a file" and library() is None:
        pytest.skip("no C compiler on this machine")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    if how == "no compiler":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif how == "a compiler that fails":
        monkeypatch.setenv("CC", "false")
    else:
        (tmp_path / "eyas").write_text("in the way")
    library.cache_clear()
    try:
        assert library() is None and library() is None
    finally:
        monkeypatch.undo()
        library.cache_clear()
    error = capsys.readouterr().err
    assert error.startswith("eyas: ") and error.count("\n") == 1 and "PyTorch computes instead" in error
