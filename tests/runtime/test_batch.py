"""Requests join and leave at every step, share their beginnings, and say what they would say alone."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from eyas.errors import EyasError
from eyas.model.transformer import Transformer
from eyas.runtime.backend import Piece
from eyas.runtime.batch import Batch
from eyas.runtime.engine import Engine
from eyas.runtime.opening import Kind, engine_of
from eyas.runtime.request import Request
from eyas.runtime.sampling import Sampling
from eyas.runtime.speculate import common
from eyas.text.tokenizer import Tokenizer

GREEDY = Sampling(max_tokens=20, temperature=0)


def prompts(count: int, longest: int = 40, seed: int = 0) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(16, 280, generator.integers(1, longest)).tolist() for _ in range(count)]


class Recorder:
    """A backend that tells what it was asked for."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.passes: list[list[int]] = []  # tokens of each piece
        self.forks: list[int] = []
        self.live: set[int] = set()
        self.broken: list[BaseException] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def new(self) -> int:
        self.live.add(number := self.backend.new())
        return int(number)

    def fork(self, sequence: int, length: int) -> int:
        self.live.add(number := self.backend.fork(sequence, length))
        self.forks.append(length)
        return int(number)

    def release(self, sequence: int) -> None:
        self.live.remove(sequence)
        self.backend.release(sequence)

    def forward(self, pieces: Sequence[Piece]) -> Any:
        if self.broken:
            raise self.broken.pop()
        self.passes.append([len(piece.tokens) for piece in pieces])
        return self.backend.forward(pieces)


@pytest.fixture
def recorder(model: Transformer, tokenizer: Tokenizer, kind: Kind) -> Recorder:
    return Recorder(engine_of(model, tokenizer, kind=kind).backend)


def run(batch: Batch, *requests: Request) -> list[list[int]]:
    while not all(request.ended for request in requests):
        batch.step()
    return [request.done.ids for request in requests]


def test_requests_join_while_others_speak(recorder: Recorder, engine: Engine) -> None:
    recorder.together = 1
    batch = Batch(recorder)
    asked = prompts(6)
    requests = []
    for prompt in asked:
        requests.append(batch.submit(prompt, GREEDY))
        batch.step()
        batch.step()
    assert max(map(len, recorder.passes)) == 6, "all six run side by side"
    assert run(batch, *requests) == [done.ids for done in engine.generate(asked, GREEDY, ())]
    assert not batch.busy


def test_a_long_prompt_does_not_hold_up_those_who_speak(recorder: Recorder, engine: Engine) -> None:
    recorder.together, recorder.chunk = 1, 16
    batch = Batch(recorder)
    first = batch.submit([30, 31], GREEDY)
    batch.step()
    batch.step()
    long = [20 + i for i in range(90)]
    second = batch.submit(long, GREEDY)
    heard = len(first.done.ids)
    while not second.done.ids:
        batch.step()
    assert len(first.done.ids) >= heard + 5
    assert max(map(sum, recorder.passes)) <= 17
    assert run(batch, first, second) == [done.ids for done in engine.generate([[30, 31], long], GREEDY, ())]


def test_who_speaks_never_waits_for_who_came_before_and_is_still_reading(recorder: Recorder) -> None:
    recorder.together, recorder.chunk = 1, 16
    batch = Batch(recorder)
    slow = batch.submit([20 + i for i in range(100)], GREEDY)
    quick = batch.submit([30], GREEDY)
    for _ in range(6):
        batch.step()
    assert len(quick.done.ids) >= 5 and not slow.done.ids


def test_no_more_run_than_there_are_rows_and_they_come_in_turn(recorder: Recorder) -> None:
    recorder.rows, recorder.together = 2, 1
    batch = Batch(recorder)
    ended: list[int] = []
    requests = [batch.submit([30 + i], GREEDY, on_end=lambda i=i: ended.append(i)) for i in range(5)]
    run(batch, *requests)
    assert max(map(len, recorder.passes)) == 2 and ended == [0, 1, 2, 3, 4]


