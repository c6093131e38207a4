"""`eyas env`: what a bug report needs to know about this machine, and nothing that names its user."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

import eyas
from eyas.cli.show import print_figures, print_json
from eyas.store.lineage import code_commit

PACKAGES = (
    "torch",
    "numpy",
    "tokenizers",
    "rustbpe",
    "tiktoken",
    "safetensors",
    "pydantic",
    "click",
    "rich",
    "pyarrow",
    "gguf",
)
OPTIONAL = ("datasets", "datasketch", "transformers", "llama-cpp-python", "playwright")
# What decides whether bf16 and int8 products are fast on this processor.
CPU_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")


def _package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> dict[str, Any]:
    """Model and features from /proc where there is one; else what `platform` knows."""
    name, features = platform.processor() or platform.machine(), None
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]
        name = next((value for key, value in pairs if key == "model name"), name)
        flags = next((value.split() for key, value in pairs if key in ("flags", "Features")), [])
        features = [one for one in CPU_FEATURES if one in flags]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": name, "cores": cores, "cpu features": features or None}


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _engine() -> str | None:
    from eyas.runtime.library import library

    loaded = library()
    return loaded.eyas_simd().decode() if loaded is not None else None


def collect() -> dict[str, Any]:
    """Versions and hardware, by name; None for what is absent."""
    import torch

    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    compiler = next((name for name in ("c++", "g++", "clang++") if shutil.which(name)), None)
    return {
        "eyas": eyas.__version__,
        "commit": code_commit(),
        "python": platform.python_version(),
        "system": platform.platform(),
        **_cpu(),
        "memory GB": _memory_gb(),
        "torch threads": torch.get_num_threads(),
        "gpu": gpus or None,
        # torch.compile needs one; without it training falls back to plain PyTorch.
        "C++ compiler": compiler,
        # run.c as a library: "avx512 vnni bf16", "avx2", "neon" or "plain"; None where it cannot be compiled.
        "C engine": _engine(),
        **{name: _package_version(name) for name in (*PACKAGES, *OPTIONAL)},
    }


@click.command("env")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(as_json: bool) -> None:
    """Print versions and hardware, for bug reports.

    \b
    Example:
      eyas env
    """
    found = collect()
    if as_json:
        print_json(found)
    else:
        print_figures("eyas env", found | {"C++ compiler": found["C++ compiler"] or "none: training is not compiled"})
