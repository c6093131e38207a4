"""The training loops that `pretrain_peers.py` compares with: a `transformers` Llama, and nanoGPT's recipe.

Each is what its users would write, at its best on a processor: bf16 autocast, torch.compile, fused AdamW. All read one
stream of tokens in which `<|endoftext|>` stands between documents.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import tokenizers
import torch
from torch import Tensor, nn
from torch.nn import functional as F

VOCAB, LAYERS, WIDTH, HEADS = 4096, 6, 192, 3
"""About 3.4M parameters in either shape. Three heads of 64 train faster on a processor than six of 32."""
TOKENIZER_BYTES = 20_000_000  # of text, that a vocabulary is learnt from
READ_TOKENS = 8192  # of a forward pass that only reads


class Encoder(Protocol):
    """What text becomes ids with; `endoftext` starts and ends documents."""

    vocab_size: int
    start: int
    endoftext: int

    def encode_batch(self, texts: Sequence[str]) -> list[Any]: ...


class Bpe:
    """A byte-level BPE with GPT-2's split of the text, learnt from `texts` by the `tokenizers` library."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.inner = tokenizers.Tokenizer(tokenizers.models.BPE())
        self.inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=VOCAB, special_tokens=["<|endoftext|>"], show_progress=False,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
        self.inner.train_from_iterator(texts, trainer)
        self.vocab_size = self.inner.get_vocab_size()
        self.start = self.endoftext = self.inner.token_to_id("<|endoftext|>")

    def encode_batch(self, texts: Sequence[str]) -> list[Any]:
        return [one.ids for one in self.inner.encode_batch_fast(list(texts))]


class Bytes:
    """Bytes as ids: nanoGPT's character level for text of any characters."""

    vocab_size, start, endoftext = 257, 256, 256

    def __init__(self, texts: Sequence[str]) -> None:
        """Nothing is learnt from `texts`."""

    def encode_batch(self, texts: Sequence[str]) -> list[Any]:
        return [np.frombuffer(text.encode(), np.uint8) for text in texts]


class Block(nn.Module):
    """GPT-2's block without biases, as nanoGPT has it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH, bias=False), nn.LayerNorm(WIDTH, bias=False)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        rows, length, _ = x.shape
        parts = self.qkv(self.norm_1(x)).view(rows, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*parts.unbind(), is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(rows, length, WIDTH))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class Gpt(nn.Module):
    """GPT-2 with a tied head; ids (B, T) to logits (B, T, V)."""

    def __init__(self, vocab_size: int, context: int) -> None:
        super().__init__()
        self.embed, self.position = nn.Embedding(vocab_size, WIDTH), nn.Embedding(context, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, p in self.named_parameters():
            if p.ndim == 2:
                into_stream = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * LAYERS) if into_stream else 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids) + self.position.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embed.weight)


class Llama(nn.Module):
    """`LlamaForCausalLM` of the same size; ids (B, T) to logits (B, T, V)."""

    def __init__(self, vocab_size: int, context: int) -> None:
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        self.inner = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocab_size, hidden_size=WIDTH, intermediate_size=512, num_hidden_layers=LAYERS,
                num_attention_heads=HEADS, max_position_embeddings=context, tie_word_embeddings=True,
                use_cache=False, attn_implementation="eager",  # a tenth faster here than PyTorch's own attention
            )
        )  # fmt: skip

    def forward(self, ids: Tensor) -> Tensor:
        logits: Tensor = self.inner(input_ids=ids).logits
        return logits


def windows(ids: Tensor, context: int, rows: int, seed: int, step: int) -> Tensor:
    """nanoGPT's batch: windows (rows, context + 1) from anywhere in the stream."""
    starts = np.random.default_rng((seed, step)).integers(0, len(ids) - context, rows)
    return ids[torch.from_numpy(starts)[:, None] + torch.arange(context + 1)]


def chunks(ids: Tensor, context: int, rows: int, seed: int, step: int) -> Tensor:
    """The usual batch of a `transformers` loop: the stream in pieces (rows, context + 1), shuffled anew each epoch."""
    pieces = (len(ids) - 1) // context
    picked = []
    for number in range(step * rows, (step + 1) * rows):
        epoch, place = divmod(number, pieces)
        picked.append(int(_order(pieces, seed, epoch)[place]))
    return ids[torch.tensor(picked)[:, None] * context + torch.arange(context + 1)]


