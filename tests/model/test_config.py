"""One dial gives every shape; counts are exact."""

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from eyas.errors import EyasError
from eyas.model.config import ModelConfig, RopeScaling, parse_size
from eyas.model.transformer import Transformer


def test_the_parameters_of_3m_are_counted_by_hand() -> None:
    config = ModelConfig.from_size("3m")
    assert (config.n_layer, config.n_embd, config.n_head, config.head_dim, config.n_ff) == (3, 256, 4, 64, 512)
    block = 4 * 256 * 256 + 3 * 256 * 512 + 2 * 256 + 2 * 64
    assert config.n_multiplying() == 3 * block + 4096 * 256 + 256 == 3_016_832
    assert config.n_params() == config.n_multiplying() + 4096 * 256, "the input table comes on top"


@pytest.mark.parametrize("size", ["0.3m", "0.5m", "1m", "2m", "3m", "7.5m", "15m", "42m", "110m", "350m", "1b", "8b"])
def test_the_count_is_near_the_asked_size_and_the_widths_are_even(size: str) -> None:
    config = ModelConfig.from_size(size)
    assert 0.85 < config.n_multiplying() / parse_size(size) < 1.151
    assert config.n_ff % 64 == 0 and config.n_embd % 32 == 0
    assert config.head_dim == (32 if config.n_embd % 64 else 64)
    assert config.n_embd == config.n_head * config.head_dim
    assert 1.0 <= config.n_ff / config.n_embd <= 4


@pytest.mark.parametrize("size", ["0.5m", "0.6m", "0.7m", "0.8m", "0.9m", "1m"])
def test_small_models_have_the_heads_and_layers_that_copying_takes(size: str) -> None:
    config = ModelConfig.from_size(size)
    assert config.n_layer >= 2 and config.n_head >= 2, "two heads in the first layer, one in the second"


def test_larger_models_are_wider_and_deeper_and_the_largest_wider_for_their_depth() -> None:
    shapes = [ModelConfig.from_size(size) for size in ("1m", "3m", "15m", "110m", "1b", "8b")]
    for measure in ("n_layer", "n_embd"):
        measures = [getattr(shape, measure) for shape in shapes]
        assert measures == sorted(set(measures))
    ratios = [shape.n_embd / shape.n_layer for shape in shapes[-3:]]
    assert ratios == sorted(ratios)


def test_a_grid_has_another_shape_for_each_of_its_sizes() -> None:
    sizes = [0.27e6 * 1.35**level for level in range(8)]
    counts = [ModelConfig.from_size(str(round(size)), 512, 256).n_multiplying() for size in sizes]
    assert counts == sorted(set(counts))
    assert all(0.87 < count / size < 1.15 for count, size in zip(counts, sizes, strict=True))


def test_convolutions_are_as_deep_as_it_takes_to_see_the_context() -> None:
    assert ModelConfig.from_size("1m", arch="cnn").n_layer == 5, "4^5 tokens are the first above 512"
    assert ModelConfig.from_size("1m", max_seq_len=256, arch="cnn").n_layer == 4


@pytest.mark.parametrize("size", ["0", "0m", "-3m", "", "huge", "3mm", "nan", "1e9b", "0.01m"])
def test_nonsense_sizes_are_refused_by_name(size: str) -> None:
    with pytest.raises(EyasError, match="--size"):
        ModelConfig.from_size(size)


SHAPE = ModelConfig(vocab_size=50, n_layer=2, n_embd=32, n_head=4, n_kv_head=2, head_dim=8, n_ff=48)


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize(("norm", "bias"), [(True, False), (False, False), (False, True)])
def test_the_parameter_count_is_the_modules(tie: bool, norm: bool, bias: bool) -> None:
    config = dataclasses.replace(SHAPE, tie_embeddings=tie, qk_norm=norm, qkv_bias=bias)
    assert config.n_params() == sum(p.numel() for p in Transformer(config).parameters())


def test_flops_follow_the_formula() -> None:
    config = ModelConfig.from_size("3m")
    tied = dataclasses.replace(config, tie_embeddings=True)
    assert tied.flops_per_token(256) == 6 * tied.n_params() + 6 * 3 * 256 * 256
    assert tied.flops_per_token(256) == config.flops_per_token(256), "looking up the input table multiplies nothing"


def test_flops_count_the_matrix_products_of_a_forward_pass() -> None:
    """Beside PyTorch's own counter: forward products are a third of training, norms and half the square apart."""
    length = 40
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Transformer(SHAPE).double()(torch.zeros(1, length, dtype=torch.int64))  # in fp64 attention is plain products
    norms = SHAPE.n_layer * (2 * SHAPE.n_embd + 2 * SHAPE.head_dim) + SHAPE.n_embd
    unmasked_half = 2 * SHAPE.n_layer * SHAPE.n_head * SHAPE.head_dim * length * length
    assert counter.get_total_flops() == SHAPE.flops_per_token(length) * length // 3 - 2 * norms * length + unmasked_half


def test_config_json_round_trip() -> None:
    for config in (
        SHAPE,
        dataclasses.replace(SHAPE, qk_norm=False, tie_embeddings=False, rope_theta=1e6),
        dataclasses.replace(SHAPE, qk_norm=False, qkv_bias=True),
        dataclasses.replace(SHAPE, qk_norm=False, rope_scaling=RopeScaling(8.0, 1.0, 4.0, 8192)),
    ):
        assert ModelConfig.from_hf(config.to_hf()) == config


def test_a_shape_no_architecture_has_is_refused() -> None:
    with pytest.raises(EyasError, match="both qk_norm and qkv_bias"):
        dataclasses.replace(SHAPE, qkv_bias=True)
    with pytest.raises(EyasError, match="factor must be above zero"):
        RopeScaling(0.0, 1.0, 4.0, 8192)
    with pytest.raises(EyasError, match="high_freq_factor must be above"):
        RopeScaling(8.0, 4.0, 4.0, 8192)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"architectures": ["GPT2LMHeadModel"]}, "GPT2LMHeadModel is not supported"),
        ({"rope_scaling": {"rope_type": "linear", "factor": 8.0}}, "RoPE scaling 'linear'"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "lacks 'low_freq_factor'"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "RoPE scaling 'yarn'"),
        ({"attention_bias": True}, "attention_bias"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"hidden_size": "wide"}, "damaged"),
        ({"num_key_value_heads": 3}, "3 key-value heads"),
        ({"num_hidden_layers": 0}, "n_layer must be above zero"),
    ],
)
def test_other_architectures_are_refused_clearly(change: dict[str, object], word: str) -> None:
    with pytest.raises(EyasError, match=word):
        ModelConfig.from_hf(SHAPE.to_hf() | change)


def test_a_missing_key_is_named() -> None:
    config = SHAPE.to_hf()
    del config["hidden_size"]
    with pytest.raises(EyasError, match="hidden_size"):
        ModelConfig.from_hf(config, "m/config.json")
