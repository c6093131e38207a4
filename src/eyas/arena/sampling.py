"""What models say to prompts: drawn once for each model, prompt and draw, and kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from eyas.arena.prompts import Prompt
from eyas.data.messages import Message
from eyas.errors import EyasError
from eyas.runtime.engine import Engine
from eyas.runtime.opening import GGUF, open_engine
from eyas.runtime.sampling import Sampling
from eyas.store.names import is_model, resolve_model

Said = list[Message]
"""All messages after a prompt: thoughts and calls of the calculator stand in them."""


def named_models(names: Sequence[str], life: Path | None) -> dict[str, Path]:
    """Models by the name of their folder or file; a bare name is one of the life's. Raises EyasError."""
    found: dict[str, Path] = {}
    for name in names:
        inside = None if life is None else life / "models" / name
        if name.endswith(GGUF):
            path = Path(name)
        else:
            path = inside if inside is not None and is_model(inside) else resolve_model(name)
        known = found.setdefault(path.stem if name.endswith(GGUF) else path.name, path)
        if known.resolve() != path.resolve():
            raise EyasError(f"--models {known} and {path} have the same name; rename one")
    return found


def shown(said: Said) -> str:
    """What a user sees of an answer."""
    return str(said[-1]["content"]).strip()


class Answers:
    """Answers of `models` to `prompts`. The same sampling draws the same answers again, whatever else is asked."""

    def __init__(self, models: Mapping[str, Path], prompts: Sequence[Prompt], sampling: Sampling) -> None:
        self.models, self.prompts, self.sampling = models, prompts, sampling
        self._engines: dict[str, Engine] = {}
        self._said: dict[tuple[str, int, int], Said] = {}

    def of(self, model: str, numbers: Sequence[int], draw: int = 0) -> list[Said]:
        """What `model` says to the prompts of these numbers, in their order; `draw` 0 and 1 are two samples.

        A prompt that fills the model's context gets an empty answer. Raises EyasError.
        """
        from eyas.train.rollouts import answer  # PyTorch takes long to load, and help needs none

        new = [number for number in dict.fromkeys(numbers) if (model, number, draw) not in self._said]
        if new:
            if model not in self._engines:
                self._engines[model] = open_engine(self.models[model])
            seeds = [(self.sampling.seed << 40) + (number << 8) + draw for number in new]
            asked = [self.prompts[number].messages for number in new]
            for number, one in zip(new, answer(self._engines[model], asked, self.sampling, seeds), strict=True):
                self._said[model, number, draw] = one.messages or [{"role": "assistant", "content": ""}]
        return [self._said[model, number, draw] for number in numbers]
