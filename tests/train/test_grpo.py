from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from eyas.errors import EyasError
from eyas.store.lineage import read_lineage
from eyas.train.align_config import AlignConfig
from eyas.train.grpo import run
from tests.train.test_rollouts import Pick

QUICK: dict[str, Any] = {
    "reward": ["verify:pick"], "problems": 8, "group": 8, "max_tokens": 8, "examined": 32, "compile": "off",
    "quiet": True, "lr": 0.003, "matrix_lr": 0.01,
}  # fmt: skip
CAT, NEVER = Pick("cat"), Pick("never said")


def test_a_bandit_with_a_known_optimum_is_solved(undecided: Path, tmp_path: Path) -> None:
    found = run(
        AlignConfig(method="grpo", model=str(undecided), out=tmp_path / "new", steps=40, **QUICK), CAT, CAT.rewards
    )
    assert 0 < found.before["pass@1"] < 0.3
    assert found.after["pass@1"] > 0.9
    assert read_lineage(tmp_path / "new")["figures"]["after"] == found.after
    assert len(found.examples) == 4 and all(one["answer"].startswith("cat") for one in found.examples)


def test_the_divergence_holds_it_back(undecided: Path, tmp_path: Path) -> None:
    def after(beta: float) -> float:
        out = tmp_path / f"beta{beta}"
        config = AlignConfig(method="grpo", model=str(undecided), out=out, steps=12, beta=beta, **QUICK)
        return run(config, CAT, CAT.rewards).after["pass@1"]

    assert after(3.0) < after(0.0)


class Dying(Pick):
    """A program that breaks down once, in the middle of the run."""

    calls = 0

    def rewards(self, numbers: Sequence[int], answers: Sequence[list[dict[str, Any]]]) -> list[float]:
        self.calls += 1
        if self.calls == 8:
            raise RuntimeError("the program broke down")
        return super().rewards(numbers, answers)


def test_a_run_that_broke_down_goes_on_as_if_it_had_not(undecided: Path, tmp_path: Path) -> None:
    def config(name: str) -> AlignConfig:
        settings = QUICK | {"steps": 10, "eval_every": 3, "save_seconds": 1e-9}
        return AlignConfig(method="grpo", model=str(undecided), out=tmp_path / name, **settings)

    dying = Dying("cat")
    with pytest.raises(RuntimeError, match="broke down"):
        run(config("broken"), dying, CAT.rewards)
    found, whole = run(config("broken"), dying, CAT.rewards), run(config("whole"), CAT, CAT.rewards)
    assert [row["step"] for row in whole.curve] == [0, 3, 6, 9, 10]
    assert found.curve == whole.curve and found.best == max(whole.curve, key=lambda row: row["true_reward"])
    mine, theirs = (load_file(one.out / "model.safetensors") for one in (found, whole))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_model_that_never_succeeds_is_not_started(undecided: Path, tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="solves none of 32 problems, 8 tries each: nothing is rewarded; finetune it"):
        run(AlignConfig(method="grpo", model=str(undecided), out=tmp_path / "new", **QUICK), NEVER, NEVER.rewards)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"reward": []}, "--method grpo needs a --reward, such as verify:countdown"),
        ({"epochs": 2.0}, "--epochs does not belong to --method grpo"),
    ],
)
def test_flags_that_do_not_fit_are_refused(settings: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(EyasError, match=why):
        run(AlignConfig(method="grpo", model="x", out=tmp_path / "new", **(QUICK | settings)), CAT, CAT.rewards)
    assert not list(tmp_path.iterdir())
