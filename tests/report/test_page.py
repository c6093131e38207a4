"""The page: complete, harmless whatever a model wrote, and content with whatever is missing."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eyas.errors import EyasError
from eyas.report.data import load_report
from eyas.report.page import render, write_report
from tests.report.hostile import HOSTILE, hostile_data
from tests.report.reading import read
from tests.report.sample_life import CHAT, DREAMS, base_eval, exam, lineage, metrics


def _numbers(value: Any) -> set[float]:
    """Every number in a JSON value."""
    if isinstance(value, bool):
        return set()
    if isinstance(value, int | float):
        return {float(value)}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {number for one in inner for number in _numbers(one)}


def test_every_number_given_stands_on_the_page(page: Path) -> None:
    shown = read(page.read_text(encoding="utf-8")).values
    figures = lineage("pretrain")["figures"]
    held_out = [[row["step"], row["tokens"], row["val_loss"], row["val_bpb"]]
                for row in metrics(2000, 2.62, 0.4625, True, 0) if "val_loss" in row]  # fmt: skip
    for name, wanted in (("base.json", base_eval()), ("exam.json", exam()), ("figures", figures), ("curve", held_out)):
        assert _numbers(wanted) <= shown, name


def test_every_text_given_stands_on_the_page(page: Path) -> None:
    text = read(page.read_text(encoding="utf-8")).text
    said = [*DREAMS["base"], *DREAMS["assistant"]]
    said += [turn[key] for turn in CHAT for key in ("content", "reasoning_content") if turn.get(key)]
    said += [example[key] for group in exam()["examples"].values() for example in group
             for key in ("question", "answer", "thought")]  # fmt: skip
    assert [one for one in said if " ".join(one.split()) not in text] == []
    assert 'calculator {"expression": "30 * 27"}' in text
    made = lineage("pretrain")
    for one in (made["data"][0]["sha256"], made["weights"]["model.safetensors"], made["commit"], made["created"]):
        assert one in text


def test_sections_are_described_in_the_words_of_the_exam(page: Path) -> None:
    from eyas.evals.exam import SECTIONS

    text = read(page.read_text(encoding="utf-8")).text
    assert [words for words in SECTIONS.values() if words not in text] == []


def test_the_commands_name_the_life_as_it_was_typed(life: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(life.parent)
    text = read(render(load_report(Path("first")))).text
    assert "eyas chat first/assistant" in text and 'eyas next first/assistant "' in text
    assert "eyas chat 'a life; rm/assistant'" in read(render(replace(load_report(life), life="a life; rm"))).text


def test_elements_are_closed_in_order_and_captioned(page: Path) -> None:
    seen = read(page.read_text(encoding="utf-8"))
    assert seen.faults == []
    assert seen.tags["h1"] == 1 and seen.tags["caption"] == seen.tags["table"] > 4
    ids = [value for _, name, value in seen.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    labelled = {value for _, name, value in seen.attributes if name == "aria-labelledby"}
    assert labelled <= set(ids)


def test_the_page_loads_nothing_and_styles_nothing_inline(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    seen = read(html)
    links = [value for _, name, value in seen.attributes if name in ("src", "href", "srcset", "action", "data")]
    assert [link for link in links if not link.startswith(("#", "data:"))] == []
    assert not [name for _, name, _ in seen.attributes if name == "style" or name.startswith("on")]
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|innerHTML", html)
    policy = next(value for _, name, value in seen.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy


def test_what_a_model_wrote_is_text_and_never_markup(life: Path) -> None:
    plain, hostile = read(render(load_report(life))), read(render(hostile_data(life)))
    assert hostile.faults == []
    assert hostile.tags["script"] == plain.tags["script"] == 1
    assert hostile.tags["style"] == 1 and hostile.tags["img"] == 0
    assert set(hostile.tags) <= set(plain.tags) | {"p"}
    assert {name for _, name, _ in hostile.attributes} <= {name for _, name, _ in plain.attributes}
    assert "{{ 7 * 7 }}" in hostile.text and "javascript:alert(1)" in hostile.text


def test_broken_unicode_is_shown_and_the_page_stays_utf8(life: Path) -> None:
    html = render(hostile_data(life))
    html.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]", html)
    assert "␀" in html and "␛[31m" in html and "\ufffd" in html


def test_hostile_files_come_through_reading_and_writing(tmp_path: Path) -> None:
    evals = tmp_path / "evals"
    evals.mkdir()
    (evals / "dreams.json").write_text(json.dumps({"base": [HOSTILE]}), encoding="utf-8")
    html = write_report(tmp_path).read_text(encoding="utf-8")
    assert read(html).tags["script"] == 1 and read(html).faults == []


_SENTENCES = {
    "evals/base.json": "Bits per byte were not measured: evals/base.json is missing.",
    "evals/exam.json": "No exam was taken: evals/exam.json is missing.",
    "evals/dreams.json": "No dreams were kept: evals/dreams.json is missing.",
    "evals/chat.json": "No chat was kept: evals/chat.json is missing or empty.",
    "models/base/lineage.json": "There is no base model yet: models/base/lineage.json is missing.",
    "models/assistant/lineage.json": "There is no assistant yet: models/assistant/lineage.json is missing.",
    "models/base/metrics.jsonl": "There is no curve of the base model: its metrics.jsonl is missing or empty.",
    "models/assistant/metrics.jsonl": "There is no curve of the assistant: its metrics.jsonl is missing or empty.",
}


@pytest.mark.parametrize("name", _SENTENCES)
def test_a_missing_file_leaves_one_plain_sentence(name: str, life: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(life, tmp_path / "first"))
    assert _SENTENCES[name] not in read(render(load_report(mine))).text
    (mine / name).unlink()
    seen = read(render(load_report(mine)))
    assert _SENTENCES[name] in seen.text and seen.faults == []


def test_an_empty_life_has_a_page_too(tmp_path: Path) -> None:
    seen = read(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "This life has no model yet." in seen.text and seen.faults == []
    assert sum(sentence in seen.text for sentence in _SENTENCES.values()) == len(_SENTENCES)


def test_a_life_of_other_text_has_no_floor_and_says_so(life: Path) -> None:
    data = load_report(life)
    assert data.base_eval
    none = {"floor_bpb": None, "gap": None, "over_floor": None, "by_kind": None}
    seen = read(render(replace(data, base_eval=data.base_eval.model_copy(update=none))))
    assert "The entropy floor of this text is not known" in seen.text
    assert "above the least" not in seen.text


def test_a_model_below_the_floor_is_called_a_fault(life: Path) -> None:
    data = load_report(life)
    assert data.base_eval
    below = data.base_eval.model_copy(update={"bpb": 0.40, "gap": -0.0312, "over_floor": -0.07})
    assert "one of the two measurements is wrong" in read(render(replace(data, base_eval=below))).text


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("evals/base.json", "{", "damaged"),
        ("evals/base.json", '{"source": "world"}', "bpb"),
        ("evals/base.json", '{"source": "world", "bpb": NaN}', "bpb"),
        ("evals/exam.json", '{"right": {"fact A": {"hits": 1}}}', "right.fact A.n"),
        ("evals/chat.json", '{"role": "user"}', "list"),
        ("models/base/lineage.json", "[]", "stage"),
    ],
)
def test_a_damaged_file_gets_one_sentence_and_the_old_page_stays(
    name: str, content: str, word: str, life: Path, tmp_path: Path
) -> None:
    mine = Path(shutil.copytree(life, tmp_path / "first"))
    old = write_report(mine).read_bytes()
    (mine / name).write_text(content)
    with pytest.raises(EyasError, match=re.escape(word)) as caught:
        write_report(mine)
    assert Path(name).name in str(caught.value) and "\n" not in str(caught.value)
    assert (mine / "report.html").read_bytes() == old


def test_no_life_no_page(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="there is no life"):
        write_report(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_metrics_with_holes_still_draw(life: Path) -> None:
    data = load_report(life)
    assert data.base
    rows: list[dict[str, Any]] = [
        {"step": 1, "tokens": 0},
        {"tokens": "x"},
        {"tokens": 5, "loss": float("nan")},
        {"tokens": 7, "val_loss": 2.5},
    ]
    assert read(render(replace(data, base=replace(data.base, metrics=rows)))).faults == []
    rows.append({"step": 3, "tokens": 9, "loss": 2.6})
    assert "training from 2.600 to 2.600; held-out from 2.500" in render(
        replace(data, base=replace(data.base, metrics=rows))
    )


def test_the_same_life_gives_the_same_page(life: Path) -> None:
    assert render(load_report(life)) == render(load_report(life))
