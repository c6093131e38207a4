"""Progress: lines in a pipe, a bar on a terminal, silence when asked."""

import io

import pytest

from eyas import progress as subject
from eyas.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_plain_lines_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(subject.time, "monotonic", lambda: clock[0])
    out = io.StringIO()
    with Progress("pretrain", total=80, stream=out) as progress:
        for step in range(80):
            clock[0] += 0.125
            progress.update(step + 1, loss=3.14159, step_rate="9/s")
    assert out.getvalue().splitlines() == [
        "pretrain 50 % (40 of 80), loss 3.142, step rate 9/s, 5 s",
        "pretrain 100 % (80 of 80), loss 3.142, step rate 9/s, 10 s",
    ]
    assert "\x1b" not in out.getvalue()


def test_work_without_a_known_end_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    with Progress("documents", stream=out) as progress:
        progress.advance(1500)
        progress.advance()
    assert out.getvalue().startswith("documents 1,501, ")


def test_a_total_may_be_known_late_and_small_ones_are_told_by_percentage() -> None:
    out = io.StringIO()
    with Progress("exam", stream=out) as progress:
        progress.expect(12)
        progress.advance(3, section="facts")
    assert out.getvalue().startswith("exam 25 %, section facts, ")


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()])
def test_work_that_only_spoke_leaves_no_line_of_its_own(out: io.StringIO) -> None:
    with Progress("pretrain", total=3, stream=out) as progress:
        progress.say("1/4 a base model")
    text = out.getvalue()
    assert text.count("1/4 a base model") == 1
    if out.isatty():
        # the last thing done to the bar's line is to erase it
        assert text.rstrip().endswith("\x1b[2K") and text.rindex("\x1b[2K") > text.rindex("pretrain")
    else:
        assert text == "1/4 a base model\n"


def test_a_terminal_gets_a_bar_with_the_figures() -> None:
    out = Terminal()
    with Progress("pretrain [bold]", total=10, stream=out) as progress:
        progress.say("a sample: [red]not markup[/red]")
        progress.update(10, loss=2.5)
    text = out.getvalue()
    assert "pretrain [bold]" in text and "100%" in text and "loss 2.5" in text
    assert "[red]not markup[/red]" in text


def test_quiet_is_quiet() -> None:
    for out in (io.StringIO(), Terminal()):
        with Progress("x", total=1, quiet=True, stream=out) as progress:
            progress.say("hello")
            progress.advance()
        assert out.getvalue() == ""


def test_a_failure_passes_through_and_closes_the_bar() -> None:
    out = Terminal()
    with pytest.raises(ValueError, match="inside"), Progress("x", total=1, stream=out):
        raise ValueError("inside")
    assert out.getvalue().count("\x1b[?25l") == out.getvalue().count("\x1b[?25h")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (425, "7:05"), (7380, "2:03:00")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
