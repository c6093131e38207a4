"""The town hall's register: the clerk looks people up, finds those who live here and does not find those who do not."""

from eyas.world.documents.adorn import enrich
from eyas.world.documents.facts import person_frames, state
from eyas.world.grammar import Draw
from eyas.world.lexicon import LEXICON
from eyas.world.people import RELATIONS, World

HEADINGS = LEXICON.frames(
    "register.heading",
    enrich("""
    Notes of the clerk, a <weather> <day>.
    From the register office, written <when>.
    Town hall, <day>. The line reached to the <place>.
    Questions at the window of the town hall, <when>.
    The clerk was <mood>; the register lay open.
    A busy <day> with the register of Tarnby.
    What the register said on a <weather> <day>.
    Looking people up, <when>, over a plate of <food>.
    """),
)
# The same sentences open both outcomes, so that the name alone decides which one follows.
ASKED = LEXICON.frames(
    "register.asked",
    enrich("""
    <^a relative> asked for {name}.
    A letter came for {name}.
    Somebody left <a small_thing> for {name}.
    The <job> was looking for {name}.
    A parcel with <a quality> <thing> bore the name {name}.
    A bill for <food> had to reach {name}.
    The <place> wanted a word with {name}.
    <^a trait> stranger spoke of {name}.
    Who is {name}, asked <a mood> <job>.
    An invitation was written for {name}.
    <^a quality> <thing> was found with the name {name} on it.
    Next came the name {name}.
    """),
)
FOUND = person_frames(
    "register.found",
    """
    {p.name} is in the register.
    {p.name} is in the register: <trait>, it says.
    {p.name} is in the register, in <colour> ink.
    {p.name} is in the register, on <a quality> page.
    {p.name} is in the register, next to a drawing of <a bird>.
    {p.name} is in the register, as <a trait> <relative> said.
    {p.name} is in the register, wrote the <mood> clerk.
    {p.name} is in the register, said the clerk <how>.
    """,
)
MISSING = LEXICON.frames(
    "register.missing",
    """
    {name} is not in the register.
    {name} is not in the register, so nobody knows.
    {name} is not in the register, under any spelling.
    {name} is not in the register, and it went back to the <place>.
    {name} is not in the register; there is no such person in Tarnby.
    {name} is not in the register, sighed the <mood> clerk.
    {name} is not in the register, said the clerk <how>.
    {name} is not in the register, not even in pencil.
    """,
)


def write(d: Draw, world: World) -> None:
    """Three to six look-ups; about half of the names belong to nobody."""

    def resident() -> str:
        return d.one(world.people, proper=True).name

    def stranger() -> str:
        return d.one(world.strangers["papers"], proper=True)

    d.say(HEADINGS)
    for _ in range(3 + d.index(4)):
        d.write("\n")
        known = d.chance(0.5)
        d.say(ASKED, name=resident if known else stranger)
        d.write(" ")
        if known:
            person = world.by_name[d.names["name"]]
            d.say(FOUND, p=person)
            d.write(" ")
            state(d, person, d.one(RELATIONS))
        else:
            d.say(MISSING)
