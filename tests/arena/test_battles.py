"""Battles out of files."""

import gzip
import json
from pathlib import Path

import pytest

from eyas.arena.battles import Columns, read_battles
from eyas.arena.outcomes import Codes
from eyas.errors import EyasError

CSV = "model_a,model_b,winner,question,len_a,len_b,who\nhawk,owl,a,q1,10,20,human\nowl,kite,tie,q2,5,5,gpt\n"


def write(folder: Path, text: str, name: str = "battles.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_everything_a_row_tells_is_kept(tmp_path: Path) -> None:
    columns = Columns(prompt="question", length_a="len_a", length_b="len_b", judge="who")
    found = read_battles(write(tmp_path, CSV), columns)
    assert found.models == ("hawk", "owl", "kite") and len(found) == 2
    assert (found.a.tolist(), found.b.tolist(), found.score.tolist()) == ([0, 1], [1, 2], [1.0, 0.5])
    assert found.prompt is not None and found.prompt.tolist() == [0, 1]
    assert found.lengths is not None and found.lengths.tolist() == [[10, 20], [5, 5]]
    assert found.judge is not None and [found.judges[i] for i in found.judge] == ["human", "gpt"]


def test_json_lines_compressed_and_under_other_names_say_the_same(tmp_path: Path) -> None:
    rows = [{"x": "hawk", "y": "owl", "who": "owl"}, {"x": "owl", "y": "hawk", "who": 1}]
    file = tmp_path / "battles.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in rows).encode()))
    found = read_battles(file, Columns("x", "y", "who"))
    assert found.models == ("hawk", "owl") and found.score.tolist() == [0.0, 1.0]


def test_one_column_of_models_against_a_named_opponent(tmp_path: Path) -> None:
    file = write(tmp_path, "model,preference\nhawk,1.2\nowl,2\n")
    found = read_battles(file, Columns("model", winner="preference", opponent="base"), Codes(("2",), ("1",)))
    assert found.models == ("hawk", "base", "owl") and found.score.tolist() == pytest.approx([0.2, 1.0])


def test_a_selection_keeps_only_the_models_in_it(tmp_path: Path) -> None:
    found = read_battles(write(tmp_path, CSV), Columns(prompt="question", judge="who"))
    assert found.judge is not None
    left = found.select(found.judge == 1)
    assert left.models == ("owl", "kite") and (left.a.tolist(), left.b.tolist()) == ([0], [1])


@pytest.mark.parametrize(
    ("text", "columns", "why"),
    [
        (
            "model_a,model_b,result\nx,y,a\n",
            Columns(),
            "line 2 of .* has no column `winner` .*model_b, result.*--winner",
        ),
        ("model_a,model_b,winner\nx,x,a\n", Columns(), "line 2 of .* lets 'x' battle itself"),
        ("model_a,model_b,winner\nx,,a\n", Columns(), "line 2 of .* has an empty `model_b`"),
        ("model_a,model_b,winner\nx,y,a\nx,y,?\n", Columns(), "line 3 of .* names as winner '\\?'"),
        ("model_a,model_b,winner,l\nx,y,a,-3\n", Columns(length_a="l", length_b="l"), "`l` '-3', which is no length"),
        ("model_a,model_b,winner,l\nx,y,a,3\n", Columns(length_a="l"), "give both --length-a and --length-b"),
        ("model_a,model_b,winner\n", Columns(), "is empty"),
    ],
)
def test_a_bad_file_is_told_by_its_line(tmp_path: Path, text: str, columns: Columns, why: str) -> None:
    with pytest.raises(EyasError, match=why):
        read_battles(write(tmp_path, text), columns)


def test_bad_rows_are_counted_when_asked(tmp_path: Path) -> None:
    file = write(tmp_path, "model_a,model_b,winner\nx,y,a\nx,y,?\nx,x,a\nx,y,-1\n")
    found = read_battles(file, codes=Codes(skip=("-1",)), skip_bad=True)
    assert len(found) == 1 and found.skipped == 3


def test_a_file_whose_battles_are_all_skipped_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="holds no battle that can be counted"):
        read_battles(write(tmp_path, "model_a,model_b,winner\nx,y,-1\n"), codes=Codes(skip=("-1",)))
