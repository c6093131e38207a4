"""A C file is compiled once, whole or not at all."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eyas import native as room
from eyas.native import Uncompiled, compiled

SMALL = "int eyas_answer(void) { return 42; }\n"
NEEDS_COMPILER = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small source, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "small.c"
    file.write_text(SMALL)
    return file


@NEEDS_COMPILER
def test_it_is_compiled_once_for_each_source(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compiled(source)
    assert first.parent == source.parent / "cache" / "eyas" and first.is_file()
    called: list[list[str]] = []
    monkeypatch.setattr(room, "_compile", lambda command, *_: called.append(command) or "no")
    assert compiled(source) == first and called == []
    source.write_text(SMALL + "// changed\n")
    with pytest.raises(Uncompiled):
        compiled(source)
    assert called


@NEEDS_COMPILER
def test_what_a_source_includes_belongs_to_it(source: Path) -> None:
    outer = source.with_name("outer.c")
    outer.write_text('#include "small.c"\n')
    first = compiled(outer)
    source.write_text(SMALL.replace("42", "43"))
    assert compiled(outer) != first and first.name.startswith("outer-")


@NEEDS_COMPILER
def test_another_processor_gets_a_library_of_its_own(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compiled(source)
    monkeypatch.setattr(room, "_processor", lambda: "another")
    assert compiled(source) != first


@NEEDS_COMPILER
def test_processes_side_by_side_get_one_whole_file(source: Path) -> None:
    code = (
        "import sys, ctypes; from pathlib import Path; from eyas.native import compiled\n"
        "print(ctypes.CDLL(str(compiled(Path(sys.argv[1])))).eyas_answer())"
    )

    def other(_: int) -> str:
        command = [sys.executable, "-c", code, str(source)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    source.write_text('__attribute__((visibility("default"))) ' + SMALL)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(other, range(4))) == ["42"] * 4
    assert len(list((source.parent / "cache" / "eyas").iterdir())) == 1


@NEEDS_COMPILER
def test_a_source_that_does_not_compile_leaves_nothing(source: Path) -> None:
    source.write_text("this is no C\n")
    with pytest.raises(Uncompiled, match="cannot compile small.c .*error"):
        compiled(source)
    assert list((source.parent / "cache" / "eyas").iterdir()) == []


@NEEDS_COMPILER
def test_a_flag_that_the_compiler_does_not_know_is_done_without(source: Path) -> None:
    assert compiled(source, ["-fno-such-thing"]).is_file()
    assert compiled(source, ["-fno-such-thing"]) != compiled(source)
