"""A life whose every text tries to be more than text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from eyas.report.data import Dreams, ExamEval, ModelRecord, ReportData, Turn, load_report
from tests.report.sample_life import exam

HOSTILE = (
    '<script>alert(1)</script></style></title><img src=x onerror=alert(1)><a href="javascript:alert(1)">x</a>'
    '" onmouseover="alert(1)\' {{ 7 * 7 }} {% raw %} <!-- </svg></textarea>'
    "\x00 \x1b[31m \x7f \u202e \ud800 \udfff \ufffe"
)


def hostile_data(life: Path) -> ReportData:
    """The sample with hostile text wherever text may come from outside."""
    data = load_report(life)
    assert data.base and data.assistant and data.base_eval
    share = exam()["right"]["fact A"]
    example = dict.fromkeys(("question", "answer", "thought", "expected", "verdict"), HOSTILE)
    call: list[Any] = [{"function": {"name": HOSTILE, "arguments": {HOSTILE: HOSTILE}}}, HOSTILE, {"function": 3}]
    bad = {"stage": HOSTILE, "data": [{"source": HOSTILE, "sha256": HOSTILE}], "created": HOSTILE, "seed": HOSTILE,
           "config": {HOSTILE: HOSTILE}, "version": HOSTILE, "commit": HOSTILE, "figures": {HOSTILE: 3},
           "parent": {"path": HOSTILE, "sha256": HOSTILE}, "weights": {HOSTILE: HOSTILE}}  # fmt: skip
    told = {"examples": [{"question": HOSTILE, "answer": HOSTILE}, HOSTILE], "curve": [HOSTILE, {"kl": HOSTILE}],
            "best": HOSTILE, "best_of": HOSTILE, "val": HOSTILE, "calibration": [HOSTILE], "length_bias": HOSTILE,
            "val_right": 7, "val_pairs": 3}  # fmt: skip
    stages = ("reward", "dpo", "grpo")
    row = {"step": 1, "tokens": 10, "loss": 2.0, "sample": HOSTILE, "val_loss": 1.0}
    return replace(
        data, name=HOSTILE, life=HOSTILE, hardware=HOSTILE,
        base=replace(data.base, lineage=bad, metrics=[row]),
        others=[ModelRecord(HOSTILE, bad | {"stage": one, "figures": told}, [row]) for one in stages],
        assistant=replace(data.assistant, lineage=bad, metrics=[row]),
        base_eval=data.base_eval.model_copy(update={"source": HOSTILE, "compressors": {HOSTILE: 1.0},
                                                    "by_kind": {HOSTILE: data.base_eval.by_kind["news"]}}),
        exam=ExamEval.model_validate({"right": {HOSTILE: share}, "verdicts": {HOSTILE: {HOSTILE: 3}},
                                      "examples": {HOSTILE: [example]}}),
        dreams=Dreams(base=[HOSTILE], assistant=[HOSTILE]),
        chat=[Turn(role=HOSTILE, content=HOSTILE, reasoning_content=HOSTILE, tool_calls=call)],
    )  # fmt: skip
