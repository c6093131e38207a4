"""Model folders in the Hugging Face layout, both ways: what `transformers` reads, and what it wrote."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from eyas.errors import EyasError
from eyas.files import folder_atomic, read_json, sha256_file, write_atomic
from eyas.model.architectures import new_network
from eyas.model.config import ModelConfig
from eyas.model.network import Network
from eyas.model.transformer import AttentionBlock, Transformer
from eyas.text.tokenizer import Tokenizer

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
SHARD_BYTES = 4 * 10**9  # the hub's own limit of comfort; larger models become several files and an index
_TIED = "lm_head.weight"
_DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}


def save_model(
    folder: Path,
    model: Network,
    tokenizer: Tokenizer,
    *,
    lineage: dict[str, Any],
    card: str = "",
    shard_bytes: int = SHARD_BYTES,
    replace: bool = False,
) -> None:
    """Write `model` and `tokenizer` to `folder`, whole or not at all; `card` is the README's text below its YAML.

    lineage.json gets the SHA-256 of every weight file beside what `lineage` says, so that damage is seen on loading.
    Raises EyasError when the folder exists (unless `replace`), the disk is full or the tokenizer does not fit.
    """
    check_fit(tokenizer, model.config, folder)
    dtype = next(model.parameters()).dtype
    if dtype not in _DTYPES:
        raise EyasError(f"{folder}: weights of type {dtype} cannot be saved; use float32, bfloat16 or float16")
    ends = {"bos_token_id": tokenizer.start, "pad_token_id": tokenizer.pad}
    config = model.config.to_hf() | ends | {"eos_token_id": tokenizer.endoftext, "dtype": _DTYPES[dtype]}
    both_ends = ends | {"eos_token_id": end_ids(tokenizer)}
    with folder_atomic(folder, replace=replace) as beside:
        hashes = _write_weights(beside, model, shard_bytes)
        _write_json(beside / "config.json", config)
        _write_json(beside / "generation_config.json", both_ends)
        _write_json(beside / "lineage.json", lineage | {"weights": hashes})
        write_atomic(beside / "README.md", _card(card, folder.name, model.config))
        tokenizer.save(beside)


def load_model(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[Network, Tokenizer]:
    """Read a model folder, ours or one of `transformers` (Qwen3, Qwen2, Llama), with its weights turned into `dtype`.

    Raises EyasError for a missing, truncated or damaged file, weights that do not match config.json, a tokenizer that
    does not fit, architectures we do not compute, and reward models (`load_reward`). The model is in eval mode.
    """
    folder = Path(folder)
    config = load_config(folder)
    if config.num_labels:
        raise EyasError(f"{folder} is a reward model: it scores answers and does not write any; name another model")
    return _load(folder, config, device, dtype)


def load_reward(folder: Path, *, device: torch.device | str = "cpu") -> tuple[Network, Tokenizer]:
    """Read a reward model: a classifier with one label. Raises EyasError as `load_model` does."""
    config = load_config(folder)
    if config.num_labels != 1:
        raise EyasError(f"{folder} is no reward model; make one with `eyas reward`")
    return _load(Path(folder), config, device, torch.float32)


def _load(
    folder: Path, config: ModelConfig, device: torch.device | str, dtype: torch.dtype
) -> tuple[Network, Tokenizer]:
    tokenizer = Tokenizer.load(folder)
    check_fit(tokenizer, config, folder)
    model = load_weights(folder, config, device=device, dtype=dtype)
    return model, tokenizer


def load_config(folder: Path) -> ModelConfig:
    """The shape that `folder`/config.json describes. Raises EyasError."""
    path = Path(folder) / "config.json"
    if not Path(folder).is_dir():
        raise EyasError(f"{folder} is no model folder: it does not exist")
    config = read_json(path, "model config")
    if isinstance(config, dict) and config.get("quantization_config"):
        raise EyasError(f"{path}: quantised weights are not supported; use the model's unquantised folder")
    return ModelConfig.from_hf(config, str(path))


def load_weights(
    folder: Path, config: ModelConfig, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Network:
    """A network of `config` with the folder's weights, read one tensor at a time. Raises EyasError."""
    files = _weight_files(folder)
    if config.n_params() > sum(file.stat().st_size for file in files):  # before memory is taken for them
        raise EyasError(f"{files[0]} is damaged or cut short: config.json asks for {config.n_params():,} parameters")
    model = unfilled(config, device=device, dtype=dtype)
    targets = hf_views(model)
    missing = set(targets)
    recorded = _recorded_hashes(folder)
    for file in files:
        if file.name in recorded and sha256_file(file) != recorded[file.name]:
            raise EyasError(f"{file} is damaged: its bytes are not those recorded in lineage.json; copy it afresh")
        for name, tensor in _tensors(file):
            if name.endswith("rotary_emb.inv_freq") or (name == _TIED and config.tie_embeddings):
                continue  # written by old versions; both follow from the rest
            if name not in targets:
                raise EyasError(f"{file} holds {name}, for which config.json has no place")
            if tensor.shape != targets[name].shape:
                have, want = list(tensor.shape), list(targets[name].shape)
                raise EyasError(f"{file}: {name} has shape {have}, config.json asks for {want}")
            if not tensor.is_floating_point():
                raise EyasError(f"{file}: {name} is quantised ({tensor.dtype}); use the model's unquantised folder")
            with torch.no_grad():
                targets[name].copy_(tensor)
            missing.discard(name)
    if missing:
        raise EyasError(f"{folder} lacks {len(missing)} weights, {min(missing)} among them; copy the folder afresh")
    return model.eval()


