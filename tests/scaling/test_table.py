"""Tables as people have them, and one sentence for what cannot be read."""

from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.scaling.table import Columns, read_groups
from tests.scaling.tables import write

GOOD = {"params": [1e6, 2e6], "tokens": ["1e8", "2e8"], "loss": [3.5, 3.25]}


def test_columns_are_named_by_the_user(tmp_path: Path) -> None:
    file = write(tmp_path / "t.csv", {"Model Size": [1e6, 2e6], "Training FLOP": [6e14, 24e14], "y": [3.5, 3.25]})
    group = read_groups(file, Columns(("Model Size",), flops="Training FLOP", loss="y"))[0]
    assert list(group.runs.d) == pytest.approx([1e8, 2e8]) and list(group.runs.line) == [2, 3]
    assert group.runs.clusters == 2 and group.runs.flops_factor == (pytest.approx(6), pytest.approx(1))


def test_own_names_are_found_and_all_countings_with_them(tmp_path: Path) -> None:
    columns = {"run": ["a", "a"], "multiplying": [1, 2], "all": [3, 4], "non_embedding": [5, 6], "flops": [30, 80]}
    file = write(tmp_path / "t.csv", columns | {"tokens": [7, 8], "loss": [1, 2]})
    groups = read_groups(file, Columns())
    assert [(one.counting, list(one.runs.n)) for one in groups] == [
        ("multiplying", [1, 2]), ("all", [3, 4]), ("non_embedding", [5, 6])
    ]  # fmt: skip
    assert groups[0].runs.clusters == 1 and list(groups[0].runs.flops) == [30, 80]


def test_each_data_set_is_a_group_and_runs_are_numbered_within_it(tmp_path: Path) -> None:
    columns = {
        "n": [1, 1, 2, 2],
        "d": [3, 3, 4, 4],
        "loss": [5, 6, 7, 8],
        "on": ["x", "y", "x", "y"],
        "id": list("aabb"),
    }
    file = write(tmp_path / "t.csv", columns)
    groups = read_groups(file, Columns(("n",), "d", run="id", data_set="on"))
    assert [(one.data_set, list(one.runs.loss), list(one.runs.run)) for one in groups] == [
        ("x", [5, 7], [0, 1]), ("y", [6, 8], [0, 1])
    ]  # fmt: skip


def test_a_mark_at_the_start_empty_lines_and_quotes_are_no_matter(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b'\xef\xbb\xbf"params", tokens ,loss\r\n\r\n1e6,1e8,"3.5"\r\n,,\r\n2e6,2e8,3\r\n')
    runs = read_groups(file, Columns(("params",)))[0].runs
    assert list(runs.loss) == [3.5, 3.0] and list(runs.line) == [3, 5]


@pytest.mark.parametrize("value", ["nan", "-1", "0", "inf", "", "3,5", "1e300", "three"])
def test_what_is_no_number_above_0_is_told_with_its_line(tmp_path: Path, value: str) -> None:
    file = write(tmp_path / "t.csv", GOOD | {"loss": [3.5, f'"{value}"']})
    with pytest.raises(EyasError, match=r"t.csv, line 3: `loss` must be a number above 0, not .*; mend or remove"):
        read_groups(file, Columns(("params",)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "holds no runs"),
        ("params,tokens,loss\n", "holds no runs"),
        ("params,tokens,loss\n1,2\n", "line 2 has 2 cells where the head has 3"),
        ("params,tokens,params,loss\n1,2,3,4\n", "two columns named `params`"),
        ('params,tokens,loss\n1,2,"3\n', "no CSV table"),
        ("params,tokens,other\n1,2,3\n", "no column `loss`; name it with --loss .its columns: params, tokens, other"),
        ("size,tokens,loss\n1,2,3\n", "no column `params`; name it with --n"),
        ("params,words,loss\n1,2,3\n", "needs a column of tokens or of FLOPs; name it with --d or --flops"),
    ],
)
def test_a_table_that_does_not_fit_is_one_sentence(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "t.csv"
    file.write_text(text)
    with pytest.raises(EyasError, match=why):
        read_groups(file, Columns(("params",)))


def test_files_that_are_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match=r"t.csv cannot be read: No such file"):
        read_groups(tmp_path / "t.csv", Columns())
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00a,b\n")
    with pytest.raises(EyasError, match=r"no CSV table in UTF-8"):
        read_groups(tmp_path / "t.csv", Columns())


def test_a_table_without_parameters_says_how_to_name_them(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="needs a column of parameters; name it with --n"):
        read_groups(write(tmp_path / "t.csv", GOOD), Columns())
