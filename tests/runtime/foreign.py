"""Random models of every shape eyas exports, and a small SentencePiece tokenizer like other people's."""

from typing import Any

import torch

from eyas.model.checkpoint import hf_views
from eyas.model.config import ModelConfig, RopeScaling
from eyas.model.transformer import Transformer
from eyas.text.pieces import SPACE, build_pieces_spec, byte_piece
from eyas.text.tokenizer import Tokenizer

VARIANTS: dict[str, dict[str, Any]] = {
    "qwen3": {},
    "qwen3-untied": {"tie_embeddings": False},
    "llama": {"qk_norm": False, "norm_eps": 1e-5},
    "llama-untied": {"qk_norm": False, "norm_eps": 1e-5, "tie_embeddings": False},
    "llama-scaled": {"qk_norm": False, "rope_theta": 9000.0, "rope_scaling": RopeScaling(8.0, 1.0, 4.0, 32)},
    "qwen2": {"qk_norm": False, "qkv_bias": True, "rope_theta": 1e6},
}
WORDS = "the cat sat on the mat and the dog ran to the sea where it swam".split()


def shape(kind: str, vocab_size: int, **changes: Any) -> ModelConfig:
    """A small model of one of the VARIANTS; two key heads for four query heads, a feed-forward of no whole blocks."""
    return ModelConfig(
        **{
            "vocab_size": vocab_size, "n_layer": 2, "n_embd": 64, "n_head": 4, "n_kv_head": 2, "head_dim": 16,
            "n_ff": 72, "max_seq_len": 64, **VARIANTS[kind], **changes,
        }
    )  # fmt: skip


def random_weights(config: ModelConfig, seed: int = 0, deviation: float = 0.25) -> Transformer:
    """A model whose weights, norms and biases too, are random and large enough to tell every mistake."""
    generator = torch.Generator().manual_seed(seed)
    model = Transformer(config).eval()
    for name, view in hf_views(model).items():
        centre = 1.0 if "norm" in name else 0.0
        view.copy_(centre + deviation * torch.randn(view.shape, generator=generator))
    return model


def same_weights(one: Transformer, other: Transformer) -> bool:
    """Whether two models are equal bit for bit, in shape and in every weight."""
    pairs = zip(hf_views(one).items(), hf_views(other).items(), strict=True)
    return one.config == other.config and all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def word_pieces() -> Tokenizer:
    """A SentencePiece tokenizer: its pieces are the beginnings of words, the longer the better their score."""
    pieces = {"<unk>": 0, "<s>": 1, "</s>": 2} | {byte_piece(byte): 3 + byte for byte in range(256)}
    parts = {f"{SPACE}{word}"[:end]: end for word in WORDS for end in range(2, len(word) + 2)}
    letters = sorted({letter for part in parts for letter in part} | {SPACE, "é", ","})
    for piece in [*sorted(parts, key=lambda part: (parts[part], part)), *letters]:
        pieces.setdefault(piece, len(pieces))
    scores = {piece: float(259 - i) for piece, i in pieces.items() if i >= 259}
    config = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>"}
    return Tokenizer(build_pieces_spec(pieces, scores, ["<unk>", "<s>", "</s>"]), config)
