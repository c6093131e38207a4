"""Answers that grow in the engine's thread, read on the event loop."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from eyas.errors import EyasError
from eyas.model.transformer import Transformer
from eyas.runtime.engine import Engine
from eyas.runtime.opening import engine_of
from eyas.runtime.request import Completion
from eyas.runtime.sampling import Sampling
from eyas.serve.errors import ApiError
from eyas.serve.generation import Generation, Worker
from eyas.text.tokenizer import Tokenizer, train_tokenizer
from tests.runtime.conftest import random_model
from tests.serve.small import TEXT

GREEDY = Sampling(max_tokens=30, temperature=0)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([TEXT] * 20, 330)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> Transformer:
    return random_model(tokenizer.vocab_size, max_seq_len=2048)


@pytest.fixture
def engine(model: Transformer, tokenizer: Tokenizer) -> Engine:
    return engine_of(model, tokenizer, rows=4)


@pytest.fixture
def worker(engine: Engine) -> Iterator[Worker]:
    worker = Worker(engine, "test", queue=2)
    yield worker
    worker.join()
    assert worker.load == 0


async def pieces(generation: Generation) -> list[int]:
    """How many tokens each look found."""
    found = [0]
    while await generation.more():
        found.append(len(generation.done.ids))
    return [after - before for before, after in pairwise(found)]


def test_readers_find_every_token_and_the_end(worker: Worker, engine: Engine) -> None:
    prompts = [[20 + i, 30, 40] for i in range(5)]

    async def read() -> list[tuple[list[int], list[int]]]:
        started = [worker.submit(prompt, GREEDY, ()) for prompt in prompts]
        told = await asyncio.gather(*map(pieces, started))
        return [(one.done.ids, sizes) for one, sizes in zip(started, told, strict=True)]

    found = asyncio.run(read())
    alone = [done.ids for done in engine.generate(prompts, GREEDY, ())]
    assert [ids for ids, _ in found] == alone
    assert all(sum(sizes) == 30 and 0 not in sizes for _, sizes in found)


def test_a_reader_that_was_slow_finds_many_tokens_at_once(worker: Worker) -> None:
    async def read() -> list[int]:
        generation = worker.submit([20, 30], GREEDY, ())
        while not generation.request.ended:
            await asyncio.sleep(0.01)
        return await pieces(generation)

    assert asyncio.run(read()) == [30]


def test_first_tokens_and_ends_are_told_at_once_and_others_at_a_pace(worker: Worker) -> None:
    async def read() -> list[bool]:
        generation = worker.submit([20, 30], GREEDY, ())
        await generation.finish()
        request, told = generation.request, []
        for tokens, ended in ((1, False), (1, True)):
            late = Generation(replace(request, ended=ended, done=Completion(request.done.ids[:tokens])), worker)
            told += [late.fresh(all_tokens=False), await late.more(), late.fresh(all_tokens=True)]
            late.done.ids.append(40)
            told += [late.fresh(all_tokens=False), late.fresh(all_tokens=True)]
        return told

    assert asyncio.run(read()) == [True, True, False, False, True] + [True] * 5


def test_a_full_queue_turns_requests_away_until_there_is_room(worker: Worker) -> None:
    long = Sampling(max_tokens=2000, temperature=0)

    async def fill() -> None:
        running = [worker.submit([20 + i], long, ()) for i in range(6)]  # four rows, two that wait
        with pytest.raises(ApiError, match="queue is full") as refused:
            worker.submit([50], long, ())
        assert refused.value.status == 429 and int(refused.value.headers["retry-after"]) > 0
        going_on = worker.submit([50], Sampling(max_tokens=1), (), again=True)
        for one in running:
            one.cancel()
            await one.finish()
            assert one.done.finish_reason == "cancelled"
        await going_on.finish()
        assert len((await worker.submit([50], GREEDY, ()).finish()).ids) == 30

    asyncio.run(fill())


def test_what_the_engine_raises_reaches_every_reader(
    worker: Worker, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read() -> None:
        def broken(_: Any) -> Any:
            raise RuntimeError("out of order")

        with monkeypatch.context() as patch:
            patch.setattr(engine.backend, "forward", broken)
            results = await asyncio.gather(
                *(worker.submit([20, i + 30], GREEDY, ()).finish() for i in range(3)), return_exceptions=True
            )
        assert [type(one) for one in results] == [EyasError] * 3 and "out of order" in str(results[0])
        assert len((await worker.submit([20, 30], GREEDY, ()).finish()).ids) == 30, "the worker lives on"

    asyncio.run(read())


def test_a_closed_worker_ends_what_it_had_begun(engine: Engine) -> None:
    worker = Worker(engine, "old", queue=2)

    async def read() -> int:
        generation = worker.submit([20, 30], GREEDY, ())
        worker.close()
        return len((await generation.finish()).ids)

    assert asyncio.run(read()) == 30
    worker.join()
