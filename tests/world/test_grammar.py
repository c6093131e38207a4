"""Frames, what their choices cost, and the counting of derivations against two other ways of counting."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations, product
from math import log2, sqrt
from types import SimpleNamespace
from typing import Any

import pytest

from eyas.world.documents import facts
from eyas.world.documents.cast import Cast
from eyas.world.grammar import Choice, Draw, Frames, Lexicon, Slot, count_derivations, draw, with_article
from eyas.world.people import World

WORDS = Lexicon(
    {
        "trait": ("old", "brave", "idle"),
        "animal": ("goose", "otter"),
        "name": ("Ada", "Ben", "Cora", "Dirk"),
    },
    frozenset({"name"}),
)


def one(text: str) -> Frames:
    return WORDS.frames("one", text)


def said(frames: Frames, seed: str = "a", **values: Any) -> Draw:
    d = draw(seed)
    d.say(frames, **values)
    return d


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A <fish>.", "no word list 'fish'"),
        ("An <x=fish>.", "no word list 'fish'"),
        ("One [red|blue.", r"missing \]"),
        ("One [red|[blue].", r"missing \]"),
        ("One red] thing.", r"stray \]"),
        ("Red|blue.", r"stray \|"),
    ],
)
def test_a_malformed_frame_is_refused_when_it_is_compiled(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        one(text)


def test_a_word_list_that_repeats_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match="word list animal repeats a word"):
        Lexicon({"animal": ("goose", "otter", "goose")}, frozenset())


def test_comments_and_empty_lines_are_no_frames_and_every_frame_has_its_name() -> None:
    frames = WORDS.frames("some", "\n  One.\n\n  # not this\n  Two.\\nThree.\n  \\sFour.\n")
    assert [frame.name for frame in frames] == ["some/0", "some/1", "some/2"]
    assert [said((frame,)).text for frame in frames] == ["One.", "Two.\nThree.", " Four."]


def test_a_value_costs_nothing_and_may_have_attributes_a_capital_and_an_article() -> None:
    otter = SimpleNamespace(kind="otter", name="ada")
    d = said(one("{^a p.kind} named {^p.name}, {a p.kind}, {x}."), p=otter, x="no more")
    assert d.text == "An otter named Ada, an otter, no more."
    assert d.bits == 0
    assert [(value, attribute) for value, attribute in d.used] == [(otter, "kind"), (otter, "name"), (otter, "kind")]


def test_a_bound_word_comes_back_for_nothing() -> None:
    d = said(one("{n} has <a trait> <x=animal>. {^a x}? {^x}!"), n="Ada")
    start, again, last = d.text.split(" ", 2)[2].split(". ")[0], *d.text.split(". ")[1].split("? ")
    animal = start.split()[-1]
    assert (again, last) == (with_article(animal).capitalize(), f"{animal.capitalize()}!")
    assert d.bits == pytest.approx(log2(3) + log2(2))


@pytest.mark.parametrize(
    ("word", "phrase"), [("otter", "an otter"), ("goose", "a goose"), ("idle otter", "an idle otter")]
)
def test_articles_follow_the_first_letter(word: str, phrase: str) -> None:
    assert with_article(word) == phrase


def test_every_article_of_the_lexicon_sounds_right() -> None:
    # Words that begin with a vowel's letter but not its sound, or the other way round.
    wrong = ("eu", "one", "once", "uni", "use", "usu", "ut", "hour", "heir", "honest", "honour")
    lists = facts.LEXICON.lists
    takes_article = ("mood", "trait", "quality", "colour", "weather", "thing", "small_thing", "nature", "tree", "bird",
                     "relative", "job", "animal", "place", "part", "low", "high")  # fmt: skip
    assert [word for name in takes_article for word in lists[name] if word.startswith(wrong)] == []


def test_a_function_as_value_is_called_once_when_its_slot_is_reached() -> None:
    calls: list[str] = []

    def late() -> str:
        calls.append(d.text)
        return "late"

    d = draw("a")
    d.say(one("First, {x} and {x}."), x=late)
    assert (d.text, calls) == ("First, late and late.", ["First, "])


def test_proper_names_and_numbers_are_counted_apart() -> None:
    d = said(one("<name> and <animal>"))
    assert (d.proper_bits, d.bits) == (2, 3)
    d.number(1, 8)
    d.one("abcd", proper=True)
    d.one("abcd")
    assert (d.proper_bits, d.bits) == (2 + 3 + 2, 3 + 3 + 2 + 2)


def test_chance_costs_what_it_tells() -> None:
    d = draw("chance")
    outcomes = [d.chance(0.25) for _ in range(4000)]
    yes = sum(outcomes)
    assert d.bits == pytest.approx(2 * yes + log2(4 / 3) * (4000 - yes))
    assert abs(yes - 1000) < 4 * sqrt(4000 * 0.25 * 0.75)


def test_order_gives_different_items_and_pays_for_each_among_those_left() -> None:
    d = draw("order")
    picked = list(d.order("abcde", 3))
    assert len(set(picked)) == 3 and set(picked) <= set("abcde")
    assert d.bits == pytest.approx(log2(5) + log2(4) + log2(3))


def test_a_draw_depends_on_its_seed_alone() -> None:
    frames = one("<name>, <a trait> <animal>, [saw|met] <name> and <name>.")
    random.seed(1)
    first = [said(frames, f"seed {i}") for i in range(50)]
    random.seed(2)
    again = [said(frames, f"seed {i}") for i in range(50)]
    assert [(d.text, d.bits) for d in first] == [(d.text, d.bits) for d in again]
    assert len({d.text for d in first}) > 30


# A small grammar with every sort of choice, and all its texts enumerated by hand.
CLEAR = one("<name> saw <a trait> <x=animal>: [|what ]{a x}!\n{n} slept.")


def clear(d: Draw) -> None:
    d.say(CLEAR, n=lambda: d.one(("Emma", "Felix", "Greta"), proper=True))
    for word in d.order((" Up", " and", " away"), 2):
        d.write(word)
    if d.chance(0.3):
        d.write(f" {d.number(7, 11)}")


def clear_texts() -> Iterator[tuple[str, float]]:
    lists = WORDS.lists
    starts = [
        (f"{name} saw {with_article(trait)} {animal}: {what}{with_article(animal)}!", 1 / 2 / 4 / 3 / 2 / 2)
        for name, trait, animal, what in product(lists["name"], lists["trait"], lists["animal"], ("", "what "))
    ]
    starts += [(f"{name} slept.", 1 / 2 / 3) for name in ("Emma", "Felix", "Greta")]
    ends = [("", 0.7), *((f" {n}", 0.3 / 5) for n in range(7, 12))]
    for (start, p), words, (end, q) in product(starts, permutations((" Up", " and", " away"), 2), ends):
        yield start + "".join(words) + end, p / 6 * q


def test_the_count_agrees_with_an_enumeration_of_every_text() -> None:
    texts = dict(clear_texts())
    assert sum(texts.values()) == pytest.approx(1)
    assert len(texts) == len(list(clear_texts())), "the grammar of this test is meant to be unambiguous"
    rng = random.Random(0)
    for text in rng.sample(sorted(texts), 120):
        assert count_derivations(clear, text) == (1, pytest.approx(-log2(texts[text])))
        assert count_derivations(clear, text + " and") == (0, float("inf"))
    for i in range(200):
        d = draw(f"clear {i}")
        clear(d)
        assert d.bits == pytest.approx(-log2(texts[d.text]))


def test_bits_are_the_log_of_the_measured_frequency() -> None:
    n, texts, bits = 40_000, Counter[str](), dict[str, float]()
    rng = random.Random("frequency")
    for _ in range(n):
        d = Draw(rng.random)
        clear(d)
        text = d.text.split("!")[0].split(".")[0]
        texts[text] += 1
        words = d.text.removeprefix(text)
        bits[text] = d.bits - log2(6) + log2(0.3 / 5 if words[-1].isdigit() else 0.7)
    assert len(texts) == 4 * 3 * 2 * 2 + 3
    for text, count in texts.items():
        p = 2 ** -bits[text]
        assert abs(count - n * p) < 5 * sqrt(n * p), text


# Two sorts of fault: alternatives that meet again, and a choice that never shows.
MEETING = one("[a|ab|b][bc|c|]")


def meeting(d: Draw) -> None:
    d.say(MEETING)
    if d.chance(0.25):
        d.write("c")


def test_the_count_finds_every_derivation_of_an_ambiguous_text_and_sums_their_probability() -> None:
    found: dict[str, list[float]] = {}
    for first, second, (third, p) in product(("a", "ab", "b"), ("bc", "c", ""), (("c", 0.25), ("", 0.75))):
        found.setdefault(first + second + third, []).append(p / 9)
    assert len(found["abc"]) == 3, "abc = a + bc = ab + c = ab + '' + c"
    for text, shares in found.items():
        assert count_derivations(meeting, text) == (len(shares), pytest.approx(-log2(sum(shares))))
    assert any(len(shares) > 1 for shares in found.values())


def test_a_choice_that_does_not_show_is_found() -> None:
    def hidden(d: Draw) -> None:
        d.index(4)
        d.write("same")

    assert count_derivations(hidden, "same") == (4, pytest.approx(0))
    d = draw("hidden")
    hidden(d)
    assert d.bits == 2, "what the Draw counted is too much by the two bits that do not show"


def test_a_search_without_end_is_given_up() -> None:
    def early(d: Draw) -> None:
        picks = [d.index(10) for _ in range(8)]
        d.write("".join(map(str, picks)))

    with pytest.raises(RuntimeError, match="choose later"):
        count_derivations(early, "01234567", limit=1000)


def test_a_cast_of_strangers_is_drawn_fairly_and_without_repetition() -> None:
    town = World(seed=1, people=5)
    names = [person.name for person in town.people]

    def three(d: Draw) -> None:
        cast = Cast(d, town)
        for _ in range(3):
            d.write(cast.one().name + ";")

    for trio in permutations(names, 3):
        assert count_derivations(three, "".join(f"{name};" for name in trio)) == (1, pytest.approx(log2(5 * 4 * 3)))
    assert count_derivations(three, f"{names[0]};{names[1]};{names[0]};")[0] == 0


# A second way to count, for single sentences: walk the parts of the frame over the text and sum what fits.
Ends = list[tuple[int, float]]


def ends(parts: Sequence[Any], text: str, start: int, value: Callable[[Slot], str]) -> Ends:
    """Where `parts` can end if they begin at `start`, each with its probability; ways that meet are kept apart."""
    reached: Ends = [(start, 1.0)]
    for part in parts:
        reached = [(end, p * q) for at, p in reached for end, q in _ends(part, text, at, value)]
    return reached


def _ends(part: Any, text: str, at: int, value: Callable[[Slot], str]) -> Ends:
    def word(option: str) -> Ends:
        if getattr(part, "article", False):
            option = ("an " if option[0] in "aeiou" else "a ") + option
        if getattr(part, "capital", False):
            option = option[0].upper() + option[1:]
        return [(at + len(option), 1.0)] if text.startswith(option, at) else []

    if isinstance(part, str):
        return word(part)
    if isinstance(part, Slot):
        return word(value(part))
    assert isinstance(part, Choice) and not part.bind
    found = []
    for option in part.options:
        inside = word(option) if isinstance(option, str) else ends(option, text, at, value)
        found += [(end, p / len(part.options)) for end, p in inside]
    return found


@pytest.mark.parametrize("relation", facts.STATEMENTS)
def test_real_sentences_are_counted_alike_in_two_ways(relation: str, world: World) -> None:
    frames = facts.STATEMENTS[relation]
    for i, person in enumerate(world.people[:12]):
        d = draw(f"statement {i}")
        facts.state(d, person, relation)

        def value(slot: Slot, person: object = person) -> str:
            return str(getattr(person, slot.attribute))

        whole = [p for frame in frames for end, p in ends(frame.parts, d.text, 0, value) if end == len(d.text)]
        assert len(whole) == 1, d.text
        bits = -log2(whole[0] / len(frames))
        assert d.bits == pytest.approx(bits)

        def write(q: Draw, person: Any = person) -> None:
            facts.state(q, person, relation)

        assert count_derivations(write, d.text) == (1, pytest.approx(bits))
