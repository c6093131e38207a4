"""How a Transformer is spelled in GGUF: the names of its tensors and the keys of its shape, both ways."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gguf import GGUFWriter

from eyas.errors import EyasError
from eyas.model.config import LONGEST_CONTEXT, ModelConfig, RopeScaling
from eyas.model.transformer import rope_divisors
from eyas.runtime.gguf_file import GgufFile

ROPE_FREQS = "rope_freqs.weight"
_FAMILIES = ("llama", "qwen2", "qwen3")
_REFUSED = (  # keys that change what is computed, with the only value that changes nothing
    ("expert_count", 0),
    ("attention.sliding_window", 0),
    ("rope.scaling.factor", 0),
    ("attention.scale", 0),
    ("logit_scale", 0),
    ("embedding_scale", 0),
    ("residual_scale", 0),
    ("attn_logit_softcapping", 0),
    ("final_logit_softcapping", 0),
)
_LAYER = {
    "input_layernorm.weight": "attn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.q_proj.bias": "attn_q.bias",
    "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.bias": "attn_v.bias",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
_OUTSIDE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def gguf_name(name: str) -> str:
    """GGUF's name of the tensor that Hugging Face calls `name`: blk.0.ffn_up.weight and the like."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{_LAYER[rest]}"


def shape_of(name: str, config: ModelConfig) -> tuple[int, ...]:
    """The shape of the tensor that Hugging Face calls `name`."""
    c = config
    heads, shared = c.n_head * c.head_dim, c.n_kv_head * c.head_dim
    part = name.removesuffix(".weight").removesuffix(".bias").rsplit(".", 1)[-1]
    shapes = {
        "embed_tokens": (c.vocab_size, c.n_embd), "lm_head": (c.vocab_size, c.n_embd),
        "q_proj": (heads, c.n_embd), "k_proj": (shared, c.n_embd), "v_proj": (shared, c.n_embd),
        "o_proj": (c.n_embd, heads), "gate_proj": (c.n_ff, c.n_embd), "up_proj": (c.n_ff, c.n_embd),
        "down_proj": (c.n_embd, c.n_ff), "q_norm": (c.head_dim,), "k_norm": (c.head_dim,),
    }  # fmt: skip
    shape: tuple[int, ...] = shapes.get(part, (c.n_embd,))
    return shape[:1] if name.endswith(".bias") else shape


def names_of(config: ModelConfig) -> list[str]:
    """The Hugging Face names of all tensors of a model of this shape, layer after layer."""
    absent = set()
    if not config.qkv_bias:
        absent |= {part for part in _LAYER if part.endswith(".bias")}
    if not config.qk_norm:
        absent |= {"self_attn.q_norm.weight", "self_attn.k_norm.weight"}
    layers = [f"model.layers.{i}.{part}" for i in range(config.n_layer) for part in _LAYER if part not in absent]
    head = [] if config.tie_embeddings else ["lm_head.weight"]
    return ["model.embed_tokens.weight", *layers, "model.norm.weight", *head]


def add_config(writer: GGUFWriter, config: ModelConfig) -> None:
    """Write the keys of the shape; the writer was made for `config.family`."""
    writer.add_block_count(config.n_layer)
    writer.add_context_length(config.max_seq_len)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(config.n_ff)
    writer.add_head_count(config.n_head)
    writer.add_head_count_kv(config.n_kv_head)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_vocab_size(config.vocab_size)
    if config.rope_scaling is not None:
        writer.add_rope_scaling_orig_ctx_len(config.rope_scaling.original_context)


