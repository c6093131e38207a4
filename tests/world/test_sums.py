"""What can be worked out again: worksheets, programs and timetables."""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise

import pytest

from eyas.world.documents import notice, program, worksheet
from eyas.world.grammar import draw
from eyas.world.people import World

NUMBER = re.compile(r"\d+")


def written(kind: object, world: World, n: int) -> Iterator[str]:
    for i in range(n):
        d = draw(f"sums {i}")
        kind.write(d, world)  # type: ignore[attr-defined]
        yield d.text


def test_every_sum_of_a_worksheet_is_right(world: World) -> None:
    signs: set[str] = set()
    for text in written(worksheet, world, 300):
        for line in text.splitlines():
            numbers = [int(n) for n in NUMBER.findall(line)]
            if not numbers:
                continue
            # The result may stand anywhere, and one number may be told twice: look for the three that must be there.
            values = set(numbers)
            assert len(values) <= 3 and len(numbers) >= 3, line
            found = {
                sign
                for a in values
                for b in values
                for sign, result in (("+", a + b), ("*", a * b))
                if {a, b, result} == values
            }
            assert found, line
            if match := re.match(r"(\d+) ([-+x]) (\d+) = (\d+)", line):
                a, sign, b, result = int(match[1]), match[2], int(match[3]), int(match[4])
                assert {"+": a + b, "-": a - b, "x": a * b}[sign] == result, line
                signs.add(sign)
    assert signs == {"+", "-", "x"}


# The few forms of line that the town's programs have: nothing else is given to Python.
LINE = re.compile(
    r'\s*(#[^\n]*|for \w+ in [\w()]+:|if [\w()" =>-]+:|else:|print\([^()]*(\(\w+\)[^()]*)?\)|\w+ = [^()]*(\(\w+\))?)'
)


def python_prints(sources: list[str]) -> list[list[str]]:
    """What Python itself prints for each program."""
    assert all(LINE.fullmatch(line) for source in sources for line in source.splitlines())
    whole = "\nprint('----')\n".join(sources)
    done = subprocess.run([sys.executable, "-I", "-"], input=whole, capture_output=True, text=True, check=True)
    return [part.strip("\n").splitlines() for part in done.stdout.split("----")]


def test_programs_print_what_python_prints(world: World) -> None:
    papers = [text.splitlines()[1:] for text in written(program, world, 150)]  # behind the introduction
    ends = []
    for lines in papers:
        code = [i for i, line in enumerate(lines) if re.match(r"(\s|#|for |print\(|\w+ = )", line)]
        ends.append(code[-1] + 1)
    results = python_prints(["\n".join(lines[:end]) for lines, end in zip(papers, ends, strict=True)])
    for lines, end, printed in zip(papers, ends, results, strict=True):
        # A sentence follows ("It prints:"), then what was printed, then perhaps a remark.
        assert lines[end + 1 : end + 1 + len(printed)] == printed, lines
        assert len(lines) - (end + 1 + len(printed)) in (0, 1), lines
    assert sum(map(len, results)) > 400


def test_timetables_keep_their_own_rule_and_prices_add_up(world: World) -> None:
    tables = bills = 0
    for text in written(notice, world, 200):
        rides = [[int(n) for n in times] for times in re.findall(r"leaves (\d+):(\d\d), arrives (\d+):(\d\d)", text)]
        if rides:
            tables += 1
            step = int(re.search(r"after that every (\d+) minutes", text)[1])  # type: ignore[index]
            leaves = [60 * h + m for h, m, _, _ in rides]
            arrives = [60 * h + m for _, _, h, m in rides]
            assert len({b - a for a, b in zip(leaves, arrives, strict=True)}) == 1 and len(rides) == 4, text
            assert {b - a for a, b in pairwise(leaves)} == {step}, text
            assert all(0 <= m < 60 and h < 24 for times in rides for h, m in (times[:2], times[2:]))
        if match := re.search(r"All four together: (\d+)", text):
            bills += 1
            prices = [int(price) for price in re.findall(r"(?m)^[^\n:]+: (\d+)", text[: match.start()])]
            assert len(prices) == 4 and sum(prices) == int(match[1]), text
    assert tables > 50 and bills > 20


N, INDEX, ONE = program.Name("n"), program.Name("i"), program.Name("one")
TIMES = program.For("i", 3, (program.Print((program.Call("*", (INDEX, N)),)),))
LONG = program.If(
    program.Call(">", (program.Call("len", (ONE,)), 4)),
    (program.Print((ONE, "long")),),
    (program.Print((program.Call("+", (ONE, "!")),)),),
)


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ((program.Assign("n", 3), TIMES), ["0", "3", "6"]),
        ((program.Assign("bag", ("pea", "walnut")), program.For("one", "bag", (LONG,))), ["pea!", "walnut long"]),
    ],
)
def test_the_small_interpreter_runs_programs_written_by_hand(source: program.Block, printed: list[str]) -> None:
    assert program.run(source, {}) == printed
