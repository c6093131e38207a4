"""The shape of a model: which sizes, how many parameters, how many FLOPs; read from and written to `config.json`."""

import math
import re
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from eyas.errors import EyasError

Arch = Literal["transformer", "rnn", "cnn"]
HEAD_DIM = 64  # the fastest on CPU and the one every GPU kernel knows; half of it in widths that are no multiple
LONGEST_CONTEXT = 1 << 20  # tokens that other people's files may ask for: the rotary tables are made for all of them
KERNEL = 4  # tokens that a convolution reads: as many parameters as attention's four matrices have
_MULTIPLE = 64  # widths are multiples of this, so no vector loop has a tail
_FAMILIES = {"qwen3": "Qwen3", "qwen2": "Qwen2", "llama": "Llama", "eyas_rnn": "EyasRnn", "eyas_cnn": "EyasCnn"}
_MIXING = {"transformer": 4, "rnn": 9, "cnn": KERNEL}  # squares of the width in the half of a block that mixes tokens
_ARCHS: dict[str, Arch] = {"eyas_rnn": "rnn", "eyas_cnn": "cnn"}
_NARROW = 192  # widths below lie half as far apart; to it, feed-forward yields to width
_ROOM_FOR_THREE = 1_200_000  # parameters from which on three layers end as low as two (docs/recipe.md)
_WINDOW = 0.15  # a preset's exact count lies this near the asked one, where any shape does


