"""What the parts of a running server share; at `request.app.state.eyas`."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eyas.serve.config import ServeConfig
from eyas.serve.metrics import Metrics
from eyas.serve.recording import Recorder
from eyas.serve.served import Served
from eyas.store.database import Store, open_store
from eyas.store.names import models_of

_LOG = logging.getLogger(__name__)


@dataclass
class State:
    """`life`, `store` and `recorder` are None when a single model is served: nothing is kept then."""

    config: ServeConfig
    life: Path | None
    store: Store | None
    served: Served
    recorder: Recorder | None
    metrics: Metrics
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    def background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` beside the requests; whoever called does not wait for it, and the log hears when it fails."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("work in the background failed: %s", error)

    async def close(self) -> None:
        """End everything; what was answered is recorded before."""
        self.served.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.recorder is not None:
            await asyncio.to_thread(self.recorder.close)
        if self.store is not None:
            self.store.close()


def open_state(config: ServeConfig) -> State:
    """Open the life and its store, or the single model, and load what is served first. Raises EyasError."""
    path = Path(config.model)
    life = path if models_of(path) else None
    store = None if life is None else open_store(life)
    served = Served(config, life, store)
    try:
        served.start()
        recorder = None if store is None else Recorder(store, config.content)
    except BaseException:
        served.close()
        if store is not None:
            store.close()
        raise
    return State(config, life, store, served, recorder, Metrics(served))
