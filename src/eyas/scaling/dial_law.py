"""The law by which minutes choose a run: that of the life where it was measured on the same text, else eyas's own.

`default_law.json` was measured on the world; `benchmarks/default_law.py` made it, and its field `measured` tells how.
For other text it chooses the size too, but promises nothing.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy.typing as npt

from eyas.files import read_json
from eyas.scaling.law import Array
from eyas.scaling.law_file import FittedLaw, read_law_file
from eyas.scaling.predict import expect
from eyas.scaling.settings import FOLDER, GridConfig
from eyas.scaling.table import COUNTINGS
from eyas.train.pretrain import PretrainConfig

DEFAULT = Path(__file__).with_name("default_law.json")
WORLD = "world"
_ALIKE = ("data", "tokenizer", "vocab_size")  # settings in which a life's law and a run on its text agree


@dataclass(frozen=True)
class DialLaw:
    """A fitted law as the dial of `eyas.train` asks it; `level` is whether it was measured on the text of the run."""

    fitted: FittedLaw
    name: str
    level: bool

    def loss(self, params: npt.ArrayLike, tokens: npt.ArrayLike) -> Array:
        """The loss of runs with `params` parameters that multiply and `tokens` of new text, elementwise."""
        return self.fitted.best_law().loss(params, tokens)

    def expect(self, params: float, tokens: float) -> tuple[float, float, float] | None:
        """Bits per byte of a run and the ends of their 95 % interval; None when the law is one of other text."""
        if not self.level:
            return None
        found = expect(self.fitted, params, tokens, seed=0)
        return found.value, found.low, found.high


def law_for(config: PretrainConfig) -> DialLaw | None:
    """The law for a run; None for a model that is continued, and for other networks without a law of their life.

    Raises EyasError for a damaged law file.
    """
    if config.init is not None:
        return None
    arch = config.arch or "transformer"
    own = _of_life(config.out.parent.parent, arch, config)
    if own is not None:
        return own
    if arch != "transformer":
        return None
    usual = GridConfig.model_fields["vocab_size"].default
    return default_law((config.data, config.tokenizer, config.vocab_size) == ([WORLD], None, usual))


def default_law(level: bool) -> DialLaw:
    """The law that comes with eyas; `level` is whether it is asked about the world under the default vocabulary."""
    return DialLaw(read_law_file(DEFAULT).fits[0], "eyas's own law of the world", level)


def _of_life(life: Path, arch: str, config: PretrainConfig) -> DialLaw | None:
    """The law that `eyas scale run` measured in `life` on the same text and vocabulary; None where there is none."""
    file = life / FOLDER / "law.json"
    if not file.exists():
        return None
    begun = read_json(life / FOLDER / "config.json", "scale settings")
    if any(begun.get(name) != getattr(config, name) for name in _ALIKE):
        return None
    for one in read_law_file(file).fits:
        law = one.best_law()
        if (one.data_set, one.counting) == (arch, COUNTINGS[0]) and law.A > 0 and law.B > 0:
            return DialLaw(one, f"the law of {life}", True)
    return None
