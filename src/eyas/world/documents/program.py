"""Short programs in a tiny part of Python, and what they print: worked out by an interpreter of five statements."""

from dataclasses import dataclass

from eyas.world.documents.adorn import adorn
from eyas.world.documents.phrases import phrase_frames
from eyas.world.grammar import Draw
from eyas.world.lexicon import LEXICON
from eyas.world.people import World

Value = int | str | tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """``len(x)``, or an operator applied to two values."""

    function: str
    arguments: tuple["Term", ...]


Term = int | str | Name | Call


@dataclass(frozen=True, slots=True)
class Assign:
    """``name = term``; a list holds plain values."""

    name: str
    value: Term | tuple[int, ...] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Print:
    """``print(term, ...)``."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class For:
    """``for name in list:``, or in ``range(n)``."""

    name: str
    over: str | int
    body: "Block"


@dataclass(frozen=True, slots=True)
class If:
    """``if test:`` and ``else:``."""

    test: Call
    body: "Block"
    otherwise: "Block"


Block = tuple[Assign | Print | For | If, ...]


def run(block: Block, names: dict[str, Value]) -> list[str]:
    """The lines that `block` prints; `names` are the variables, and are changed."""
    lines: list[str] = []
    for statement in block:
        if isinstance(statement, Assign):
            given = statement.value
            names[statement.name] = given if isinstance(given, tuple) else value(given, names)
        elif isinstance(statement, Print):
            lines.append(" ".join(str(value(term, names)) for term in statement.terms))
        elif isinstance(statement, For):
            over = names[statement.over] if isinstance(statement.over, str) else tuple(range(statement.over))
            assert isinstance(over, tuple)
            for item in over:
                names[statement.name] = item
                lines += run(statement.body, names)
        else:
            lines += run(statement.body if value(statement.test, names) else statement.otherwise, names)
    return lines


def value(term: Term, names: dict[str, Value]) -> Value:
    """The value of `term`."""
    if isinstance(term, Name):
        return names[term.name]
    if not isinstance(term, Call):
        return term
    arguments = [value(argument, names) for argument in term.arguments]
    if term.function == "len":
        assert not isinstance(arguments[0], int)
        return len(arguments[0])
    left, right = arguments
    if term.function == "==":
        return left == right
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    assert isinstance(left, int) and isinstance(right, int)
    return {"+": left + right, "*": left * right, ">": int(left > right)}[term.function]


INTRODUCTIONS = phrase_frames(
    "program.introduction",
    adorn("""
    A program that <a relative> chalked <how> on <a thing>:
    The counting machine @by the <place> was fed this <when> by <a job>:
    <^a job> and <a bird> wrote this <how>, over <food>:
    To be read <how> to the machine, with <food> for the crank:
    This was found <when> in <a thing> @by the <nature>:
    Instructions for <a mood> machine, in <colour> ink:
    My <relative> @thinks this program is worth <a thing>:
    Only <a job> guessed <how> what this prints:
    <^a job> with <feature> left this program @by the <part>:
    <^when> <a relative> dictated this <how>:
    Stitched <how> on <a thing> for the machine:
    <^a quality> program, @liked by @all <job>:
    Punched <how> into <food> by <a relative>:
    A recipe for numbers and <food>, by <a job>:
    """),
)
COMMENTS = phrase_frames(
    "program.comment",
    adorn("""
    for <a relative> @by the <place>
    <food>, <food> and <small_things>
    written <how> <when>
    do not tell <a job>
    here <a bird> @sat on the page
    better than <virtue>
    needs <a thing> and <food>
    <a bird> could do it <how>
    <virtue>, then <food>, then this
    from <a thing> @by the <nature>
    stolen <how> from <a job>
    <colour> and <quality>, like <food>
    <said> <a relative> <how>
    mind the <thing>
    runs best <when>
    smells of <food> and <small_things>
    """),
)
RESULTS = phrase_frames(
    "program.result",
    adorn("""
    It prints:
    The paper came out <how>, and said:
    <^a relative> turned the crank <when> and got:
    Result, copied <how> by <a job> with <feature>:
    With <food> on every gear it printed:
    After <food> and <a small_thing> it gave:
    Under <a thing> the result was found:
    The answer, <said> <a relative>, is this:
    Nobody @liked what it printed <when>:
    The machine hummed <how> and printed:
    Out came, smelling of <food>:
    <^when> the machine wrote on <a thing>:
    And <a job> read out <how>:
    What it prints, to the joy of <a relative>:
    On the paper stood, in <colour> ink:
    The <place> saw this, <weather> as the day was:
    """),
)
REMARKS = phrase_frames(
    "program.remark",
    adorn("""
    The machine was given <food> and @looked <mood>.
    <^a relative> checked it <how> with <small_things>.
    Nobody but <a bird> was <mood> about it.
    Then <a job> @hid the paper @by the <part>.
    So <virtue> is no longer needed, <said> <a relative>.
    It took <a thing>, <food> and <virtue>.
    <^a job> would have said <food>.
    They hung it <how> @by the <place>.
    """),
)
LISTS = ("words", "shelf", "pockets", "bag", "shop", "cart", "market", "boat", "attic", "wishes")
ITEMS = ("item", "word", "thing", "piece", "find", "one", "gift", "part")
COUNTS = ("n", "count", "total", "coins", "steps", "rings", "days", "sum_so_far")
KINDS = tuple(LEXICON.lists[name] for name in ("thing", "small_thing", "food"))
ADJECTIVES, VERBS = LEXICON.lists["quality"], LEXICON.lists["how"]


def write(d: Draw, world: World) -> None:
    """An introduction, one or two parts of a program, and what it prints."""
    d.say(INTRODUCTIONS)
    d.write("\n")
    program: Block = ()
    for part in d.order((words, choose, longest, add_up, multiply), 1 + d.index(2)):
        if d.chance(0.75):
            d.write("# ")
            d.say(COMMENTS)
            d.write("\n")
        program += part(d)
    d.say(RESULTS)
    d.write("\n" + "\n".join(run(program, {})))
    if d.chance(0.7):
        d.write("\n")
        d.say(REMARKS)


def word_list(d: Draw) -> tuple[Assign, str]:
    """``shelf = ["kettle", "globe"]``."""
    name = d.one(LISTS)
    d.write(f"{name} = [")
    kind = d.one(KINDS)
    items: list[str] = []
    for item in d.order(kind, 2 + d.index(3)):
        d.write(f'{", " if items else ""}"{item}"')
        items.append(item)
    d.write("]\n")
    return Assign(name, tuple(items)), name


def text(d: Draw, options: tuple[str, ...], before: str = "", after: str = "") -> str:
    """A string literal of one of `options`."""
    d.write(f'"{before}')
    word = d.one(options)
    d.write(f'{word}{after}"')
    return before + word + after


def loop(d: Draw, over: str) -> str:
    """The first line of a loop."""
    d.write("for ")
    name = d.one(ITEMS)
    d.write(f"{name} in {over}:\n")
    return name


def words(d: Draw) -> Block:
    """Print each word of a list with something around it."""
    things, name = word_list(d)
    item = loop(d, name)
    if d.chance(0.5):
        d.write("    print(")
        before = text(d, ADJECTIVES)
        d.write(f", {item}, ")
        body = Print((before, Name(item), text(d, VERBS)))
    else:
        d.write(f"    print({item} + ")
        body = Print((Call("+", (Name(item), text(d, KINDS[2], " and "))),))
    d.write(")\n")
    return (things, For(item, name, (body,)))


def choose(d: Draw) -> Block:
    """Treat one word of a list unlike the others."""
    things, name = word_list(d)
    item = loop(d, name)
    assert isinstance(things.value, tuple)
    d.write(f"    if {item} == ")
    special = text(d, tuple(str(word) for word in things.value))
    d.write(":\n        print(")
    yes = text(d, ADJECTIVES)
    d.write(f", {item})\n    else:\n        print({item}, ")
    no = text(d, VERBS)
    d.write(")\n")
    test = Call("==", (Name(item), special))
    return (things, For(item, name, (If(test, (Print((yes, Name(item))),), (Print((Name(item), no)),)),)))


def longest(d: Draw) -> Block:
    """Count letters."""
    things, name = word_list(d)
    item = loop(d, name)
    d.write(f"    if len({item}) > ")
    limit = d.number(4, 9)
    d.write(f"{limit}:\n        print({item}, ")
    size = Call("len", (Name(item),))
    yes: tuple[Term, ...] = (Name(item), size)
    if d.chance(0.5):
        d.write(f"len({item}))\n")
    else:
        yes = (Name(item), text(d, VERBS))
        d.write(")\n")
    d.write(f"    else:\n        print({item}, ")
    no = text(d, ADJECTIVES)
    d.write(")\n")
    return (things, For(item, name, (If(Call(">", (size, limit)), (Print(yes),), (Print((Name(item), no)),)),)))


def add_up(d: Draw) -> Block:
    """Add the lengths of words."""
    things, name = word_list(d)
    total = d.one(COUNTS)
    d.write(f"{total} = ")
    start = d.number(0, 9)
    d.write(f"{start}\n")
    item = loop(d, name)
    d.write(f"    {total} = {total} + len({item})\nprint({total}, ")
    unit = text(d, KINDS[2])
    d.write(")\n")
    more = Assign(total, Call("+", (Name(total), Call("len", (Name(item),)))))
    return (things, Assign(total, start), For(item, name, (more,)), Print((Name(total), unit)))


def multiply(d: Draw) -> Block:
    """Print a row of products."""
    factor = d.one(COUNTS)
    d.write(f"{factor} = ")
    number = d.number(2, 9)
    d.write(f"{number}\nfor i in range(")
    times = d.number(2, 5)
    d.write(f"{times}):\n    print(i * {factor}, ")
    unit = text(d, LEXICON.lists["small_things"])
    d.write(", ")
    how = text(d, VERBS)
    d.write(")\n")
    body = Print((Call("*", (Name("i"), Name(factor))), unit, how))
    return (Assign(factor, number), For("i", times, (body,)))
