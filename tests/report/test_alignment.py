"""The part of the page on preferences and rewards: what stands there is what the models' lineage and the store hold."""

from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest

from eyas.report.alignment import lines, parts
from eyas.report.data import ModelRecord, load_report
from eyas.report.page import render
from eyas.store.database import open_store
from eyas.store.tables import Comparison
from tests.report.reading import read
from tests.report.sample_life import CURVE, PREFERENCES, REWARD, lineage, put


def test_further_models_stand_in_the_table_and_the_lineage(page: Path) -> None:
    text = read(page.read_text(encoding="utf-8")).text
    for name, stage in (("judge", "reward"), ("polite", "dpo"), ("winner", "grpo")):
        assert f"{name} {stage} made 2026-11-2" in text, "in the lineage"
        assert f" {name} " in text[text.index("What was trained on what") : text.index("How the training went")]


def test_of_many_models_the_newest_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    for n in range(9):
        folder = tmp_path / "models" / f"fix-{n}"
        folder.mkdir(parents=True)
        put(folder / "config.json", {})
        put(folder / "lineage.json", lineage("finetune", created=f"2026-11-2{9 - n}T10:00:00+00:00"))
    data = load_report(tmp_path)
    assert [one.name for one in data.others] == [f"fix-{n}" for n in range(5, -1, -1)]
    text = read(render(data)).text
    assert "3 older models of this life are not shown." in text and "fix-6" not in text


def test_a_reward_model_shows_how_it_ranks_and_how_sure_it_is(life: Path) -> None:
    judge = parts(load_report(life))[0]
    share = REWARD["val_right"] / REWARD["val_pairs"]
    assert f'<data value="{share}">' in judge.lead[0] and f'<data value="{REWARD["val_pairs"]}' in judge.lead[0]
    assert "61.0" in judge.lead[1] and "58.0" in judge.lead[1]
    assert judge.drawings[0].chart.count('class="dot other"') == len(REWARD["calibration"])


def test_dpo_shows_both_log_probabilities_and_warns_when_both_fall(life: Path) -> None:
    polite = parts(load_report(life))[1]
    likelihood, accuracy = (drawing.chart for drawing in polite.drawings)
    assert "chosen from -20.11 to -23.33; rejected from -22 to -51" in likelihood
    assert f"held out from {100 * PREFERENCES['val']['val_rewards/accuracies']:.4g}" in accuracy
    assert "81.4" in polite.lead[0] and "became less likely too" in polite.lead[1]


def test_the_over_optimisation_curve_marks_the_best_place_to_stop(life: Path) -> None:
    winner = parts(load_report(life))[2]
    proxy, truth, reward = (drawing.chart for drawing in winner.drawings)
    across = 100 * sqrt(CURVE[3]["kl"] / CURVE[-1]["kl"])
    assert f'class="mark assistant" cx="{across:.2f}%"' in truth and "stop here" in truth
    assert 'class="mark' not in proxy and 'data-name="best of n"' in proxy and "training from" in reward
    assert f'<data value="{CURVE[3]["true_reward"]}">' in winner.lead[0] and "at step" in winner.lead[0]


def test_rewards_that_are_the_truth_need_no_such_curve(life: Path) -> None:
    data = load_report(life)
    rows = [{"step": 10 * n, "kl": n, "reward": n / 9, "true_reward": n / 9, "pass@1": n / 9} for n in range(9)]
    model = ModelRecord("solver", lineage("grpo", figures={"curve": rows, "best": rows[-1]}))
    (solver,) = parts(replace(data, others=[model]))
    assert len(solver.drawings) == 1 and "0.0" in solver.lead[0] and "88.9" in solver.lead[0]


@pytest.mark.parametrize("figures", [{}, {"curve": [{"kl": "x"}], "best": {}, "val": [], "calibration": [{}]}])
def test_figures_of_another_shape_leave_the_page_whole(figures: object, life: Path) -> None:
    others = [ModelRecord(stage, lineage(stage, figures=figures)) for stage in ("reward", "dpo", "kto", "grpo", "fix")]
    assert read(render(replace(load_report(life), others=others))).faults == []


def test_the_board_is_that_of_the_stores_battles(tmp_path: Path) -> None:
    assert load_report(tmp_path).board is None
    store = open_store(tmp_path)
    with store.session() as session:
        for n in range(9):
            winner = "tie" if n == 4 else "model_a" if n < 7 else "model_b"
            session.add(
                Comparison(
                    prompt=[{"role": "user", "content": f"q{n}"}], answer_a="yes", answer_b="no", model_a="<b>",
                    model_b="assistant", winner=winner, judge="world",
                )
            )  # fmt: skip
    store.close()
    data = load_report(tmp_path)
    first, second = lines(data.board)
    assert (first.model, second.model) == ("<b>", "assistant") and "72.2" in first.won
    seen = read(render(data))
    assert seen.faults == [] and "1. <b> 9 battles" in seen.text and seen.tags["b"] == 0
