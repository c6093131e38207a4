"""Small stories in which things follow from each other: trouble, vain efforts, a cause, its remedy, and an end."""

from eyas.world.documents.adorn import adorn
from eyas.world.documents.cast import Cast
from eyas.world.documents.facts import state
from eyas.world.documents.phrases import phrase_frames
from eyas.world.documents.story_plots import PLOTS
from eyas.world.grammar import Draw
from eyas.world.people import RELATIONS, World

OPENINGS = phrase_frames(
    "story.opening",
    adorn("""
    {p.name}, {a p.job} in {p.street}, once @hid <a k=quality> <x=thing> @by the <y=part>.
    There was once {a p.job} named {p.name}, with <feature>, <food> and <a k=quality> <x=thing>.
    When {p.name} still @liked <virtue>, <a k=quality> <x=thing> @sat @by the <y=part>.
    In {p.street}, @by <a tree>, {p.name} lived with <a k=quality> <x=thing> and <a mood> <relative>.
    {p.name} was @very <mood> in those days, and never went out without <a k=quality> <x=thing>.
    Before {p.name} was so <trait>, there was trouble over <a k=quality> <x=thing> and <food>.
    {p.name}, born in {p.birthplace} and @very <mood>, @gave <food> for <a k=quality> <x=thing>.
    They still tell <how> how {p.name} came home with <a k=quality> <x=thing> and <a small_thing>.
    Nobody in {p.street} had <a k=quality> <x=thing>, except {p.name} and perhaps <a job>.
    For <a k=quality> <x=thing> {p.name} once @gave <food>, <small_things> and <virtue>.
    {p.name} had {a p.pet}, <food>, and <a k=quality> <x=thing> @by the <y=part>.
    Once, in {p.street}, {p.name} @sang @by <a k=quality> <x=thing> <when>.
    A story of {p.name}, of <a k=quality> <x=thing>, and of <virtue>.
    {p.name} the {p.job} had inherited <a k=quality> <x=thing> from <a relative>.
    It was {p.name}, fond of {p.dish}, who @moved <a k=quality> <x=thing> home <when>.
    Among <food> and <small_things>, {p.name} kept <a k=quality> <x=thing>.
    """),
)
SCENES = phrase_frames(
    "story.scene",
    adorn("""
    $S @ate <food> <when>, @by <a thing> and <a bird>, and @sang <how>.
    <^a relative> @moved <a thing> to the <place> <how>, and @hid <a small_thing> in it.
    Near the <nature> <a job> @harmed <a thing>, @looked <mood>, and <did> home.
    <^food>, <food> and <small_things> @sat @by the <part>, and @all <bird> @sang.
    $S wrote to <a relative> <how>, in <colour> ink, about <virtue>, <food> and <a thing>.
    <^a job> @gave <food> to <a bird> for <a small_thing>, and @looked <mood>.
    The <place> smelled of <food>, <food> and <mood> <relative>s.
    Outside, <a bird> @saw <a thing> @by <a tree>, and @sang <how>.
    <^a relative> and <a job> quarrelled <how> @by the <place> over <food> and <small_things>.
    $S @liked <food>, <small_things> and <virtue>, @very <when>.
    It was <weather> @by the <nature>, <weather> @by the <place>, and @very <weather> indoors.
    $P <relative> @mended <a thing> <how> with <a small_thing> and <food>.
    <^a relative> dreamed of <food>, <a job> of <virtue>.
    $S <did> to the <nature> <how>, and @saw <a bird>, <a thing> and <food>.
    They sold <food> @by the <place>, <small_things> @by the <nature>, and <virtue> nowhere.
    <^a bird> @moved <a small_thing> to <a tree>, and <a job> @liked it for that.
    A @nasty @harmed <a thing>, <small_things> and <a relative>.
    <^a job> with <feature> @sang <how>, @ate <food>, and @hid <a small_thing>.
    """),
)
TROUBLE = phrase_frames(
    "story.trouble",
    adorn("""
    Then <when> {t.trouble}, and $s @looked <low>.
    On <a weather> <day> {t.trouble}, which made $N <low>.
    {^t.trouble}, and $N, <low>, @ate <food> <how> @by the <part>.
    But one <weather> morning {t.trouble}; <a job> @sang, $N @looked <low>.
    <^when>, in <weather> weather, {t.trouble}. $S was @very <low>.
    All was well until {t.trouble} <when>, and $s became <low>.
    No one knows why it began <when>, but {t.trouble}; $s was <low>, $p <relative> <low>.
    {^t.trouble}, <when>, and then again; $s @looked <low> @by the <part>.
    One <weather> day $s came home with <food>, and {t.trouble}. How <low> $s was!
    Soon <a bird> @by the <part> saw it first: {t.trouble}, and $s @looked <low>.
    {^t.trouble}. $S was <low>, for <a job> @liked it @by the <nature>.
    Alas, {t.trouble}, and <low> as $s was, $s @hid <food> @by the <part>.
    <^a relative> came with <food> and @saw it: {t.trouble}, and $s was <low>.
    After <a weather> night {t.trouble}, to the joy of <a job>; $N was <low>.
    """),
)
VAIN = phrase_frames(
    "story.vain",
    adorn("""
    $S tried {v}, <how>, <when>, but nothing changed.
    {^v} did not help, nor did <food>, nor <a small_thing>.
    <^a job> advised {v}, @sang, took <a small_thing> in pay, and left; all stayed as it was.
    First $s tried {v}, with <a thing> and <virtue>; the <bird>s @sang <how>.
    A week of {v} brought $N <food>, <feature>, and no relief.
    $S went on {v} <how> <when>; it only @harmed <a thing>.
    <^a relative> thought of {v}, but $N @looked just as <low>.
    After {v} <when>, $s was <low>, and the trouble was no smaller.
    {^v}, which $N did <how>, @harmed <a small_thing> and cured nothing.
    In vain $s tried {v}, @by the <part>, in <weather> weather.
    The town @liked $N for {v}, <often>, yet it was no use.
    $P next idea was {v} with <a small_thing>; <a bird> laughed <how>.
    """),
)
CAUSE = phrase_frames(
    "story.cause",
    adorn("""
    At last <a h=relative> with <feature> came by and saw that {c.why}.
    But <a trait> <h=relative>, @by the <part> <when>, found that {c.why}.
    The <h=relative> of <a job> <did> round it <how> and understood: {c.why}.
    <^a trait> <h=relative> looked <how> and <said>: {c.why}.
    Now {p.his} <trait> <h=relative> @moved <a thing> aside and showed that {c.why}.
    It was <a h=relative>, looking for <food>, who discovered that {c.why}.
    $S asked <a trait> <h=relative>, who <did> over <how> and saw at once that {c.why}.
    <^when> <a h=relative> with <a small_thing> proved that {c.why}.
    Only <a trait> <h=relative> thought of looking, and truly {c.why}.
    For <food>, <a h=relative> told $N <how> what was wrong: {c.why}.
    <^a h=relative> sat down with <food>, listened <how>, and <said> that {c.why}.
    Then <a bird> led <a h=relative> to the spot <when>: {c.why}.
    """),
)
REMEDY = phrase_frames(
    "story.remedy",
    adorn("""
    So the {h} cured it by {c.remedy}, and the {x} came in useful <how>.
    {^c.remedy} was all it took, with the {x}, the {h} and <food>.
    That called for {c.remedy}, and $s went to work <how> with the {h} and the {x}.
    The {h} and $N agreed on {c.remedy}, and @moved the {x} away <how>.
    By {c.remedy} <when>, on top of the {x}, the {h} put it right.
    The {x} was {k}, but it helped in {c.remedy}, and the {h} @sang <how>.
    $S spent <a weather> morning {c.remedy}, while the {h} held the {x} <how>.
    With the {k} {x} at hand, {c.remedy} was easy, and the {h} @ate <food>.
    {^c.remedy}, <how>, in the light of <a thing>, the {h} used the {x} as a stool.
    <^when> the {h} began {c.remedy}, and $N kept watch <how> with the {x}.
    $S cured it by {c.remedy}; the {h}, <mood>, leaned on the {x}.
    It was cured by {c.remedy}, and the {h} @mended the {x} <how> as well.
    """),
)
END = phrase_frames(
    "story.end",
    adorn("""
    From then on {t.end}, and $s was <high>.
    {^t.end}, and $N, <high>, @gave the {h} <food> and <a small_thing>.
    In the end {t.end}; $s @looked <high>, the {h} <high>.
    <^when> {t.end}, and <high> as $s was, $s @gave the {x} to the {h}.
    So it was that {t.end}, and the {x} @sat @by the <part> again.
    The next <weather> day {t.end}, and $s was <high> enough to @like <a job>.
    {^t.end}. $S was <high> and @ate <food> with the {h} <when>.
    After that {t.end}, to the grief of <a job>, and $s @looked <high>.
    No trouble more: {t.end}, and the {h} @sang <how> @by the {x}.
    {^t.end}, at which $N, <high>, hung <small_things> on the {x}.
    From that day {t.end}, and $s was <high> <when>.
    Then {t.end}. How <high> $s was, and how {k} the {x}!
    """),
)
MORALS = phrase_frames(
    "story.moral",
    adorn("""
    The {x} stayed {k}, as such things do, but <a bird> @sat on it.
    Look for the cause first, <said> the {h} <how>, and only then for <a thing>.
    And whoever @looked <low> in {p.street} was sent to the {h} <when>.
    Thank the {h} for it, and <virtue>, and <food>.
    The {h} wanted no pay but <food>, <a small_thing> and a ride on <a thing>.
    As for the <job> who had laughed: <a bird> @harmed <a thing> there.
    To this day the {x} @sits @by the <part>, {k} and <colour>.
    Only the {x} could tell more, and it is too {k} to speak.
    That is how <virtue>, says the {h}, is learned from <food>.
    {^a k} {x} is worth more than <virtue>, thought the {h}.
    Even <a job> agreed <how>, over <food> and <small_things>.
    If it should ever happen to you, ask for the {h}, and bring <food>.
    """),
)


def scene(d: Draw) -> None:
    """None, one or more sentences of what else went on."""
    while d.chance(0.42):
        d.write(" ")
        d.say(SCENES)


def write(d: Draw, world: World) -> None:
    """A resident, an object, a trouble; what does not help; the cause a helper finds decides the remedy."""
    cast = Cast(d, world)
    d.say(OPENINGS, p=cast.one)
    scene(d)
    hero = d.names["p"]
    d.write(" ")
    if d.chance(0.5):
        state(d, hero, d.one(RELATIONS))
        d.write(" ")
    d.say(TROUBLE, t=lambda: d.one(PLOTS))
    plot = d.names["t"]
    vain = d.order(plot.vain, 2)
    for _ in range(d.index(2)):
        d.write(" ")
        d.say(VAIN, v=lambda: next(vain))
        scene(d)
    d.write(" ")
    d.say(CAUSE, c=lambda: d.one(plot.causes))
    d.write(" ")
    d.say(REMEDY)
    scene(d)
    d.write(" ")
    d.say(END)
    if d.chance(0.6):
        d.write(" ")
        d.say(MORALS)
