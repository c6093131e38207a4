"""What stops a run early: a loss that is no number, a loss that jumped and stays there, and Ctrl-C."""

import math
import signal
import statistics
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from eyas.errors import EyasError

_REMEMBERED = 200
_PATIENCE = 30  # steps: one odd batch is no divergence


class Guard:
    """Watches the losses of a run; `check` raises EyasError when training has gone wrong for good."""

    def __init__(self) -> None:
        self._good: deque[float] = deque(maxlen=_REMEMBERED)
        self._bad = 0

    def check(self, step: int, loss: float, grad_norm: float) -> None:
        """Judge the losses of `step`, before its gradient is applied."""
        for name, value in (("loss", loss), ("gradient", grad_norm)):
            if not math.isfinite(value):
                raise EyasError(f"training stopped at step {step}: the {name} is {value}; {_REMEDY}")
        usual = statistics.median(self._good) if len(self._good) >= 20 else math.inf
        if loss <= usual + max(1.0, 0.5 * usual):
            self._good.append(loss)
            self._bad = 0
            return
        self._bad += 1
        if self._bad >= _PATIENCE:
            raise EyasError(
                f"training stopped at step {step}: the loss jumped from {usual:.3f} to {loss:.3f} and stayed there for "
                f"{_PATIENCE} steps; {_REMEDY}"
            )


_REMEDY = "lower the rates (--lr, --matrix-lr), or remove the newest checkpoint to go on from the one before"


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """While open, the first Ctrl-C sets the event (finish the step, save, stop); a second one stops at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # only the main thread may set handlers
        return

    def handle(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
