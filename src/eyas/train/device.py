"""What the machine offers: its number formats, its compiler, its speed; and settings a training process wants."""

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch


def has_bf16(device: torch.device) -> bool:
    """Whether bf16 products run in hardware there (AVX-512 BF16 or AMX on x86, Ampere or newer on CUDA)."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return False
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(bool(probe()) for probe in probes if probe is not None)


def best_device() -> torch.device:
    """CUDA when there is one, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


@cache
def keep_memory() -> None:
    """Let the C library keep freed memory, and let torch ask for huge pages, for the rest of this process.

    A training step allocates and frees the same large tensors over and over. By default glibc returns them to the
    system each time, and every page is zeroed and mapped anew: a fifth of a small model's step.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # another C library: only speed is lost
    m_trim_threshold, m_mmap_max, m_arena_max = -1, -4, -8
    mallopt(m_trim_threshold, 2**31 - 1)
    mallopt(m_mmap_max, 0)
    # The backward pass runs in its own thread; with one arena it reuses what the forward pass freed.
    mallopt(m_arena_max, 1)


@cache
def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second in a 2048-cubed linear layer, best of a few: the yardstick of MFU."""
    size = 2048
    x = torch.full((size, size), 0.5, device=device, dtype=dtype)
    best = float("inf")
    with torch.no_grad():
        for _ in range(4):
            start = time.perf_counter()
            torch.nn.functional.linear(x, x)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """While open, equal inputs give equal bits on the CPU (on CUDA it would cost speed and need more settings)."""
    if device.type != "cpu":
        yield
        return
    settings: Any = torch.utils.deterministic
    before = torch.are_deterministic_algorithms_enabled(), settings.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    # Filling every new tensor with NaN serves debugging only, and would cost a pass over memory.
    settings.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        settings.fill_uninitialized_memory = before[1]
