"""Files are whole or absent, whatever happens in the middle."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from eyas.errors import EyasError
from eyas.files import file_atomic, folder_atomic, read_json, sha256_file, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def full_disk(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b.txt", "grüß")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "grüß".encode()
    write_atomic(tmp_path / "a" / "b.txt", b"\x00")
    assert (tmp_path / "a" / "b.txt").read_bytes() == b"\x00"
    assert names(tmp_path / "a") == ["b.txt"]


def test_a_file_written_by_others_appears_when_it_is_whole(tmp_path: Path) -> None:
    with file_atomic(tmp_path / "a" / "f") as beside:
        beside.write_bytes(b"all of it")
        assert not (tmp_path / "a" / "f").exists()
    assert (tmp_path / "a" / "f").read_bytes() == b"all of it" and names(tmp_path / "a") == ["f"]
    with pytest.raises(EyasError, match="exists already"), file_atomic(tmp_path / "a" / "f"):
        pass


@pytest.mark.parametrize("error", [EyasError("wrong"), KeyboardInterrupt()])
def test_a_file_whose_writing_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), file_atomic(tmp_path / "f") as beside:
        beside.write_bytes(b"half")
        raise error
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_under_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(EyasError, match="cannot write .*No space left"), file_atomic(tmp_path / "f") as beside:
        beside.write_bytes(b"x")
    assert names(tmp_path) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    file = tmp_path / "f"
    write_atomic(file, "old")
    monkeypatch.setattr(os, step, full_disk)
    with pytest.raises(EyasError, match="cannot write .*No space left on device; free space"):
        write_atomic(file, "new")
    assert file.read_text() == "old"
    assert names(tmp_path) == ["f"]


def test_a_folder_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with folder_atomic(target) as beside:
        (beside / "weights").write_text("1")
        assert not target.exists()
    assert names(tmp_path) == ["model"] and names(target) == ["weights"]


def test_an_existing_folder_is_refused_before_work_begins(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="exists already"), folder_atomic(tmp_path):
        pytest.fail("the work must not begin")


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_a_failure_inside_leaves_the_old_folder_and_no_rest(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "model"
    with folder_atomic(target) as beside:
        (beside / "weights").write_text("old")
    with pytest.raises(type(error)), folder_atomic(target, replace=True) as beside:
        (beside / "weights").write_text("new")
        raise error
    assert (target / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with folder_atomic(target) as beside:
        (beside / "old").write_text("")
    with folder_atomic(target, replace=True) as beside:
        (beside / "new").write_text("")
    assert names(target) == ["new"] and names(tmp_path) == ["model"]


def test_a_rename_that_fails_brings_the_old_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model"
    with folder_atomic(target) as beside:
        (beside / "weights").write_text("old")
    rename = os.rename

    def rename_once(source: Any, to: Any) -> None:
        if ".part" in str(source):
            full_disk()
        rename(source, to)

    monkeypatch.setattr(os, "rename", rename_once)
    with pytest.raises(EyasError, match="No space left"), folder_atomic(target, replace=True) as beside:
        (beside / "weights").write_text("new")
    assert (target / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256_file(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_damaged_json_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(EyasError, match=r"model config .*c\.json is damaged"):
        read_json(tmp_path / "c.json", "model config")


def test_missing_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match=r"model config .*c\.json is missing"):
        read_json(tmp_path / "c.json", "model config")