@dataclass(frozen=True)
class RopeScaling:
    """How Llama 3 stretches the rotary waves for a longer context (`rope_type: llama3`).

    Waves longer than original_context / low_freq_factor turn `factor` times slower, those shorter than
    original_context / high_freq_factor stay, those between are blended.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_context: int

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise EyasError(f"model config: RoPE scaling's {field.name} must be above zero, not {value}")
        if self.high_freq_factor <= self.low_freq_factor:
            raise EyasError("model config: RoPE scaling's high_freq_factor must be above its low_freq_factor")


@dataclass(frozen=True)
class ModelConfig:
    """A decoder-only Transformer in the Qwen3 shape; with `qk_norm` off it is the Llama shape.

    `arch` puts an LSTM or convolutions in the place of attention: what then stands under heads says what a token
    leaves behind for later ones, one head as wide as the model, and no rotary fields apply.
    `qkv_bias` (Qwen2) and `rope_scaling` (Llama 3.1 and later) are for other people's models; eyas trains without.
    With `num_labels` above 0 it is a classifier: a head of so many scores stands where the vocabulary's would.
    """

    vocab_size: int
    n_layer: int
    n_embd: int
    n_head: int
    n_kv_head: int
    head_dim: int
    n_ff: int
    max_seq_len: int = 512
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-6
    tie_embeddings: bool = True
    qk_norm: bool = True
    qkv_bias: bool = False
    rope_scaling: RopeScaling | None = None
    num_labels: int = 0
    arch: Arch = "transformer"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool | str | RopeScaling) or value is None or (field.name, value) == ("num_labels", 0):
                continue
            if not (math.isfinite(value) and value > 0):
                raise EyasError(f"model config: {field.name} must be above zero, not {value}")
        if self.arch != "transformer" and (self.n_head, self.n_kv_head, self.head_dim) != (1, 1, self.n_embd):
            raise EyasError(f"model config: a {self.arch} has one head as wide as the model")
        if self.qk_norm and self.qkv_bias:
            raise EyasError("model config: no architecture has both qk_norm and qkv_bias")
        if self.n_head % self.n_kv_head:
            raise EyasError(f"model config: {self.n_head} heads cannot share {self.n_kv_head} key-value heads evenly")
        if self.head_dim % 2:
            raise EyasError(f"model config: head_dim must be even to be rotated in pairs, not {self.head_dim}")

    @classmethod
    def from_size(cls, size: str, vocab_size: int = 4096, max_seq_len: int = 512, arch: Arch = "transformer") -> Self:
        """The preset with about `size` parameters that multiply ("0.3m", "3m", "110m", "1b", anything between).

        The input table, which only looks up, comes on top: it costs no time, holds what each token is, and lets the
        model start out copying (`induction`). Width, depth and feed-forward follow from the one number: depth grows
        as the root of the width, so the aspect ratio n_embd / n_layer grows with the size. Raises EyasError for
        nonsense and for sizes below the vocabulary's.
        """
        target = parse_size(size)
        best: tuple[tuple[bool, float], Self] | None = None
        least = _least_depth(target, arch, max_seq_len)
        for shape in _shapes(target, vocab_size, _MIXING[arch], least):
            n_layer, n_embd, n_ff = shape
            head_dim = math.gcd(n_embd, HEAD_DIM) if arch == "transformer" else n_embd
            n_head = n_embd // head_dim
            config = cls(
                vocab_size=vocab_size,
                n_layer=n_layer,
                n_embd=n_embd,
                n_head=n_head,
                n_kv_head=n_head // 4 if n_head >= 16 and n_head % 4 == 0 else n_head,  # a big cache is worth sharing
                head_dim=head_dim,
                n_ff=n_ff,
                max_seq_len=max_seq_len,
                tie_embeddings=False,
                qk_norm=arch == "transformer",
                arch=arch,
            )
            miss = abs(math.log(config.n_multiplying() / target))
            rank = (miss > math.log(1 + _WINDOW), 2 * miss + _oddness(*shape, least))
            if best is None or rank < best[0]:
                best = (rank, config)
        if best is None:
            smallest = least_params(vocab_size) / 1e6
            raise EyasError(
                f"--size {size} is too small: with a vocabulary of {vocab_size} the least is {smallest:.2f}m"
            )
        return best[1]

    def n_params(self) -> int:
        """Exact number of trained parameters; tied embeddings count once."""
        mixing = _MIXING[self.arch] * self.n_embd**2 + (4 * self.n_embd if self.arch == "rnn" else 0)
        if self.arch == "transformer":
            mixing = self.n_embd * self.head_dim * 2 * (self.n_head + self.n_kv_head)
        norms = 2 * self.n_embd + (2 * self.head_dim if self.qk_norm else 0)
        biases = (self.n_head + 2 * self.n_kv_head) * self.head_dim if self.qkv_bias else 0
        block = mixing + 3 * self.n_embd * self.n_ff + norms + biases
        head = self.num_labels or (0 if self.tie_embeddings else self.vocab_size)
        return self.n_layer * block + (self.vocab_size + head) * self.n_embd + self.n_embd

    def n_multiplying(self) -> int:
        """The parameters that multiply: all but an input table of its own."""
        looked_up = 0 if self.tie_embeddings and not self.num_labels else self.vocab_size * self.n_embd
        return self.n_params() - looked_up

    def flops_per_token(self, seq_len: int) -> int:
        """Training FLOPs (forward and backward) a token of a causal row of `seq_len`: 6 N + 6 L D T.

        N are the parameters that multiply: a tied table counts once, at the head. D = n_head * head_dim; a causal row
        sees T / 2 keys on average (Chinchilla, appendix F, halved). Without attention it is 6 N.
        """
        attention = self.n_layer * self.n_head * self.head_dim * seq_len if self.arch == "transformer" else 0
        return 6 * (self.n_multiplying() + attention)

    @property
    def family(self) -> str:
        """The field's name for this shape: `qwen3`, `qwen2` or `llama`; the other networks are eyas's own."""
        if self.arch != "transformer":
            return f"eyas_{self.arch}"
        return "qwen3" if self.qk_norm else "qwen2" if self.qkv_bias else "llama"

    def to_hf(self) -> dict[str, Any]:
        """The fields of a Hugging Face `config.json` that concern the shape."""
        own: dict[str, dict[str, Any]] = {
            "qwen3": {"attention_bias": False, "use_sliding_window": False, "sliding_window": None},
            "qwen2": {"use_sliding_window": False, "sliding_window": None},
            "llama": {"attention_bias": False, "mlp_bias": False},
        }
        labels = {"id2label": {str(label): f"LABEL_{label}" for label in range(self.num_labels)}}
        return {
            "architectures": [_architecture(self.family, self.num_labels > 0)],
            "model_type": self.family,
            "vocab_size": self.vocab_size,
            "num_hidden_layers": self.n_layer,
            "hidden_size": self.n_embd,
            "num_attention_heads": self.n_head,
            "num_key_value_heads": self.n_kv_head,
            "head_dim": self.head_dim,
            "intermediate_size": self.n_ff,
            "max_position_embeddings": self.max_seq_len,
            "rope_theta": self.rope_theta,
            "rms_norm_eps": self.norm_eps,
            "tie_word_embeddings": self.tie_embeddings,
            "hidden_act": "silu",
            "attention_dropout": 0.0,
            "use_cache": True,
            **self._rope_to_hf(),
            **own.get(self.family, {}),
            **(labels if self.num_labels else {}),
        }

    def _rope_to_hf(self) -> dict[str, Any]:
        """`rope_parameters` (`transformers` 5) and, where the waves are stretched, `rope_scaling` (4)."""
        if self.arch != "transformer":
            return {}
        if self.rope_scaling is None:
            return {"rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta}}
        scaling = {
            "rope_type": "llama3",
            "factor": self.rope_scaling.factor,
            "low_freq_factor": self.rope_scaling.low_freq_factor,
            "high_freq_factor": self.rope_scaling.high_freq_factor,
            "original_max_position_embeddings": self.rope_scaling.original_context,
        }
        return {"rope_scaling": scaling, "rope_parameters": scaling | {"rope_theta": self.rope_theta}}

    @classmethod
    def from_hf(cls, config: dict[str, Any], where: str = "config.json") -> Self:
        """Read a Qwen3, Qwen2 or Llama `config.json`; `where` names the file in errors.

        Raises EyasError for other architectures and for variants this Transformer does not compute.
        """
        if not isinstance(config, dict):
            raise EyasError(f"{where} must hold a JSON object")
        named = config.get("architectures") or [config.get("model_type")]
        known = {_architecture(family, labels): (family, labels) for family in _FAMILIES for labels in (False, True)}
        kind, labelled = known.get(str(named[0]), (str(named[0]), False))
        if kind not in _FAMILIES:
            raise EyasError(
                f"{where}: architecture {named[0]} is not supported; eyas reads Qwen3, Qwen2 and Llama models"
            )
        _refuse_variants(config, where)
        try:
            n_head = int(config["num_attention_heads"])
            n_embd = int(config["hidden_size"])
            if (context := int(config["max_position_embeddings"])) > LONGEST_CONTEXT:
                raise EyasError(f"{where}: a context of {context:,} is beyond the {LONGEST_CONTEXT:,} that eyas reads")
            return cls(
                vocab_size=int(config["vocab_size"]),
                n_layer=int(config["num_hidden_layers"]),
                n_embd=n_embd,
                n_head=n_head,
                n_kv_head=int(config.get("num_key_value_heads") or n_head),
                head_dim=int(config.get("head_dim") or (128 if kind == "qwen3" else n_embd // n_head)),
                n_ff=int(config["intermediate_size"]),
                max_seq_len=context,
                rope_theta=_rope_theta(config),
                norm_eps=float(config.get("rms_norm_eps", 1e-6)),
                tie_embeddings=bool(config.get("tie_word_embeddings", False)),
                qk_norm=kind == "qwen3",
                qkv_bias=kind == "qwen2",
                rope_scaling=_rope_scaling(config),
                num_labels=_num_labels(config) if labelled else 0,
                arch=_ARCHS.get(kind, "transformer"),
            )
        except KeyError as error:
            raise EyasError(f"{where} lacks {error}; it is no complete model config") from error
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise EyasError(f"{where} is damaged: {error}") from error


def parse_size(size: str) -> int:
    """Number of parameters that "0.3m", "3m", "1.1b", "500k" or "3000000" asks for. Raises EyasError."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([kmb]?)", str(size).strip().lower())
    count = round(float(match[1]) * {"": 1, "k": 1e3, "m": 1e6, "b": 1e9}[match[2]]) if match else 0
    if not 1 <= count <= 10**11:
        raise EyasError(f"--size {size} is no size; give a number of parameters such as 0.3m, 3m, 110m or 1b")
    return count


