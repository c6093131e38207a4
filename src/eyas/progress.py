"""Where a long piece of work stands: a bar on a terminal, a line every few seconds elsewhere, always on stderr."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 5.0
WORTH_COUNTING = 20


def _figures_text(figures: dict[str, object]) -> str:
    shown = {name: f"{value:.4g}" if isinstance(value, float) else str(value) for name, value in figures.items()}
    return ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in shown.items())


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `48 s`, `7:05` or `2:03:00`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


class Progress:
    """A context manager around long work; `advance` or `update` with what is done and any figures to show.

    `total` is in the caller's own unit (steps, bytes, seconds); None when the end is not known. With `quiet` nothing
    is printed. A terminal gets one live bar (never two at once: close one before the next); a pipe gets plain lines.
    """

    def __init__(
        self, label: str, total: float | None = None, quiet: bool = False, stream: TextIO | None = None
    ) -> None:
        self.label = label
        self.total = total
        self.done = 0.0
        self._stream = stream if stream is not None else sys.stderr
        self._quiet = quiet
        self._start = time.monotonic()
        self._last_line = self._start
        self._told = -1.0
        self._figures: dict[str, object] = {}
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._start = self._last_line = time.monotonic()
        if not self._quiet and self._stream.isatty():
            self._open_bar()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            # A bar that never moved has told nothing: it leaves no line behind.
            self._bar.live.transient = not self.done
            self._bar.stop()
            self._bar = None
        elif kind is None and self.done and self._told != self.done:
            self._line()

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[figures]}", markup=False),
            console=Console(file=self._stream),
        )
        self._task = self._bar.add_task(self.label, total=self.total, figures="")
        self._bar.start()

    def expect(self, total: float) -> None:
        """Tell how much there is in all, once it is known."""
        self.total = total
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=total)

    def advance(self, amount: float = 1, **figures: object) -> None:
        """`amount` more is done."""
        self.update(self.done + amount, **figures)

    def update(self, done: float, **figures: object) -> None:
        """`done` in all; `figures` replace the ones shown under the same name and stay until replaced."""
        self.done = done
        self._figures.update(figures)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, figures=_figures_text(self._figures))
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._line()

    def say(self, line: str) -> None:
        """Print a line of its own (above the bar on a terminal)."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=self._stream, flush=True)

    def _line(self) -> None:
        """The plain form: `pretrain 12 % (120 of 1,000), loss 3.21, 0:48`."""
        if self._quiet:
            return
        self._last_line = time.monotonic()
        self._told = self.done
        parts = [f"{self.done:,.0f}"]
        if self.total:
            parts = [f"{100 * min(1.0, self.done / self.total):.0f} %"]
            # Minutes are told by the percentage well enough: "0 of 0" would not be.
            if self.total >= WORTH_COUNTING:
                parts = [f"{parts[0]} ({self.done:,.0f} of {self.total:,.0f})"]
        if self._figures:
            parts.append(_figures_text(self._figures))
        parts.append(duration(self._last_line - self._start))
        print(f"{self.label} {', '.join(parts)}", file=self._stream, flush=True)
