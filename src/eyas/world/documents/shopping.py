"""Shopping lists: somebody is sent to market with a list and reasons, and comes back with most of it."""

from eyas.world.documents.cast import Cast
from eyas.world.documents.facts import state
from eyas.world.documents.phrases import rich_frames
from eyas.world.grammar import Draw
from eyas.world.lexicon import LEXICON
from eyas.world.people import RELATIONS, World

HEADS = rich_frames(
    "shopping.head",
    """
    {i.name} sends {u.name} to the <y=place> <when>, with <a quality> {x} for the goods:
    List of {i.name} for {u.name}, who goes to the <y=place> with <a quality> {x}:
    {u.name}, {u.job}, shops for {i.name} @by the <y=place>, carrying <a quality> {x}:
    What {u.name} is to buy @by the <y=place> for {i.name} and put into <a quality> {x}:
    To the <y=place> <when>! {i.name} gives {u.name} <a quality> {x} and this list:
    Errand of {u.name} for {i.name}, to the <y=place>, under <a quality> {x}:
    Found in <a quality> {x} @by the <y=place>, written by {i.name} for {u.name}:
    {u.name} owes {i.name} a favour and goes to the <y=place> with <a quality> {x}:
    As {i.name} feels <mood>, {u.name} takes <a quality> {x} to the <y=place>:
    Market <day> @by the <y=place>. {i.name} asks {u.name} to fill <a quality> {x}:
    {i.name}, {i.job}, is too <mood> for the <y=place>; {u.name} goes with <a quality> {x}:
    For the supper of {i.name}, {u.name} takes <a quality> {x} <how> to the <y=place>:
    """,
)
# Why a thing is on the list; the reasons that name a fact are true of the one who sends.
REASONS = rich_frames(
    "shopping.reason",
    """
    for the {i.pet} of {i.name}
    to go with {i.dish}, which {i.name} likes best
    for <a job> who is @very <mood>
    to @mend <a thing>
    because <a bird> @ate the rest
    as a present for <a relative>
    to rub on <a thing> <when>
    for the birthday cake of {i.name} in {i.month}
    since the <weather> <nature> @wants some
    but only if <a job> is not looking
    to throw at <a bird> <often>
    needed by {i.name} for {i.hobby}
    for a tea that {i.name} gives {i.his} mother, {i.mother}, <when>
    as they do in {i.birthplace}, where {i.name} was born
    enough to @mend <a part> <how>
    for the <part> of the house in {i.street}
    to please <a relative> with <feature>
    and mind the <colour> spots from <a bird>
    against <weather> weather
    to teach <a relative> <virtue>
    for {i.name} is {a i.job} and must @eat <when>
    but <how> wrapped
    """,
)
ASIDES = rich_frames(
    "shopping.aside",
    """
    {u.name} is to buy nothing from <a job> with <feature>.
    May {u.name} not @eat it all on the way, @by <a tree>!
    {u.name} shall pay <how>, and with <goods> if <a job> allows it.
    If <a bird> follows {u.name}, it helps to @sing <how>.
    The {x} is <quality>, so {u.name} must walk <how>.
    The best path for {u.name} is @by the <nature>, not past <a part>.
    {u.name} should be back <when>, or <a relative> will @sing.
    Nobody but {u.name} may know that <a job> and <a relative> @like <virtue>.
    Let {u.name} ask for the <colour> kind, <how>.
    {u.name} should count it twice; <a relative> was cheated <when>.
    For this {u.name} gets <a small_thing>, paid <how>.
    {u.name} knows the way, thanks to <a bird> with <virtue>.
    """,
)
RETURNS = rich_frames(
    "shopping.return",
    """
    {u.name} <did> home <when> and put down
    In the {x}, {u.name} brought
    Back from the {y}, {u.name} unpacked <how>
    {u.name} came back <how> with
    <^when> {u.name} set out before {i.name}
    Out of the {x} came, <how> wrapped by {u.name},
    From the {y} {u.name} carried home <how>
    Said {u.name} <when>: I have
    {i.name} counted <how>:
    The {x} held, when {u.name} <did> in,
    """,
)
EXCUSES = rich_frames(
    "shopping.excuse",
    """
    but no {m}, because <a job> @sang @by the {y}.
    but no {m}: <a bird> @ate the last of it <when>.
    but not the {m}, which <a relative> @ate @by the <nature>.
    only the {m} had been forgotten, for {u.he} @saw <a job> with <feature>.
    though instead of {m} only <a small_thing> and <virtue>.
    and swore that {m} would come <when>, with <a job>.
    but the {m} fell into the <nature>, where <a bird> @ate everything.
    yet no {m}, which can make people <mood>, @thinks <a relative>.
    while the {m} had been traded for <a thing>.
    but the {m} had grown too <quality>, @thought <a job>.
    all but the {m}, since the {x} had a hole, made by <a bird>.
    but the {m} stayed @by the {y}, under <a thing>, by mistake.
    """,
)
VERDICTS = rich_frames(
    "shopping.verdict",
    """
    "No {m}, no supper," <said> {i.name} <how>.
    {i.name} @looked <mood>, but @mended the {x} and lent it again.
    "And where is the {m}?" <said> {i.name}, @very <mood>.
    {i.name} @gave the {x} to <a bird> and @sang without {m}.
    So {i.name} went out for the {m} alone, <how>, <when>.
    "I never liked {m}," <said> {i.name} <how>, @by <a part>.
    Next time {i.name} will send <a relative> for the {m}.
    {i.name} wrote {m} on the {x}, in <colour> ink, <how>.
    "Then we @eat <food>," <said> {i.name}, @very <mood>.
    {i.name} did without {m}, and <a relative> @sang <how>.
    """,
)


_FOODS = LEXICON.lists["food"]
_AMOUNTS = LEXICON.lists["amount"]
# fmt: off
_VESSELS = (
    "basket", "bucket", "sack", "trunk", "wheelbarrow", "suitcase", "hatbox", "umbrella", "kettle", "pillowcase",
    "apron", "toolbox", "birdcage", "bathtub", "hat", "barrel", "drum", "boot", "cradle", "hammock", "handcart",
    "satchel", "saucepan", "teapot", "drawer", "purse", "flowerpot", "jug",
)
# fmt: on


def write(d: Draw, world: World) -> None:
    """Three to five goods with reasons, a fact of the buyer, and a return with all of them but one."""
    cast = Cast(d, world)
    d.say(HEADS, i=cast.one, u=cast.one, x=lambda: d.one(_VESSELS))
    listed: list[str] = []

    def unlisted() -> str:
        return d.one([food for food in _FOODS if food not in listed])

    while len(listed) < 3 or (len(listed) < 5 and d.chance(0.4)):
        d.write(f"\n- {d.one(_AMOUNTS)} ")
        listed.append(unlisted())
        d.write(f"{listed[-1]}, ")
        d.say(REASONS)
    d.write("\n")
    d.say(ASIDES)
    d.write(" ")
    state(d, d.names["u"], d.one(RELATIONS))
    d.write("\n")
    d.say(RETURNS)
    missing = d.one(listed)
    *first, last = [food for food in listed if food != missing]
    d.write(f" {', '.join(first)} and {last}, ")
    d.say(EXCUSES, m=missing)
    d.write(" ")
    d.say(VERDICTS)
