"""What `eyas raise --full` adds to a life: preferences, and a board on which all its models meet.

Pairs of the assistant's answers are judged by the world's truth; from them come a reward model, an assistant aligned by
DPO, and one aligned by GRPO on that reward model while the truth is watched (the over-optimisation curve of the
report). A sibling of a third of the size is raised beside them. Every stage writes a model folder or a file, and what
is there already is not made again: pairs of one's own at `LIFE/data/pairs.jsonl` are learned from as they are.
"""

from collections.abc import Callable
from pathlib import Path

from eyas.arena import compare
from eyas.arena import run as arena
from eyas.errors import EyasError
from eyas.evals.problems import VERIFY
from eyas.evals.rewards import rewards_of
from eyas.files import read_json
from eyas.life.settings import WORLD, RaiseConfig, write_json
from eyas.model.checkpoint import load_config
from eyas.model.config import least_params
from eyas.store.names import speakers_of
from eyas.train import align, finetune, grpo, pretrain, reward
from eyas.train.align_config import AlignConfig

SIBLING_SHARE, GRPO_SHARE = 0.4, 0.25
"""Of the minutes of this part; pairs, reward model, DPO and battles take what is left."""
PAIRS, BATTLES = 400, 100  # a minute
EPOCHS = 2.0
"""Few: by the clock instead, some hundred pairs were read eighteen times and the assistant got worse."""
SFT_WEIGHT = 0.5
LEAST_PAIRS = 20
_SMALLER = 3


def add(config: RaiseConfig, tell: Callable[[str], None], *, quiet: bool) -> None:
    """Add to a life that has a base model and an assistant, in about `config.minutes`. Raises EyasError."""
    models = config.life / "models"
    tell("a sibling of a third of the size")
    _sibling(config, models, quiet)
    pairs = config.life / "data" / "pairs.jsonl"
    tell("comparisons: the assistant answers twice, the world's truth judges")
    if not pairs.exists():
        pairs.parent.mkdir(exist_ok=True)
        wanted = compare.CompareConfig(
            life=config.life,
            models=["assistant"],
            judge=[WORLD],
            n=_count(PAIRS, config),
            out=pairs,
            seed=config.seed,
            quiet=quiet,
        )
        compare.run(wanted)
    decided = len(pairs.read_text(encoding="utf-8").splitlines())
    if decided < LEAST_PAIRS:
        tell(f"only {decided} pairs differ in truth, which is too few to learn from: no reward model, DPO or GRPO")
    else:
        _preferences(config, models, str(pairs), tell, quiet)
    fought = config.life / "evals" / "arena.json"
    known = read_json(fought, "arena")["models"] if fought.exists() else []
    if not {model.name for model in speakers_of(config.life)} <= set(known):  # a fix makes new ones, for instance
        tell("arena: all models answer, the world's truth judges")
        battles = _count(BATTLES, config)
        done = arena.run(arena.RunConfig(life=config.life, judge=WORLD, n=battles, seed=config.seed, quiet=quiet))
        write_json(fought, {"models": done.models, "battles": done.battles})


def _count(a_minute: int, config: RaiseConfig) -> int:
    return max(20, round(a_minute * config.minutes))


def _sibling(config: RaiseConfig, models: Path, quiet: bool) -> None:
    """`base-small` and `assistant-small`: raised like the life's own, on the same text with the same tokenizer."""
    minutes = SIBLING_SHARE * config.minutes
    base, assistant = models / "base-small", models / "assistant-small"
    if not base.exists():
        shape = load_config(models / "base")
        size = str(max(shape.n_multiplying() // _SMALLER, least_params(shape.vocab_size)))
        alike = config.pretraining(base, 0.75 * minutes, quiet=quiet)
        pretrain.run(alike.model_copy(update={"size": size, "init": None, "tokenizer": str(models / "base")}))
    if not assistant.exists():
        finetune.run(config.finetuning(base, assistant, 0.25 * minutes, quiet=quiet))


def _preferences(config: RaiseConfig, models: Path, pairs: str, tell: Callable[[str], None], quiet: bool) -> None:
    """`reward`, `dpo` and `grpo`, each made of the assistant."""
    common = {"model": str(models / "assistant"), "seed": config.seed, "quiet": quiet}
    tell("reward model")
    if not (judge := models / "reward").exists():
        reward.run(reward.RewardConfig(out=judge, data=[pairs], epochs=EPOCHS, **common))
    tell("dpo: the assistant learns to prefer")
    if not (out := models / "dpo").exists():
        preferred = AlignConfig(
            out=out, data=[pairs], epochs=EPOCHS, sft_weight=SFT_WEIGHT, precision="fp32", hold=config.rows,
            hold_text=config.data, people=config.people, skip_bad=config.skip_bad, **common,
        )  # fmt: skip
        align.run(preferred)
    tell("grpo: the assistant tries, the reward model judges, the truth is watched")
    if not (out := models / "grpo").exists():
        tried = AlignConfig(
            out=out, method="grpo", reward=[str(judge)], truth=[f"{VERIFY}{WORLD}"],
            minutes=GRPO_SHARE * config.minutes, eval_every=10, examined=64, **common,
        )  # fmt: skip
        try:
            grpo.run(tried, *rewards_of(tried))
        except EyasError as error:  # a reward model no better than chance, or answers that are all alike
            tell(f"no GRPO: {error}")
