from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from eyas.errors import EyasError
from eyas.train import checkpoint
from eyas.train.checkpoint import checkpoints, load_checkpoint, load_latest, save_checkpoint


def test_tensors_and_meta_come_back_as_they_were(tmp_path: Path) -> None:
    shared = torch.randn(4, 4)
    tensors = {"a": shared, "b": shared, "view": shared.T, "rng": torch.get_rng_state(), "scalar": torch.tensor(3.0)}
    save_checkpoint(tmp_path, 7, tensors, {"seconds": 0.1 + 0.2})
    found = load_latest(tmp_path)
    assert found is not None
    loaded, meta = found
    assert meta == {"step": 7, "seconds": 0.1 + 0.2}
    assert loaded.keys() == tensors.keys() and all(torch.equal(loaded[name], tensors[name]) for name in tensors)


def test_only_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (5, 10, 15, 1000):
        save_checkpoint(tmp_path, step, {"a": torch.zeros(1)}, {})
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000000015.safetensors", "step-000001000.safetensors"]


def test_full_disk_is_one_sentence_and_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path, 1, {"a": torch.ones(3)}, {})

    def full(tensors: Any, path: Path, metadata: Any) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(EyasError, match="No space left on device; free space"):
        save_checkpoint(tmp_path, 2, {"a": torch.zeros(3)}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.safetensors"]
    found = load_latest(tmp_path)
    assert found is not None and torch.equal(found[0]["a"], torch.ones(3))


@pytest.mark.parametrize("cut", [0, 5, 60, -3])
def test_truncated_file_is_named(tmp_path: Path, cut: int) -> None:
    path = save_checkpoint(tmp_path, 1, {"a": torch.ones(30)}, {})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(EyasError, match=r"step-000000001\.safetensors is damaged"):
        load_checkpoint(path)


def test_folder_without_checkpoints_gives_none(tmp_path: Path) -> None:
    assert load_latest(tmp_path / "nowhere") is None
