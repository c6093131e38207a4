"""The settings of a life, and how its minutes are divided among the stages."""

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.files import read_json, write_atomic
from eyas.scaling.dial_law import default_law
from eyas.scaling.settings import FOLDER
from eyas.train.finetune import FinetuneConfig
from eyas.train.pretrain import PretrainConfig, expected_tokens
from eyas.world.people import RELATIONS

PRETRAIN_SHARE = 0.79
"""Of what looking leaves: tokenizer, shards, compiling and pretraining. The rest is finetuning."""
LOOKING_SECONDS, LOOKING_SHARE = 12, 0.025
"""What beginning, the exam and the report take, of any life and of a longer one's larger model."""
CHAT_SHARE = 0.12
"""Rows among the base model's text: an assistant's skills take root while the model is still soft."""
REPLAY_SHARE = 0.25
WORLD = "world"
_EXPOSURES, _BYTES_A_FACT, _BYTES_A_TOKEN = 160, 180, 4.4


class RaiseConfig(StageConfig):
    """`eyas raise`."""

    life: Path = Field(description="Folder of the life; made, or gone on with.")
    data: list[str] = Field([WORLD], description="A source of text, SRC[:weight]; may be repeated.")
    chat: list[str] = Field(
        [], description="Rows of questions and answers; may be repeated (default: the world's, where the text is)."
    )
    base: str | None = Field(None, description="Model to start from instead of fresh weights.")
    size: str | None = Field(None, description="Parameters of the base model (default: what the minutes allow).")
    minutes: float = Field(10, gt=0, description="Wall time for everything; with --full as much again.")
    full: bool = Field(False, description="Then also compare: a sibling, reward model, DPO, GRPO, the arena of all.")
    context: int = Field(512, ge=64, description="Tokens the models can look back on.")
    people: int | None = Field(
        None, ge=2, description="Population of the world (default: as many as the minutes suffice to get to know)."
    )
    questions: int = Field(500, ge=1, description="Questions a section of the exam.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    skip_bad: bool = Field(False, description="Count and report what cannot be read instead of stopping.")

    @property
    def training(self) -> tuple[float, float]:
        """Minutes of pretraining and of finetuning."""
        left = self.minutes - min(0.1 * self.minutes, LOOKING_SECONDS / 60 + LOOKING_SHARE * self.minutes)
        return PRETRAIN_SHARE * left, (1 - PRETRAIN_SHARE) * left

    @property
    def rows(self) -> list[str]:
        """Where questions and answers come from. Raises EyasError when there are none for the text."""
        if not self.chat and WORLD not in [source.partition(":")[0] for source in self.data]:
            raise EyasError("there are no questions and answers for your text: give some with --chat ROWS")
        return self.chat or [WORLD]

    def pretraining(self, out: Path, minutes: float, *, quiet: bool) -> PretrainConfig:
        """How a base model of this life is trained."""
        return PretrainConfig(
            out=out, data=self.data, chat=self.rows, chat_share=CHAT_SHARE, init=self.base, size=self.size,
            minutes=minutes, context=self.context, seq_len=self.context // 2, people=self.people, seed=self.seed,
            skip_bad=self.skip_bad, quiet=quiet,
        )  # fmt: skip

    def finetuning(self, base: Path, out: Path, minutes: float, *, quiet: bool) -> FinetuneConfig:
        """How an assistant of this life is made of a base model."""
        return FinetuneConfig(
            model=str(base), out=out, data=self.rows, replay=self.data, replay_share=REPLAY_SHARE, minutes=minutes,
            context=self.context, people=self.people, seed=self.seed, skip_bad=self.skip_bad, quiet=quiet,
        )  # fmt: skip


def people_for(minutes: float) -> int:
    """How many residents a base model can get to know in `minutes` of pretraining on this machine, 60 to 300.

    A fact is stored after 100 to 1,000 exposures (Allen-Zhu & Li 2024, "Physics of Language Models 3.3"); the papers
    state some fact every `_BYTES_A_FACT` bytes.
    """
    read = expected_tokens(minutes, default_law(level=True)) * (1 - CHAT_SHARE) * _BYTES_A_TOKEN
    people = read / _BYTES_A_FACT / _EXPOSURES / len(RELATIONS)
    return int(min(300, max(60, 10 * round(people / 10))))


def remember(config: RaiseConfig) -> RaiseConfig:
    """Write the life's settings, or hold them against those it was begun with; the settings with the population."""
    path = config.life / "life.json"
    asked = {key: value for key, value in config.model_dump(mode="json").items() if key not in ("life", "full")}
    people = config.people or people_for(config.training[0])
    if path.exists():
        begun = read_json(path, "life settings")
        people = begun.get("residents", people)
        different = sorted(key for key in asked if asked[key] != begun.get(key))
        if different:
            flags = ", ".join(f"--{key.replace('_', '-')}" for key in different)
            raise EyasError(f"{config.life} was begun with other settings ({flags}); repeat them, or name another life")
    elif config.life.exists() and any(path.name != FOLDER for path in config.life.iterdir()):
        raise EyasError(f"{config.life} holds something else; name a new folder for the life")
    else:
        write_json(path, asked | {"residents": people})
    return config.model_copy(update={"people": people})


def write_json(path: Path, value: Any) -> None:
    """Write a file of the life, whole or not at all."""
    write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")
