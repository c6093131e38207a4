"""Laws in a JSON file: what `eyas scale fit` found, with all that a prediction with an interval needs."""

import json
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eyas.errors import EyasError
from eyas.files import read_json, write_atomic
from eyas.scaling.law import Array, Law

FORMAT = "eyas law 1"

_Term = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Exponent = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Five = tuple[_Term, _Term, _Term, _Exponent, _Exponent]
_Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class FittedLaw(BaseModel):
    """One law: E, A, B, alpha, beta, the same five of each resampled fit, and the rows' residuals in log loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_set: str | None
    counting: str
    law: _Five
    replicates: list[_Five] = Field(min_length=1)
    residuals: list[Annotated[float, Field(allow_inf_nan=False)]] = Field(min_length=1)
    flops_factor: _Above0
    largest_flops: _Above0

    def best_law(self) -> Law:
        """The fit to all runs."""
        return Law.of(self.law)

    def replicate_laws(self) -> list[Law]:
        """The fits to resampled runs."""
        return [Law.of(values) for values in self.replicates]

    def residual_array(self) -> Array:
        """Residuals [rows], widened for the five unknowns that the fit took out of them."""
        rows = len(self.residuals)
        return np.asarray(np.array(self.residuals) * np.sqrt(rows / max(rows - 5, 1)))


class LawFile(BaseModel):
    """All laws of a table, and which table it was; `measured` may tell how."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["eyas law 1"]
    table: str
    table_sha256: str
    measured: str | None = None
    fits: list[FittedLaw] = Field(min_length=1)

    @classmethod
    def new(cls, table: str, table_sha256: str, fits: list[FittedLaw]) -> Self:
        """The laws of the table named `table`."""
        return cls(format=FORMAT, table=table, table_sha256=table_sha256, fits=fits)

    def one(self, data_set: str | None, counting: str | None, file: Path) -> FittedLaw:
        """The law of a data set and a way of counting N; None where there is only one. Raises EyasError."""
        found = self.fits
        for flag, wanted, name in (("--data-set", data_set, "data_set"), ("--counting", counting, "counting")):
            known = ", ".join(dict.fromkeys(str(getattr(one, name)) for one in found))
            if wanted is None and len({getattr(one, name) for one in found}) > 1:
                raise EyasError(f"{file} holds several laws; choose one with {flag}: {known}")
            found = [one for one in found if wanted is None or getattr(one, name) == wanted]
            if not found:
                raise EyasError(f"{file} holds no law for {flag} {wanted}; it has {known}")
        return found[0]


def write_law_file(file: Path, laws: LawFile) -> None:
    """Write `laws`, replacing an older file. Raises EyasError."""
    write_atomic(file, json.dumps(laws.model_dump(), ensure_ascii=False, allow_nan=False) + "\n")


def read_law_file(file: Path) -> LawFile:
    """The laws in `file`. Raises EyasError when it is missing or holds anything else."""
    content = read_json(file, "law file")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise EyasError(f"{file} is no law file; make one with eyas scale fit TABLE --out {file.name}")
    try:
        return LawFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise EyasError(f"law file {file} is damaged at {place}: {first['msg']}; fit the table again") from error
