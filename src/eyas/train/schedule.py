"""The learning-rate plan: warm up, hold, fall linearly; its corners are stored so that a resumed run replays them."""

import json
from dataclasses import dataclass
from pathlib import Path

from eyas.errors import EyasError
from eyas.files import read_json, write_atomic


@dataclass(frozen=True)
class Knot:
    """A corner of the plan: at `step` the rate is `scale` times its peak."""

    step: int
    scale: float


@dataclass(frozen=True)
class Plan:
    """Everything about a run that the clock or the machine decided, so that a resumed run decides nothing twice.

    Between knots the rate is interpolated; `end` is None while the clock has not yet fixed the number of steps.
    """

    knots: tuple[Knot, ...]
    end: int | None
    compiled: bool
    precision: str
    decisions: int = 0  # how often the clock has set `end`

    def scale(self, step: int) -> float:
        """The rate at `step` as a fraction of its peak."""
        if step <= self.knots[0].step:
            return self.knots[0].scale
        for left, right in zip(self.knots, self.knots[1:], strict=False):
            if step <= right.step:
                share = (step - left.step) / (right.step - left.step)
                return left.scale + share * (right.scale - left.scale)
        return self.knots[-1].scale

    def finish(self, step: int, end: int, final: float) -> "Plan":
        """The plan with its rate falling from `step` to `final` at `end`, whatever it meant to do after `step`."""
        end = max(end, step + 1)
        kept = tuple(knot for knot in self.knots if knot.step < step)
        knots = (*kept, Knot(step, self.scale(step)), Knot(end, final))
        return Plan(knots, end, self.compiled, self.precision, self.decisions + 1)


def plan_steps(steps: int, warmup: int, decay: float, final: float, *, compiled: bool, precision: str) -> Plan:
    """Exactly `steps` steps: `warmup` steps up, then flat, then linear to `final` over the last `decay` of them.

    Warm-up and decay shrink together when they would overlap.
    """
    warmup = min(warmup, int(steps * (1 - decay)))
    start = max(warmup, round(steps * (1 - decay)))
    rising = _rising(warmup)
    flat = (Knot(start, 1.0),) if start > rising[-1].step else ()
    return Plan((*rising, *flat, Knot(max(steps, start + 1), final)), steps, compiled, precision)


def plan_open(warmup: int, *, compiled: bool, precision: str) -> Plan:
    """A plan whose end the clock will decide: warm up, then hold until `Plan.finish`."""
    return Plan(_rising(warmup), None, compiled, precision)


def _rising(warmup: int) -> tuple[Knot, ...]:
    # Step 0 already moves the weights: a rate of exactly zero would waste its gradient.
    return (Knot(0, 1 / warmup), Knot(warmup - 1, 1.0)) if warmup > 1 else (Knot(0, 1.0),)


def save_plan(path: Path, plan: Plan) -> None:
    """Write the plan beside the checkpoints, atomically."""
    knots = [[knot.step, knot.scale] for knot in plan.knots]
    record = {"knots": knots, "end": plan.end, "compiled": plan.compiled, "precision": plan.precision}
    record["decisions"] = plan.decisions
    write_atomic(path, json.dumps(record) + "\n")


def load_plan(path: Path) -> Plan:
    """Read what `save_plan` wrote; JSON keeps every float exactly. Raises EyasError."""
    record = read_json(path, "training plan")
    try:
        knots = tuple(Knot(int(step), float(scale)) for step, scale in record["knots"])
        return Plan(knots, record["end"], bool(record["compiled"]), str(record["precision"]), record["decisions"])
    except (KeyError, TypeError, ValueError) as error:
        raise EyasError(f"training plan {path} is damaged; remove its folder to start afresh") from error
