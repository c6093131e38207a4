"""What `eyas scale run` and `eyas scale check` are asked for."""

from pathlib import Path

from pydantic import Field

from eyas.config import StageConfig
from eyas.model.config import Arch

FOLDER = "scale"  # of a life
ARCH = "arch"  # the column of a table that names the kind of network


class GridConfig(StageConfig):
    """`eyas scale run`."""

    life: Path = Field(description="Life to measure in; made where there is none.")
    data: list[str] = Field(min_length=1, description="A source of text, SRC[:weight]; may be repeated.")
    budget: float = Field(gt=0, description="Minutes for everything; several kinds of networks span alike in them.")
    arch: list[Arch] = Field(["transformer"], min_length=1, description="Kind of network; may be repeated.")
    tokenizer: str | None = Field(
        None, description="Folder to take (default: the life's base model, else one is learned)."
    )
    vocab_size: int = Field(4096, ge=272, description="Vocabulary to learn; a smaller one lets the grid begin smaller.")
    context: int = Field(512, ge=8, description="Tokens the models can look back on.")
    people: int | None = Field(None, gt=0, description="Population of the world source.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    skip_bad: bool = Field(False, description="Count and report what cannot be read instead of stopping.")
    quiet: bool = Field(False, description="Print nothing while working.")


class CheckConfig(StageConfig):
    """`eyas scale check`."""

    life: Path = Field(description="Life in which eyas scale run made its predictions.")
    arch: Arch = Field("transformer", description="Kind of network whose prediction to check.")
    quiet: bool = Field(False, description="Print nothing while working.")