def unfilled(config: ModelConfig, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Network:
    """A network of `config` whose weights are not yet set: fill every one of its `hf_views`."""
    with torch.device("meta"):
        model = new_network(config)
    return model.to(dtype).materialize(device)


def stored_dtype(folder: Path) -> torch.dtype:
    """The type that a model folder's weights have; float32 where config.json does not say. Raises EyasError."""
    config = read_json(Path(folder) / "config.json", "model config")
    name = str(config.get("dtype") or config.get("torch_dtype")) if isinstance(config, dict) else ""
    return next((dtype for dtype, known in _DTYPES.items() if known == name), torch.float32)


def hf_views(model: Network) -> dict[str, Tensor]:
    """Hugging Face name -> the part of our (fused) parameter that holds it; writing to a view writes to the model.

    Networks that only eyas has are stored under the names they have here.
    """
    if not isinstance(model, Transformer):
        return {name: parameter.detach() for name, parameter in model.named_parameters()}
    c = model.config
    query, shared = c.n_head * c.head_dim, c.n_kv_head * c.head_dim
    views: dict[str, Tensor] = {"model.embed_tokens.weight": model.embed.weight.detach()}
    for index, block in enumerate(cast("list[AttentionBlock]", list(model.blocks))):
        layer = f"model.layers.{index}"
        q, k, v = torch.split(block.qkv.weight.detach(), [query, shared, shared])
        gate, up = torch.split(block.gate_up.weight.detach(), [c.n_ff, c.n_ff])
        views[f"{layer}.input_layernorm.weight"] = block.attn_norm.weight.detach()
        views[f"{layer}.self_attn.q_proj.weight"] = q
        views[f"{layer}.self_attn.k_proj.weight"] = k
        views[f"{layer}.self_attn.v_proj.weight"] = v
        views[f"{layer}.self_attn.o_proj.weight"] = block.out.weight.detach()
        if c.qkv_bias:
            biases = torch.split(block.qkv.bias.detach(), [query, shared, shared])
            views |= {f"{layer}.self_attn.{name}_proj.bias": bias for name, bias in zip("qkv", biases, strict=True)}
        if c.qk_norm:
            views[f"{layer}.self_attn.q_norm.weight"] = cast(Tensor, block.q_norm.weight).detach()
            views[f"{layer}.self_attn.k_norm.weight"] = cast(Tensor, block.k_norm.weight).detach()
        views[f"{layer}.post_attention_layernorm.weight"] = block.mlp_norm.weight.detach()
        views[f"{layer}.mlp.gate_proj.weight"] = gate
        views[f"{layer}.mlp.up_proj.weight"] = up
        views[f"{layer}.mlp.down_proj.weight"] = block.down.weight.detach()
    views["model.norm.weight"] = model.norm.weight.detach()
    if c.num_labels:
        views["score.weight"] = model.score.weight.detach()
    elif not c.tie_embeddings:
        views[_TIED] = model.lm_head.weight.detach()
    return views


def check_fit(tokenizer: Tokenizer, config: ModelConfig, where: Path) -> None:
    """Raise EyasError when the tokenizer has ids the model has no row for (the reverse, a padded table, is fine)."""
    if tokenizer.vocab_size > config.vocab_size:
        raise EyasError(
            f"{where}: the tokenizer has {tokenizer.vocab_size} ids, the model only {config.vocab_size}; "
            "use the tokenizer the model was trained with"
        )


def end_ids(tokenizer: Tokenizer) -> list[int]:
    """The ids that end a text or an assistant's turn; a foreign tokenizer may have only the first."""
    return [tokenizer.endoftext, *(tokenizer.special[name] for name in ("<|im_end|>",) if name in tokenizer.special)]


def _write_weights(folder: Path, model: Network, shard_bytes: int) -> dict[str, str]:
    """Write the safetensors files and, for more than one, their index; give back file name -> SHA-256."""
    shards: list[dict[str, Tensor]] = [{}]
    used = total = 0
    for name, tensor in hf_views(model).items():
        if used and used + tensor.nbytes > shard_bytes:
            shards.append({})
            used = 0
        shards[-1][name] = tensor
        used, total = used + tensor.nbytes, total + tensor.nbytes
    files = [f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
    if len(shards) == 1:
        files = [WEIGHTS]
    for file, shard in zip(files, shards, strict=True):
        owned = {name: tensor.cpu().clone(memory_format=torch.contiguous_format) for name, tensor in shard.items()}
        try:
            save_file(owned, folder / file, metadata={"format": "pt"})
        except (SafetensorError, OSError) as error:
            raise EyasError(f"cannot write {file}: {error}; free space or choose another place") from error
    if len(shards) > 1:
        weight_map = {name: file for file, shard in zip(files, shards, strict=True) for name in shard}
        _write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})
    return {file: sha256_file(folder / file) for file in files}


