"""Speculation: guess the next tokens cheaply, let the model check them all in one forward pass.

What is said follows the model's own distribution to the letter: greedy answers are identical, drawn ones have the same
law (Leviathan et al. 2023; Chen et al. 2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eyas.runtime.backend import PIECE, Backend, Logits, Piece, rounded
from eyas.runtime.request import Request
from eyas.runtime.sampling import Ask, distribution, draw_from, log_chance, uniforms

_DRAFT_STREAM = 1 << 63  # rows of draft draws: apart from every row that is asked for


@dataclass
class Proposal:
    """Guessed tokens; `chances` are the distributions (V,) they were drawn from, empty when they were not drawn."""

    ids: list[int] = field(default_factory=list)
    chances: list[NDArray[np.float64]] = field(default_factory=list)


class Speculator(Protocol):
    """Guesses what running requests will say."""

    def propose(self, requests: Sequence[Request]) -> list[Proposal]:
        """A guess for each request, at most `left - 1` tokens long."""

    def drop(self, request: Request) -> None:
        """`request` has ended."""

    def forget(self) -> None:
        """All requests are given up or begun anew."""


@dataclass
class _Memory:
    """What `Lookup` knows of a request: the place after each run of tokens, up to where it has looked, its last guess
    and where that began, and how long the next may be."""

    count: int
    places: dict[tuple[int, ...], int] = field(default_factory=dict)
    upto: int = 0
    guess: list[int] = field(default_factory=list)
    at: int = 0


class Lookup:
    """Guesses that what followed the last few tokens before will follow them again (prompt look-up).

    A guess that was right to its end is followed by one twice as long, any other by one a little longer than it was
    right: wrong guesses cost time where arithmetic is the limit.
    """

    def __init__(self, count: int = 4, most: int = 16, sizes: Sequence[int] = (3, 2)) -> None:
        """`count`: tokens of the first guess, `most` of any; `sizes`: how many last tokens must agree, best first."""
        self.count, self.most, self.sizes = count, most, tuple(sizes)
        self._known: dict[Request, _Memory] = {}

    def propose(self, requests: Sequence[Request]) -> list[Proposal]:
        return [Proposal(self._guess(request)) for request in requests]

    def _guess(self, request: Request) -> list[int]:
        tokens = request.tokens
        known = self._known.setdefault(request, _Memory(self.count))
        if known.guess:
            right = common(known.guess, tokens[known.at :])
            known.count = min(self.most, 2 * right) if right == len(known.guess) else right + 1
        for end in range(known.upto, len(tokens)):  # every place but the last: what follows it is the question
            for size in self.sizes:
                if end >= size:
                    known.places[tuple(tokens[end - size : end])] = end
        known.upto, known.at, known.guess = len(tokens), len(tokens), []
        count = min(known.count, request.left - 1)
        for size in self.sizes:
            if count > 0 and (place := known.places.get(tuple(tokens[-size:]))) is not None:
                period = tokens[place:]  # where it reaches the end, it goes round
                known.guess = [period[i % len(period)] for i in range(count)]
                break
        return known.guess

    def drop(self, request: Request) -> None:
        self._known.pop(request, None)

    def forget(self) -> None:
        self._known.clear()


class Draft:
    """Guesses by asking a smaller model of the same tokenizer."""

    def __init__(self, backend: Backend, count: int = 4) -> None:
        self.backend, self.count = backend, count
        self._held: dict[Request, tuple[int, list[int]]] = {}  # sequence, and the tokens in it

    def propose(self, requests: Sequence[Request]) -> list[Proposal]:
        proposals = {request: Proposal() for request in requests}
        counts = {request: self._count(request) for request in requests}
        logits, asked = self._catch_up([request for request in requests if counts[request]])
        while asked:
            self._extend(proposals, logits, asked)
            asked = [request for request in asked if len(proposals[request].ids) < counts[request]]
            pieces = [self._piece(request, [proposals[request].ids[-1]], 1) for request in asked]
            logits = self.backend.forward(pieces) if pieces else None
        return list(proposals.values())

    def _count(self, request: Request) -> int:
        """How many tokens to guess: none where they do not fit."""
        count = max(0, min(self.count, request.left - 1))
        others = sum(rounded(one.size) for one in self._held if one is not request)
        fits = request.size <= self.backend.context and others + rounded(request.size) <= self.backend.room
        return count if fits else 0

    def _catch_up(self, requests: list[Request]) -> tuple[Logits, list[Request]]:
        """Read what was said since; the logits after the last token of each, and the requests in that order."""
        for request in requests:
            sequence, held = self._held.setdefault(request, (-1, []))
            if sequence < 0:
                self._held[request] = (self.backend.new(), [])
                continue
            same = min(common(held, request.tokens), len(request.tokens) - 1)
            if same < len(held):
                self.backend.truncate(sequence, same)
                del held[same:]
        while slow := [r for r in requests if len(r.tokens) - len(self._held[r][1]) > PIECE]:
            for request in slow:
                at = len(self._held[request][1])
                self.backend.forward([self._piece(request, request.tokens[at : at + PIECE], 0)])
        pieces = [self._piece(request, request.tokens[len(self._held[request][1]) :], 1) for request in requests]
        return self.backend.forward(pieces) if pieces else None, requests

    def _piece(self, request: Request, tokens: list[int], want: int) -> Piece:
        sequence, held = self._held[request]
        piece = Piece(sequence, len(held), tokens, want)
        held.extend(tokens)
        return piece

    def _extend(self, proposals: dict[Request, Proposal], logits: Logits, asked: list[Request]) -> None:
        """Add one token to each proposal, drawn from a stream that the model's own draws know nothing of."""
        asks = []
        for request in asked:
            place = len(request.done.ids) + len(proposals[request].ids)
            seed, row = request.stream
            draw = float(uniforms(seed, row ^ _DRAFT_STREAM, place + 1)[place])
            # any distribution may guess: the penalty, which the model itself obeys, is left out here
            asks.append(Ask(replace(request.sampling, repetition_penalty=1.0), draw))
        greedy = [place for place, ask in enumerate(asks) if ask.sampling.temperature == 0]
        if greedy:
            chosen, _ = self.backend.choose(logits[greedy], [asks[place] for place in greedy])
            for place, token in zip(greedy, chosen, strict=True):
                proposals[asked[place]].ids.append(token)
        if len(greedy) < len(asks):
            rows = self.backend.array(logits)[:, : self.backend.ids]
            for request, ask, row_ in zip(asked, asks, rows, strict=True):
                if ask.sampling.temperature > 0:
                    chances = distribution(row_, ask)
                    proposals[request].ids.append(draw_from(chances, ask.draw))
                    proposals[request].chances.append(chances)

    def drop(self, request: Request) -> None:
        sequence, _ = self._held.pop(request, (-1, []))
        if sequence >= 0:
            self.backend.release(sequence)

    def forget(self) -> None:
        for request in list(self._held):
            self.drop(request)


