"""Notice boards: timetables whose times add up, opening hours, prices that follow from each other."""

from collections.abc import Callable

from eyas.world.documents.cast import Cast
from eyas.world.documents.facts import state
from eyas.world.documents.phrases import rich_frames
from eyas.world.grammar import Draw
from eyas.world.people import RELATIONS, World

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HEADS = {
    kind: rich_frames(
        f"notice.{kind}.head",
        text,
    )
    for kind, text in {
        "boat": """
            Timetable of the ferry from the <y=place> to the <z=nature>
            Ferry to the <z=nature>, leaving @by the <y=place>
            The <quality> ferry of Tarnby: <y=place> to <z=nature>
            Ferry, <weather> season: from the <y=place> across to the <z=nature>
            Notice to all who cross from the <y=place> to the <z=nature> by ferry
            """,
        "tram": """
            Timetable of the tram from the <y=place> to the <z=nature>
            Tram to the <z=nature>, leaving @by the <y=place>
            The <quality> tram of Tarnby: <y=place> to <z=nature>
            Tram, <weather> season: from the <y=place> out to the <z=nature>
            Notice to all who ride from the <y=place> to the <z=nature> by tram
            """,
        "hours": """
            Opening hours of the <y=place>
            The <y=place> is open again
            New hours at the <y=place>, by order of <a job>
            Notice on <a part> of the <y=place>
            When to find the <y=place> open
            """,
        "prices": """
            Prices at the <y=place>
            For sale @by the <y=place>, in pennies
            What things cost at the <y=place> this week
            Price list of the <y=place>, written by <a job>
            Auction at the <y=place>, in pennies
            """,
    }.items()
}
RULES = rich_frames(
    "notice.rule",
    """
    No <things> @by the <part>, and no <food> <when>.
    Anyone with <feature> must @sing <how> first.
    <^a job> will @mend what you @harmed <when>.
    Please do not @like the <bird>, however <mood> it @looks.
    On <weather> days ask for <a thing>.
    Bring <food>, <goods> and <virtue>.
    If <a bird> @sings, wait @by <a tree>.
    <^things> and <a relative> travel free <when>.
    Whoever finds <a small_thing> must @give it to <a job>.
    Complaints are read <how> by <a job> <often>.
    Children may @eat <food> only @by the <part>.
    The <part> is <quality> because of a @nasty <when>.
    Do not lean <how> on <a thing>.
    A @nasty changes everything, @thinks <a job>.
    Lost here: <a thing>, full of <food>.
    <^a job> is looking for <a thing> and <virtue>.
    """,
)
SIGNATURES = rich_frames(
    "notice.signature",
    """
    Questions to {p.name}, {p.street}, but not <when>.
    Signed <how> by {p.name}, {p.job}.
    {p.name} will answer you <how>, over <food>.
    Hung up here by {p.name} with <a small_thing>.
    For <things> see {p.name}, {p.job}.
    By order of {p.name}, who is <mood>.
    Keys are kept by {p.name} of {p.street}, in <a thing>.
    Written by {p.name} in <colour> ink, <when>.
    Thank {p.name} for <a thing> and <food>.
    {p.name} counts the guests <how>, @by <a part>.
    In case of a @nasty call {p.name} <how>.
    {p.name}, the <trait> {p.job}, made this board from <a thing>.
    """,
)
GOODS = rich_frames("notice.goods", "<^a quality> <thing>")
REMARKS = rich_frames(
    "notice.remark",
    """
    , with <food>
    , if <mood>
    , <how>
    , not with <things>
    , <weather> days only
    , seen by <a bird>
    , kept dry <when>
    , for <a relative>
    , thanks to <a job>
    , near <a part>
    """,
)


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _rides(d: Draw) -> None:
    """Four crossings: the first tells how long one takes, the second how far they are apart."""
    leave = 60 * d.number(5, 9) + 5 * d.number(0, 11)
    for n in range(4):
        d.write(f"\nleaves {_clock(leave)}, arrives ")
        if n == 0:
            ride = d.number(8, 40)
        d.write(_clock(leave + ride))
        if d.chance(0.5):
            d.say(REMARKS)
        if n == 0:
            step = 5 * d.number(9, 24)
            d.write(f"\nafter that every {step} minutes")
        leave += step


def _hours(d: Draw) -> None:
    """Seven days, six of them with the same hours and one closed."""
    opens = closes = free = -1
    for n, day in enumerate(DAYS):
        d.write(f"\n{day}: ")
        if free < 0 and (n == 6 or d.chance(1 / (7 - n))):
            free = n
            d.write("closed")
        else:
            if opens < 0:
                opens, closes = d.number(6, 10), d.number(3, 8)
            d.write(f"{opens} to {closes}")
        if d.chance(0.35):
            d.say(REMARKS)


def _prices(d: Draw) -> None:
    """Four things with their prices, and the sum."""
    total = 0
    for _ in range(4):
        d.write("\n")
        d.say(GOODS)
        d.write(": ")
        price = d.number(2, 40)
        total += price
        d.write(f"{price}")
        if d.chance(0.5):
            d.say(REMARKS)
    d.write(f"\nAll four together: {total}")


TABLES: tuple[tuple[str, Callable[[Draw], None]], ...] = (
    ("boat", _rides),
    ("tram", _rides),
    ("hours", _hours),
    ("prices", _prices),
)


def write(d: Draw, world: World) -> None:
    """A table that follows its own rule, some rules of the house, and a resident who answers for it with a fact."""
    cast = Cast(d, world)
    kind, table = d.one(TABLES)
    d.say(HEADS[kind])
    table(d)
    d.write("\n")
    d.say(RULES)
    d.write(" ")
    d.say(RULES)
    d.write("\n")
    d.say(SIGNATURES, p=cast.one)
    d.write(" ")
    state(d, d.names["p"], d.one(RELATIONS))
