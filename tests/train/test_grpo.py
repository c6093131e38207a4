from pathlib import Path
from typing import Any

import pytest

from eyas.errors import EyasError
from eyas.store.lineage import read_lineage
from eyas.train.align_config import AlignConfig
from eyas.train.grpo import run
from tests.train.test_rollouts import Pick

QUICK: dict[str, Any] = {
    "reward": ["verify:pick"], "problems": 8, "group": 8, "max_tokens": 8, "examined": 32, "compile": "off",
    "quiet": True, "lr": 0.003, "matrix_lr": 0.01,
}  # fmt: skip


def test_a_bandit_with_a_known_optimum_is_solved(undecided: Path, tmp_path: Path) -> None:
    found = run(AlignConfig(method="grpo", model=str(undecided), out=tmp_path / "new", steps=40, **QUICK), Pick("cat"))
    assert 0 < found.before["pass@1"] < 0.3
    assert found.after["pass@1"] > 0.9
    assert read_lineage(tmp_path / "new")["figures"]["after"] == found.after
    assert len(found.examples) == 4 and all(one["answer"].startswith("cat") for one in found.examples)


def test_the_divergence_holds_it_back(undecided: Path, tmp_path: Path) -> None:
    def after(beta: float) -> float:
        out = tmp_path / f"beta{beta}"
        config = AlignConfig(method="grpo", model=str(undecided), out=out, steps=12, beta=beta, **QUICK)
        return run(config, Pick("cat")).after["pass@1"]

    assert after(3.0) < after(0.0)


def test_a_model_that_never_succeeds_is_not_started(undecided: Path, tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="solves none of 32 problems, 8 tries each: nothing is rewarded; finetune it"):
        run(AlignConfig(method="grpo", model=str(undecided), out=tmp_path / "new", **QUICK), Pick("never said"))
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
        run(AlignConfig(method="grpo", model="x", out=tmp_path / "new", **(QUICK | settings)), Pick("cat"))
    assert not list(tmp_path.iterdir())
