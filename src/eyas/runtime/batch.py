"""Continuous batching: requests join and leave at every step, and share the beginnings they have in common.

A step is one forward pass over the last token of every request that is speaking, their guesses where there is a
speculator, and a bounded piece of the prompts that wait to be read. What a request says does not depend on the others.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyas.errors import EyasError
from eyas.runtime.backend import PIECE, Backend, Cancelled, Logits, Piece, checked, rounded
from eyas.runtime.request import FinishReason, Mask, Request
from eyas.runtime.sampling import Ask, Sampling, likeliest, nothing_allowed, uniforms, unpacked
from eyas.runtime.speculate import Proposal, Speculator, common, judge

_SHARED = 16  # a shorter common beginning is read faster than found


@dataclass
class _Plan:
    """What one request does in a step: it reads `piece`, the last tokens of which may be a guess, and asks."""

    request: Request
    piece: Piece
    guess: Proposal
    asks: list[Ask]


class Batch:
    """Requests on one backend. Any thread may submit, cancel and step; steps exclude each other.

    What a request has read is kept for a while after its end: a prompt that begins like it, or like a running one,
    shares it. When room runs out the oldest go first, then new requests wait.
    """

    def __init__(self, backend: Backend, speculator: Speculator | None = None) -> None:
        self.backend, self.speculator = backend, speculator
        self.lock = threading.RLock()
        """Held during a step; whoever else uses the backend holds it too."""
        self.guessed = self.accepted = 0
        """Tokens that the speculator has guessed so far, and those of them that were said."""
        self._door = threading.Condition()
        self._waiting: deque[Request] = deque()
        self._running: list[Request] = []
        self._kept: list[tuple[list[int], int]] = []  # tokens and the sequence that holds them, the latest last

    def submit(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        stop_ids: Collection[int] = (),
        *,
        stream: tuple[int, int] | None = None,
        mask: Mask | None = None,
        alternatives: int = 0,
        on_token: Callable[[int], None] | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> Request:
        """Let a request wait for its turn. `stream` names its draws as (seed, row); default (sampling.seed, 0).

        `alternatives`: how many of the likeliest ids to tell beside each token that is said.

        Raises EyasError for a prompt that is empty, fills the context or holds ids the model does not know.
        """
        tokens = checked(prompt, len(prompt) + 1, self.backend)
        if any(token >= self.backend.ids for token, _ in sampling.logit_bias):
            raise EyasError(f"logit_bias names ids beyond the tokenizer's vocabulary of {self.backend.ids}")
        stream = stream or (sampling.seed, 0)
        draws = uniforms(*stream, min(sampling.max_tokens, self.backend.context - len(tokens)))
        request = Request(tokens, sampling, frozenset(stop_ids), stream, draws, mask, alternatives, on_token, on_end)
        with self._door:
            self._waiting.append(request)
            self._door.notify_all()
        return request

    def cancel(self, request: Request) -> None:
        """Let `request` end at the next step with what it has said; nothing when it has ended."""
        request.cancelled = True
        with self._door:
            self._door.notify_all()

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do."""
        return bool(self._waiting or self._running)

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until there is something to do, `timeout` seconds at most; whether there is."""
        with self._door:
            return self._door.wait_for(lambda: self.busy, timeout)

    def step(self) -> None:
        """One forward pass for all that run, and at least a token for each that has read its prompt.

        After an exception, Ctrl-C included, requests go on with the next step as if nothing had been.
        """
        with self.lock:
            try:
                self._dismiss()
                self._admit()
                plans = self._plan()
                if plans:
                    logits = self.backend.forward([plan.piece for plan in plans])
                    for plan in plans:
                        plan.request.read += len(plan.piece.tokens)
                    self._say([plan for plan in plans if plan.asks], logits)
            except Cancelled:
                if self.speculator is not None:
                    self.speculator.forget()
            except BaseException:
                self.forget()
                raise

    def forget(self) -> None:
        """Drop all that was read; running requests read it anew. For weights that change."""
        with self.lock:
            self.make_room()
            for request in self._running:
                self.backend.release(request.sequence)
                request.sequence, request.read = -1, 0
            with self._door:
                self._waiting.extendleft(reversed(self._running))
            self._running = []
            if self.speculator is not None:
                self.speculator.forget()

    def make_room(self) -> None:
        """Drop what ended requests have read."""
        with self.lock:
            while self._kept:
                self.backend.release(self._kept.pop()[1])

    # -- who runs

    def _dismiss(self) -> None:
        """Let the cancelled leave."""
        for request in [one for one in [*self._queue(), *self._running] if one.cancelled]:
            if request.sequence < 0:
                with self._door:
                    self._waiting.remove(request)
            self._end(request, "cancelled")

    def _queue(self) -> list[Request]:
        with self._door:
            return list(self._waiting)

    def _admit(self) -> None:
        """Let waiting requests in, in their order, while there is room."""
        backend = self.backend
        free = backend.rows - len(self._running)
        if self._running and free < min(backend.together, backend.rows):
            return
        for request in self._queue() if free else []:
            held, sequence, coming = self._common(request.tokens)
            if coming > held:  # another request is just reading what they share: wait for it
                continue
            for old in [old for old in self._kept if old[1] != sequence]:
                if self._crowded(request):
                    self._kept.remove(old)
                    backend.release(old[1])
            if self._running and self._crowded(request):
                return
            request.sequence = backend.fork(sequence, held) if held else backend.new()
            request.read = held
            with self._door:
                self._waiting.remove(request)
            self._running.append(request)
            free -= 1
            if free == 0:
                return

    def _crowded(self, newcomer: Request) -> bool:
        """Whether `newcomer` and all that are here could outgrow the room. Shared beginnings count for each."""
        sizes = [len(ids) for ids, _ in self._kept] + [one.size for one in [*self._running, newcomer]]
        return sum(map(rounded, sizes)) > self.backend.room

    def _common(self, tokens: list[int]) -> tuple[int, int, int]:
        """The longest beginning of `tokens` that a sequence holds, that sequence, and the longest that one will hold
        once the prompts that are being read are read. The last token counts never: its logits are wanted."""
        most, best, coming = 0, -1, 0
        limit, head = len(tokens) - 1, tokens[:_SHARED]
        if limit < _SHARED:
            return most, best, coming
        held = [(ids, sequence, len(ids), False) for ids, sequence in self._kept]
        held += [(one.tokens, one.sequence, one.read, not one.done.ids) for one in self._running]
        for ids, sequence, length, reading in held:
            if ids[:_SHARED] == head:
                same = min(limit, common(ids, tokens))
                coming = max(coming, same if reading else 0)
                if min(same, length) > max(most, _SHARED - 1):
                    most, best = min(same, length), sequence
        return most, best, coming

    def _end(self, request: Request, reason: FinishReason) -> None:
        """`request` leaves; what it has read is kept for others."""
        if request.sequence >= 0:
            self._running.remove(request)
            self._keep(request)
        if self.speculator is not None:
            self.speculator.drop(request)
        request.done.finish_reason = reason
        request.ended = True
        if request.on_end is not None:
            request.on_end()

    def _keep(self, request: Request) -> None:
        ids, sequence = request.tokens[: request.read], request.sequence
        request.sequence = -1
        if self.backend.kept == 0 or len(ids) < _SHARED:
            self.backend.release(sequence)
            return
        covered = [old for old in self._kept if old[0] == ids[: len(old[0])]]
        for old in [*covered, *self._kept[: len(self._kept) - self.backend.kept + 1]]:
            if old in self._kept:
                self._kept.remove(old)
                self.backend.release(old[1])
        self._kept.append((ids, sequence))

    # -- one step

    def _plan(self) -> list[_Plan]:
        """Every speaking request reads its last token and a guess; the others a piece of their prompts, in turn."""
        speaking = [one for one in self._running if one.done.ids and len(one.tokens) - one.read == 1]
        budget = max(self.backend.chunk - len(speaking), self.backend.chunk // 4)
        guesses: dict[Request, Proposal] = {}
        if self.speculator is not None and speaking:
            guesses = dict(zip(speaking, self.speculator.propose(speaking), strict=True))
        plans = []
        for request in list(self._running):
            guess = guesses.get(request, Proposal())
            unread = len(request.tokens) - request.read
            take = 1 if unread == 1 else min(unread, PIECE, budget)
            if take == 0:
                continue
            want = 1 + len(guess.ids) if take == unread else 0
            tokens = [*request.tokens[request.read : request.read + take], *guess.ids]
            if unread > 1:
                budget -= take
            try:
                asks = self._asks(request, guess) if want else []
            except EyasError as error:
                request.error = error
                self._end(request, "cancelled")
                continue
            plans.append(_Plan(request, Piece(request.sequence, request.read, tokens, want), guess, asks))
        return plans

    def _asks(self, request: Request, guess: Proposal) -> list[Ask]:
        """What is to be chosen after the last token, and after each guessed one."""
        asks: list[Ask] = []
        said = request.done.ids
        seen = set(request.tokens) if request.sampling.repetition_penalty != 1 else set()
        mask, rules = request.mask, request.sampling
        biased = bool(rules.logit_bias) or rules.frequency_penalty != 0 or rules.presence_penalty != 0
        for place in range(1 + len(guess.ids)):
            if place:
                token, before = guess.ids[place - 1], asks[-1].allowed
                if seen:
                    seen.add(token)
                if before is not None and not before[token // 32] >> np.uint32(token % 32) & 1:
                    mask = None  # this guess will be rejected, so what follows is never asked
            allowed = mask([*said, *guess.ids[:place]]) if mask is not None else None
            if allowed is not None:
                if 32 * len(allowed) < self.backend.ids:
                    raise EyasError(f"a mask of {32 * len(allowed)} ids does not cover all {self.backend.ids}")
                if not unpacked(allowed, self.backend.ids).any():
                    raise nothing_allowed()
            penalised = np.fromiter(seen, np.int32) if seen else None
            bias = _bias(rules, [*said, *guess.ids[:place]]) if biased else None
            draw = float(request.draws[min(len(said) + place, len(request.draws) - 1)])
            asks.append(Ask(request.sampling, draw, allowed, penalised, bias))
        return asks

    def _say(self, plans: list[_Plan], logits: Logits) -> None:
        """Choose, keep the guesses that were right, and tell."""
        if not plans:
            return
        judged = judge(self.backend, logits, [(plan.guess, plan.asks) for plan in plans])
        for plan, said in zip(plans, judged, strict=True):
            request, wrong = plan.request, len(plan.guess.ids) - (len(said) - 1)
            self.guessed, self.accepted = self.guessed + len(plan.guess.ids), self.accepted + len(said) - 1
            if wrong:
                request.read -= wrong
                self.backend.truncate(request.sequence, request.read)
        row = 0
        for plan, said in zip(plans, judged, strict=True):
            for place, (token, score) in enumerate(said):
                if plan.request.alternatives and token not in plan.request.stops:
                    scores = self.backend.array(logits[row + place : row + place + 1])[0, : self.backend.ids]
                    plan.request.done.alternatives.append(likeliest(scores, plan.request.alternatives))
                if not self._take(plan.request, token, score):
                    break
            row += len(plan.asks)

    def _take(self, request: Request, token: int, score: float) -> bool:
        """Add a token to the answer; whether the answer goes on."""
        done = request.done
        if token in request.stops:
            done.stop_id, done.stop_logprob = token, score
            self._end(request, "stop")
            return False
        done.ids.append(token)
        done.logprobs.append(score)
        request.tokens.append(token)
        if request.on_token is not None:
            request.on_token(token)
        if request.left == 0:
            self._end(request, "length")
            return False
        return True


def _bias(rules: Sampling, said: Sequence[int]) -> tuple[NDArray[np.int32], NDArray[np.float32]] | None:
    """What is added to which logits after `said`; None when nothing is."""
    values = dict(rules.logit_bias)
    if rules.frequency_penalty or rules.presence_penalty:
        for token, count in Counter(said).items():
            values[token] = values.get(token, 0.0) - rules.frequency_penalty * count - rules.presence_penalty
    if not values:
        return None
    return np.fromiter(values, np.int32, len(values)), np.fromiter(values.values(), np.float32, len(values))