@lru_cache(maxsize=2)
def _order(pieces: int, seed: int, epoch: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng((seed, epoch)).permutation(pieces)


@dataclass(frozen=True)
class Recipe:
    """How a peer trains: warm-up over `warmup` of the steps, a cosine to `final` of the peak, AdamW."""

    encoder: Callable[[Sequence[str]], Encoder]
    network: Callable[[int, int], nn.Module]
    batch: Callable[[Tensor, int, int, int, int], Tensor]
    context: int
    final: float
    betas: tuple[float, float] = (0.9, 0.95)
    warmup: float = 0.05
    weight_decay: float = 0.1
    clip: float = 1.0

    def rate(self, step: int, steps: int) -> float:
        """The rate at `step` as a share of its peak."""
        rising = max(1, round(self.warmup * steps))
        if step < rising:
            return (step + 1) / rising
        done = (step - rising) / max(1, steps - rising)
        return self.final + (1 - self.final) * 0.5 * (1 + math.cos(math.pi * done))


RECIPES = {
    "llama": Recipe(Bpe, Llama, chunks, context=256, final=0.0),
    "nanogpt": Recipe(Bpe, Gpt, windows, context=256, final=0.1, betas=(0.9, 0.99)),
    "nanogpt-bytes": Recipe(Bytes, Gpt, windows, context=256, final=0.1, betas=(0.9, 0.99)),
}


@dataclass(frozen=True)
class Text:
    """Training text as a peer reads it: one stream of ids (int64), `<|endoftext|>` between documents."""

    tokenizer: Encoder
    ids: Tensor

    @classmethod
    def prepared(cls, name: str, texts: Sequence[str]) -> "Text":
        """With a tokenizer learnt from the texts' first 20 MB."""
        sample, size = [], 0
        for text in texts:
            sample.append(text)
            size += len(text)
            if size >= TOKENIZER_BYTES:
                break
        tokenizer = RECIPES[name].encoder(sample)
        parts = [np.array([tokenizer.start, *ids], dtype=np.int64) for ids in tokenizer.encode_batch(texts)]
        return cls(tokenizer, torch.from_numpy(np.concatenate([*parts, [tokenizer.endoftext]])))


class Loop:
    """A training run of a peer: made ready, then stepped."""

    def __init__(self, name: str, text: Text, lr: float, batch_tokens: int, steps: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.recipe, self.text, self.lr, self.steps, self.seed = RECIPES[name], text, lr, steps, seed
        self.rows = batch_tokens // self.recipe.context
        self.model = self.recipe.network(text.tokenizer.vocab_size, self.recipe.context)
        self.loss = torch.compile(self._loss)
        groups = [
            {"params": [p for p in self.model.parameters() if p.ndim > 1], "weight_decay": self.recipe.weight_decay},
            {"params": [p for p in self.model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=self.recipe.betas, fused=True)
        self.done = 0

    def step(self) -> float:
        """Train on one batch; its loss in nats a token."""
        batch = self.recipe.batch(self.text.ids, self.recipe.context, self.rows, self.seed, self.done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * self.recipe.rate(self.done, self.steps)
        with torch.autocast("cpu", torch.bfloat16):
            loss = self.loss(batch[:, :-1].contiguous(), batch[:, 1:].contiguous())
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.done += 1
        return loss.item()

    def _loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(self.model(ids).flatten(0, 1).float(), targets.flatten())

    def n_params(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    def reader(self) -> "Reader":
        """What reads held-out text with the model as it is now."""
        return Reader(self.model.eval(), self.text.tokenizer, self.recipe.context)


@dataclass
class Reader:
    """The part of an engine that `eyas.evals.heldout.measure` asks for, in float32 as eyas's own."""

    model: nn.Module
    tokenizer: Encoder
    context: int

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[np.ndarray[Any, Any]]:
        """Log-probability of each id but the first, given those before it."""
        order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
        found: dict[int, np.ndarray[Any, Any]] = {}
        while order:
            rows = max(1, READ_TOKENS // len(sequences[order[-1]]))
            batch, order = order[-rows:], order[:-rows]
            # Padding stands to the right, where a causal model never looks.
            ids = nn.utils.rnn.pad_sequence([torch.tensor(sequences[i]) for i in batch], batch_first=True)
            with torch.no_grad():
                scores = -F.cross_entropy(self.model(ids[:, :-1]).mT, ids[:, 1:], reduction="none")
            found |= {i: row[: len(sequences[i]) - 1].numpy() for i, row in zip(batch, scores, strict=True)}
        return [found[i] for i in range(len(sequences))]
