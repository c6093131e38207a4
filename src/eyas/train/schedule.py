"""The learning-rate plan: warm up, hold, fall linearly; it is stored so that a resumed run replays it bit for bit."""

import json
from collections import deque
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from eyas.errors import EyasError
from eyas.files import read_json, write_atomic

DECISIONS = 5  # times the clock sets the end, the last when 1/32 of the steps is left


@dataclass(frozen=True)
class Line:
    """From step `start` the rate goes straight from `value` (a share of its peak) to `to` at step `end`, and stays."""

    start: int
    value: float
    end: int
    to: float

    def at(self, step: int) -> float:
        """The rate at `step`."""
        share = 1.0 if step >= self.end else (step - self.start) / (self.end - self.start)
        return self.value + share * (self.to - self.value)


@dataclass(frozen=True)
class Plan:
    """Everything about a run that the clock or the machine decided, so that a resumed run decides nothing twice.

    The last line that has begun holds; a later decision adds a line and never changes what came before it. `end` is
    None while the clock has not yet fixed the number of steps.
    """

    lines: tuple[Line, ...]
    end: int | None
    compiled: bool
    precision: str
    decisions: int = 0  # how often the clock has set `end`

    def scale(self, step: int) -> float:
        """The rate at `step` as a fraction of its peak."""
        begun = [line for line in self.lines if line.start <= step]
        return begun[-1].at(step)

    def finish(self, step: int, end: int, final: float) -> "Plan":
        """The plan with its rate falling from what it is at `step` to `final` at `end`."""
        end = max(end, step + 1)
        falling = Line(step, self.scale(step), end, final)
        return replace(self, lines=(*self.lines, falling), end=end, decisions=self.decisions + 1)

    def corrected(self, step: int, total: float, decay: float, final: float) -> "Plan":
        """The plan when the clock foretells `total` steps: the end is set when the last `decay` of them begins, and
        again each time that half of what was left is done.
        """
        end = total if self.end is None else min(self.end, total)
        if self.decisions == DECISIONS or step < (1 - decay / 2**self.decisions) * end:
            return self
        return self.finish(step, round(total), final)


class Clock:
    """Foretells how many steps fit into `budget` seconds, from when the steps so far ended.

    The first steps tell little of those to come (a compiler at work, a machine that was busy): the pace is that of the
    later half, validations and samples between the steps included.
    """

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.ends: deque[float] = deque(maxlen=400)

    def tick(self, seconds: float) -> None:
        """A step ended `seconds` after the run's beginning; the first tick is when the first step began."""
        self.ends.append(seconds)

    def steps_left(self) -> float:
        """How many more steps fit; needs two ticks."""
        last = len(self.ends) - 1
        pace = (self.ends[-1] - self.ends[last // 2]) / (last - last // 2)
        return max(0.0, self.budget - self.ends[-1]) / pace


def plan_steps(steps: int, warmup: int, decay: float, final: float, *, compiled: bool, precision: str) -> Plan:
    """Exactly `steps` steps: `warmup` steps up, then flat, then linear to `final` over the last `decay` of them.

    A warm-up that would reach into the decay is cut short.
    """
    start = round(steps * (1 - decay))
    rising = _rising(min(warmup, start))
    falling = (Line(start, 1.0, steps, final),) if start < steps else ()
    return Plan((rising, *falling), steps, compiled, precision)


def plan_open(warmup: int, *, compiled: bool, precision: str) -> Plan:
    """A plan whose end the clock will decide: warm up, then hold until `Plan.finish`."""
    return Plan((_rising(warmup),), None, compiled, precision)


def _rising(warmup: int) -> Line:
    # Step 0 already moves the weights: a rate of exactly zero would waste its gradient.
    return Line(0, 1 / max(warmup, 1), max(warmup - 1, 0), 1.0)


def save_plan(path: Path, plan: Plan) -> None:
    """Write the plan beside the checkpoints, atomically."""
    write_atomic(path, json.dumps(asdict(plan)) + "\n")


def load_plan(path: Path) -> Plan:
    """Read what `save_plan` wrote; JSON keeps every float exactly. Raises EyasError."""
    record = read_json(path, "training plan")
    try:
        return Plan(**record | {"lines": tuple(Line(**line) for line in record["lines"])})
    except (KeyError, TypeError) as error:
        raise EyasError(f"training plan {path} is damaged; remove its folder to start afresh") from error
