"""Items of the town gazette: an event with its cause, its course and its outcome, and the residents who saw it."""

from eyas.world.documents.cast import Cast
from eyas.world.documents.facts import state
from eyas.world.documents.phrases import rich_frames
from eyas.world.grammar import Draw
from eyas.world.people import RELATIONS, World

# Every event binds the thing {x}, its quality {k}, the spot {y}, a trade {j} and a food {f} for its later steps.
STORM = (
    rich_frames(
        "news.storm.head",
        """
        The <weather> night and the <k=quality> <x=thing>
        <^k=quality> <x=thing> flies <how>
        Loss of <a k=quality> <x=thing>
        <^weather> night, one <k=quality> <x=thing> less
        Where is the <k=quality> <x=thing>?
        <^a k=quality> <x=thing> on the move
        """,
    ),
    rich_frames(
        "news.storm.cause",
        """
        A @nasty came down on the <y=place> <when> and @moved the {x} of <a trait> <j=job> away.
        <^when> <a weather> @nasty @harmed the <part> of the <y=place>, and out <did> the {x} of the <j=job>.
        Because <a mood> <j=job> had left <a colour> <part> open, a @nasty took the {x} from the <y=place>.
        No one had tied the {x} to the <y=place>, so a @nasty @moved it to the <nature>; the <j=job> @looked <mood>.
        The river rose <how> <when>, and the {x} that <a trait> <j=job> kept @by the <y=place> floated off.
        <^a trait> <j=job> was using the {x} @by the <y=place> when a @nasty @harmed the <part>.
        The roof of the <y=place> is <quality>, and so <a weather> @nasty took the {x} from <a mood> <j=job>.
        <^a bird> @sang <how>, <a mood> <j=job> let go, and a @nasty had the {x} over the <y=place>.
        """,
    ),
    rich_frames(
        "news.storm.course",
        """
        The {x} <did> past the <place> and @harmed <a quality> <thing> full of <f=food>.
        The {j} <did> after it with <amount> <f=food>, @by the <nature> and past <a mood> <relative>.
        All day the {j} @sang @by the <nature>, while <a bird> @ate <quality> <f=food> in the {x}.
        <^a trait> <relative> @saw it @by the <nature>, <colour> and covered with <f=food>.
        The whole <place> went out with <things> and <f=food> to help the <mood> {j}.
        The {j} offered <amount> <f=food> <how> to anyone who would @move the {x} back.
        At the <place> it fell <how> among the <f=food>, and <a trait> <relative> took it for <a thing>.
        <^when> the {j} climbed <a tree> and @saw only <a mood> <bird> and some <f=food>.
        """,
    ),
    rich_frames(
        "news.storm.end",
        """
        The {x} @sits @by the {y} again, @very <colour>, and the {j} will @eat {f} <how> <when>.
        Nobody found it; the {j} @sings <how> @by the {y} <often> and has {f} and <a bird> for company.
        <^a mood> <bird> lives in the {x} now, and the {j} brings it <quality> {f} <often>, @very <mood>.
        It came back <when>, less {k} than before; the {j} @mended it, @very <mood>, and the {y} still smells of {f}.
        The {j} has bought <a quality> rope, and will @sing @by the {y} <how> whenever <a bird> steals {f}.
        The {y} was @mended <how> with <goods>, and the {j} @gave the {x} to <a trait> <relative> for {f}.
        """,
    ),
)
CONTEST = (
    rich_frames(
        "news.contest.head",
        """
        Race for <a k=quality> <x=thing>
        Who won the <k=quality> <x=thing>?
        Prize of the year: <a k=quality> <x=thing>
        <^mood> crowd, <k=quality> <x=thing>
        <^virtue> and <a k=quality> <x=thing>
        <^a k=quality> <x=thing> to be won
        """,
    ),
    rich_frames(
        "news.contest.cause",
        """
        To mend the <y=place>, <a trait> <j=job> put up the {x} as a prize for <virtue>.
        Since the <y=place> and <a mood> <j=job> both claimed the {x}, a race on <food> had to decide.
        <^a trait> <j=job> left the {x} to whoever @sings best @by the <y=nature> in <a quality> hat.
        The council, @very <mood>, set out the {x} @by the <y=nature> for the most <trait> <j=job>.
        <^a relative> and <a relative> both wanted the {x}, so <a trait> <j=job> sent them around the <y=nature>.
        As nobody could @move the {x}, the <y=place> promised it <how> to the strongest <j=job>.
        <^when> <a mood> <j=job> bet the {x} that no <bird> could @sing @by the <y=nature>.
        The <j=job> had no room for the {x} and invited the <y=place> to win it by <virtue>.
        """,
    ),
    rich_frames(
        "news.contest.course",
        """
        Every runner had to @move <amount> <f=food> past <a mood> <bird> without <virtue>.
        The {j} @sang <how> and fell over <a thing> full of <f=food> at the start.
        Half of the guests @ate the <f=food> <when> and could not leave the <part>.
        <^a trait> <relative> led until <a bird> @ate the <f=food> and @harmed the hat.
        It was decided by <f=food>: the one who could @eat most of it <how> had to @sing.
        The {j} threw <quality> <f=food> at <a mood> <relative>, who <did> on <how>.
        The judges shared <amount> <f=food> and were @very <mood> <when>.
        In the last round <a trait> <relative> juggled <f=food> @by <a weather> <nature>.
        """,
    ),
    rich_frames(
        "news.contest.end",
        """
        <^a trait> <relative> won the {x} <how> by a spoon of {f}, and the {j} @looked @very <mood> @by the {y}.
        The {j} won the {x} <how>, @gave the {f} to <a bird> and @looked @very <mood> @by the {y}.
        The {x} went to <a trait> <relative>, and the {f} to the {j}, who @sang <how> @by the {y} <when>.
        Nobody won; the {x} @sits @by the {y}, full of <quality> {f}, and the {j} @looks @very <mood>.
        <^a mood> <bird> crossed the line first and now @sings in the {x} @by the {y}, fed on {f}.
        The {j} lost <how> and must @mend the {y} and @eat {f} until <a mood> <day>.
        The winner sold the {x} <when> to buy more {f}, and the {y} @looks <quality> as before.
        """,
    ),
)
BIRD = (
    rich_frames(
        "news.bird.head",
        """
        <^b=bird> in the <k=quality> <x=thing>
        The <b=bird> and the <k=quality> <x=thing>
        <^a mood> <b=bird> takes <a k=quality> <x=thing>
        No entry: <b=bird>, <k=quality> <x=thing>
        One <b=bird>, one <k=quality> <x=thing>
        Must the <b=bird> leave its <k=quality> <x=thing>?
        """,
    ),
    rich_frames(
        "news.bird.cause",
        """
        Driven from the <nature> by a @nasty, the {b} has moved into the {x} of <a trait> <j=job> @by the <y=place>.
        Because <a mood> <j=job> left <food> in the {x} <when>, the {b} nests @by the <y=place>.
        <^when> the {b} <did> down on the <y=place> and chased <a trait> <j=job> from the {x}.
        The {b} laid an egg in the {x} @by the <y=place>, since <a mood> <j=job> had lined it with <goods>.
        For love of <a colour> {x} the {b} has left the <nature> for the <y=place>, to the grief of <a j=job>.
        <^a trait> <j=job> taught the {b} to @sing, and now it wants the {x} @by the <y=place>.
        The <y=place> is cold and the {x} is not; so the {b} @thinks, and <a mood> <j=job> must stand.
        A @nasty shut the door of the <y=place> on the {b}, which took the {x} of <a mood> <j=job>.
        """,
    ),
    rich_frames(
        "news.bird.course",
        """
        The {j} tried <f=food>, then <virtue>, then <a quality> <thing>; the {b} only @sang <how>.
        <^a trait> <relative> offered it <amount> <f=food> <when> and was bitten <how>.
        The {j} dressed up as <a bird> and @sang @by the <nature> with <f=food> on both arms.
        Children brought <f=food> <often>, so the {b} grew @very <mood> and <quality>.
        The {j} read it the law <how>, and the {b} @ate the <f=food> of <a trait> <relative>.
        A trail of <quality> <f=food> was laid from the {x} to the <nature>, and <a mood> <relative> @ate it.
        The {b} threw <f=food> at the {j}, who <did> home <how> for <a thing>.
        At the <place> people bet <amount> <f=food> on the {b} against the <mood> {j}.
        """,
    ),
    rich_frames(
        "news.bird.end",
        """
        The {j} now rents the {x} from the {b} for {f} and <food>, and @sings <how> @by the {y}.
        The {b} <did> off <when> with the {f}; the <mood> {j} @hid the {x} <how> @by the {y}.
        The {x} belongs to the {b} by law, @thinks <a job>, and the {j} @sings for {f} @by the {y} <often>.
        They share it: the {j} @sings <how> in the {x} by day, the {b} @sings by night, on {f} and <food>.
        <^a quality> {x} was hung @by the {y} for the {j}, who will @like {f} from now on and @looks @very <mood>.
        The {b} has agreed <how> to {f} <often>, and the {j} may @sing @by the {y} <when>.
        """,
    ),
)
MISTAKE = (
    rich_frames(
        "news.mistake.head",
        """
        All <mood> over <a k=quality> <x=thing>
        A case of <a k=quality> <x=thing>
        It was only <a k=quality> <x=thing>
        <^k=quality> <x=thing> alarms all
        Fear of <a k=quality> <x=thing>
        The ghost was <a k=quality> <x=thing>
        """,
    ),
    rich_frames(
        "news.mistake.cause",
        """
        <^when> <a mood> <j=job> took the {x} @by the <y=place> for <a colour> ghost and @sang.
        The {x} @sat @by the <y=nature> with <a thing> on top, and <a trait> <j=job> thought it was a judge.
        In <weather> weather the {x} @by the <y=place> looks like <a mood> <job>, at least to <a trait> <j=job>.
        <^a bird> had pulled the {x} over its head and <did> past <a mood> <j=job> @by the <y=nature>.
        <^a trait> <relative> slept in the {x} @by the <y=place> and snored until <a mood> <j=job> ran.
        <^a trait> <relative> painted the {x} <colour> <when>, so <a mood> <j=job> fled from the <y=place>.
        The {x} fell <how> from the <y=place>, and <a trait> <j=job> @thought that the town was at war.
        Having eaten too much <food>, <a mood> <j=job> @saw the {x} dance @by the <y=nature>.
        """,
    ),
    rich_frames(
        "news.mistake.course",
        """
        The bell was rung, and everyone <did> to the <place> with <things> and <f=food>.
        The {j} threw <amount> <f=food> at it and hit <a trait> <relative> <how>.
        The <place> was shut <when> with <quality> <things>, and only <f=food> could leave.
        Nobody dared to @sing, and the <mood> {j} hid <how> behind a heap of <f=food>.
        <^a trait> <relative> spoke to it <how> of <virtue> and offered <f=food>.
        The {j} sold the story at the <place> for <amount> <quality> <f=food>.
        By noon it had <feature>, by supper it ate <f=food>, @thought <a mood> <relative>.
        The <mood> watch <did> to the <nature> and arrested <amount> <f=food>.
        """,
    ),
    rich_frames(
        "news.mistake.end",
        """
        At last <a mood> <relative> lit a lamp @by the {y}, and the {j} must share the {f} with <a trait> <job>.
        The {x} has been fined <amount> {f} <how>, and the {j}, @very <mood>, will @sing @by the {y} <when>.
        The {j} @mended the {x} <how>, @sings in it @by the {y} <when> and will @like {f} for life.
        Now the {x} wears <a quality> bell @by the {y}, and the {j} gets <quality> {f} from <a job> <often>.
        A picture of the {x} with <a bird> and the {f} @sits @by the {y}, painted <how> by the {j} <when>.
        Since then <a job> @sings <how> for the {j} @by the {y}, and dreams of the {x} and {f} <often>.
        """,
    ),
)
EVENTS = (STORM, CONTEST, BIRD, MISTAKE)
PAPERS = rich_frames(
    "news.paper",
    """
    Tarnby Gazette, <a weather> <day>
    From the Tarnby Gazette, printed <when>
    The <weather> Gazette
    Gazette of Tarnby, with <food> on page two
    News of Tarnby, by our <trait> <job>
    Tarnby Gazette, price: <amount> <goods>
    Evening Gazette, edited by <a mood> <relative>
    Gazette, found under <a thing>
    """,
)
WITNESSES = rich_frames(
    "news.witness",
    """
    {p.name}, {a p.job}, @saw it all from <a quality> <part> with <a thing>.
    Nobody was closer than {p.name} of {p.street}, who @ate <food> <how>.
    "I was <mood>," <said> {p.name}, {a p.job} with <feature>.
    {p.name}, who loves {p.hobby}, @hid <a quality> <thing> <when>.
    {p.name} of {p.street} lost <amount> <food> and <a quality> <thing>.
    The {p.pet} of {p.name} @harmed <a thing> and @sang <how>.
    "Bring <food> and <a thing>!" <said> {p.name}, the {p.job}.
    {p.name}, born in {p.birthplace}, @thought that <virtue> would help.
    Without {p.name}, the <trait> {p.job}, <a quality> <thing> would have been lost.
    Even {p.name} left the {p.dish} of a lifetime <when>, with <a thing> for <a bird>.
    {p.name} from {p.street} @mended <a quality> <thing> <how>.
    "As {a p.job} I @like every <quality> <thing>," <said> {p.name} <how>.
    The first to help was {p.name}, <trait> and <mood>, with <a quality> <thing>.
    {p.name} came with {a p.pet}, <food> and <feature>.
    """,
)
REMARKS = rich_frames(
    "news.remark",
    """
    $S @liked the {j} <how> and went home with <a small_thing>.
    Asked about the {x}, $s <said> <how> that it was full of <food>.
    "The {x} was <quality>," $s <said> <how>, "and the {j} @very <mood>."
    $S @thinks that the {f} had grown too <quality>, and the {j} too <trait>.
    $S @gave the {j} <a quality> <small_thing> <when>.
    "Next time I @eat the {f} myself," $s <said>, @very <mood>.
    $S wants to @mend the {x} with <goods> and <food>.
    "<^virtue>," $s <said> <how>, "is worth more than any {x}."
    $S will @sing @by the {y} <when> for the sake of the {j}.
    $S @hid the rest of the {f} @by <a tree> <when>.
    Later $s @saw <a bird> with <a small_thing> from the {x}.
    $S <did> home <how> and dreamed of the {f} <when>.
    """,
)


def write(d: Draw, world: World) -> None:
    """Headline, cause, course, two witnesses with facts, outcome."""
    cast = Cast(d, world)
    head, cause, course, end = d.one(EVENTS)
    d.say(PAPERS)
    d.write("\n")
    d.say(head)
    d.write("\n")
    d.say(cause)
    d.write(" ")
    d.say(course)
    for _ in range(2):
        d.write(" ")
        d.say(WITNESSES, p=cast.one)
        d.write(" ")
        state(d, d.names["p"], d.one(RELATIONS))
        if d.chance(0.3):
            d.write(" ")
            d.say(REMARKS)
    d.write(" ")
    d.say(end)
