"""A model as one GGUF file for llama.cpp and `run.c`: parameters, shape, tokenizer, chat template, lineage."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGUFWriter, LlamaFileType

from eyas.errors import EyasError
from eyas.model.checkpoint import hf_views
from eyas.model.config import ModelConfig
from eyas.model.network import Network
from eyas.model.transformer import rope_divisors
from eyas.runtime.gguf_layout import ROPE_FREQS, add_config, gguf_name, names_of, shape_of
from eyas.runtime.gguf_read import LINEAGE_KEY
from eyas.runtime.gguf_tokenizer import add_tokenizer
from eyas.runtime.quantize import BLOCK, TYPES, WeightType, encoded
from eyas.runtime.rotary import to_neighbours, turned
from eyas.text.tokenizer import Tokenizer

SMALL = 100_000_000  # parameters; below, a q4_0 file keeps its tables of tokens in q8_0
_TABLES = ("model.embed_tokens.weight", "lm_head.weight")
_WITH_F16 = ("f16", "q8_0", "q4_0")  # types whose numbers or scales are f16
_FILE_TYPES = {
    "f32": LlamaFileType.ALL_F32,
    "f16": LlamaFileType.MOSTLY_F16,
    "bf16": LlamaFileType.MOSTLY_BF16,
    "q8_0": LlamaFileType.MOSTLY_Q8_0,
    "q4_0": LlamaFileType.MOSTLY_Q4_0,
}


def tensor_type(name: str, config: ModelConfig, kind: WeightType) -> str:
    """The type that the tensor Hugging Face calls `name` gets in a file of type `kind`.

    Vectors (norms, biases) stay f32. Rows that are no whole number of blocks stay f16. A small model's tables of tokens
    stay q8_0: they are where four bits hurt it most.
    """
    shape = shape_of(name, config)
    if len(shape) == 1:
        return "f32"
    if kind in ("q8_0", "q4_0") and shape[-1] % BLOCK:
        return "f16"
    if kind == "q4_0" and name in _TABLES and config.n_params() < SMALL:
        return "q8_0"
    return kind


def write_gguf(
    path: Path,
    model: Network,
    tokenizer: Tokenizer,
    kind: WeightType,
    *,
    name: str,
    lineage: Mapping[str, Any] | None = None,
    card: str = "",
    start_first: bool = True,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Write `model` to `path` in type `kind`; give back how many tensors have which type.

    `start_first`: a reader is to begin every text with the start id, as documents do and chats do not. `progress` is
    called with the parameters written so far. Raises EyasError for weights that the type cannot hold and for tokenizers
    that llama.cpp does not know. The file is not written beside and renamed: that is the caller's.
    """
    config = model.config
    writer = GGUFWriter(path, config.family)
    writer.add_type("model")
    _add_origin(writer, config, name, lineage or {}, card)
    writer.add_file_type(_FILE_TYPES[kind])
    writer.add_quantization_version(2)
    add_config(writer, config)
    add_tokenizer(writer, tokenizer, config.vocab_size, start_first=start_first)
    names = names_of(config)
    types = {name: tensor_type(name, config, kind) for name in names}
    if config.rope_scaling is not None:
        divisors = rope_divisors(config, config.rope_scaling).numpy()
        writer.add_tensor_info(ROPE_FREQS, divisors.shape, np.dtype(np.float32), divisors.nbytes, TYPES["f32"])
    for one in names:
        shape = shape_of(one, config)
        block, block_bytes = GGML_QUANT_SIZES[TYPES[types[one]]]
        size = int(np.prod(shape)) // block * block_bytes
        writer.add_tensor_info(gguf_name(one), shape, np.dtype(np.float32), size, TYPES[types[one]])
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if config.rope_scaling is not None:
            writer.write_tensor_data(divisors)
        _write_tensors(writer, model, types, progress)
    finally:
        writer.close()
    counts: dict[str, int] = {}
    for one in types.values():
        counts[one] = counts.get(one, 0) + 1
    return counts


def _write_tensors(
    writer: GGUFWriter, model: Network, types: Mapping[str, str], progress: Callable[[int], None] | None
) -> None:
    views = hf_views(model)
    done = 0
    for name, kind in types.items():
        values = views[name].to("cpu", torch.float32).numpy()
        if model.config.family == "llama":
            values = turned(values, name, model.config, to_neighbours)
        if not np.isfinite(values).all():
            raise EyasError(f"the model is damaged: {name} holds values that are no numbers")
        if kind in _WITH_F16 and np.abs(values).max(initial=0) > np.finfo(np.float16).max:
            raise EyasError(f"{name} holds values too large for {kind}; export with --type bf16 or f32")
        writer.write_tensor_data(encoded(np.atleast_2d(values), kind))
        done += values.size
        if progress is not None:
            progress(done)


def _add_origin(writer: GGUFWriter, config: ModelConfig, name: str, lineage: Mapping[str, Any], card: str) -> None:
    """Who the model is and where it comes from, under the general keys that other programs show."""
    writer.add_name(name)
    writer.add_basename(name)
    writer.add_size_label(f"{config.n_params() / 1e6:.3g}M")
    if card:
        writer.add_description(card)
    if not lineage:
        return
    writer.add_finetune(str(lineage.get("stage", "")))
    writer.add_version(f"eyas {lineage.get('version', '')}".strip())
    writer.add_string(LINEAGE_KEY, json.dumps(lineage, ensure_ascii=False, default=str))