def _shapes(target: int, vocab_size: int, mixing: int, least_depth: int) -> list[tuple[int, int, int]]:
    """Candidate (n_layer, n_embd, n_ff): all widths, depths to 4 times the ideal, n_ff the ideal or of the exact fit.

    A block has `mixing` squares of its width beside the feed-forward half.
    """
    found = []
    n_embd = HEAD_DIM
    while n_embd <= 16384:
        room = target * (1 + _WINDOW) - vocab_size * n_embd
        ideal_ff = _round_to(_ideal_ff(n_embd))
        shallowest = 1 if n_embd == HEAD_DIM else 2  # which copying takes
        for n_layer in range(shallowest, int(4 * _ideal_depth(n_embd, least_depth)) + 1):
            left = (target - vocab_size * n_embd) / n_layer - mixing * n_embd * n_embd
            fitting = _round_to(left / (3 * n_embd))
            for n_ff in {ideal_ff, min(max(fitting, math.ceil(n_embd / _MULTIPLE) * _MULTIPLE), 4 * n_embd)}:
                if n_layer * (3 * n_embd * n_ff + (mixing - 1.5) * n_embd * n_embd) < room:
                    found.append((n_layer, n_embd, n_ff))
        n_embd += _MULTIPLE * (1 if n_embd < 512 else 2 if n_embd < 1024 else 4) // (2 if n_embd < _NARROW else 1)
    return found


