"""`run.c` as a library: compiled once per machine with the system's compiler, then loaded."""

import ctypes
import functools
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SOURCE = Path(__file__).with_name("run.c")
LIMITS = SOURCE.with_name("limits.c")  # includes run.c
FLAGS = ("-O3", "-std=gnu11", "-DEYAS_LIBRARY", "-shared", "-fPIC", "-fvisibility=hidden")
_TUNED = "-march=native"  # a few compilers do not know it: they build without
_LINKED = ("-lm", "-lpthread")
_LONGEST = 300  # seconds a compiler may take

_HANDLE, _ARRAY, _NAME = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p


class Shape(ctypes.Structure):
    """What a model looks like, as `run.c` declares it."""

    _fields_ = (
        *(
            (name, ctypes.c_int32)
            for name in (
                "n_layer", "n_embd", "n_head", "n_kv_head", "head_dim", "n_ff", "vocab_size", "max_seq_len",
                "qk_norm", "tie_embeddings", "qkv_bias", "rope_interleaved",
            )
        ),
        ("norm_eps", ctypes.c_float),
        ("rope_theta", ctypes.c_float),
    )  # fmt: skip


class Choice(ctypes.Structure):
    """How to choose a token, as `run.c` declares it."""

    _fields_ = (
        ("temperature", ctypes.c_float),
        ("top_p", ctypes.c_float),
        ("min_p", ctypes.c_float),
        ("repetition_penalty", ctypes.c_float),
        ("top_k", ctypes.c_int32),
    )


_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "eyas_failure": (_NAME, ()),
    "eyas_simd": (_NAME, ()),
    "eyas_open": (_HANDLE, (_NAME,)),
    "eyas_new": (_HANDLE, (ctypes.POINTER(Shape),)),
    "eyas_set": (ctypes.c_int, (_HANDLE, _NAME, _ARRAY, ctypes.c_int64, ctypes.c_int64, ctypes.c_int)),
    "eyas_shape": (ctypes.c_int, (_HANDLE, ctypes.POINTER(Shape))),
    "eyas_free": (None, (_HANDLE,)),
    "eyas_engine": (_HANDLE, (_HANDLE, ctypes.c_int, ctypes.c_int64)),
    "eyas_engine_free": (None, (_HANDLE,)),
    "eyas_sequence": (ctypes.c_int, (_HANDLE,)),
    "eyas_fork": (ctypes.c_int, (_HANDLE, ctypes.c_int, ctypes.c_int)),
    "eyas_truncate": (ctypes.c_int, (_HANDLE, ctypes.c_int, ctypes.c_int)),
    "eyas_release": (ctypes.c_int, (_HANDLE, ctypes.c_int)),
    "eyas_length": (ctypes.c_int, (_HANDLE, ctypes.c_int)),
    "eyas_forward": (ctypes.c_int, (_HANDLE, ctypes.c_int, *[_ARRAY] * 8)),
    "eyas_cancel": (None, (_HANDLE,)),
    "eyas_pick": (
        ctypes.c_int,
        (_ARRAY, ctypes.c_int, ctypes.POINTER(Choice), _ARRAY, _ARRAY, ctypes.c_int, ctypes.c_double,
         ctypes.POINTER(ctypes.c_float)),
    ),
}  # fmt: skip


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library, compiled when this machine has not done so yet; None, and one line on stderr, where that fails."""
    try:
        loaded = ctypes.CDLL(str(compiled()))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    except (Uncompiled, OSError, AttributeError) as error:
        print(f"eyas: {error}; PyTorch computes instead", file=sys.stderr)
        return None
    return loaded


@functools.cache
def limits() -> Callable[[int, int], float] | None:
    """`eyas_limit(what, threads)` of `limits.c`: what the machine can do at most, a second (0 bytes read from memory,
    1 operations on floats, 2 on int8); None where it does not compile. Each call takes some tenths of a second."""
    try:
        function = ctypes.CDLL(str(compiled(LIMITS))).eyas_limit
    except (Uncompiled, OSError, AttributeError):
        return None
    function.restype, function.argtypes = ctypes.c_double, (ctypes.c_int, ctypes.c_int)
    return lambda what, threads: float(function(what, threads))


class Uncompiled(Exception):
    """Why there is no library."""


def compiled(source: Path = SOURCE) -> Path:
    """The library's file in the user's cache, named after all it depends on. Raises Uncompiled."""
    compiler = _compiler()
    content = source.read_bytes()
    for name in re.findall(rb'^#include "([^"]+)"', content, re.MULTILINE):
        content += source.with_name(name.decode()).read_bytes()
    known = [*compiler, *FLAGS, _TUNED, *_LINKED, _processor()]
    key = hashlib.sha256(content + "\0".join(known).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eyas"
    target = folder / f"{source.stem}-{key}.so"
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as beside:
            built = Path(beside) / target.name
            first = _compile([*compiler, *FLAGS, _TUNED], source, built)
            if first and _compile([*compiler, *FLAGS], source, built):
                raise Uncompiled(f"{compiler[0]} cannot compile the C engine ({first})")
            os.replace(built, target)  # whoever built it at the same time built the same
    except OSError as error:
        raise Uncompiled(f"the C engine cannot be compiled into {folder} ({error.strerror})") from error
    return target


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
