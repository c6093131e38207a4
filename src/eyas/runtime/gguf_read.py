"""The model in a GGUF file as a Transformer with its tokenizer: what is quantised becomes float32."""

import json
from pathlib import Path
from typing import Any

import torch

from eyas.model.checkpoint import check_fit, hf_views, unfilled
from eyas.model.network import Network
from eyas.runtime.gguf_file import GgufFile, open_gguf
from eyas.runtime.gguf_layout import gguf_name, names_of, read_config
from eyas.runtime.gguf_tokenizer import read_tokenizer
from eyas.runtime.rotary import to_halves, turned
from eyas.text.tokenizer import Tokenizer

LINEAGE_KEY = "eyas.lineage"
_HALVES = {"F16": torch.float16, "BF16": torch.bfloat16}


def load_gguf(
    path: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = torch.float32
) -> tuple[Network, Tokenizer]:
    """The model and tokenizer in `path`; `dtype` None keeps the file's own type where one type holds it all exactly.

    Raises EyasError for a damaged file and for what eyas does not compute. The model is in eval mode.
    """
    file = open_gguf(path)
    config = read_config(file)
    tokenizer = read_tokenizer(file.metadata, config.vocab_size, str(path))
    check_fit(tokenizer, config, path)
    model = unfilled(config, device=device, dtype=dtype or exact_dtype(file))
    views = hf_views(model)
    permuted = file.metadata["general.architecture"] == "llama"
    with torch.no_grad():
        for name in names_of(config):
            values = file.values(gguf_name(name))
            if permuted:
                values = turned(values, name, config, to_halves)
            views[name].copy_(torch.tensor(values))
    return model.eval(), tokenizer


def exact_dtype(file: GgufFile) -> torch.dtype:
    """The smallest type that holds every number of the file exactly."""
    matrices = {entry.type.name for entry in file.tensors.values() if len(entry.shape) > 1}
    half = _HALVES.get(next(iter(matrices))) if len(matrices) == 1 else None
    if half is None:
        return torch.float32
    for name, entry in file.tensors.items():
        if len(entry.shape) == 1:
            values = torch.tensor(file.values(name))
            if not torch.equal(values.to(half).float(), values):
                return torch.float32
    return half


def lineage_in(file: GgufFile) -> dict[str, Any] | None:
    """The lineage that `eyas export` put into the file; None where there is none that can be read."""
    try:
        lineage = json.loads(file.metadata.get(LINEAGE_KEY, ""))
    except (TypeError, ValueError, RecursionError):
        return None
    return lineage if isinstance(lineage, dict) else None
