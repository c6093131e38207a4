"""Checkpoints: one safetensors file each, whole or absent; the one before is kept until the new one is safe."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from eyas.errors import EyasError

KEPT = 2


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint after `step` steps lies."""
    return folder / f"step-{step:09d}.safetensors"


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints of a run, oldest first."""
    return sorted(folder.glob("step-*.safetensors"))


def save_checkpoint(folder: Path, step: int, tensors: dict[str, Tensor], meta: dict[str, Any]) -> Path:
    """Write `tensors` and `meta` (JSON values) beside, flush to disk, rename; then drop all but the newest two.

    Raises EyasError when the disk is full; the checkpoints before it are then untouched.
    """
    path = checkpoint_path(folder, step)
    beside = folder / f".{path.name}.part"
    # safetensors refuses tensors that share memory (tied weights, views); the copies are short-lived.
    flat = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(flat, beside, metadata={"eyas": json.dumps({"step": step, **meta})})
        with open(beside, "rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    except (OSError, SafetensorError) as error:
        beside.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise EyasError(f"cannot write checkpoint {path}: {reason}; free space, then run the command again") from error
    for old in checkpoints(folder)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors (on the CPU) and meta of one checkpoint. Raises EyasError when the file is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads(file.metadata()["eyas"])
            return {name: file.get_tensor(name) for name in file.keys()}, meta  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise EyasError(f"checkpoint {path} is damaged ({error}); remove it to fall back on the one before") from error


def load_latest(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest checkpoint of a run, or None when there is none yet."""
    found = checkpoints(folder)
    return load_checkpoint(found[-1]) if found else None


def rng_state(device: torch.device) -> dict[str, Tensor]:
    """The random generators' states, as tensors."""
    state = {"rng.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["rng.cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_rng_state(tensors: dict[str, Tensor], device: torch.device) -> None:
    """Restore what `rng_state` gave."""
    torch.set_rng_state(tensors["rng.cpu"])
    if device.type == "cuda" and "rng.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["rng.cuda"], device)
