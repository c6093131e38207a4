"""What `--reward`, `--truth` and `--data` of GRPO name: problems, programs that check them, models that judge."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from eyas.data.importers import kind_of
from eyas.data.rows import read_rows
from eyas.data.sources import split_weight
from eyas.errors import EyasError
from eyas.evals.evaluate import world_of
from eyas.evals.problems import VERIFY, Verified
from eyas.evals.reward_model import RewardModel
from eyas.model.checkpoint import load_config
from eyas.store.names import resolve_model
from eyas.text.chat import render
from eyas.text.tokenizer import Tokenizer
from eyas.train.align_config import AlignConfig
from eyas.train.examiner import EXAMINED, Check
from eyas.train.rollouts import Problems
from eyas.world.open_ended import grade, open_questions
from eyas.world.people import World

Message = dict[str, Any]
T = TypeVar("T")
WORLD = f"{VERIFY}world"
_TRAINED, _HELD_OUT = 4096, 512  # open questions; about residents met in training, and about others
_EVERY = 10  # of a file's prompts one in so many is held out


class OpenEnded:
    """Open questions about a world's people, rewarded by the graded rubric."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.trained = open_questions(world, _TRAINED, "train", seed)
        self.held_out = open_questions(world, _HELD_OUT, "exam", seed)

    def prompt(self, number: int) -> list[Message]:
        return [dict(one) for one in _of(number, self.trained, self.held_out).prompt]

    def rewards(self, numbers: Sequence[int], answers: Sequence[list[Message]]) -> list[float]:
        asked = (_of(number, self.trained, self.held_out) for number in numbers)
        return [
            grade(self.world, question, str(answer[-1]["content"])).score
            for question, answer in zip(asked, answers, strict=True)
        ]


@dataclass(frozen=True)
class Prompts:
    """Prompts of which no program knows a right answer: they are rewarded by others."""

    trained: list[list[Message]]
    held_out: list[list[Message]]

    def prompt(self, number: int) -> list[Message]:
        return _of(number, self.trained, self.held_out)

    def rewards(self, numbers: Sequence[int], answers: Sequence[list[Message]]) -> list[float]:
        return [0.0] * len(numbers)


def _of(number: int, trained: Sequence[T], held_out: Sequence[T]) -> T:
    return held_out[number % len(held_out)] if number >= EXAMINED else trained[number % len(trained)]


@dataclass(frozen=True)
class Rewarded:
    """Problems of several sources in turn.

    An answer's reward is what its source's own program says, where that is `optimised`, and what every reward model
    adds, by its weight.
    """

    sources: Sequence[Problems]
    optimised: Sequence[bool]
    models: Sequence[tuple[RewardModel, float]] = ()

    def prompt(self, number: int) -> list[Message]:
        return self.sources[number % len(self.sources)].prompt(number)

    def rewards(self, numbers: Sequence[int], answers: Sequence[list[Message]]) -> list[float]:
        found = [
            one if self.optimised[number % len(self.sources)] else 0.0
            for number, one in zip(numbers, self.truth(numbers, answers), strict=True)
        ]
        for model, weight in self.models:
            scores = model.score([self.prompt(number) for number in numbers], answers)
            found = [one + weight * score for one, score in zip(found, scores, strict=True)]
        return found

    def truth(self, numbers: Sequence[int], answers: Sequence[list[Message]]) -> list[float]:
        """What each answer's own program says of it."""
        found = [0.0] * len(numbers)
        for turn, source in enumerate(self.sources):
            mine = [at for at, number in enumerate(numbers) if number % len(self.sources) == turn]
            said = source.rewards([numbers[at] for at in mine], [answers[at] for at in mine])
            for at, one in zip(mine, said, strict=True):
                found[at] = one
        return found


def rewards_of(config: AlignConfig) -> tuple[Problems, Check | None]:
    """The problems and rewards of a run, and its truth where programs know it. Raises EyasError."""
    programs = dict.fromkeys(name for name in (*config.reward, *config.truth) if name.startswith(VERIFY))
    judges = [name for name in config.reward if not name.startswith(VERIFY)]
    for name in config.truth:
        if name not in programs:
            raise EyasError(f"--truth {name}: only a program knows the truth; name a {VERIFY}TASK")
    if config.data and programs:
        raise EyasError(f"{', '.join(programs)} brings its own problems; leave out --data")
    if not config.data and not programs:
        raise EyasError(f"a reward model alone brings no prompts; give some with --data, or with --truth {WORLD}")
    models = [(RewardModel.open(name), weight) for name, weight in map(split_weight, judges)]
    if config.data:
        return Rewarded([_prompts(config)], [False], models), None
    found = Rewarded(
        [_program(name, config) for name in programs], [name in config.reward for name in programs], models
    )
    return found, found.truth


def _program(name: str, config: AlignConfig) -> Problems:
    if name != WORLD:
        return Verified([name])
    world = world_of(resolve_model(config.model))
    if world is None:
        raise EyasError(f"{config.model} was not pretrained on the world, so that {WORLD} asks of people unknown to it")
    return OpenEnded(world, config.seed)


def _prompts(config: AlignConfig) -> Prompts:
    """The prompts of the rows that `--data` names, one in ten held out. Raises EyasError."""
    folder = resolve_model(config.model)
    tokenizer, context = Tokenizer.load(folder), load_config(folder).max_seq_len
    found = []
    for name in config.data:
        for row in read_rows(name, skip_bad=config.skip_bad):
            prompt = _prompt_of(row)
            size = len(render(tokenizer, prompt, add_generation_prompt=True).ids) if prompt else 0
            if prompt and size + config.max_tokens <= context:
                found.append(prompt)
            elif not config.skip_bad:
                why = f"{size} tokens leave no room for an answer" if prompt else f"a {kind_of(row)} row has no prompt"
                raise EyasError(f"--data {name}: {why}; lower --max-tokens, or leave such rows out with --skip-bad")
    held_out = found[::_EVERY]
    if len(found) < 2:
        raise EyasError(f"--data {', '.join(config.data)} holds {len(found)} prompts; give at least two")
    return Prompts([one for at, one in enumerate(found) if at % _EVERY], held_out)


def _prompt_of(row: dict[str, Any]) -> list[Message]:
    """What the last answer of a row answers; empty where there is nothing of the kind."""
    messages: list[Message] = row.get("prompt") or row.get("messages") or []
    while messages and messages[-1]["role"] == "assistant":
        messages = messages[:-1]
    return messages
