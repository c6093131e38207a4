"""C files of ours as libraries: compiled once per machine with the system's compiler, into the user's cache."""

import ctypes
import functools
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

FLAGS = ("-O3", "-std=gnu11", "-DEYAS_LIBRARY", "-shared", "-fPIC", "-fvisibility=hidden")
_TUNED = "-march=native"  # a few compilers do not know it: they build without
_LINKED = ("-lm", "-lpthread")
_LONGEST = 300  # seconds a compiler may take


class Uncompiled(Exception):
    """Why there is no library."""


def compiled(source: Path, wished: Sequence[str] = ()) -> Path:
    """The library's file in the user's cache, named after all it depends on; with the flags `wished` where the compiler
    has them. Raises Uncompiled."""
    compiler = _compiler()
    content = source.read_bytes()
    for name in re.findall(rb'^#include "([^"]+)"', content, re.MULTILINE):
        content += source.with_name(name.decode()).read_bytes()
    known = [*compiler, *FLAGS, _TUNED, *wished, *_LINKED, _processor()]
    key = hashlib.sha256(content + "\0".join(known).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eyas"
    target = folder / f"{source.stem}-{key}.so"
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as beside:
            built = Path(beside) / target.name
            for more in ([_TUNED, *wished], [_TUNED], []):
                if not (complaint := _compile([*compiler, *FLAGS, *more], source, built)):
                    break
            else:
                raise Uncompiled(f"{compiler[0]} cannot compile {source.name} ({complaint})")
            os.replace(built, target)  # whoever built it at the same time built the same
    except OSError as error:
        raise Uncompiled(f"{source.name} cannot be compiled into {folder} ({error.strerror})") from error
    return target


@functools.cache
def library(source: Path) -> ctypes.CDLL | None:
    """The library of a source that may use OpenMP, compiled and loaded; None where it cannot be."""
    try:
        return ctypes.CDLL(str(compiled(source, ("-fopenmp",))))
    except (Uncompiled, OSError):
        return None


def _compiler() -> list[str]:
    """The words of the C compiler's command: $CC, else cc, gcc or clang."""
    named = shlex.split(os.environ.get("CC", ""))
    found = next((name for name in (*named[:1], "cc", "gcc", "clang") if shutil.which(name)), None)
    if found is None:
        raise Uncompiled("there is no C compiler (install gcc or clang for speed)")
    return named if named[:1] == [found] else [found]


def _compile(command: list[str], source: Path, target: Path) -> str:
    """What the compiler complains about first; "" when it compiled."""
    try:
        done = subprocess.run(
            [*command, "-o", str(target), str(source), *_LINKED],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {_LONGEST} seconds"
    lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines() or ["no reason"]
    return lines[0].strip()[:200] if done.returncode else ""


def _processor() -> str:
    """What tells this processor from others: code for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    wanted = ("vendor_id", "model name", "flags", "Features", "CPU part")
    told = dict.fromkeys(line for line in lines if line.partition(":")[0].strip() in wanted)
    return "\n".join([platform.machine(), platform.processor(), *told])
