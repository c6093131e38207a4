"""The work folder beside an output: everything a killed stage needs to go on, gone once the model is whole.

`.NAME.work/` holds config.json (a resumed run must ask for the same), decisions.json (what was settled once, for
example by the clock), the stage's own data, and `train/` with checkpoints, plan and metrics.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eyas.config import StageConfig
from eyas.errors import EyasError
from eyas.files import read_json, write_atomic
from eyas.model.checkpoint import save_model
from eyas.model.network import Network
from eyas.store.lineage import FILE_NAME as LINEAGE
from eyas.store.lineage import read_lineage
from eyas.text.tokenizer import Tokenizer
from eyas.train.checkpoint import checkpoints
from eyas.train.distributed import Ranks
from eyas.train.metrics import FILE_NAME as METRICS

_FREE = ("out", "quiet")  # fields that may differ between a killed run and its resumption


class Work:
    """The work folder of a stage that writes the model folder `out`."""

    def __init__(self, out: Path, config: StageConfig) -> None:
        """Open or create it. Raises EyasError when it was begun with another config, or when `out` is there already."""
        self.out = out
        self.folder = out.with_name(f".{out.name}.work")
        self.train = self.folder / "train"
        asked = {key: value for key, value in config.model_dump(mode="json").items() if key not in _FREE}
        path = self.folder / "config.json"
        if path.exists():
            begun = read_json(path, "work config")
            different = sorted(k for k in asked | begun if k not in _FREE and asked.get(k) != begun.get(k))
            if different:
                names = ", ".join(f"--{key.replace('_', '-')}" for key in different)
                raise EyasError(
                    f"{self.folder} holds an unfinished run with other settings ({names}); "
                    "repeat its settings to go on, or remove the folder to start afresh"
                )
        elif out.exists():
            raise EyasError(f"{out} exists already; choose another name or remove it first")
        else:
            write_atomic(path, json.dumps(asked, indent=1))

    def finished(self) -> dict[str, Any] | None:
        """The figures of the model when it is already whole (the run was killed while it tidied up), else None."""
        return dict(read_lineage(self.out)["figures"]) if (self.out / LINEAGE).exists() else None

    def decide(self, key: str, value: Any) -> Any:
        """Settle `key` as `value` (JSON) unless a run before this one settled it; returns what holds."""
        path = self.folder / "decisions.json"
        decisions: dict[str, Any] = read_json(path, "decisions") if path.exists() else {}
        if key not in decisions:
            decisions[key] = value
            write_atomic(path, json.dumps(decisions))
        return decisions[key]

    def settled(self, key: str, ranks: Ranks, find: Callable[[], Any]) -> Any:
        """What holds for `key`: what a run before settled, else what `find` gives the first process. All call it."""
        path = self.folder / "decisions.json"
        ranks.wait()  # nobody looks while another one writes
        known = path.exists() and key in read_json(path, "decisions")
        found = None if known else find()
        ranks.wait()
        if ranks.first:
            self.decide(key, found)
        ranks.wait()
        return read_json(path, "decisions")[key]

    def publish(self, model: Network, tokenizer: Tokenizer, lineage: dict[str, Any], card: str) -> None:
        """Write the model folder with its metrics, whole or not at all. Raises EyasError when the disk is full."""
        made = self.folder / "model"
        save_model(made, model, tokenizer, lineage=lineage, card=card, replace=True)
        try:
            shutil.copyfile(self.train / METRICS, made / METRICS)
            os.rename(made, self.out)
        except OSError as error:
            raise EyasError(f"cannot write {self.out}: {error.strerror}; free space, then run it again") from error

    @contextmanager
    def dropped_if_untrained(self, ranks: Ranks) -> Iterator[None]:
        """Bad input found before the first checkpoint leaves nothing that would stand in the way of the next try."""
        try:
            yield
        except EyasError:
            if ranks.first and not checkpoints(self.train):
                self.remove()
            raise

    def remove(self) -> None:
        """Drop the work folder; only a published model makes it worthless."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _open_work(out: Path, config: StageConfig, ranks: Ranks) -> Work:
    """The work folder, opened by the first process before the others look."""
    if not ranks.first:
        ranks.wait()
        return Work(out, config)
    try:
        return Work(out, config)
    finally:
        ranks.wait()


def carry_out(out: Path, config: StageConfig, train: Callable[[Work, Ranks, float], dict[str, Any]]) -> dict[str, Any]:
    """Run a stage that writes the model `out`, and return its figures; a model that is whole already is not made anew.

    `train(work, ranks, time at the start)` trains, publishes and tells the figures. Raises EyasError as it does.
    """
    started = time.monotonic()
    with Ranks.join() as ranks:
        work = _open_work(out, config, ranks)
        figures = work.finished()
        if figures is None:
            with work.dropped_if_untrained(ranks):
                figures = train(work, ranks, started)
        if ranks.first:
            work.remove()
    return figures
