"""The PyTorch engine: many prompts of different lengths through one model, with a key-value cache."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.errors import EyasError
from eyas.model.cache import KVCache
from eyas.model.checkpoint import end_ids
from eyas.model.transformer import Transformer
from eyas.runtime.sampling import Sampling, pick, uniforms
from eyas.text.tokenizer import Tokenizer

_PREFILL_CHUNK = 512  # prompt tokens a row and forward pass: bounds the attention scores of long prompts
_BATCH_TOKENS = 16_384  # prompt tokens of all rows of a batch
_BATCH_ROWS = 256
_LOGITS = 2**24  # logits alive at a time when whole sequences are scored
_COMPACT = 8  # finished rows are dropped once they are one in so many: dropping copies the cache

Overflow = Literal["error", "left"]


@dataclass
class Completion:
    """What the model said after a prompt.

    `ids` are without the stop token, which is `stop_id` (None when the length ended it). `logprobs[i]` is the natural
    log-probability of ids[i] under the model itself, before temperature and filters; `stop_logprob` that of the stop.
    """

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: Literal["stop", "length"] = "length"
    stop_id: int | None = None
    stop_logprob: float = 0.0


@dataclass
class _Row:
    """A prompt on its way: `place` in the caller's list, `draws` one uniform number for every token it may say."""

    place: int
    prompt: list[int]
    draws: NDArray[np.float64]
    done: Completion = field(default_factory=Completion)