def _weight_files(folder: Path) -> list[Path]:
    """The folder's safetensors files, through the index when there is one. Raises EyasError for a missing file."""
    if (folder / INDEX).exists():
        index = read_json(folder / INDEX, "weight index")
        weight_map = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
            raise EyasError(f"{folder / INDEX} is damaged: it maps no weights to files")
        names = sorted(set(weight_map.values()))
        if any(Path(name).name != name for name in names):
            raise EyasError(f"{folder / INDEX} points outside its folder")
    else:
        names = [WEIGHTS]
    files = [folder / name for name in names]
    for file in files:
        if not file.is_file():
            raise EyasError(f"{file} is missing; copy the model folder afresh")
    return files


def _tensors(file: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 (safe_open is no dict)
                yield name, opened.get_tensor(name)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise EyasError(f"{file} is damaged or cut short: {error}; copy it afresh") from error


def _recorded_hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of weight files that lineage.json recorded; none for folders of other programs."""
    path = folder / "lineage.json"
    lineage = read_json(path, "lineage") if path.exists() else {}
    hashes = lineage.get("weights") if isinstance(lineage, dict) else None
    return hashes if isinstance(hashes, dict) else {}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomic(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def card_text(folder: Path) -> str:
    """What a model folder's README.md says below its YAML and above the line on its shape; "" where there is none."""
    try:
        text = (Path(folder) / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    body = text.split("\n---\n", 1)[-1] if text.startswith("---\n") else text
    above, _, last = body.strip().rpartition("\n\n")
    return above.strip() if last.endswith(".") and " parameters: " in last else body.strip()


def _card(text: str, name: str, config: ModelConfig) -> str:
    """README.md as the hub wants it: YAML front matter, then the text."""
    library = "transformers" if config.arch == "transformer" else "eyas"
    front = f"---\nlibrary_name: {library}\npipeline_tag: text-generation\ntags:\n- eyas\n---\n"
    shape = (
        f"{config.n_params():,} parameters: {config.n_layer} layers of width {config.n_embd}, "
        f"vocabulary {config.vocab_size:,}, context {config.max_seq_len:,}."
    )
    body = text.strip() or f"# {name}\n\nRaised with eyas. How it came to be stands in `lineage.json`."
    return f"{front}\n{body}\n\n{shape}\n"
