"""The laws of scale that a life has measured: the picture, the figures, and what predictions were worth."""

import base64
from dataclasses import dataclass
from pathlib import Path

from eyas.scaling.bootstrap import Interval, interval
from eyas.scaling.law import NAMES
from eyas.scaling.law_file import FittedLaw, read_law_file
from eyas.scaling.memory import Memory, read_memories, what_is_seen
from eyas.scaling.predict import Outcome, Prediction, held_against, reached, read_prediction
from eyas.scaling.settings import FOLDER
from eyas.scaling.table import COUNTINGS


@dataclass(frozen=True)
class MeasuredLaw:
    """The law of one kind of network; `figures` are E, A, B, alpha, beta, `outcome` what the predicted run reached."""

    arch: str
    figures: dict[str, Interval]
    prediction: Prediction | None
    outcome: Outcome | None


@dataclass(frozen=True)
class Scale:
    """`picture` is the laws' drawing as a data URL, in which no script runs; None where it was not drawn."""

    picture: str | None
    laws: list[MeasuredLaw]
    memories: list[Memory]

    @property
    def seen(self) -> str:
        """What sets the kinds of networks apart, in words."""
        return what_is_seen(self.memories)


def load_scale(life: Path) -> Scale | None:
    """What `eyas scale run` left in `life`; None before it ended. Raises EyasError for damaged files."""
    folder = life / FOLDER
    if not (folder / "law.json").exists():
        return None
    losses = reached(folder)
    fits = [one for one in read_law_file(folder / "law.json").fits if one.counting == COUNTINGS[0]]
    drawn = folder / "law.svg"
    picture = base64.b64encode(drawn.read_bytes()).decode() if drawn.exists() else None
    return Scale(
        picture and f"data:image/svg+xml;base64,{picture}",
        [_law(one, folder / f"prediction-{one.data_set}.json", losses.get(str(one.data_set))) for one in fits],
        read_memories(folder, [str(one.data_set) for one in fits]),
    )


def _law(fitted: FittedLaw, file: Path, reached: float | None) -> MeasuredLaw:
    columns = zip(NAMES, fitted.law, zip(*fitted.replicates, strict=True), strict=True)
    figures = {name: interval(value, replicates) for name, value, replicates in columns}
    prediction = read_prediction(file) if file.exists() else None
    outcome = held_against(prediction, reached) if prediction and reached else None
    return MeasuredLaw(str(fitted.data_set), figures, prediction, outcome)
