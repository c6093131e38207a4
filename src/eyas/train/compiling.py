"""torch.compile by regions: one block's code serves every layer, so a cold start compiles one layer, not the model."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache, wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
from torch import nn

P = ParamSpec("P")
R = TypeVar("R")

_active: ContextVar[bool] = ContextVar("compiling", default=False)


def region(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function of tensors to be compiled while a `compiling` block is open; elsewhere it runs as written."""

    @cache
    def compiled() -> Callable[P, R]:  # lazily: importing the compiler takes a second or two
        return torch.compile(function, dynamic=False)

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return (compiled() if _active.get() else function)(*args, **kwargs)

    return run


@contextmanager
def compiling(model: nn.Module, enabled: bool) -> Iterator[None]:
    """While open, repeated blocks of `model`, its last norm and every `region` run compiled; nothing is left behind."""
    parts = compiled_parts(model) if enabled else []
    for part in parts:
        # An instance attribute, so that deleting it brings the class's own forward back.
        part.forward = torch.compile(part.forward, dynamic=False)
    token = _active.set(enabled)
    try:
        with _starting_quickly() if enabled else nullcontext():
            yield
    finally:
        _active.reset(token)
        for part in parts:
            del part.forward


@contextmanager
def plainly() -> Iterator[None]:
    """While open, compiled code runs as written: for shapes met once, as in sampling, where compiling never pays."""
    if not _active.get():
        yield  # nothing is compiled, and the line below would load the compiler
        return
    token = _active.set(False)
    try:
        with torch.compiler.set_stance("force_eager"):
            yield
    finally:
        _active.reset(token)


@contextmanager
def _starting_quickly() -> Iterator[None]:
    """Settings that take some seconds off every start whose code is in the compiler's cache already.

    Traces through autograd functions of our own are kept there too, and what the processor says of its vector units is
    believed: else six small programs would be loaded to try them.
    """
    import torch._functorch.config as traces
    import torch._inductor.config as inductor

    with traces.patch(autograd_cache_allow_custom_autograd_functions=True), inductor.patch({"cpp.vec_isa_ok": True}):
        yield


def half_written(error: Exception) -> Path | None:
    """The library in the compiler's cache that `error` could not load since its writer was killed, if that is it.

    While it lies there every compile of the same code fails.
    """
    found = re.search(r"(/\S+\.so): file too short", str(error))
    return Path(found[1]) if found else None


def compiled_parts(model: nn.Module) -> list[nn.Module]:
    """The members of the model's ModuleLists, and its last norm, which no block holds."""
    blocks = [block for module in model.modules() if isinstance(module, nn.ModuleList) for block in module]
    norm = getattr(model, "norm", None)
    return [*blocks, norm] if isinstance(norm, nn.Module) else blocks


def has_compiler(device: torch.device) -> bool:
    """Whether torch.compile can work at all: on a CPU it needs a C++ compiler."""
    return device.type == "cuda" or any(shutil.which(name) for name in ("c++", "g++", "clang++"))
