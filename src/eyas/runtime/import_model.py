"""The stage `eyas import`: a model folder from a GGUF, a Hugging Face folder or a llama2.c file."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.files import sha256_file
from eyas.model.checkpoint import card_text, check_fit, load_model, save_model, stored_dtype
from eyas.model.network import Network
from eyas.runtime.export import tokenizer_beside
from eyas.runtime.gguf_file import MAGIC, open_gguf
from eyas.runtime.gguf_read import lineage_in, load_gguf
from eyas.runtime.llama2c import read_llama2c, read_llama2c_tokenizer
from eyas.store.lineage import FILE_NAME, new_lineage
from eyas.store.names import HUB_PREFIX, resolve_model
from eyas.text.tokenizer import Tokenizer

Kind = Literal["gguf", "hf", "llama2c"]
_NAMES = {torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16"}


class ImportConfig(StageConfig):
    """`eyas import`: what is read, and where the model goes."""

    source: str = Field(description="A .gguf, a Hugging Face folder, hf:OWNER/NAME, or a llama2.c .bin.")
    out: Path = Field(description="The model folder to write.")
    tokenizer: Path | None = Field(None, description="Tokenizer of a .bin (default: NAME-tokenizer.bin beside it).")


@dataclass(frozen=True)
class ImportResult:
    """What was read. `type` is that of the weights written: the smallest that holds the source's numbers exactly."""

    out: Path
    kind: Kind
    family: str
    parameters: int
    vocab_size: int
    context: int
    type: str
    seconds: float


@dataclass(frozen=True)
class _Read:
    """A model as it came, and what its lineage is to say of it: the files' hashes, and the lineage it brought."""

    kind: Kind
    model: Network
    tokenizer: Tokenizer
    files: list[Path]
    parent: Path | None = None
    origin: dict[str, Any] | None = None
    card: str = ""


def run(config: ImportConfig) -> ImportResult:
    """Read `config.source` and write it as a model to `config.out`, whole or not at all. Raises EyasError."""
    begun = time.monotonic()
    if config.out.exists():
        raise EyasError(f"{config.out} exists already; choose another name or remove it first")
    read = _read(config)
    data = [{"source": str(file), "sha256": sha256_file(file)} for file in read.files]
    shape = read.model.config
    figures = {"n_params": shape.n_params()}
    lineage = new_lineage("import", config, out=config.out, parent=read.parent, data=data, figures=figures)
    if read.origin is not None:
        lineage["origin"] = read.origin
    card = read.card or f"Imported from {Path(config.source).name}."
    save_model(config.out, read.model, read.tokenizer, lineage=lineage, card=card)
    return ImportResult(
        out=config.out,
        kind=read.kind,
        family=shape.family,
        parameters=shape.n_params(),
        vocab_size=shape.vocab_size,
        context=shape.max_seq_len,
        type=_NAMES[read.model.embed.weight.dtype],
        seconds=time.monotonic() - begun,
    )


def _read(config: ImportConfig) -> _Read:
    path = Path(config.source)
    if config.source.startswith(HUB_PREFIX) or path.is_dir():
        return _folder(resolve_model(config.source))
    if not path.is_file():
        raise EyasError(f"{config.source}: no such file or folder; give a .gguf, a Hugging Face folder or a .bin")
    try:
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError as error:
        raise EyasError(f"{path} cannot be read: {error.strerror}") from error
    if head.startswith(MAGIC):
        return _gguf(path)
    if path.suffix == ".safetensors" or head.startswith((b"PK", b"\x80")):
        raise EyasError(f"{path} holds weights only; give the model's folder, with config.json and safetensors")
    return _llama2c(path, config.tokenizer)


def _folder(folder: Path) -> _Read:
    """A Hugging Face folder; one that eyas wrote becomes the parent."""
    model, tokenizer = load_model(folder, dtype=stored_dtype(folder))
    parent = folder if (folder / FILE_NAME).is_file() else None
    return _Read("hf", model, tokenizer, sorted(folder.glob("*.safetensors")), parent=parent, card=card_text(folder))


def _gguf(path: Path) -> _Read:
    file = open_gguf(path)
    model, tokenizer = load_gguf(path, dtype=None)
    card = file.metadata.get("general.description")
    origin = lineage_in(file)
    return _Read("gguf", model, tokenizer, [path], origin=origin, card=card if isinstance(card, str) else "")


def _llama2c(path: Path, words: Path | None) -> _Read:
    model = read_llama2c(path)
    if words is None:
        beside = (tokenizer_beside(path), path.with_name("tokenizer.bin"))
        words = next((one for one in beside if one.is_file()), None)
        if words is None:
            raise EyasError(f"{path} comes without its tokenizer; give the file with --tokenizer")
    tokenizer = read_llama2c_tokenizer(words, model.config.vocab_size)
    check_fit(tokenizer, model.config, path)
    return _Read("llama2c", model, tokenizer, [path, words])
