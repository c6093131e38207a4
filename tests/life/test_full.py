"""What `--full` adds to a life, small: every stage for real, from pairs that were there already."""

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from eyas.arena.stored import stored_battles
from eyas.errors import EyasError
from eyas.life import full
from eyas.life.raising import run
from eyas.life.settings import RaiseConfig
from eyas.report.page import write_report
from eyas.store.database import open_store
from eyas.store.tables import Comparison
from eyas.train import finetune, pretrain
from eyas.world.open_ended import open_questions
from eyas.world.people import World


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RaiseConfig:
    """A life with a base model, an assistant and pairs that are easy to tell apart."""
    life = tmp_path_factory.mktemp("lives") / "small"
    config = RaiseConfig(life=life, minutes=0.1, people=8, size="0.3m", context=128)
    base, assistant = life / "models" / "base", life / "models" / "assistant"
    pretrain.run(config.pretraining(base, 0.02, quiet=True))
    finetune.run(config.finetuning(base, assistant, 0.02, quiet=True))
    rows = [
        {
            "prompt": list(question.prompt),
            "chosen": [{"role": "assistant", "content": f"{question.about} lives in Tarnby."}],
            "rejected": [{"role": "assistant", "content": "oak oak oak oak"}],
        }
        for question in open_questions(World(0, 8), 150)
    ]
    (life / "data").mkdir()
    (life / "data" / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return config


def test_a_full_life_has_models_of_every_kind_on_one_board(config: RaiseConfig) -> None:
    told: list[str] = []
    full.add(config, told.append, quiet=True)
    made = {path.name for path in (config.life / "models").iterdir() if not path.name.startswith(".")}
    assert made >= {"base", "assistant", "base-small", "assistant-small", "reward", "dpo"}
    assert "grpo" in made or any("no GRPO" in line for line in told)
    battles = [row for _, row in stored_battles(config.life)]
    assert {row[side] for row in battles for side in ("model_a", "model_b")} == made - {"reward"}
    page = write_report(config.life).read_text()
    assert all(name in page for name in made)
    (config.life / "evals" / "arena.json").unlink()
    store = open_store(config.life)
    with store.session() as session:  # as if it had been killed after a while
        for battle in session.scalars(select(Comparison).order_by(Comparison.id)).all()[len(battles) // 2 :]:
            session.delete(battle)
    store.close()
    for _ in range(2):
        full.add(config, told.append, quiet=True)
        assert [row for _, row in stored_battles(config.life)] == battles, "it goes on, and nothing is done twice"


def test_rows_of_ones_own_have_no_truth_to_compare_by(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="--full"):
        run(RaiseConfig(life=tmp_path / "life", data=["world"], chat=["rows.jsonl"], full=True), quiet=True)
    assert not (tmp_path / "life").exists()