def _oddness(n_layer: int, n_embd: int, n_ff: int, least_depth: int) -> float:
    """How far a shape is from the ideal of its width; in narrow models feed-forward may rather give way than width."""
    yielding = 3 if n_embd <= _NARROW else 1
    return (
        abs(math.log(n_layer / _ideal_depth(n_embd, least_depth))) + abs(math.log(n_ff / _ideal_ff(n_embd))) / yielding
    )


def _least_depth(target: int, arch: Arch, context: int) -> int:
    """Two layers can copy, a third costs nothing where it fits; convolutions see the context by powers of KERNEL."""
    return max(3 if target >= _ROOM_FOR_THREE else 2, ((context - 1).bit_length() + 1) // 2 if arch == "cnn" else 0)


def _ideal_depth(n_embd: int, least: int) -> float:
    """A layer for 80 of the width (docs/recipe.md); from width 1200 on its root, 20 at 2048."""
    return max(least, min(n_embd / 80, 12 * math.sqrt(n_embd / 768)))


def _ideal_ff(n_embd: int) -> float:
    """8/3 of the width; 4 times about 128, where fewer, wider layers end as well and train faster (docs/recipe.md)."""
    return (4 if HEAD_DIM < n_embd < _NARROW else 8 / 3) * n_embd


def least_params(vocab_size: int) -> int:
    """Parameters of the smallest shape: one layer of width 64."""
    smallest = ModelConfig(vocab_size, 1, HEAD_DIM, 1, 1, HEAD_DIM, HEAD_DIM)
    return math.ceil(smallest.n_params() / (1 + _WINDOW))


def _round_to(width: float) -> int:
    return max(1, round(width / _MULTIPLE)) * _MULTIPLE


def _architecture(family: str, labelled: bool) -> str:
    """The class in `transformers`."""
    return _FAMILIES[family] + ("ForSequenceClassification" if labelled else "ForCausalLM")


def _num_labels(config: dict[str, Any]) -> int:
    """How many scores a classifier gives: `transformers` writes the labels' names, and two where it writes none."""
    return len(config.get("id2label") or {}) or int(config.get("num_labels") or 2)


def _rope_theta(config: dict[str, Any]) -> float:
    """RoPE's base: top level in `transformers` 4, under `rope_parameters` in 5."""
    inner = config.get("rope_parameters") or {}
    return float(inner.get("rope_theta") or config.get("rope_theta") or 10_000.0)


def _rope_scaling(config: dict[str, Any]) -> RopeScaling | None:
    """Llama 3's scaling where the config asks for it (`_refuse_variants` has seen that there is no other)."""
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if _rope_type(scaling) != "llama3":
        return None
    return RopeScaling(
        factor=float(scaling["factor"]),
        low_freq_factor=float(scaling["low_freq_factor"]),
        high_freq_factor=float(scaling["high_freq_factor"]),
        original_context=int(scaling["original_max_position_embeddings"]),
    )


def _rope_type(scaling: Any) -> Any:
    return scaling.get("rope_type", scaling.get("type", "default")) if isinstance(scaling, dict) else scaling


def _refuse_variants(config: dict[str, Any], where: str) -> None:
    """Raise EyasError for switches that would silently compute something else."""
    kind = _rope_type(config.get("rope_scaling") or config.get("rope_parameters") or {})
    if kind not in (None, "default", "llama3"):
        raise EyasError(f"{where}: RoPE scaling {kind!r} is not supported; use a model without it, or with llama3's")
    for switch in ("attention_bias", "mlp_bias", "use_sliding_window"):
        if config.get(switch):
            raise EyasError(f"{where}: {switch} is not supported; eyas reads models without it")
    if config.get("hidden_act", "silu") != "silu":
        raise EyasError(f"{where}: activation {config['hidden_act']!r} is not supported; eyas computes SwiGLU (silu)")