def test_a_common_beginning_is_read_once(recorder: Recorder, engine: Engine) -> None:
    recorder.together, recorder.kept = 1, 4
    batch = Batch(recorder)
    system = prompts(1, seed=3)[0] * 3
    beginning = (system * 10)[:60]
    asked = [[*beginning, 50 + i, 60] for i in range(5)]
    requests = [batch.submit(prompt, GREEDY) for prompt in asked]
    assert run(batch, *requests) == [done.ids for done in engine.generate(asked, GREEDY, ())]
    assert recorder.forks == [60] * 4, "the others wait for the first, then share it"
    later = batch.submit([*beginning, 99], GREEDY)
    assert run(batch, later) == [engine.generate([[*beginning, 99]], GREEDY, ())[0].ids]
    assert recorder.forks[-1] == 60, "what has ended is remembered too"


def test_a_conversation_goes_on_from_what_was_said(recorder: Recorder) -> None:
    recorder.kept = 1
    batch = Batch(recorder)
    first = [20 + i for i in range(30)]
    said = run(batch, batch.submit(first, GREEDY))[0]
    run(batch, batch.submit([*first, *said, 40, 41], GREEDY))
    assert recorder.forks == [len(first) + len(said) - 1]


def test_kept_sequences_make_way_and_all_are_given_back(recorder: Recorder, engine: Engine) -> None:
    recorder.kept, recorder.room = 3, engine.context * 2
    batch = Batch(recorder)
    asked = [[20 + i + j for j in range(60)] for i in range(8)]
    requests = [batch.submit(prompt, GREEDY) for prompt in asked]
    assert run(batch, *requests) == [done.ids for done in engine.generate(asked, GREEDY, ())]
    assert len(recorder.live) <= 3
    batch.make_room()
    assert recorder.live == set()


def test_a_full_room_makes_requests_wait(recorder: Recorder, engine: Engine) -> None:
    recorder.kept, recorder.together, recorder.room = 0, 1, 2 * engine.context
    batch = Batch(recorder)
    asked = [[20 + i + j for j in range(100)] for i in range(4)]
    requests = [batch.submit(prompt, GREEDY) for prompt in asked]
    assert run(batch, *requests) == [done.ids for done in engine.generate(asked, GREEDY, ())]
    assert max(map(len, recorder.passes)) == 1, "two whole contexts and what their pages may waste do not fit"


def test_cancelling_ends_a_request_with_what_it_has_said(recorder: Recorder, engine: Engine) -> None:
    batch = Batch(recorder)
    asked = prompts(3)
    expected = [done.ids for done in engine.generate(asked, GREEDY, ())]
    requests = [batch.submit(prompt, GREEDY) for prompt in asked]
    while len(requests[1].done.ids) < 5:
        batch.step()
    waiting = batch.submit([40], GREEDY)
    batch.cancel(requests[1])
    batch.cancel(waiting)
    said = run(batch, *requests, waiting)
    assert requests[1].done.finish_reason == waiting.done.finish_reason == "cancelled"
    assert said[0] == expected[0] and said[2] == expected[2] and said[3] == []
    assert said[1] == expected[1][: len(said[1])] and 5 <= len(said[1]) < 8


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("broken")])
def test_a_broken_step_is_told_and_nothing_is_lost(recorder: Recorder, engine: Engine, error: BaseException) -> None:
    batch = Batch(recorder)
    asked = prompts(4)
    requests = [batch.submit(prompt, GREEDY) for prompt in asked]
    for _ in range(6):
        batch.step()
    recorder.broken.append(error)
    with pytest.raises(type(error)):
        batch.step()
    assert recorder.live == set()
    assert run(batch, *requests) == [done.ids for done in engine.generate(asked, GREEDY, ())]