class TorchEngine:
    """Generates with `model` on the device and in the type its weights have; never changes the model.

    Results do not depend on the batch: each row draws from its own stream. (Sums in another order can differ in their
    last bits, so a draw that hits an edge of two tokens to seven digits may fall the other way.)
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer, *, batch_rows: int = _BATCH_ROWS) -> None:
        self.model, self.tokenizer, self.batch_rows = model, tokenizer, batch_rows

    @property
    def device(self) -> torch.device:
        return self.model.embed.weight.device

    @property
    def context(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self.model.config.max_seq_len

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        stop_ids: Collection[int] | None = None,
        on_token: Callable[[int, int], None] | None = None,
        *,
        seeds: Sequence[int] | None = None,
        overflow: Overflow = "error",
    ) -> list[Completion]:
        """Continue every prompt until a stop token (default: both ends), `max_tokens` or the end of the context.

        on_token(place of the prompt, id) is called for each token as it is said, stop tokens left out. Prompt i draws
        from stream (sampling.seed, i), or (seeds[i], 0) when `seeds` are given. A prompt that fills the context is an
        EyasError, or loses its beginning with overflow="left"; so are an empty prompt and ids the model does not know.
        """
        stops = frozenset(end_ids(self.tokenizer) if stop_ids is None else stop_ids)
        rows = []
        for place, prompt in enumerate(prompts):
            fitted = self._fitted(list(prompt), sampling.max_tokens, overflow)
            limit = min(sampling.max_tokens, self.context - len(fitted))
            seed, stream = (sampling.seed, place) if seeds is None else (seeds[place], 0)
            rows.append(_Row(place, fitted, uniforms(seed, stream, limit)))
        for batch in self._batches(rows):
            for row, token in self._run(batch, sampling, stops):
                if on_token is not None:
                    on_token(row.place, token)
        return [row.done for row in rows]

    def stream(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        stop_ids: Collection[int] | None = None,
        *,
        overflow: Overflow = "error",
    ) -> Iterator[int]:
        """Continue one prompt and yield each token as it is said; the tokens are those of `generate([prompt])`."""
        stops = frozenset(end_ids(self.tokenizer) if stop_ids is None else stop_ids)
        fitted = self._fitted(list(prompt), sampling.max_tokens, overflow)
        limit = min(sampling.max_tokens, self.context - len(fitted))
        row = _Row(0, fitted, uniforms(sampling.seed, 0, limit))
        for _, token in self._run([row], sampling, stops):
            yield token

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """log P(sequence[i + 1] | sequence[: i + 1]) in nats for each i: one value fewer than the sequence has tokens.

        Raises EyasError when a sequence is empty or longer than the context.
        """
        rows = [_Row(i, self._checked(list(ids), len(ids)), np.empty(0)) for i, ids in enumerate(sequences)]
        found: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(rows)
        for batch in self._batches(rows):
            tokens = self._padded(batch)
            cache = self._cache(len(batch))
            scores = []
            with torch.inference_mode():
                for chunk in torch.split(tokens, _PREFILL_CHUNK, dim=1):
                    hidden = self.model.hidden(chunk, cache=cache)
                    start = int(cache.lengths[0])
                    cache.lengths += chunk.shape[1]
                    targets = tokens[:, start + 1 : start + 1 + chunk.shape[1]]
                    # the head's output is the largest tensor of all: a few rows at a time
                    few = max(1, _LOGITS // (self.model.config.vocab_size * chunk.shape[1]))
                    pieces = zip(
                        torch.split(hidden[:, : targets.shape[1]], few), torch.split(targets, few), strict=True
                    )
                    scores.append(torch.cat([_scores(self.model.head(h), t) for h, t in pieces]))
            together = torch.cat(scores, dim=1).cpu().numpy()
            for row, values in zip(batch, together, strict=True):
                found[row.place] = values[: len(row.prompt) - 1].copy()
        return found

    def next_logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits (V,) of the token after `ids`, V the model's vocabulary. Raises EyasError as `logprobs` does."""
        row = _Row(0, self._checked(list(ids), len(ids)), np.empty(0))
        with torch.inference_mode():
            logits, _ = self._prefill([row])
        values: NDArray[np.float32] = logits[0].float().cpu().numpy()
        return values

    # -- one batch

    def _run(self, rows: list[_Row], sampling: Sampling, stops: frozenset[int]) -> Iterator[tuple[_Row, int]]:
        """Say one token of every living row a step, yielding it; completions grow in the rows."""
        live = rows
        with torch.inference_mode():
            logits, cache = self._prefill(rows)
            ids, scores = self._pick(logits, sampling, live)
        while True:
            said = list(zip(live, ids.tolist(), scores.tolist(), strict=True))
            going = []
            for slot, (row, token, score) in enumerate(said):
                if row.done.stop_id is not None or len(row.done.ids) == len(row.draws):
                    continue  # finished before; it keeps its slot until the next compaction
                if token in stops:
                    row.done.finish_reason, row.done.stop_id, row.done.stop_logprob = "stop", token, score
                    continue
                row.done.ids.append(token)
                row.done.logprobs.append(score)
                yield row, token
                if len(row.done.ids) < len(row.draws):
                    going.append(slot)
            if not going:
                return
            with torch.inference_mode():
                if (len(live) - len(going)) * _COMPACT >= len(live):
                    kept = torch.tensor(going, device=self.device)
                    cache.keep(kept)
                    ids, live = ids[kept], [live[slot] for slot in going]
                    going = list(range(len(live)))
                hidden = self.model.hidden(ids[:, None], cache=cache)
                advance = np.zeros(len(live), dtype=np.int64)
                advance[going] = 1  # a finished row writes to the same place again and again
                cache.lengths += torch.from_numpy(advance).to(self.device)
                ids, scores = self._pick(self.model.head(hidden[:, 0]), sampling, live)

    def _prefill(self, rows: list[_Row]) -> tuple[Tensor, KVCache]:
        """Read the prompts: logits (B, V) after each row's last token, and the cache that holds the rows."""
        tokens = self._padded(rows)
        lengths = torch.tensor([len(row.prompt) for row in rows], device=self.device)
        cache = self._cache(len(rows))
        last = torch.zeros(len(rows), self.model.config.n_embd, device=self.device, dtype=self._dtype)
        for chunk in torch.split(tokens, _PREFILL_CHUNK, dim=1):
            hidden = self.model.hidden(chunk, cache=cache)
            at = lengths - 1 - cache.lengths
            here = ((at >= 0) & (at < chunk.shape[1])).nonzero().squeeze(1)
            last[here] = hidden[here, at[here]].to(last.dtype)
            cache.lengths += chunk.shape[1]
        cache.lengths = lengths
        return self.model.head(last), cache

    def _pick(self, logits: Tensor, sampling: Sampling, rows: list[_Row]) -> tuple[Tensor, Tensor]:
        """The next token of each row and its log-probability; ids beyond the tokenizer's are never said."""
        logits = logits[:, : self.tokenizer.vocab_size].float()
        draws = [row.draws[min(len(row.done.ids), len(row.draws) - 1)] for row in rows]
        ids = pick(logits, sampling, torch.tensor(draws, dtype=torch.float64, device=logits.device))
        return ids, _scores(logits, ids)

    @property
    def _dtype(self) -> torch.dtype:
        return self.model.embed.weight.dtype

    def _cache(self, rows: int) -> KVCache:
        return KVCache(self.model.config, rows, device=self.device, dtype=self._dtype)

    def _padded(self, rows: list[_Row]) -> Tensor:
        """The prompts as one (B, longest) tensor, padded on the right with what is never attended to."""
        longest = max(len(row.prompt) for row in rows)
        tokens = np.zeros((len(rows), longest), dtype=np.int64)
        for line, row in zip(tokens, rows, strict=True):
            line[: len(row.prompt)] = row.prompt
        return torch.from_numpy(tokens).to(self.device)

    def _batches(self, rows: list[_Row]) -> Iterator[list[_Row]]:
        """Rows of near lengths together, so that little is padding; the longest first, so that memory peaks early."""
        ordered = sorted(rows, key=lambda row: len(row.prompt), reverse=True)
        start = 0
        while start < len(ordered):
            size = max(1, min(self.batch_rows, _BATCH_TOKENS // len(ordered[start].prompt)))
            yield ordered[start : start + size]
            start += size

    def _fitted(self, prompt: list[int], max_tokens: int, overflow: Overflow) -> list[int]:
        """The prompt with room for at least one token; cut on the left it leaves room for the answer, half at most."""
        if len(prompt) >= self.context and overflow == "left":
            prompt = prompt[-(self.context - min(max_tokens, self.context // 2)) :]
        return self._checked(prompt, len(prompt) + 1)

    def _checked(self, ids: list[int], needed: int) -> list[int]:
        if not ids:
            raise EyasError("an empty prompt cannot be continued; begin with <|endoftext|>")
        if needed > self.context:
            raise EyasError(
                f"a prompt of {len(ids)} tokens does not fit the model's context of {self.context}; shorten it"
            )
        if min(ids) < 0 or max(ids) >= self.model.config.vocab_size:
            raise EyasError(
                f"the prompt holds token ids beyond the model's vocabulary of {self.model.config.vocab_size}"
            )
        return ids


def _scores(logits: Tensor, ids: Tensor) -> Tensor:
    """log softmax(logits)[id]: logits (..., V), ids (...) -> (...) in fp32."""
    wide: Any = logits.float()
    picked: Tensor = wide.gather(-1, ids[..., None]).squeeze(-1) - wide.logsumexp(-1)
    return picked
