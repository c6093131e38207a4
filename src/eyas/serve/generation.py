"""From a prompt to an answer that grows: the engine steps in a thread of its own, readers wait on the event loop.

The loop is woken once for a step or for several, whatever the number of tokens. First tokens and ends are told at once,
other tokens as often as a screen can show them; a reader that was slow finds more of them.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Collection, Sequence

from eyas.errors import EyasError
from eyas.runtime.engine import Engine
from eyas.runtime.request import Completion, Mask, Request
from eyas.runtime.sampling import Sampling
from eyas.serve.errors import ApiError

_LOG = logging.getLogger(__name__)
_PATIENCE = 0.05  # seconds until the worker looks whether somebody else has stepped the batch
_IDLE = 0.1  # seconds until it looks whether it is to end
_PACE = 1 / 60  # seconds between two tellings of tokens that are not the first


class Generation:
    """One request on its way. Read it from one task: `while await generation.more(): ...`."""

    def __init__(self, request: Request, worker: "Worker") -> None:
        self.request, self._worker = request, worker
        self._told = 0
        self._woken: asyncio.Future[None] | None = None

    @property
    def done(self) -> Completion:
        """What has been said so far; grows while the engine runs."""
        return self.request.done

    async def more(self) -> bool:
        """Wait for tokens that the last call did not tell of; False at the end. Raises what the engine raised."""
        request = self.request
        while True:
            ended, said = request.ended, len(request.done.ids)  # in this order: an end comes after the last token
            if said > self._told:
                self._told = said
                return True
            if ended:
                if request.error is not None:
                    raise request.error
                return False
            self._woken = self._worker.loop.create_future()
            await self._woken

    async def finish(self) -> Completion:
        """Wait for the end. Raises what the engine raised."""
        try:
            while await self.more():
                pass
        finally:
            self.cancel()
        return self.done

    def cancel(self) -> None:
        """Let it end with what it has said; nothing when it has ended."""
        if not self.request.ended:
            self._worker.engine.batch.cancel(self.request)

    def fresh(self, all_tokens: bool) -> bool:
        """Whether there is an end, a first token or, with `all_tokens`, any token that `more` has not told."""
        return self.request.ended or ((all_tokens or not self._told) and len(self.request.done.ids) > self._told)

    def wake(self) -> None:
        """Let `more` look again; on the loop's thread."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


class Worker:
    """A thread that steps an engine's batch while there is work, and tells the readers."""

    def __init__(self, engine: Engine, name: str, queue: int) -> None:
        """`queue`: how many requests may wait beside the rows that run."""
        self.engine, self.limit = engine, engine.backend.rows + queue
        self.loop: asyncio.AbstractEventLoop
        self._live: list[Generation] = []
        self._last = 0.0  # when tokens were told
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"engine {name}", daemon=True)
        self._thread.start()

    @property
    def load(self) -> int:
        """Requests that run or wait."""
        return len(self._live)

    def submit(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        stop_ids: Collection[int],
        *,
        row: int = 0,
        mask: Mask | None = None,
        alternatives: int = 0,
        again: bool = False,
    ) -> Generation:
        """Let a prompt wait for its turn; call it on the event loop. It draws from stream (sampling.seed, row).

        A prompt that goes on with an answer (`again`) is never turned away. Raises ApiError 429 when the queue is full,
        and EyasError as `Batch.submit`.
        """
        if len(self._live) >= self.limit and not again:
            raise ApiError(
                429,
                f"the queue is full: {self.limit} requests are running or waiting; try again soon",
                code="queue_full",
                headers={"retry-after": "1"},
            )
        self.loop = asyncio.get_running_loop()
        request = self.engine.batch.submit(
            prompt, sampling, stop_ids, stream=(sampling.seed, row), mask=mask, alternatives=alternatives
        )
        generation = Generation(request, self)
        self._live.append(generation)
        return generation

    def close(self) -> None:
        """Let the thread end once nothing runs."""
        self._closed = True

    def join(self) -> None:
        """Cancel what runs, and wait for the thread's end."""
        self.close()
        for generation in list(self._live):
            generation.cancel()
        self._thread.join()

    def _work(self) -> None:
        batch = self.engine.batch
        while not self._closed or self._live:
            if not batch.wait(_PATIENCE if self._live else _IDLE) and not self._live:
                continue
            try:
                batch.step()
            except Exception as error:  # whatever it was, no reader may wait for ever
                _LOG.exception("the engine failed")
                for generation in list(self._live):
                    generation.request.error = EyasError(f"the engine failed: {error}")
                    generation.cancel()
            self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        due = now - self._last >= _PACE
        self._last = now if due else self._last
        fresh = [generation for generation in list(self._live) if generation.fresh(due)]
        for generation in fresh:
            if generation.request.ended:
                self._live.remove(generation)
        if fresh and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(_wake, fresh)


def _wake(generations: list[Generation]) -> None:
    for generation in generations:
        generation.wake()
