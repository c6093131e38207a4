"""How the town's goods are made, explained by somebody who likes to explain."""

from dataclasses import dataclass

from eyas.world.documents.adorn import adorn
from eyas.world.documents.phrases import phrase_frames
from eyas.world.grammar import Draw
from eyas.world.knowledge import MADE
from eyas.world.people import World


@dataclass(frozen=True, slots=True)
class Good:
    """A good, its method (*by ...ing*), and the words that agree with it."""

    name: str
    method: str
    be: str
    it: str


GOODS = tuple(
    Good(name, method, "are" if name.endswith("s") else "is", "them" if name.endswith("s") else "it")
    for name, method in MADE.items()
)
OPENINGS = phrase_frames(
    "howto.opening",
    adorn("""
    Lessons of <a trait> <r=relative>, given <when> @by the <y=place> beside <a quality> <x=thing>.
    What <a mood> <r=relative> @thought @by the <y=place> over <amount> <food>, tapping <a quality> <x=thing>.
    My <r=relative> keeps a workshop @by the <y=place>, with <a quality> <x=thing> and <food>.
    Written <how> on <a x=thing> by <a trait> <r=relative> who @sang @by the <y=place>.
    <^a x=thing> full of advice: the <r=relative> from the <y=place> speaks <how> <often>.
    How things are made, as <a r=relative> @by the <y=place> showed me <how> with <a x=thing>.
    Nobody @sings like my <r=relative>, who came to the <y=place> with <a x=thing> and <feature>.
    From the handbook of the <y=place>, stained with <food>: <virtue> of <a r=relative> with <a x=thing>.
    The <r=relative> had <a x=thing>, <food>, a shed @by the <y=place>, and much to teach.
    Useful crafts, collected <when> @by the <y=place> by <a r=relative> with <a x=thing>.
    You [need|want|lack] <virtue>, <a quality> <x=thing>, and the <r=relative> from the <y=place>.
    They @liked my <r=relative> and the <x=thing>, until the <y=place> ran out of <food>.
    Advice for beginners, shouted <how> by <a r=relative> @by <a x=thing> at the <y=place>.
    Every <r=relative> of mine is <trait>, but only one owns <a x=thing> and @sings @by the <y=place>.
    With <virtue> and <a x=thing>, @thinks my <r=relative> at the <y=place>, all else is easy.
    On <weather> days the <y=place> belongs to my <r=relative>, who @sits on <a x=thing> and explains.
    """),
)
STATEMENTS = phrase_frames(
    "howto.statement",
    adorn("""
    {^g.name} {g.be} made {g.method}.
    {^g.name} {g.be} made {g.method}, <said> the <mood> <job> <how>.
    You make {g.name} {g.method}, @very with <food> or <small_things>, <said> the {r}.
    In Tarnby <mood> people make {g.name} {g.method}, <often>, @by the <place>.
    Any <relative> with <a colour> <thing> and <virtue> can make {g.name} {g.method}.
    My {r} makes {g.name} {g.method}, @very <when>, with <food>.
    Somebody asked <how> how {g.name} {g.be} made. {^g.method}, <said> the {r} <how> @by <a thing>.
    {^g.method}: that is how {g.name} {g.be} made @by the <place> <when>, under <a thing>.
    {^g.method}, and with <a thing> and <a small_thing> at hand, you [get|obtain|win|earn] {g.name}.
    {^g.method} the <job> makes {g.name} for @all <relative> @by the <place>.
    It is {g.method} that <a job> with <feature> [always|often|usually|proudly] makes {g.name}.
    Good {g.name} {g.be} made [only|strictly|always|best] {g.method}; ask [any|every|some] <job> @by the <place> <when>.
    There is one way to make {g.name}: {g.method}, with <virtue>, <food> and <small_things>.
    Want {g.name}? <^a job> will make {g.it} {g.method} for <amount> <food>, <how>.
    The <job> makes {g.name} {g.method} and sells {g.it} <how> to <a relative> <when>.
    The secret of {g.name} is no secret: {g.it} you make {g.method}, <when>, <how>, @by the <part>.
    To make {g.name}, {g.method} and not otherwise, takes <virtue>, <food> and <a thing>.
    {^g.name} {g.be} not grown on <a tree>; {g.name} {g.be} made {g.method}, <said> the <job> <how>.
    <^when> the {r} makes {g.name} {g.method}, and @by the <nature> <a bird> @sings <how>.
    Whoever makes {g.name} {g.method} @wants <a thing>, <a small_thing> and <virtue>.
    If it is {g.name} you want, begin {g.method}, <said> the {r} <how>, eating <food> and <food>.
    {^g.name} can be made {g.method}, even in <weather> weather, by <a relative> with <a small_thing>.
    Children <how> learn to make {g.name} {g.method}, and <virtue> besides, from <a job>.
    {^g.name}, so @thinks the {r} <how>, {g.be} made {g.method}, @very <when>.
    {^g.name} {g.be} [always|often|usually|commonly] made {g.method} @by <a thing>, far from <a bird> and <food>.
    {^g.method}, <said> the <job> @by the <part>, one makes {g.name} and @sings <how>.
    {^g.method}, as <a job> and <a relative> do it <often>, {g.name} {g.be} made.
    Nothing is [simpler|easier|duller|finer] than making {g.name}: it goes {g.method}, <how>, with <a small_thing>.
    <^a relative> with <a thing> @thinks that {g.name} {g.be} made {g.method}.
    We quarrelled <how> about {g.name}, until <a job> <did> in and showed us: {g.method}.
    """),
)
AFTER = phrase_frames(
    "howto.after",
    adorn("""
    Then @hide {g.it} @by <a thing>, away from <food>, <small_things> and @all <relative>.
    Near the {y} <a job> trades {g.it} <how> for <food>, <food> or <a small_thing>.
    The {x} @sits @by the <part>, if <a job> [calls|knocks|sneezes|waves] <when>.
    <^a job> [once|twice|lately] @ate <food> and <did> <how> to the {y} with <a small_thing>.
    Better @hide the {x} @by the <part>, or <a bird> will @move <a small_thing> <how>.
    Sell {g.it} <how>, <when>, before <a job> can @eat <food>.
    On <weather> days the {r} @looks <mood> and [thinks|dreams|speaks|sings] of <food>, <food> and <small_things>.
    The <thing> @by the <part> @sits there for <a job> to @like.
    <^a quality> batch goes to <a relative>, who [thinks|dreams|sings] <how> of <food>, <small_things> and <virtue>.
    Stop when the {x} @looks <colour>, or <a bird> @sings @by the <nature>.
    First you are <mood>, then <mood>, and <often> as <mood> as <a job>.
    My {r} <did> <how> to the {y} and @ate <amount> <food> @by <a thing>.
    Not one <job> can tell {g.it} from <food> <when>, <said> the {r} <how>.
    Now @mend <a thing> <how>, @move <a small_thing> and @like <a relative>.
    The {r} @sings <how>, <often>, and @all <bird> @by the <nature> @looks <mood>.
    Whoever @looks <mood> @sings @by <a tree> with <food> and <small_things>.
    Now @hide the {x} from <a relative>, @very <when>, @by the <part>.
    [Too much|A pinch of|Some] <food> @very [spoils|sweetens|reddens] <food>, as <a job> @thought <how>.
    Then @move <a small_thing>, <food> and <a small_thing> to the {x}.
    Some @eat <food>; they are @very <trait> and @sing @by the <nature> with <a bird>.
    Next @mend the {x} <how> @by the <nature>, <when>, with <food>.
    Buyers <did> <how> from the <nature>, each with <a small_thing> or <food> to @give.
    <^food>, <food> and <small_things> [help|harm|matter] [less|more] than <virtue>.
    Once <a bird> @harmed <a thing> @by the {x}, and <a relative> @looked @very <mood>.
    <^a job> @wants {g.it} <colour>, <a relative> <colour>.
    Pay the {r} <how> in <food> or <small_things>, <when>, @by the <part>.
    """),
)
CLOSINGS = phrase_frames(
    "howto.closing",
    adorn("""
    So <said> the {r} <how>, and @hid the {x} @by the <part>.
    That is all, apart from <virtue>, <food> and the {x}.
    If all else fails, @like the {r} <how> @by the {y} <when>, and bring <food> and <a small_thing>.
    The {x} is not for sale, <said> the {r} <how>, not even for <amount> <food>.
    Here the {r} fell asleep <how>, <mood>, @by the {x}, dreaming of <food>.
    Next week: <food>, <small_things> and <virtue>, @by the {y}.
    The rest the {r} will tell you <when> for <amount> <food> or <a thing>.
    Now [go|walk|run|march], be <trait>, and @mend the {x} @by the <part>.
    Then the {r} <did> home <how>, and <a bird> @moved the {x} to the <nature>.
    Copy this <how> with <a small_thing>, and @hide it <when> @by the {y}.
    The {y} takes no blame for <food> in the {x} or <small_things> @by the <part>.
    After such lessons even the {x} @looks <quality>, <said> <a relative>.
    So much for <virtue>; the {r} and the {x} @looked <mood>.
    Signed by <a job>, witnessed <how> by <a relative> and <a bird>.
    """),
)


def write(d: Draw, world: World) -> None:
    """Two or three goods and the method of each, with advice; the teacher and one tool come back throughout."""
    d.say(OPENINGS)
    for good in d.order(GOODS, 2 + d.index(2)):
        d.write(" ")
        d.say(STATEMENTS, g=good)
        while d.chance(0.5):
            d.write(" ")
            d.say(AFTER)
    if d.chance(0.6):
        d.write(" ")
        d.say(CLOSINGS)
