"""The almanac: the town's habits and the reason for each."""

from dataclasses import dataclass

from eyas.world.documents.adorn import adorn
from eyas.world.documents.phrases import phrase_frames
from eyas.world.grammar import Draw
from eyas.world.knowledge import WHY
from eyas.world.people import World


@dataclass(frozen=True, slots=True)
class Habit:
    """Something that is so in the town, and why."""

    what: str
    why: str


HABITS = tuple(Habit(what, why) for what, why in WHY.items())
OPENINGS = phrase_frames(
    "almanac.opening",
    adorn("""
    The almanac of Tarnby, [printed|sold|read|corrected] <how> @by the <y=place> by <a r=relative> with <a x=thing>.
    Found between the pages, <when>: <a x=thing>, crumbs of <food>, and notes of <a r=relative> from the <y=place>.
    <^a weather> morning for reading, @thinks the <r=relative> @by the <y=place>, on <a x=thing>.
    Visitors with <a x=thing> and <feature> ask why; <a r=relative> @by the <y=place> answers <how>.
    Reasons, collected <often> @by the <y=place> by <a r=relative> who @gave <a x=thing> for them.
    The <y=place> has <a x=thing>, <a r=relative> and <food>, and a reason for all three.
    For <weather> weather: <food>, <virtue> and <a x=thing>, writes <a r=relative> @by the <y=place>.
    Ask <how> and <how>, @thought <a r=relative> @by the <y=place>, polishing <a x=thing>.
    Nothing in Tarnby is without a reason, not even the <x=thing> of my <r=relative> @by the <y=place>.
    A guide for <mood> strangers, by <a r=relative> who @sat on <a x=thing> @by the <y=place>.
    <^when> my <r=relative> put down the <food>, took <a x=thing> to the <y=place>, and explained the town.
    Who wonders about <virtue>? Not my <r=relative>, who @sings @by the <y=place> with <a x=thing>.
    The <y=place> wants no <x=thing>, says the almanac <how>, and no <r=relative>, but good reasons.
    Wisdom of <a r=relative>, whom <a bird> and <a x=thing> follow <how> to the <y=place>.
    The <job> asked my <r=relative> @by the <y=place> for <a x=thing>, and got reasons instead.
    On <weather> evenings the <r=relative> from the <y=place> lifts <a x=thing> and begins <how>.
    """),
)
STATEMENTS = phrase_frames(
    "almanac.statement",
    adorn("""
    {^h.what} because {h.why}.
    Because {h.why}, {h.what}.
    {^h.what} because {h.why}, <said> the <mood> <job> <how>.
    {^h.why}; that is why {h.what}, <said> <a relative> <how>.
    Why is it that {h.what}? Because {h.why}, @thinks <a job> @by the <place>.
    {^h.what}, for {h.why}, as <a trait> <job> @thought <how> @by the <part>.
    {^h.what}: {h.why}, <said> the {r}, eating <food> <how>.
    {^h.why}, so {h.what}, and <a bird> @sits @by the <nature> <how>.
    Since {h.why}, {h.what}, <said> the {r} <how>, with <food> in <a thing>.
    {^h.what}, since {h.why}; [any|every|some] <relative> @by the <nature> knows it.
    The reason that {h.what} is simple: {h.why}, <said> the {r} <how> @by <a thing>.
    {^h.why}, and for that reason {h.what}, even in <weather> weather, @thinks <a job> with <feature>.
    They say {h.what} because {h.why}, and @eat <food> @by the <part>.
    <^a job> once asked why {h.what}. It is because {h.why}, <said> the {r} <how> @by <a thing>.
    It is because {h.why} that {h.what}, <said> the {r}, and @hid <a small_thing> <how>.
    {^h.what}, and the cause is that {h.why}, @thinks the {r} <when>, with <food>.
    Do not wonder <how> that {h.what}: {h.why}, and <virtue> will not help.
    As {h.why}, {h.what}, [and|but|so] <a job> @looks <mood> <often>.
    If <a relative> asks why {h.what}, say <how> that {h.why}.
    {^h.why}. For this reason, <said> <a job> <how>, {h.what}.
    {^h.why}. Hence {h.what}, @thinks <a relative> with <feature>.
    Every <mood> child knows that {h.what} because {h.why}, and [every|one|hardly any] <bird> knows it too.
    {^h.what}, as {h.why}, which @looks @very <mood> to <a job>.
    In Tarnby {h.what} because {h.why}, and <a relative> @ate <food> <when>.
    There was <a mood> <job> who asked <how> why {h.what}; the {r} <said> that {h.why}.
    That {h.what} is no joke of <a job>: {h.why}, <said> the {r} <how> @by <a thing>.
    Where I sit, <said> the {r} <how>, {h.what}, because {h.why}.
    My {r} asked <a job> <how>, and {h.what}, it seems, because {h.why}.
    They fought <how> over why {h.what}, till <a relative> <did> in and <said> that {h.why}.
    No wonder that {h.what}, with <food> so [dear|near|cold|rare]: {h.why}.
    """),
)
AFTER = phrase_frames(
    "almanac.after",
    adorn("""
    <^a relative> from beyond the <nature> @liked this so much that <a thing> was @harmed.
    @so the {r} @moved <a thing> to the {y} <how>, where <a bird> @sits on it.
    The {x} @sat @by the <part> then, full of <food> and <small_things>.
    <^a job> @thought otherwise <when>, and @hid <a small_thing> @by the <nature>.
    Then @all <bird> @sang @by <a tree>, and the {r} @looked <mood>.
    Strangers @give <a small_thing> or <food> to see it <when>.
    A @nasty once @moved <a thing> there, and <a job> @sang <how>.
    The {y} @looks @very <quality> <often>, @thinks <a job>.
    My {r} wrote it down <how> on <a thing>, with <food> for ink.
    You may see it <when> @by the <nature>, with <food> and <a small_thing>.
    Before that, <a relative> @by the <place> lost <a thing>, <a small_thing> and <virtue>.
    They tried <virtue>, <food> and <a thing> instead; the {r} @looked @very <mood>.
    <^food> and <small_things> [help|harm|matter] there [less|more] than <virtue>.
    The {r} <did> to the {y} <how> to @mend the {x}, and @ate <food>.
    Only <a bird> @by <a tree> and <a relative> @like it <often>.
    The old almanac blames <food>, <small_things> or <a mood> <job>.
    This cost <a job> <amount> <food>, <a small_thing> and <virtue>.
    Every <relative> with <a thing> @sings about it <how>, <often>.
    We @mended <a thing> <when> in its honour, and @ate <food> @by the {y}.
    At such news the <job> @harmed the {x} <how> with <a small_thing>.
    <^a mood> <job> @by the <place> once made a song of it, with <food> in each line.
    Nobody @liked that <when>, least of all <a relative> with <feature>.
    <^weather> weather makes no difference to it, nor <food>, nor <a small_thing>, <said> the {r} <how>.
    The {r} @saw <a bird> @by the <part>, and @looked @very <mood>.
    """),
)
CLOSINGS = phrase_frames(
    "almanac.closing",
    adorn("""
    Here the {r} closed the almanac <how> and @ate <food> from the {x}.
    The rest is <weather>, says the almanac, with <food> and <virtue>.
    More reasons <when>, @by the {y}, for <food> or <a small_thing>.
    The {x} has its own reason, but the {r} @hid it @by the <part>.
    And the {x}? Ask <a bird> @by the {y} <when>.
    So much for reasons; the {r} and <a job> @sang <how> @by the {y}.
    Whoever finds a better reason may @move the {x} to the <part>.
    Next page: <food>, <small_things> and <virtue>.
    Then the {r} <did> home <how> with the {x} and <a small_thing>.
    Printed <how> @by the {y} in <colour> ink, with <food> on the cover.
    So @thinks the {r}, and @all <job> with <a thing> @thinks it too.
    If you know better, be <trait>, and @hide it @by the {x}.
    The {y} gives no reasons <when>, only <food>.
    May your {x} stay <quality>, and your <relative> <mood>.
    """),
)


def write(d: Draw, world: World) -> None:
    """Two or three habits of the town with their reasons; the teller and one object come back throughout."""
    d.say(OPENINGS)
    for habit in d.order(HABITS, 2 + d.index(2)):
        d.write(" ")
        d.say(STATEMENTS, h=habit)
        while d.chance(0.5):
            d.write(" ")
            d.say(AFTER)
    if d.chance(0.6):
        d.write(" ")
        d.say(CLOSINGS)
