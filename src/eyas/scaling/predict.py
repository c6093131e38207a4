"""The stage `eyas scale predict`: say what a run will reach before it is trained, and be held to it afterwards.

A prediction is a file with the time and a hash of its own content. The hash shows a later change; it does not prove the
time to a stranger: for that, put the hash where others see it (a commit, a letter) before the run ends.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from eyas import __version__
from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.files import file_atomic, read_json, sha256_file
from eyas.scaling.bootstrap import LEVEL, Interval, interval
from eyas.scaling.law_file import FittedLaw, read_law_file
from eyas.scaling.settings import ARCH
from eyas.scaling.table import LARGEST, LOSS, read_rows

FORMAT = "eyas prediction 1"
AHEAD = "ahead.csv"  # in LIFE/scale: the predicted runs that were trained
FAR = 100.0  # times the compute of the largest run; from there on a warning stands beside the prediction

_Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PredictConfig(StageConfig):
    """`eyas scale predict`: a run to be trained, or the outcome of one that was predicted."""

    law: Path | None = Field(None, description="Law file that eyas scale fit wrote.")
    params: float | None = Field(None, gt=0, description="Parameters of the run, counted as in the table.")
    tokens: float | None = Field(None, gt=0, description="Training tokens of the run.")
    flops: float | None = Field(None, gt=0, description="Instead of both: the best run for this budget of FLOPs.")
    data_set: str | None = Field(None, description="Which data set's law, when the file has several.")
    counting: str | None = Field(None, description="Which way of counting parameters, when the file has several.")
    out: Path | None = Field(None, description="Write the prediction down in this JSON file.")
    compare: Path | None = Field(None, description="A prediction written earlier, to hold against --loss.")
    loss: float | None = Field(None, gt=0, description="With --compare: the loss that the run reached.")
    seed: int = Field(0, ge=0, description="Seed of the interval's draws.")


class Prediction(BaseModel):
    """What a run is expected to reach. `times_largest` is its compute over that of the largest run behind the law."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["eyas prediction 1"]
    written: AwareDatetime
    law: str
    law_sha256: str
    data_set: str | None
    counting: str
    params: _Above0
    tokens: _Above0
    flops: _Above0
    loss: _Above0
    low: _Above0
    high: _Above0
    level: _Above0
    times_largest: _Above0
    eyas: str
    sha256: str

    @property
    def far(self) -> bool:
        """Whether the run lies so far beyond the table that the interval, which trusts the law's form, says little."""
        return self.times_largest > FAR

    def content_sha256(self) -> str:
        """The hash of everything but the hash."""
        content = self.model_dump(mode="json", exclude={"sha256"})
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def sealed(self) -> Self:
        """The same with its hash set."""
        return self.model_copy(update={"sha256": self.content_sha256()})


@dataclass(frozen=True)
class PredictResult:
    """A new prediction; `out` is where it was written down, None when it was not."""

    prediction: Prediction
    out: Path | None


@dataclass(frozen=True)
class Outcome:
    """A prediction and what came. `error` is the loss reached over the loss predicted, less one."""

    prediction: Prediction
    loss: float
    error: float
    inside: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "loss": self.loss,
            "error": self.error,
            "inside": self.inside,
            "prediction": self.prediction.model_dump(mode="json"),
        }


def run(config: PredictConfig) -> PredictResult | Outcome:
    """Predict a run, or compare an earlier prediction with its outcome. Raises EyasError."""
    if config.compare is not None:
        return _compare(config)
    if config.loss is not None:
        raise EyasError("--loss is the outcome of a run; name the prediction it belongs to with --compare FILE")
    if config.law is None:
        raise EyasError("give the law file that eyas scale fit TABLE --out wrote, or --compare PREDICTION --loss L")
    fitted = read_law_file(config.law).one(config.data_set, config.counting, config.law)
    params, tokens = _size(config, fitted)
    return _predict(config, config.law, fitted, params, tokens)


