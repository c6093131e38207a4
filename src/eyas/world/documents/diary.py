"""Diaries: three days of one resident, an affair that begins, goes on and ends, with facts in the first person."""

from eyas.world.documents.cast import Cast
from eyas.world.documents.facts import state
from eyas.world.documents.own import mine
from eyas.world.documents.phrases import CHATTER, rich_frames
from eyas.world.grammar import Draw
from eyas.world.people import RELATIONS, World

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Each affair binds the thing {x}, its quality {k}, the spot {y} and somebody {r}; the second day adds a food {f}.
REPAIR = (
    rich_frames(
        "diary.repair.first",
        """
        My <r=relative> @harmed the <k=quality> <x=thing> <when>, @by the <y=part>.
        Found the <k=quality> <x=thing> in pieces @by the <y=nature>; suspect my <r=relative>.
        A @nasty @harmed the <k=quality> <x=thing> @by the <y=part>, and my <r=relative> @sang.
        Sat on the <k=quality> <x=thing> <how> @by the <y=nature>; so did my <r=relative>. It broke.
        My <r=relative> lent me <a k=quality> <x=thing>, and <a bird> @harmed it @by the <y=place>.
        <^when> the <k=quality> <x=thing> fell from the <y=part> on my <r=relative>.
        Let my <r=relative> @mend the <k=quality> <x=thing> @by the <y=part>: a mistake.
        The <k=quality> <x=thing> burst <how> @by the <y=place>, and my <r=relative> @looked <mood>.
        """,
    ),
    rich_frames(
        "diary.repair.second",
        """
        Tried to @mend the {x} with <f=food>; my {r} @thinks that I am <mood>.
        My {r} came <when> with <amount> <f=food> and @mended half of the {x}.
        Asked <a trait> <job> about the {x}; the price is <amount> <f=food>.
        The {x} now holds <f=food>, but @sits <how> when my {r} @sings.
        Left the {x} @by the {y} all night with <f=food> in it; <a bird> came.
        My {r} sold the good half of the {x} <when> and bought <f=food>.
        Glued the {x} to my {r} by accident; <f=food> and <virtue> did not help.
        Used the {x} for <f=food>, since my {r} @looks @very <mood> without it.
        """,
    ),
    rich_frames(
        "diary.repair.third",
        """
        The {x} is whole again, @very <colour>, and smells of {f}; my {r} @sings <how> @by the {y}.
        Buried the {x} @by the {y} <when>; my {r} spoke <how> of {f} and <virtue>, then @sang.
        My {r} wants another {x}, less {k}, and offers me {f} and <a thing>.
        It broke again <when>, @by the {y}. My {r} and I @ate the {f} <how> and @looked @very <mood>.
        The {x} now houses <a bird> @by the {y}; my {r} puts {f} in it <often>.
        Gave the {x} to <a trait> <job> with the rest of the {f}; my {r} @looks <mood>.
        """,
    ),
)
QUARREL = (
    rich_frames(
        "diary.quarrel.first",
        """
        Quarrelled <how> with my <r=relative> @by the <y=place> about <a k=quality> <x=thing>.
        My <r=relative> called my <k=quality> <x=thing> <quality>, @by the <y=place>, <when>!
        Told my <r=relative> the truth about the <k=quality> <x=thing>; the <y=place> heard it all.
        My <r=relative> @moved my <k=quality> <x=thing> to the <y=nature> and @looked <mood>.
        I laughed at the <k=quality> <x=thing> of my <r=relative>; was chased past the <y=nature>.
        <^a bird> sat in the <k=quality> <x=thing>; my <r=relative> blames me, <how>, @by the <y=part>.
        Both my <r=relative> and I want the <k=quality> <x=thing> that @sits @by the <y=place>.
        My <r=relative> painted the <k=quality> <x=thing> <colour> <when>, and the <y=part> too.
        """,
    ),
    rich_frames(
        "diary.quarrel.second",
        """
        Not a word from my {r}, only <f=food>, left <how> in the {x}.
        Sent <a trait> <job> with <amount> <f=food> to my {r}; it was thrown back with <a thing>.
        My {r} @sings <how> @by the {y}, so I @ate all the <f=food>.
        Practised an apology <when>; said it to <a bird> and gave it <f=food>.
        My {r} swears never to @eat <f=food> again until the {x} is gone.
        Walked past the {y} with <f=food>; my {r} looked <how> at <a tree>.
        <^a job> tried to make peace with <virtue> and <f=food>; my {r} @sang.
        Wrote my {r} a letter, used it <when> to wrap <f=food>, wrote another.
        """,
    ),
    rich_frames(
        "diary.quarrel.third",
        """
        Peace! My {r} and I @ate the {f} <how> in the {x}, @by the {y}, <when>.
        We cut the {x} in half <how>; my <mood> {r} got the half that smells of {f} and <food>.
        My {r} came <when> with {f} and <feature>; I was @very <mood>, and neither of us @saw the {x}.
        <^a bird> took the {x} from the {y}, so my {r} and I @sang <how> until the {f} burned.
        My {r} @gave the {x} to <a trait> <job>. Now we both miss it, and @eat {f} <how> <often>.
        Dreamed that I was the {x} and my {r} <quality> {f}; woke up @very <mood> <when> and @sang.
        """,
    ),
)
SECRET = (
    rich_frames(
        "diary.secret.first",
        """
        My <r=relative> hides something @by the <y=part>; I @saw <a k=quality> <x=thing>.
        Heard my <r=relative> <how> speak of <a k=quality> <x=thing> @by the <y=nature>.
        Why does my <r=relative> carry <a k=quality> <x=thing> to the <y=place> <when>?
        Under the <y=part> lay <a k=quality> <x=thing> and a note from my <r=relative>: <virtue>.
        <^a job> asked me for the <k=quality> <x=thing> of my <r=relative>, @by the <y=place>.
        My <r=relative> turned <colour> when I @mended the <k=quality> <x=thing> @by the <y=part>.
        Followed my <r=relative> <when>: past the <y=nature>, with <a k=quality> <x=thing>.
        There @sits <a k=quality> <x=thing> @by the <y=nature>, and my <r=relative> @sings there <how>.
        """,
    ),
    rich_frames(
        "diary.secret.second",
        """
        Crept to the {y} <when>; the {x} is full of <f=food>, and my {r} was asleep in it.
        My {r} bought <amount> <f=food> <how> and would not say for whom.
        Asked <a trait> <job>: the {x} was seen with <f=food> and <colour> ribbons.
        I offered my {r} <f=food> for the truth; my {r} @ate it and said nothing.
        Tracks of <f=food> lead from the {y} to my <part>; the {x} is gone.
        My {r} talks <how> in sleep: {x}, <f=food>, <virtue>.
        Hid <when> in <a thing> @by the {y} and smelled <f=food>, nothing else.
        <^a bird> came from the {y} with <f=food>; my {r} @looked @very <mood>.
        """,
    ),
    rich_frames(
        "diary.secret.third",
        """
        It was a gift for me! My {r} @mended the {x}, filled it <how> with {f} and <small_things>, and @sang.
        My {r} has trained <a bird> to @eat {f} from the {x}, and shows it <how> @by the {y} <when>.
        All is out: my {r} @sings <how> @by the {y} for {f} <when>, with the {x} as <a colour> hat.
        The {x} belongs to <a trait> <job>, whom my {r} will marry with {f} @by the {y}.
        <^a job> told me everything, <how>, but it cost me all my {f}, and the {x} @sits @by the {y}.
        My {r} only wanted <a quality> spot to @eat {f} <when>: so much for the {x} and the <colour> {y}.
        """,
    ),
)
AFFAIRS = (REPAIR, QUARREL, SECRET)
MEETINGS = rich_frames(
    "diary.meeting",
    """
    Met {p.name} @by <a tree>, asleep on <a thing>.
    Tea with {p.name}, who @ate my <food> <how>.
    {p.name} came by with <a thing> and <feature>.
    Must remember that {p.name} @gave me <a small_thing>.
    Thought <how> of {p.name} and that <thing>.
    {p.name} @sang @by the <nature> <when>; <a bird> left.
    Danced <how> with {p.name}, @very <mood>, @by the <place>.
    Lent {p.name} my <thing>; shall I see it again?
    <^a job> told me all about {p.name}, over <food>.
    {p.name} the {p.job} asked <how> for <amount> <goods>.
    Fell over <a thing>; {p.name} laughed <how>.
    Played cards with {p.name} for <food>, <when>, and lost <a small_thing>.
    {p.name} @mended my <part> and took <food> for it.
    Read {p.name} a poem about <a tree>; {p.he} @looked <mood>.
    """,
)
MUSINGS = rich_frames(
    "diary.musing",
    """
    <^weather> and <weather>. Ate <food>.
    Rose <when>, @very <mood>.
    <^weather> all day; the <bird> @sings.
    Too <mood> to write much.
    Lost <a small_thing>, found <a small_thing>.
    Woke <when> with <food> in mind.
    Bought <goods> and <a small_thing>.
    <^mood>, then <mood>, then asleep.
    Counted my <small_things> <how>.
    <^food> again, and <weather> besides.
    Swore to give up <virtue>.
    Dusted the <things> <how>.
    New resolve: <virtue>, <often>.
    Slept <how> @by the <part>.
    """,
)
HEADS = rich_frames(
    "diary.head",
    """
    Diary of {i.name}
    Diary of {i.name}, {i.job}
    Diary of {i.name}, kept in <a thing>
    Diary of {i.name}, <trait> and <mood>
    Diary of {i.name}, {i.street}
    Diary of {i.name}. Hands off, <relative>!
    Diary of {i.name}, written <when>
    Diary of {i.name} (smells of <food>)
    Diary of {i.name}, found @by the <place>
    Diary of {i.name}, volume the <quality>
    """,
)


def write(d: Draw, world: World) -> None:
    """Three days in a row, an affair through all of them, facts of the writer and of another resident met."""
    cast = Cast(d, world)
    d.say(HEADS, i=cast.one)
    i = d.names["i"]
    today = d.one(range(7), proper=True)
    told = d.order(RELATIONS, 3)
    for day in range(3):
        d.write(f"\n{DAYS[(today + day) % 7]}. ")
        if day == 0:
            d.say(MUSINGS)
            d.write(" ")
            affair = d.one(AFFAIRS)
        d.say(affair[day])
        d.write(" ")
        if day == 1:
            d.say(MEETINGS, p=cast.one)
            d.write(" ")
            state(d, d.names["p"], d.one(RELATIONS))
        else:
            mine(d, next(told), i)
        if d.chance(0.15):
            d.write(" ")
            d.say(CHATTER)
