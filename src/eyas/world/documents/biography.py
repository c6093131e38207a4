"""Short portraits of one resident: the plainest way the town writes down what it knows."""

from eyas.world.documents.adorn import enrich
from eyas.world.documents.facts import person_frames, state
from eyas.world.grammar import Draw
from eyas.world.people import RELATIONS, World

OPENINGS = person_frames(
    "biography.opening",
    enrich("""
    {p.name} is easy to know by <feature>.
    Who is {p.name}? Look for <feature>.
    {p.name} is <a trait> [woman|man|soul|person] with <feature>.
    Portrait of {p.name}, [written|painted|told] by <a relative>.
    Everyone in Tarnby has heard of {p.name} and {p.his} <quality> <thing>.
    This page is about {p.name}, <trait> and <mood>.
    {p.name} believes in <virtue>.
    Here is what the town says of {p.name}.
    There goes {p.name} with <a quality> <thing>.
    On a <weather> day you may meet {p.name} by the <nature>.
    If you hear <virtue> praised at the <place>, {p.name} is not far away.
    {p.name}: <trait>, <mood>, and never without <a quality> <thing>.
    Some know {p.name} for <virtue>.
    The <place> would not be the same without {p.name}.
    """),
)
ASIDES = person_frames(
    "biography.aside",
    enrich("""
    $S once lost <a small_thing> at the <place> and found <a quality> <thing>.
    Children like $N because of the <colour> <thing>.
    $S goes to the <place> <often>.
    $S has no time for <virtue>.
    Once $s <did> all the way to the <place> for <a small_thing>.
    <^a relative> calls $N the most <trait> person alive.
    $S dreams of <a quality> <thing> and of <a nature> without end.
    When it is <weather>, $s sits under <a tree> and counts every <bird>.
    Nobody else would carry <a quality> <thing> <when>.
    $S once swapped <a colour> <thing> for <amount> <food>.
    <^a bird> nests in $p <part>.
    $S is never <mood> for long.
    $S saves money for <a colour> <thing>.
    The <part> has needed paint since a <weather> <day>.
    """),
)
CLOSINGS = person_frames(
    "biography.closing",
    enrich("""
    That is all there is to say, except that $s is <trait>.
    So much for $N and <virtue>.
    May $s stay as <trait> as ever.
    If you meet $N, be <trait> and mention <food>.
    Tarnby needs more people with <virtue>.
    And the <quality> <thing>? $S will not say.
    Ask the <bird> by the <part> for the rest.
    The <relative> who told all this was <mood>.
    """),
)


def write(d: Draw, world: World) -> None:
    """One resident, four to six facts in any order, an aside or two."""
    p = d.one(world.people, proper=True)
    d.say(OPENINGS, p=p)
    for relation in d.order(RELATIONS, 4 + d.index(3)):
        d.write(" ")
        state(d, p, relation)
        if d.chance(0.2):
            d.write(" ")
            d.say(ASIDES)
    if d.chance(0.5):
        d.write(" ")
        d.say(CLOSINGS)
