"""Answers into the store: one thread writes, and what waits is committed together.

An answer is acknowledged after its commit, so a killed server has lost nothing that a client was told is stored.
"""

import asyncio
import logging
import queue
import threading
from dataclasses import dataclass

from eyas.flywheel.facts import Facts
from eyas.flywheel.flags import flag_turns
from eyas.store.conversations import Recorded, Turn, record
from eyas.store.database import Store

_LOG = logging.getLogger(__name__)
_TOGETHER = 64  # answers in a transaction at most


@dataclass(frozen=True)
class _Entry:
    turn: Turn
    loop: asyncio.AbstractEventLoop
    told: "asyncio.Future[Recorded | None]"


class Recorder:
    """The store's writer. `content` False keeps counts and times but nothing that was said."""

    def __init__(self, store: Store, content: bool) -> None:
        """Raises EyasError when the life's known facts cannot be read."""
        self.store, self.content = store, content
        self._facts = Facts(store.life)
        with store.session() as session:
            self._facts.refresh(session)
        self._entries: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    async def record(self, turn: Turn) -> Recorded | None:
        """Store a turn; gives its place after the commit, None when the store did not take it (the log says why)."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Recorded | None] = loop.create_future()
        self._entries.put(_Entry(turn, loop, told))
        return await told

    def close(self) -> None:
        """Write what waits, then end."""
        self._entries.put(None)
        self._thread.join()

    def _work(self) -> None:
        open_ = True
        while open_:
            entries = [self._entries.get()]
            while len(entries) < _TOGETHER and not self._entries.empty():
                entries.append(self._entries.get())
            open_ = None not in entries
            self._write([entry for entry in entries if entry is not None])

    def _write(self, entries: list[_Entry]) -> None:
        try:
            with self.store.session() as session:
                places: list[Recorded | None] = [record(session, one.turn, content=self.content) for one in entries]
        except Exception:
            if len(entries) > 1:  # one of them is at fault: the others shall not suffer
                for entry in entries:
                    self._write([entry])
                return
            _LOG.exception("an answer could not be recorded")
            places = [None] * len(entries)
        for loop in {entry.loop for entry in entries}:
            mine = [(entry, place) for entry, place in zip(entries, places, strict=True) if entry.loop is loop]
            if not loop.is_closed():
                loop.call_soon_threadsafe(_tell, mine)
        self._flag([place for entry, place in zip(entries, places, strict=True) if place and not entry.turn.shadow])

    def _flag(self, places: list[Recorded]) -> None:
        """Look for what is wrong, after the client has its answer."""
        if not places or not self.content:
            return
        try:
            with self.store.session() as session:
                flag_turns(session, [place.message_id for place in places], self._facts)
        except Exception:
            _LOG.exception("answers could not be looked at for flags")


def _tell(entries: list[tuple[_Entry, Recorded | None]]) -> None:
    for entry, place in entries:
        if not entry.told.done():
            entry.told.set_result(place)
