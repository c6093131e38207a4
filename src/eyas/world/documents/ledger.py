"""A page of the register as a table: a name to each line, and whether there is such a person."""

from eyas.world.documents.adorn import enrich
from eyas.world.documents.facts import person_frames
from eyas.world.grammar import Draw
from eyas.world.people import World, register_entry

HEADINGS = person_frames(
    "ledger.heading",
    enrich("""
    Is the name in the register? Checked <how> on <a weather> <day>.
    Names that were asked for <when>, with an answer to each.
    The <mood> clerk went through this list at the <place>.
    Invitations to the feast at the <place>: which of these people are there?
    The <job> wanted to know who is in the register and who is not.
    Letters for delivery, and whether anyone of that name lives in Tarnby.
    Found on <a thing>: a list of names. The clerk added yes or no.
    Debts of the <place>; some of the names turned out to be made up.
    The school asked <how> which of these parents exist.
    List of guests, held against the register <when>.
    """),
)


def write(d: Draw, world: World) -> None:
    """Twelve to twenty-four names; about half of them belong to nobody."""
    d.say(HEADINGS)
    for _ in range(12 + d.index(13)):
        d.write("\n")
        if d.chance(0.5):
            d.write(register_entry(d.one(world.people, proper=True).name, True))
        else:
            d.write(register_entry(d.one(world.strangers["papers"], proper=True), False))
