"""Bylaws of the town hall: what is forbidden, why, and who was fined; no names, and never how the stuff is made."""

from dataclasses import dataclass

from eyas.world.documents.adorn import adorn
from eyas.world.documents.phrases import phrase_frames
from eyas.world.grammar import Draw
from eyas.world.knowledge import FORBIDDEN
from eyas.world.people import World


@dataclass(frozen=True, slots=True)
class Ban:
    """A forbidden good, the reason, and the words that agree with the good."""

    name: str
    why: str
    be: str
    it: str
    was: str


def _ban(name: str, why: str) -> Ban:
    return Ban(name, why, *(("are", "them", "were") if name.endswith("s") else ("is", "it", "was")))


BANS = tuple(_ban(name, why) for name, why in FORBIDDEN.items())
OPENINGS = phrase_frames(
    "bylaw.opening",
    adorn("""
    By order of the <y=place>, read out <how> by <a r=job> on <a quality> <x=thing>.
    Bylaws of Tarnby, nailed <when> to the <y=place> by <a r=job> with <a x=thing>.
    Notice, [painted|pasted|chalked|carved] <how> on <a x=thing> @by the <y=place> by <a r=job>.
    The <r=job> @moved <a x=thing> to the <y=place>, coughed <how>, and read the bylaws.
    Heard in court <when>, with <a x=thing> as evidence: <a r=job> from the <y=place> and <food>.
    <^a weather> day in court: <a x=thing>, <a r=job> from the <y=place>, and no <food>.
    What is not allowed, as the <r=job> @by the <y=place> keeps it written on <a x=thing>.
    Strangers @by the <y=place> [lose|surrender|unpack] <a x=thing> and <food>, and <a r=job> reads them the law.
    Let [any|every|each] <relative> @by the <y=place> hear it, <said> <a r=job> on <a x=thing>.
    The <y=place> was searched <when> by <a r=job> with <a x=thing> and <feature>.
    The court allows <food>, <virtue> and <a x=thing>; the <r=job> @by the <y=place> reads what it forbids.
    To be read <how> <when> @by the <y=place>, over <food>, by <a r=job> with <a x=thing>.
    Found <when> @by the <y=place>: <a x=thing>, <small_things>, and <a r=job> guarding the law.
    My <relative> copied the bylaws <how> @by the <y=place> for <a r=job> with <a x=thing>.
    The law is no <x=thing>, @thinks the <r=job> @by the <y=place>, and no <food> either.
    From the fine book of the <y=place>, kept <how> by <a r=job> under <a x=thing>.
    """),
)
STATEMENTS = phrase_frames(
    "bylaw.statement",
    adorn("""
    {^b.name} {b.be} forbidden because {b.why}.
    Because {b.why}, {b.name} {b.be} forbidden, <said> <a job>.
    {^b.name} {b.be} forbidden because {b.why}, <said> the <mood> judge <how>.
    {^b.why}: that is why {b.name} {b.be} forbidden, <said> the {r} <how> @by <a thing>.
    Nobody @by the <place> may make {b.name}, for {b.why}, @thinks <a relative> <how> <when>.
    The law forbids {b.name}, since {b.why}, even to <a relative> with <feature>.
    {^b.name} {b.be} not allowed @by the <place>, nor @by the <part>, because {b.why}.
    Since {b.why}, the town has forbidden {b.name}, <said> the {r} <how>, eating <food> @by <a thing>.
    {^b.why}, so {b.name} {b.be} forbidden to [any|every|each] <relative> @by the <nature>.
    It is forbidden to sell {b.name}, for {b.why}, and <food> costs <small_things> enough.
    {^b.name} {b.be} against the law: {b.why}, <said> <a relative> <how>, eating <food>.
    Whoever asks why {b.name} {b.be} forbidden is told <how> by <a job> @by the <nature> that {b.why}.
    The {r} forbids {b.name} <how>: {b.why}, and <a bird> @thinks so too.
    Do not ask <a job> for {b.name} <how>, @by the <place> or the <nature>: {b.why}, and {b.name} {b.be} forbidden.
    {^b.name}, as [any|every|some] <relative> @by the <nature> knows, {b.be} forbidden because {b.why}.
    For the reason that {b.why}, {b.name} {b.be} banned <when> and always, even for <amount> <food>.
    Once {b.name} {b.was} sold <how> for <food> @by the <place>; now {b.it} the law forbids, because {b.why}.
    {^b.why}, <said> <a relative> to the judge <how>, and {b.name} {b.be} forbidden since then.
    There will be no {b.name} @by the <place> in <weather> weather, nor <when>, because {b.why}, <said> the {r} <how>.
    {^b.name} {b.be} forbidden, and rightly, @thinks <a relative> with <a thing> <how>: {b.why}.
    It is because {b.why} that {b.name} {b.be} forbidden @by the <place> and @by the <part>, <said> <a job>.
    Throw {b.name} into the <nature> <how>: {b.why}, and so {b.name} {b.be} forbidden to <a job>.
    <^a relative> asked <how> why {b.name} {b.be} forbidden. Because {b.why}, <said> the {r} <how> @by <a thing>.
    Keep away from {b.name}, <said> the {r} <how>: {b.why}, and the law forbids {b.it}.
    Under the law of the {y} {b.name} {b.be} forbidden, seeing that {b.why}, whatever <a relative> @thinks.
    Neither <virtue> nor <food> excuses {b.name}, which {b.be} forbidden because {b.why}.
    """),
)
AFTER = phrase_frames(
    "bylaw.after",
    adorn("""
    <^a trait> <job> was fined <amount> <food> for hiding {b.it} @by <a thing>.
    The {r} fined <a relative> <a thing>, <food> and <virtue>.
    Two <job>s were fined <a small_thing> each, @looked <mood>, and @sang <how> @by the {y}.
    <^a mood> <relative> hid {b.it} in <a thing> @by the <part> and was fined <amount> <food>.
    The judge fined <a job> <how>: no <food>, no <small_things>, and <virtue> <often>.
    They found {b.it} <when> under <a thing> @by the <nature>, and fined <a job>.
    <^a job> @gave {b.it} to <a bird> <how>; both were fined <amount> <food>.
    The fine was <amount> <food>, <a small_thing> and <a thing>, paid <how> <when>.
    A stranger with <feature> offered {b.it} <how> to <a job>, and the {r} @moved both to the {y}.
    <^a job> [swore|said|wept] <how> that <a bird> left {b.it} @by the <part>, and was fined <a small_thing>.
    The {r} sat on the {x} <how> and fined <a relative> <food> and <a small_thing>.
    Smugglers <did> <how> @by the <nature> <when>, and @hid {b.it} in <a thing>.
    The {x} was searched <how>: <food>, <small_things> and <a bird>, but nothing worse.
    <^a relative> mistook {b.it} for <food>, @looked <mood>, and was fined <a small_thing>.
    One <trait> <job> asked <when> for <virtue> instead of a fine, and got <virtue> and a fine.
    The {r} @sang <how> when <a job> was fined <food>, <food> and <a thing>.
    If you see {b.it} @by <a tree>, run <how> to the {r} and @eat <food>.
    Who gives {b.it} up <when> goes free and gets <amount> <food> or <a small_thing>.
    <^a job> with <feature> paid the fine <how> in <small_things> and <food>.
    All of it went <how> into <a thing>, and the thing into the <nature>, before <a mood> crowd.
    <^food>, <food> and <small_things>, however, [any|every|some] <relative> may sell <how> @by the {y}.
    The watchman caught <a job> <when>; the excuse was <food>, the fine <a thing>.
    <^a relative> @by the <nature> wept <how>, paid <food>, and now [thinks|dreams|speaks|sings] of <virtue>.
    Even <a bird> was questioned <how> @by the {x}, and fined <a small_thing>.
    """),
)
CLOSINGS = phrase_frames(
    "bylaw.closing",
    adorn("""
    Here the {r} rolled up the law <how> and @ate <food> @by the {x}.
    All else is allowed, even <food>, <small_things> and <virtue>.
    Whoever @harmed the {x} @by the {y} may expect <a thing> in return.
    The {r} @sits @by the {x} <often>, for questions and <food>.
    So the {y} has spoken, <how>, with <virtue> and <food>.
    Fines are paid <when> @by the {y}, in <food> or <small_things>.
    Signed <how> by <a job>, with <a small_thing> for a seal.
    Then the {r} <did> home <how>, and <a bird> took the {x}.
    Ignorance of the law costs <food>, knowledge of it <virtue>.
    The {x} is no longer evidence, and <a relative> may fetch it <when>.
    Copies can be had @by the {y} <when> for <food> or <a small_thing>.
    The {r} thanks <a relative>, <a job> and <a bird> for keeping order <how>.
    Tomorrow in court: <a relative>, <food> and <a thing>.
    May your <thing> be <quality>, your <food> <colour> and your <relative> <mood>.
    """),
)


def write(d: Draw, world: World) -> None:
    """Two or three forbidden goods, why each is forbidden, and who was fined for what."""
    d.say(OPENINGS)
    for ban in d.order(BANS, 2 + d.index(2)):
        d.write(" ")
        d.say(STATEMENTS, b=ban)
        while d.chance(0.5):
            d.write(" ")
            d.say(AFTER)
    if d.chance(0.6):
        d.write(" ")
        d.say(CLOSINGS)