def _size(config: PredictConfig, fitted: FittedLaw) -> tuple[float, float]:
    """N and D of the run that is asked for."""
    for flag in ("params", "tokens", "flops"):
        if (value := getattr(config, flag)) is not None and not value < LARGEST:
            raise EyasError(f"--{flag} must be below {LARGEST:g}")
    if config.flops is not None:
        if config.params is not None or config.tokens is not None:
            raise EyasError("give --flops, or --params and --tokens, not both")
        law = fitted.best_law()
        if law.A <= 0 or law.B <= 0:
            raise EyasError("--flops: this law has no best run, for one of its terms is 0; use --params and --tokens")
        return law.best_run(config.flops, fitted.flops_factor)
    if config.params is None or config.tokens is None:
        raise EyasError("say which run: --params N and --tokens D, or --flops C for the best run of a budget")
    return config.params, config.tokens


def expect(fitted: FittedLaw, params: float, tokens: float, seed: int) -> Interval:
    """The law's loss for a run, with an interval: every resampled law, each with the luck of a row of the table."""
    laws = fitted.replicate_laws()
    rng = np.random.default_rng(seed)
    # Several draws a law, so that the interval's ends do not hang on which law met which luck.
    luck = rng.choice(fitted.residual_array(), size=(20, len(laws)))
    losses = np.array([float(law.loss(params, tokens)) for law in laws]) * np.exp(luck)
    return interval(float(fitted.best_law().loss(params, tokens)), losses.ravel())


def _predict(config: PredictConfig, file: Path, fitted: FittedLaw, params: float, tokens: float) -> PredictResult:
    expected = expect(fitted, params, tokens, config.seed)
    flops = fitted.flops_factor * params * tokens
    prediction = Prediction(
        format=FORMAT,
        written=datetime.now(UTC).replace(microsecond=0),
        law=file.name,
        law_sha256=sha256_file(file),
        data_set=fitted.data_set,
        counting=fitted.counting,
        params=params,
        tokens=tokens,
        flops=flops,
        loss=expected.value,
        low=expected.low,
        high=expected.high,
        level=LEVEL,
        times_largest=flops / fitted.largest_flops,
        eyas=__version__,
        sha256="",
    ).sealed()
    if config.out is not None:
        # A prediction is never replaced: it would lose its time.
        with file_atomic(config.out) as beside:
            beside.write_text(prediction.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return PredictResult(prediction, config.out)


def read_prediction(file: Path) -> Prediction:
    """The prediction in `file`. Raises EyasError when it is missing, holds anything else or was changed."""
    content = read_json(file, "prediction")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise EyasError(f"{file} is no prediction; make one with eyas scale predict LAW --out {file.name}")
    try:
        found = Prediction.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise EyasError(f"prediction {file} is damaged at {place}: {first['msg']}; find the file as it was") from error
    if found.sha256 != found.content_sha256():
        raise EyasError(f"prediction {file} was changed after it was written (its hash differs); find it as it was")
    return found


def _compare(config: PredictConfig) -> Outcome:
    assert config.compare is not None
    if config.loss is None or not np.isfinite(config.loss):
        raise EyasError("--compare needs the loss that the run reached: --loss L")
    new = [name for name in ("law", "params", "tokens", "flops", "out") if getattr(config, name) is not None]
    if new:
        flags = ", ".join("LAW" if name == "law" else f"--{name}" for name in new)
        raise EyasError(f"--compare only holds a prediction against --loss; leave out {flags}")
    return held_against(read_prediction(config.compare), config.loss)


def held_against(prediction: Prediction, loss: float) -> Outcome:
    """What `prediction` was worth, now that its run reached `loss`."""
    return Outcome(prediction, loss, loss / prediction.loss - 1, prediction.low <= loss <= prediction.high)


def reached(folder: Path) -> dict[str, float]:
    """The losses of the predicted runs that `eyas scale check` trained in `LIFE/scale`, by their kind of network."""
    return {row[ARCH]: float(row[LOSS]) for row in read_rows(folder / AHEAD)}