def read_config(file: GgufFile) -> ModelConfig:
    """The shape of the model in `file`, every tensor's shape checked against it. Raises EyasError."""
    family = file.metadata.get("general.architecture")
    if family not in _FAMILIES:
        raise EyasError(f"{file.path}: architecture {family} is not supported; eyas reads {', '.join(_FAMILIES)}")
    key = _Keys(file, str(family))
    n_layer, n_embd, n_head = key.whole("block_count"), key.whole("embedding_length"), key.whole("attention.head_count")
    head_dim = key.whole("attention.key_length", n_embd // n_head)
    key.refuse_variants(head_dim)
    embed = file.tensors.get("token_embd.weight")
    if embed is None or n_layer > len(file.tensors):
        raise EyasError(f"{file.path} is damaged: it lacks tensors that its shape asks for")
    config = ModelConfig(
        vocab_size=embed.shape[0],
        n_layer=n_layer,
        n_embd=n_embd,
        n_head=n_head,
        n_kv_head=key.whole("attention.head_count_kv", n_head),
        head_dim=head_dim,
        n_ff=key.whole("feed_forward_length"),
        max_seq_len=key.whole("context_length", most=LONGEST_CONTEXT),
        rope_theta=key.real("rope.freq_base", 10_000.0),
        norm_eps=key.real("attention.layer_norm_rms_epsilon"),
        tie_embeddings="output.weight" not in file.tensors,
        qk_norm=family == "qwen3",
        qkv_bias="blk.0.attn_q.bias" in file.tensors and family != "qwen3",
        rope_scaling=None,
    )
    _check_tensors(file, config)
    return _with_scaling(file, config)


class _Keys:
    """Typed access to the keys of one architecture."""

    def __init__(self, file: GgufFile, family: str) -> None:
        self.file, self.family = file, family

    def _value(self, name: str, default: Any) -> Any:
        value = self.file.metadata.get(f"{self.family}.{name}", default)
        if value is None:
            raise EyasError(f"{self.file.path} lacks {self.family}.{name}; it is no complete model")
        return value

    def whole(self, name: str, default: int | None = None, most: int = 1 << 24) -> int:
        value = self._value(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
            raise EyasError(f"{self.file.path}: {self.family}.{name} is {_short(value)}; eyas reads 1 to {most:,}")
        return value

    def real(self, name: str, default: float | None = None) -> float:
        value = self._value(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not (math.isfinite(value) and value > 0):
            raise EyasError(f"{self.file.path}: {self.family}.{name} is {_short(value)}; it must be above zero")
        return float(np.float32(value)) if name == "rope.freq_base" else _shortest(float(value))

    def refuse_variants(self, head_dim: int) -> None:
        """Raise EyasError for keys that would silently compute something else."""
        wanted = [*_REFUSED, ("attention.value_length", head_dim), ("rope.dimension_count", head_dim)]
        for name, harmless in wanted:
            value = self.file.metadata.get(f"{self.family}.{name}", harmless)
            if isinstance(value, str | list | np.ndarray) or value != harmless:
                raise EyasError(f"{self.file.path}: {self.family}.{name} = {_short(value)} is not supported")
        if (kind := self.file.metadata.get(f"{self.family}.rope.scaling.type", "none")) != "none":
            raise EyasError(f"{self.file.path}: RoPE scaling {_short(kind)} is not supported; llama3's is")


def _shortest(value: float) -> float:
    """The decimal that was meant where a float32 was stored: 1e-5, not 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def _short(value: Any) -> str:
    return repr(value)[:60]


def _check_tensors(file: GgufFile, config: ModelConfig) -> None:
    """Raise EyasError unless the file holds exactly the tensors of `config`, in their shapes."""
    wanted = {gguf_name(name): shape_of(name, config) for name in names_of(config)}
    if missing := sorted(set(wanted) - set(file.tensors)):
        raise EyasError(f"{file.path} lacks {len(missing)} tensors, {missing[0]} among them")
    if extra := sorted(set(file.tensors) - set(wanted) - {ROPE_FREQS}):
        raise EyasError(f"{file.path} holds {extra[0]}, for which its architecture has no place")
    for name, shape in wanted.items():
        if file.tensors[name].shape != shape:
            have = list(file.tensors[name].shape)
            raise EyasError(f"{file.path}: {name} has the shape {have}, its keys ask for {list(shape)}")


def _with_scaling(file: GgufFile, config: ModelConfig) -> ModelConfig:
    """`config` with Llama 3's RoPE scaling where the file holds its divisors."""
    if ROPE_FREQS not in file.tensors:
        return config
    divisors = torch.tensor(file.values(ROPE_FREQS))
    factor = _shortest(float(divisors.max()))
    noted = file.metadata.get(f"{config.family}.rope.scaling.original_context_length")
    for original in (noted, 8192, 4096, 2048, 16384, 32768):
        if factor > 0 and isinstance(original, int) and 0 < original <= LONGEST_CONTEXT:
            scaling = RopeScaling(factor, 1.0, 4.0, original)
            made = rope_divisors(config, scaling)
            if made.shape == divisors.shape and torch.allclose(made, divisors, rtol=1e-4):
                return replace(config, rope_scaling=scaling)
    raise EyasError(f"{file.path}: its RoPE scaling is not llama3's; eyas reads no other")
