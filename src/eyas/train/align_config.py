"""The settings of `eyas align`, whose three methods share one verb."""

from typing import Literal

from pydantic import Field

from eyas.errors import EyasError
from eyas.train.pair_stage import PairStageConfig
from eyas.train.preferences import Loss

_PAIRS = {"loss", "per_token", "sft_weight"}
_ROWS = {
    "hold", "hold_text", "hold_weight", "people",
    "epochs", "context", "batch_size", "accumulate", "optimizer", "weight_decay", "warmup", "decay", "val_fraction",
}  # fmt: skip
_ROLLOUTS = {
    "reward", "truth", "steps", "problems", "group", "max_tokens", "temperature", "clip_low", "clip_high",
    "scale_rewards", "examined",
}  # fmt: skip
_FOREIGN = {"dpo": _ROLLOUTS, "kto": _ROLLOUTS | _PAIRS, "grpo": _ROWS | _PAIRS}


class AlignConfig(PairStageConfig):
    """`eyas align`."""

    method: Literal["dpo", "kto", "grpo"] = Field(
        "dpo", description="dpo learns from pairs, kto from single thumbs, grpo from rewards of what it tries."
    )
    data: list[str] = Field(
        [], description="File or folder of preference rows, or of prompts for reward models (grpo); may be repeated."
    )
    beta: float | None = Field(None, ge=0, description="Price of moving away from the start (default: 0.1; grpo: 0).")
    loss: Loss = Field("sigmoid", description="Of dpo: sigmoid, or ipo with its bounded aim.")
    per_token: bool = Field(False, description="Of dpo: average over an answer's tokens (length-normalised).")
    sft_weight: float = Field(0.0, ge=0, description="Of dpo: weight of the chosen answers' own likelihood.")
    hold: list[str] = Field(
        [],
        description="Of dpo and kto: chat rows, a file, folder or world, on which the model stays what it is; "
        "may be repeated.",
    )
    hold_text: list[str] = Field(
        [],
        description="Of dpo and kto: text, of the kind pretrained on, on which the model stays what it is; "
        "may be repeated.",
    )
    hold_weight: float = Field(20.0, gt=0, description="Of dpo and kto: what staying weighs beside the preferences.")
    people: int | None = Field(None, gt=0, description="Of dpo and kto: population of the world, where it is held to.")
    reward: list[str] = Field(
        [], description="Of grpo: verify:TASK (several take turns), or a reward model NAME[:weight], which is added."
    )
    truth: list[str] = Field([], description="Of grpo: verify:TASK that brings problems, measured but not rewarded.")
    steps: int = Field(200, ge=1, description="Of grpo: steps, each with rollouts of its own.")
    problems: int = Field(16, ge=1, description="Of grpo: problems a step.")
    group: int = Field(8, ge=2, description="Of grpo: answers to each problem.")
    max_tokens: int = Field(64, ge=1, description="Of grpo: longest answer.")
    temperature: float = Field(1.0, gt=0, description="Of grpo: of the rollouts.")
    clip_low: float = Field(0.2, gt=0, lt=1, description="Of grpo: how far a token's ratio may fall and still count.")
    clip_high: float = Field(0.28, gt=0, description="Of grpo: how far it may rise.")
    scale_rewards: bool = Field(True, description="Of grpo: divide advantages by their group's spread.")
    examined: int = Field(128, ge=8, description="Of grpo: problems kept apart, tried before and after.")

    def check(self) -> None:
        """Raise EyasError for a flag of another method, and for what the method needs and has not."""
        defaults = {
            name: field.get_default(call_default_factory=True) for name, field in type(self).model_fields.items()
        }
        for name in sorted(_FOREIGN[self.method]):
            if getattr(self, name) != defaults[name]:
                flag = name.replace("_", "-")
                raise EyasError(f"--{flag} does not belong to --method {self.method}; leave it out")
        if self.method == "grpo" and not self.reward:
            raise EyasError("--method grpo needs a --reward, such as verify:countdown")
        if self.method != "grpo" and not self.data:
            raise EyasError(f"--method {self.method} needs --data: a file or folder of preference rows")
        if self.method != "grpo" and self.beta == 0:
            raise EyasError("--beta must be above 0: at 0 nothing holds the model to its start")
