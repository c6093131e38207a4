"""What `eyas compare` and `eyas arena run` share: which prompts are asked, how answers are drawn, and who may judge."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from eyas.arena.judges import Judge, open_judge
from eyas.arena.prompts import STORE, WORLD, Prompt, Split, read_prompts
from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.evals.evaluate import world_of
from eyas.runtime.sampling import Sampling


class AskConfig(StageConfig):
    """Settings of both."""

    prompts: str | None = Field(
        None,
        description="What is asked: world, store or a file of rows; in the arena also exam (default: world where the "
        "models were raised there, else store).",
    )
    n: int = Field(100, ge=1, description="Pairs of answers.")
    temperature: float = Field(0.0, ge=0, description="Of the answers.")
    max_tokens: int = Field(256, ge=1, description="Longest answer.")
    seed: int = Field(0, ge=0, description="Seed of prompts and answers.")
    quiet: bool = Field(False, description="Print nothing while working.")

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn."""
        return Sampling(max_tokens=self.max_tokens, temperature=self.temperature, seed=self.seed)


def asked(
    config: AskConfig, names: Sequence[str], model: Path, life: Path | None, split: Split
) -> tuple[list[Judge], list[Prompt]]:
    """The judges of these `names`, and up to `n` prompts of the world that `model` knows, or of elsewhere.

    Raises EyasError, also where a judge cannot tell of such prompts.
    """
    world = world_of(model)
    judges = [open_judge(name, world) for name in dict.fromkeys(names)]
    source = config.prompts or (WORLD if world is not None else STORE)
    prompts = read_prompts(source, config.n, life=life, world=world, split=split, seed=config.seed)
    for judge in judges:
        if not all(map(judge.knows, prompts)):
            raise EyasError(f"--judge {judge.name} knows answers to the world's own prompts only; use --prompts world")
    return judges, prompts