def judge(
    backend: Backend, logits: Logits, cases: Sequence[tuple[Proposal, Sequence[Ask]]]
) -> list[list[tuple[int, float]]]:
    """For each guess: the tokens to be said, with their log-probabilities under the model.

    A case has one ask, and one row of `logits`, more than its guess has tokens. Said are the guessed tokens that are
    accepted and one more: the first that differs, or the one after the last. Guesses that were not drawn are accepted
    while they are what the model itself chooses, so its answer is the one without guessing, drawn or greedy.
    """
    said: list[list[tuple[int, float]]] = [[] for _ in cases]
    plain: list[int] = []
    start = 0
    rows: NDArray[np.float32] | None = None
    for number, (guess, asks) in enumerate(cases):
        if guess.chances:
            rows = backend.array(logits)[:, : backend.ids] if rows is None else rows
            said[number] = _weigh(rows[start : start + len(asks)], guess, asks)
        else:
            plain += range(start, start + len(asks))
        start += len(asks)
    if not plain:
        return said
    asked = [ask for guess, asks in cases if not guess.chances for ask in asks]
    ids, scores = backend.choose(logits if len(plain) == start else logits[plain], asked)
    at = 0
    for number, (guess, asks) in enumerate(cases):
        if not guess.chances:
            for place in range(len(asks)):
                said[number].append((ids[at + place], scores[at + place]))
                if place < len(guess.ids) and ids[at + place] != guess.ids[place]:
                    break
            at += len(asks)
    return said


def _weigh(rows: NDArray[np.float32], guess: Proposal, asks: Sequence[Ask]) -> list[tuple[int, float]]:
    """Accept a token drawn from q with probability min(1, p / q), else draw from what q left of p: together p."""
    said = []
    for place, ask in enumerate(asks):
        wanted = distribution(rows[place], ask)
        if place == len(guess.ids):
            token = draw_from(wanted, ask.draw)
        else:
            token, guessed = guess.ids[place], guess.chances[place]
            accepted = min(1.0, wanted[token] / guessed[token])
            if ask.draw >= accepted:
                rest = np.maximum(wanted - guessed, 0)
                # a draw that fell into the rejected part is uniform there: it serves once more
                again = (ask.draw - accepted) / (1 - accepted)
                token = draw_from(rest if rest.any() else wanted, again)
        said.append((token, log_chance(rows[place], token)))
        if place < len(guess.ids) and token != guess.ids[place]:
            break
    return said


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two sequences share at their beginning."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
