"""A model born with the circuit that copies from earlier text, so that training need not find it.

Three heads make it (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; Olsson et al. 2022,
"In-context Learning and Induction Heads"). Two heads of the first layer hand every token the content of the token
before it and of the one before that. A head of the second layer seeks the place that the same two tokens lead to as
here, and proposes what stands there as next. Small models need most of a short run to find such heads, and no name,
number or tool call is right before. The circuit is only a start: it is trained like every other weight.
(Starting from a known pattern: Trockman & Kolter 2023, "Mimetic initialization".)
"""

from typing import NamedTuple

import torch
from torch import Tensor

EMBEDDING = 0.25  # deviation of the input table: large beside one step of its optimizer, or the circuit drowns
_HEAD = 0.2  # large for the same reason: every word has to keep its place there
_COPY = 1.0  # how loudly the second head speaks, in units of the embedding
SHARP = 1.5  # queries and keys are this many times sqrt(head_dim) long: 0.98 of the attention finds the match of 60
_SLOW = 0.018  # radians a token: rotary pairs slower than this still match 100 tokens apart


class Head(NamedTuple):
    """Views of one attention head's weights: query, key, value (head_dim, n_embd) and out (n_embd, head_dim)."""

    query: Tensor
    key: Tensor
    value: Tensor
    out: Tensor


class Subspaces:
    """Orthogonal directions of the residual stream, rows of (n, n_embd).

    `common` (n_embd) is what all tokens share, `content` (c) what a token is, `previous` and `second` (c / 2) what the
    one and the other before it were, `proposed` (c) what should come next; `rest` is free. c is the number of a
    head's slow rotary coordinates, `slow` their places, or less where the stream is narrow.
    """

    def __init__(self, n_embd: int, rope_cos: Tensor, generator: torch.Generator) -> None:
        half = rope_cos.shape[1]
        pairs = min(int((rope_cos[1].acos() < _SLOW).sum()), (n_embd - 1) // 6)
        self.slow = [*range(half - pairs, half), *range(2 * half - pairs, 2 * half)]
        start = torch.randn(n_embd, n_embd, generator=generator)
        start[:, 0] = 1.0
        q, r = torch.linalg.qr(start)
        basis = (q * r.diagonal().sign()).T
        self.common = basis[0]
        self.content, self.previous, self.second, self.proposed, self.rest = basis[1:].split(
            [2 * pairs, pairs, pairs, 2 * pairs, n_embd - 1 - 6 * pairs]
        )


def tables(vocab_size: int, spaces: Subspaces, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Input embeddings and the rows of an untied head, (vocab_size, n_embd) each.

    A token stands in `common`, `content` and `rest`, and leaves the circuit's other subspaces clear; the head reads
    its content where the second layer proposes it.
    """
    own = torch.cat((spaces.content, spaces.rest))
    content = torch.randn(vocab_size, len(own), generator=generator)
    share = (spaces.common.numel() / 2) ** 0.5  # half of the energy is common to all tokens, half their own
    embed = EMBEDDING * share * (spaces.common + content @ own / len(own) ** 0.5)
    return embed, _HEAD * content[:, : len(spaces.content)] @ spaces.proposed


def look_back(head: Head, distance: int, target: Tensor, rope_cos: Tensor, spaces: Subspaces) -> None:
    """Make a head of the first layer write the content of the token `distance` before into `target` (n, n_embd).

    Query and key turn what all tokens have in common into two constant vectors that the fastest rotary pairs bring
    into line that many positions apart.
    """
    half = rope_cos.shape[1]
    fastest = min(4, half)
    angles = distance * rope_cos[1, :fastest].acos()
    ask, answer = torch.zeros(2 * half), torch.zeros(2 * half)
    ask[:fastest] = 1.0
    answer[:fastest] = angles.cos()
    answer[half : half + fastest] = angles.sin()
    length = SHARP * (2 * half / fastest) ** 0.5 / (head.query.shape[1] / 2) ** 0.5
    head.query.mul_(0.1).add_(torch.outer(length * ask, spaces.common).to(head.query))
    head.key.mul_(0.1).add_(torch.outer(length * answer, spaces.common).to(head.key))
    _carry(head, spaces.content[: len(target)], EMBEDDING * target)


def match_and_copy(head: Head, spaces: Subspaces) -> None:
    """Make a head of the second layer find where the last two tokens stood before and propose what followed them."""
    head_dim, n_embd = head.query.shape
    pairs = len(spaces.previous)
    own = len(spaces.content) + len(spaces.rest)
    length = SHARP * (head_dim / (n_embd * pairs / own)) ** 0.5
    head.query.mul_(0.1)
    head.key.mul_(0.1)
    head.query[spaces.slow] += (length * torch.cat((spaces.content[:pairs], spaces.previous))).to(head.query)
    head.key[spaces.slow] += (length * torch.cat((spaces.previous, spaces.second))).to(head.key)
    _carry(head, spaces.content, _COPY * EMBEDDING * spaces.proposed)


def _carry(head: Head, source: Tensor, target: Tensor) -> None:
    """Let the head read `source` where it looks and write it as `target`, and nothing else."""
    head.value.zero_()
    head.value[: len(source)] = source.to(head.value)
    head.out.zero_()
    head.out[:, : len(target)] = target.T.to(head.out)