def test_impossible_requests_are_refused_at_the_door(recorder: Recorder, engine: Engine) -> None:
    batch = Batch(recorder)
    for prompt in ([], [20] * engine.context, [10**6]):
        with pytest.raises(EyasError):
            batch.submit(prompt, GREEDY)
    assert not batch.busy


def test_many_threads_may_ask_while_one_steps(recorder: Recorder, engine: Engine) -> None:
    batch = Batch(recorder)
    asked = prompts(12, seed=4)
    expected = [done.ids for done in engine.generate(asked, GREEDY, ())]
    done: dict[int, list[int]] = {}
    finished = threading.Event()

    def step() -> None:
        while not finished.is_set():
            if batch.wait(timeout=5):
                batch.step()

    def ask(place: int) -> None:
        ended = threading.Event()
        heard: list[int] = []
        batch.submit(asked[place], GREEDY, on_token=heard.append, on_end=ended.set)
        assert ended.wait(60)
        done[place] = heard

    stepper = threading.Thread(target=step)
    stepper.start()
    askers = [threading.Thread(target=ask, args=(place,)) for place in range(len(asked))]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    finished.set()
    batch.cancel(batch.submit([20], GREEDY))  # wakes the stepper
    stepper.join()
    assert [done[place] for place in range(len(asked))] == expected


def test_alternatives_are_told_beside_each_token(engine: Engine) -> None:
    batch = Batch(engine.backend)
    told, plain = (batch.submit([20, 30, 40], GREEDY, alternatives=count) for count in (3, 0))
    ids = run(batch, told, plain)[0]
    assert plain.done.alternatives == [] and plain.done.ids == ids
    for token, score, others in zip(ids, told.done.logprobs, told.done.alternatives, strict=True):
        assert len(others) == 3 and others[0] == (token, pytest.approx(score, abs=1e-4))


def test_biases_and_penalties_are_of_one_request_alone(engine: Engine) -> None:
    batch = Batch(engine.backend)
    asked = [20, 30, 40]
    loud = Sampling(max_tokens=20, temperature=0, logit_bias=((50, 1000.0),))
    often = Sampling(max_tokens=20, temperature=0, logit_bias=((50, 1000.0),), frequency_penalty=300.0)
    once = Sampling(max_tokens=20, temperature=0, logit_bias=((50, 1000.0), (60, 900.0)), presence_penalty=200.0)
    plain, *bent = (batch.submit(asked, rules) for rules in (GREEDY, loud, often, once))
    ids = run(batch, plain, *bent)
    assert ids[0] == engine.generate([asked], GREEDY, ())[0].ids
    assert ids[1] == [50] * 20
    assert ids[2][:4] == [50] * 4 and 50 not in ids[2][4:], "1000, 700, 400, 100, -200"
    assert ids[3][:2] == [50, 60] and set(ids[3]) == {50, 60}
    fresh = engine.logprobs([[*asked, 50]])[0][-1]
    assert bent[0].done.logprobs[0] == pytest.approx(float(fresh), abs=1e-4), "the model's own, whatever the bias"
    with pytest.raises(EyasError, match="logit_bias"):
        batch.submit(asked, Sampling(logit_bias=((10**6, 1.0),)))


def test_two_threads_may_generate_on_one_engine(engine: Engine) -> None:
    asked = prompts(6, seed=5)
    expected = engine.generate(asked, GREEDY, ())
    found: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: engine.generate(asked, GREEDY, ())})) for i in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.ids for one in found[0]] == [one.ids for one in found[1]] == [one.ids for one in expected]


def test_the_common_beginning_is_found_exactly() -> None:
    generator = np.random.default_rng(0)
    for _ in range(300):
        a = generator.integers(0, 2, generator.integers(0, 12)).tolist()
        b = generator.integers(0, 2, generator.integers(0, 12)).tolist()
        shared = common(a, b)
        assert a[:shared] == b[:shared]
        assert shared == min(len(a), len(b)) or a[shared] != b[shared]
