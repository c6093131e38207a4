"""The stage `eyas export`: a model as a file of other programs."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.files import file_atomic
from eyas.model.architectures import only_transformer
from eyas.model.checkpoint import card_text, load_model, save_model, stored_dtype
from eyas.model.network import Network
from eyas.progress import Progress
from eyas.runtime.gguf_file import open_gguf
from eyas.runtime.gguf_layout import names_of
from eyas.runtime.gguf_read import lineage_in, load_gguf
from eyas.runtime.gguf_write import write_gguf
from eyas.runtime.llama2c import check_shape, write_llama2c, write_llama2c_tokenizer
from eyas.runtime.quantize import WeightType
from eyas.store.lineage import FILE_NAME, ancestry, new_lineage, read_lineage
from eyas.store.names import resolve_model
from eyas.text.tokenizer import Tokenizer

Format = Literal["gguf", "hf", "llama2c"]
_SUFFIXES: dict[str, Format] = {".gguf": "gguf", ".bin": "llama2c"}
_NAMES: dict[torch.dtype, WeightType] = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}
_COPIES = ("export", "import")  # stages that change nothing about what a model learned


class ExportConfig(StageConfig):
    """`eyas export`: what is written, where, and in how many bits."""

    model: str = Field(description="Model folder, LIFE/NAME, hf:OWNER/NAME or a .gguf file.")
    out: Path = Field(description="The file to write, or the folder (hf).")
    format: Format | None = Field(None, description="gguf, hf or llama2c (default: gguf for .gguf, llama2c for .bin).")
    type: WeightType | None = Field(None, description="Type of the weights (default: the one the model has).")


@dataclass(frozen=True)
class ExportResult:
    """What was written. `tensors` counts them by type; `bits_per_weight` is of all `bytes`; `notes` are for people."""

    out: Path
    format: Format
    type: WeightType
    files: list[Path]
    bytes: int
    parameters: int
    bits_per_weight: float
    tensors: dict[str, int]
    notes: list[str]
    seconds: float


@dataclass(frozen=True)
class _Source:
    """The model that is exported; `stage` is the one that taught it what it knows."""

    path: Path
    model: Network
    tokenizer: Tokenizer
    lineage: dict[str, Any] | None
    card: str
    stage: str | None


def run(config: ExportConfig, progress: Progress | None = None) -> ExportResult:
    """Write the model to `config.out`, whole or not at all. Raises EyasError."""
    begun = time.monotonic()
    form = config.format or _SUFFIXES.get(config.out.suffix)
    if form is None:
        raise EyasError(f"{config.out}: the name says no format; end it in .gguf or .bin, or give --format")
    if config.out.exists():
        raise EyasError(f"{config.out} exists already; choose another name or remove it first")
    if form == "llama2c" and config.type not in (None, "f32"):
        raise EyasError(f"--type {config.type}: llama2.c's format holds f32 only")
    if form == "hf" and config.type not in (None, *_NAMES.values()):
        raise EyasError(f"--type {config.type}: a Hugging Face folder holds f32, f16 or bf16; use --format gguf")
    source = _open(config.model)
    done = _WRITERS[form](source, config, progress)
    return replace(
        done,
        bytes=(size := sum(file.stat().st_size for file in done.files)),
        bits_per_weight=8 * size / done.parameters,
        seconds=time.monotonic() - begun,
    )


def _open(name: str) -> _Source:
    """The model that `name` stands for, in the type its weights have."""
    path = Path(name)
    if path.is_file():
        if path.suffix != ".gguf":
            raise EyasError(f"{name} is no model folder and no .gguf; make one of it with eyas import")
        model, tokenizer = load_gguf(path, dtype=None)
        lineage = lineage_in(open_gguf(path))
        return _Source(path, model, tokenizer, lineage, "", _stage([lineage] if lineage else []))
    folder = resolve_model(name)
    model, tokenizer = load_model(folder, dtype=stored_dtype(folder))
    only_transformer(model.config, "eyas export")
    line = [one for _, one in ancestry(folder)] if (folder / FILE_NAME).is_file() else []
    lineage = read_lineage(folder) if line else None
    return _Source(folder, model, tokenizer, lineage, card_text(folder), _stage(line))


def _stage(line: list[dict[str, Any]]) -> str | None:
    """The stage that a line of models, youngest first, last learned in."""
    for lineage in line:
        origin = lineage.get("origin")
        for one in (lineage, origin if isinstance(origin, dict) else {}):
            if (stage := str(one.get("stage") or "")) and stage not in _COPIES:
                return stage
    return None


def _starts_texts(source: _Source) -> bool:
    """Whether every text is to begin with the start id: documents of a base model do, chats do not.

    Of a foreign model nobody here knows; a start id of its own, or SentencePiece, say yes.
    """
    if source.stage is not None:
        return source.stage == "pretrain"
    return source.tokenizer.pieces or source.tokenizer.start != source.tokenizer.endoftext


def _gguf(source: _Source, config: ExportConfig, progress: Progress | None) -> ExportResult:
    kind = config.type or _NAMES[source.model.embed.weight.dtype]
    parameters = source.model.config.n_params()
    with file_atomic(config.out) as beside:
        tensors = write_gguf(
            beside,
            source.model,
            source.tokenizer,
            kind,
            name=source.path.resolve().stem,
            lineage=source.lineage,
            card=source.card,
            start_first=_starts_texts(source),
            progress=None if progress is None else lambda done: progress.update(done / parameters),
        )
    return _result(config.out, "gguf", kind, [config.out], parameters, tensors)


def _hf(source: _Source, config: ExportConfig, progress: Progress | None) -> ExportResult:
    kind = config.type or _NAMES[source.model.embed.weight.dtype]
    dtype = next(dtype for dtype, name in _NAMES.items() if name == kind)
    model = source.model.to(dtype)
    if not all(torch.isfinite(parameter).all() for parameter in model.parameters()):
        raise EyasError(f"{config.model} holds values too large for {kind}; export with --type bf16 or f32")
    parent = source.path if source.path.is_dir() else None
    lineage = new_lineage("export", config, out=config.out, parent=parent)
    if parent is None and source.lineage:
        lineage["origin"] = source.lineage
    save_model(config.out, model, source.tokenizer, lineage=lineage, card=source.card)
    files = [file for file in sorted(config.out.iterdir()) if file.is_file()]
    return _result(config.out, "hf", kind, files, model.config.n_params(), {kind: len(names_of(model.config))})


def _llama2c(source: _Source, config: ExportConfig, progress: Progress | None) -> ExportResult:
    notes = check_shape(source.model.config)
    words = tokenizer_beside(config.out)
    with file_atomic(config.out) as beside, file_atomic(words) as words_beside:
        order = write_llama2c_tokenizer(words_beside, source.tokenizer, source.model.config.vocab_size)
        write_llama2c(beside, source.model.float(), order)
    if not source.tokenizer.pieces:
        notes.append("token ids are in llama2.c's order; it knows no splitter, so it may cut rare texts otherwise")
    shape = source.model.config
    done = _result(config.out, "llama2c", "f32", [config.out, words], shape.n_params(), {"f32": len(names_of(shape))})
    return replace(done, notes=notes)


_WRITERS = {"gguf": _gguf, "hf": _hf, "llama2c": _llama2c}


def tokenizer_beside(file: Path) -> Path:
    """Where the tokenizer of a llama2.c model lies: `NAME-tokenizer.bin` beside `NAME.bin`."""
    return file.with_name(f"{file.stem}-tokenizer.bin")


def _result(
    out: Path, form: Format, kind: WeightType, files: list[Path], parameters: int, tensors: dict[str, int]
) -> ExportResult:
    return ExportResult(out, form, kind, files, 0, parameters, 0.0, tensors, [], 0.0)
