"""How far back the networks of a grid remember: the largest run of each kind copies what it has read before.

It stands beside the laws where several kinds of networks were measured, and tells what sets them apart.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from eyas.errors import EyasError
from eyas.evals.intervals import Share, wilson
from eyas.files import read_json, write_atomic
from eyas.scaling.table import COUNTINGS, TOKENS, Row

if TYPE_CHECKING:
    from eyas.data.shards import Shards
    from eyas.model.network import Network
    from eyas.text.tokenizer import Tokenizer

_DOCUMENTS = 200  # held-out ones are read,
_COPIED = 2000  # and so many tokens of them twice


@dataclass(frozen=True)
class Memory:
    """What a network of `params` parameters that multiply copies after `tokens` of training, by distance in tokens."""

    arch: str
    params: int
    tokens: int
    copied: dict[int, Share]

    @property
    def kept(self) -> float:
        """The share copied from farthest back, as a part of that from nearest."""
        near, far = self.copied[min(self.copied)], self.copied[max(self.copied)]
        return far.value / near.value if near.hits else 0.0


def memory_file(folder: Path, arch: str) -> Path:
    """Where the memory of a kind of network is kept in the folder of a grid."""
    return folder / f"memory-{arch}.json"


def remember(file: Path, row: Row, model: "Network", tokenizer: "Tokenizer", shards: "Shards") -> None:
    """Measure the model that `row` of the table tells of on held-out text, and write it down."""
    from eyas.evals.recall import measure_recall
    from eyas.runtime.torch_engine import TorchEngine

    texts = [tokenizer.decode(one.ids[1:].tolist()) for one in islice(shards.val_documents(), _DOCUMENTS)]
    enough = min(_COPIED, sum(len(ids) for ids in tokenizer.encode_batch(texts)))
    training = model.training
    found = measure_recall(TorchEngine(model.eval(), tokenizer), texts, n=enough)
    model.train(training)
    if found.copied:
        copied = {str(distance): share.as_json() for distance, share in found.copied.items()}
        told = {"params": int(row[COUNTINGS[0]]), "tokens": int(row[TOKENS]), "copied": copied}
        write_atomic(file, json.dumps(told, indent=1) + "\n")


def read_memories(folder: Path, archs: Sequence[str]) -> list[Memory]:
    """What was written down of `archs`. Raises EyasError for a damaged file."""
    found = []
    for arch in archs:
        if (file := memory_file(folder, arch)).exists():
            told = read_json(file, "what a network remembers")
            try:
                copied = {int(d): wilson(share["hits"], share["n"]) for d, share in told["copied"].items()}
                found.append(Memory(arch, int(told["params"]), int(told["tokens"]), copied))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise EyasError(f"{file} is damaged; remove it, or the whole folder to measure anew") from error
    return found


def what_is_seen(memories: Sequence[Memory]) -> str:
    """Two sentences; empty for fewer than two kinds of networks."""
    if len(memories) < 2:
        return ""
    shares = []
    for one in memories:
        near, far = min(one.copied), max(one.copied)
        at_near, at_far = (_percent(one.copied[distance].value, 1) for distance in (near, far))
        shares.append(f"for the {one.arch} {at_near} at {near} tokens' distance and {at_far} at {far}")
    order = sorted(memories, key=lambda one: one.kept, reverse=True)
    reach = {
        "transformer": "attention looks at every earlier token itself",
        "rnn": "an LSTM has one state of fixed size for all it has read",
        "cnn": "convolutions see as far as their layers reach",
    }
    why = ", ".join(reach[one.arch] for one in memories if one.arch in reach)
    return (
        f"When a text is read twice, so much of what was wrong at the first reading is right at the second: "
        f"{'; '.join(shares)}. "
        f"The {order[0].arch} keeps most of its memory over the distance ({_percent(order[0].kept)}), the "
        f"{order[-1].arch} least ({_percent(order[-1].kept)}): {why}."
    )


def _percent(share: float, decimals: int = 0) -> str:
    return f"{100 * share:.{decimals}f} %"
