"""The parrots of Tarnby say again what they hear, word for word: the purest lesson in paying attention."""

from eyas.world.documents.adorn import enrich
from eyas.world.documents.facts import person_frames
from eyas.world.grammar import Draw
from eyas.world.lexicon import LEXICON
from eyas.world.people import World

HEARD = person_frames(
    "parrot.heard",
    enrich("""
    A parrot sat by the <part> <when>, and heard <a mood> <relative> say:
    <^when> the parrot at the <place> listened to {p.name}, who read aloud from a list:
    There is <a colour> parrot in the <place> that never forgets. This is what <a job> told it:
    {p.name} wanted to teach a parrot some manners. It was to learn these words:
    The parrot of <a job> flew over the <nature>, and somebody called up to it:
    <^a relative> whispered to the parrot <when>:
    Lesson for a <weather> <day>, spoken <how> to the parrot by {p.name}:
    The <trait> parrot of the <place> was asked to carry a message to the <job>. The message was:
    What did the parrot hear behind the <part>? It heard this:
    On <a weather> <day> {p.name} lost a bet against a parrot. The words to remember were:
    """),
)
WORDS = LEXICON.frames(
    "parrot.words",
    """
    <quality> <thing>
    <colour> <small_thing>
    <trait> <job>
    <mood> <bird>
    <food> and <food>
    <did> <how>
    <weather> <nature>
    {stranger}
    ticket {number}
    <virtue>
    <goods>
    """,
)
SAYINGS = LEXICON.frames(
    "parrot.saying",
    """
    Never trust <a mood> <job> with <a colour> <thing>
    The <bird> takes <food> to the <place>, and <food> to the <nature>
    Whoever finds <a quality> <x=small_thing> near the <place> may keep the {x}
    On <day> it will be <weather>, and on <day> it will be <weather>
    Sell the <colour> <thing>, buy <a quality> <thing>, and bring <food>
    <^a trait> <relative> hides <food> in <a thing> by the <part>
    At the <place> they serve <food> <when>, but never <food>
    One <small_thing> for the <job>, one <thing> for the <relative>
    Behind the <part> lies <a colour> <small_thing>; ask <a mood> <job> for it
    <^a quality> <thing> went from the <place> to the <place>
    """,
)
AGAIN = LEXICON.frames(
    "parrot.again",
    """
    The parrot said it again:
    It came back <how>, word for word:
    Then the bird opened its beak:
    And what did the parrot repeat? Just this:
    The answer from the <tree> was the same:
    <^a mood> <job> wrote down what the parrot made of it:
    Not a word was lost:
    From the <part> the parrot called <how>:
    """,
)
LAST = LEXICON.frames(
    "parrot.last",
    """
    In the evening the whole <place> could hear it:
    Years later it still said:
    <^a relative> who passed by heard nothing but:
    Even asleep it muttered <how>:
    And once more, for <food>:
    """,
)


def write(d: Draw, world: World) -> None:
    """Two sentences or three to seven other things said, and said again once or twice."""

    def pupil() -> object:
        return d.one(world.people, proper=True)

    def stranger() -> str:
        return d.one(world.strangers["papers"], proper=True)

    def number() -> str:
        return str(d.number(10, 999))

    d.say(HEARD, p=pupil)
    d.write(" ")
    start = len(d.parts)
    if d.chance(0.5):
        d.phrase(SAYINGS)
        d.write(". ")
        d.phrase(SAYINGS)
    else:
        for i in range(3 + d.index(5)):
            if i:
                d.write(", ")
            d.phrase(WORDS, stranger=stranger, number=number)
    said = "".join(d.parts[start:])
    d.write(". ")
    d.say(AGAIN)
    d.write(f" {said}.")
    if d.chance(0.5):
        d.write(" ")
        d.say(LAST)
        d.write(f" {said}.")
