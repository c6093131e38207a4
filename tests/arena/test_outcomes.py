"""Who won, as many files say it."""

import pytest

from eyas.arena.outcomes import Codes, Verdict, read_verdict


@pytest.mark.parametrize(
    ("cell", "verdict"),
    [
        ("a", Verdict(1.0)),
        ("B", Verdict(0.0)),
        ("model_a", Verdict(1.0)),
        ("[[B]]", Verdict(0.0)),
        ("hawk", Verdict(1.0)),
        ("owl", Verdict(0.0)),
        ("tie", Verdict(0.5)),
        ("both_bad", Verdict(0.5, both_bad=True)),
        ("tie (bothbad)", Verdict(0.5, both_bad=True)),
        ("1", Verdict(1.0)),
        (0, Verdict(0.0)),
        ("0.50", Verdict(0.5)),
        (0.73, Verdict(0.73)),
    ],
)
def test_words_names_and_scores_are_read_without_being_told(cell: object, verdict: Verdict) -> None:
    assert read_verdict(cell, "hawk", "owl", Codes()) == verdict


def test_codes_go_before_everything_else() -> None:
    codes = Codes(win_a=("1",), win_b=("2",), tie=("3", "b"), skip=("-1",))
    told = [read_verdict(cell, "hawk", "owl", codes) for cell in ("1", "2.0", 3, "B", -1)]
    assert told == [Verdict(1.0), Verdict(0.0), Verdict(0.5), Verdict(0.5), None]


def test_between_two_numeric_codes_lies_a_share_of_the_win() -> None:
    codes = Codes(win_a=("2",), win_b=("1",))
    found = read_verdict("1.25", "hawk", "owl", codes)
    assert found is not None and found.score == pytest.approx(0.25)
    with pytest.raises(ValueError, match="which is no score from 1 .B wins. to 2 .A wins."):
        read_verdict("0.25", "hawk", "owl", codes)


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("", "has no winner"),
        (None, "has no winner"),
        ("2", "no score from 0"),
        ("-1", "no score from 0"),
        ("nan", "no score from 0"),
        ("kite", "neither of its models"),
    ],
)
def test_what_cannot_be_told_is_refused_with_a_remedy(cell: object, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        read_verdict(cell, "hawk", "owl", Codes())
    assert "--" in str(caught.value)


def test_a_model_named_like_a_side_is_not_guessed_about() -> None:
    with pytest.raises(ValueError, match="also a word for a side"):
        read_verdict("a", "b", "a", Codes())
    assert read_verdict("a", "a", "b", Codes()) == Verdict(1.0)
    assert read_verdict("a", "b", "a", Codes(win_a=("a",))) == Verdict(1.0)
