"""`run.c` as a library."""

import ctypes
import functools
import sys
from collections.abc import Callable
from pathlib import Path

from eyas.native import Uncompiled, compiled

SOURCE = Path(__file__).with_name("run.c")
LIMITS = SOURCE.with_name("limits.c")  # includes run.c

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
        loaded = ctypes.CDLL(str(compiled(SOURCE)))
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
