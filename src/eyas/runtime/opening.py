"""From a MODEL on the command line to the engine that runs it: the one place that decides between C and PyTorch."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from eyas.errors import EyasError
from eyas.runtime.engine import Engine
from eyas.store.names import resolve_model
from eyas.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from eyas.model.network import Network

Kind = Literal["c", "torch"]
GGUF = ".gguf"


def open_engine(
    name: str | Path,
    *,
    kind: Kind | None = None,
    threads: int = 0,
    draft: str | Path | None = None,
    lookup: bool = False,
) -> Engine:
    """The engine of a model folder, LIFE/NAME, hub id or GGUF file.

    `kind` None: PyTorch where there is a GPU, else C, else PyTorch. `threads` of the CPU, 0 for what suits. It speaks
    speculatively with a `draft` model of the same tokenizer, or by prompt `lookup`. Raises EyasError.
    """
    if draft is not None and lookup:
        raise EyasError("--draft and --lookup exclude each other; choose one")
    engine = _gguf(Path(name), kind, threads) if str(name).endswith(GGUF) else _folder(name, kind, threads)
    if draft is not None:
        from eyas.runtime.speculate import Draft

        smaller = open_engine(draft, kind=kind, threads=threads)
        if smaller.tokenizer.fingerprint != engine.tokenizer.fingerprint:
            raise EyasError(f"{draft} has another tokenizer than {name}; a draft model must share it")
        engine.batch.speculator = Draft(smaller.backend)
    if lookup:
        from eyas.runtime.speculate import Lookup

        engine.batch.speculator = Lookup()
    return engine


def engine_of(
    model: "Network", tokenizer: Tokenizer, *, kind: Kind | None = None, threads: int = 0, rows: int = 0
) -> Engine:
    """The engine of a model in memory: PyTorch for one on a GPU or no Transformer, else as `open_engine` decides.

    `rows` is how many sequences it runs together at most, 0 for what suits. Raises EyasError.
    """
    suits_c = model.embed.weight.device.type == "cpu" and model.config.arch == "transformer"
    if kind == "c" or (kind is None and suits_c and _has_library()):
        from eyas.runtime.c_engine import CEngine

        return CEngine.from_model(model, tokenizer, threads=threads, rows=rows)
    import torch

    from eyas.runtime.torch_engine import TorchEngine

    if threads:
        torch.set_num_threads(threads)
    return TorchEngine(model, tokenizer, rows=rows)


def _folder(name: str | Path, kind: Kind | None, threads: int) -> Engine:
    folder = resolve_model(name)
    import torch

    from eyas.model.checkpoint import load_model

    device = "cuda" if torch.cuda.is_available() and kind != "c" else "cpu"
    return engine_of(*load_model(folder, device=device), kind=kind, threads=threads)


def _gguf(path: Path, kind: Kind | None, threads: int) -> Engine:
    """A GGUF file runs as it is in C, its quantised matrices included; PyTorch computes with float32 copies."""
    if not path.is_file():
        raise EyasError(f"there is no file {path}; give a model folder, LIFE/NAME or a .gguf")
    if kind == "c" or (kind is None and _has_library()):
        from eyas.runtime.c_engine import CEngine

        return CEngine.open(path, threads=threads)
    import torch

    from eyas.runtime.gguf_read import load_gguf

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return engine_of(*load_gguf(path, device=device), kind="torch", threads=threads)


def _has_library() -> bool:
    from eyas.runtime.library import library

    return library() is not None
