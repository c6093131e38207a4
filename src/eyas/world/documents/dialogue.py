"""Talk of two residents over some object, with what each says of themselves and of a third."""

from eyas.world.documents.cast import Cast
from eyas.world.documents.facts import state
from eyas.world.documents.own import mine, yours
from eyas.world.documents.phrases import CHATTER, rich_frames
from eyas.world.grammar import Draw
from eyas.world.people import RELATIONS, World

SCENES = rich_frames(
    "dialogue.scene",
    """
    <^when>, @by the <place>: {a.name}, <mood>, and {b.name}, <mood>.
    {a.name} @saw {b.name} @by the <nature>, under <a tree>.
    {a.name} the {a.job} and {b.name} the {b.job}, @by the <nature>.
    Heard @by <a quality> <part>: {a.name} and {b.name}, both <mood>.
    <^a mood> <bird> watches as {a.name} meets {b.name} @by the <place>.
    The <place>, <when>. {a.name} shares <amount> <food> with {b.name}.
    {a.name} and {b.name} wait for <a job> @by <a weather> <nature>.
    <^a weather> evening in {a.street}. {a.name} has {b.name} to supper.
    As {a.name} came by with <a thing>, {b.name} @sang @by the <part>.
    What {a.name} and {b.name} said <when>, over <food> and <food>.
    Two voices @by the <nature>: {a.name}, <trait>, and {b.name}, <trait>.
    {a.name} calls on {b.name} in {b.street}, with <quality> <food>.
    On <a weather> bench sit {a.name} and {b.name}, eating <food> <how>.
    In the queue @by the <place> stand {a.name} and {b.name}, <mood>.
    """,
)
ALAS = rich_frames(
    "dialogue.alas",
    """
    Nonsense!
    Hush!
    Goodness!
    My word!
    Indeed.
    Well, well.
    Oh dear.
    Heavens!
    Fiddlesticks!
    How <trait>!
    I knew it.
    Really?
    Alas!
    Quite so.
    Bless me!
    How <mood> you look!
    By all the <things>!
    Blessed be all <food>!
    Not so <how>!
    Who told you that, <a job>?
    """,
)
# Each subject binds the object {x} and its quality {k}, the answer a spot {y} and somebody {r}; the end uses all.
SEARCH = (
    rich_frames(
        "dialogue.search.ask",
        """
        Have you seen my <k=quality> <x=thing>? I @hid it <how> @by <a tree>.
        My <k=quality> <x=thing> is gone, and <a mood> <bird> @sings where it stood.
        <^a trait> <job> @moved my <k=quality> <x=thing> away <when>.
        I have looked @by every <nature> for my <k=quality> <x=thing>.
        Some <mood> <relative> of mine @hid my <k=quality> <x=thing> <how>.
        I would give <amount> <food> to see my <k=quality> <x=thing> again.
        Do you remember my <k=quality> <x=thing>, the one full of <food>?
        <^when> I reached for my <k=quality> <x=thing> and @saw only <a small_thing>.
        You have <quality> eyes: where is the <k=quality> <x=thing> that I @mended <when>?
        Without my <k=quality> <x=thing> I cannot @eat <food> <how>.
        """,
    ),
    rich_frames(
        "dialogue.search.answer",
        """
        The {x}? My <trait> <r=relative> @saw it <when> @by the <y=nature>.
        I @saw {a k} {x} @by the <y=place>, and my <r=relative> sat in it <how>.
        My <mood> <r=relative> came from the <y=place> with <a quality> {x}, singing <how>.
        If it is {k}, then my <r=relative> @mended it @by the <y=part> <when>.
        Ask my <trait> <r=relative>, who @sings @by the <y=nature> <when>.
        There was <a quality> {x} @by the <y=place>; my <mood> <r=relative> @hid <food> in it.
        My <r=relative> @thinks that <a bird> @moved the {x} to the <y=nature>.
        Did you look @by the <y=part>? My <trait> <r=relative> keeps <quality> things there.
        I will not say who <did> to the <y=place> with it; but my <r=relative> is <mood>.
        My <r=relative> @harmed {a x} @by the <y=place> <when>, but it was <colour>.
        """,
    ),
    rich_frames(
        "dialogue.search.end",
        """
        Then let us @like your <mood> {r} <how>, and look for the {x} @by the {y} <when>.
        @so I shall wait @by the {y} for the {x} and your {r}, with <food> and <a thing>.
        Tell your {r} to @move the {x} from the {y} to my <part>, or I @sing <how>.
        If the {x} comes back from the {y}, your {r} gets <amount> <quality> <food>.
        I will look @by the {y} with <a trait> <job>; may your {r} @sing until then.
        Look @by the {y}! There @sits the {x}, {k} and <colour>, with your <mood> {r} and <food>.
        Your {r} may keep the {x} until <a job> needs it, but never @by the {y} <when>.
        Then the {x} is lost, for your {r} @harmed every <quality> thing @by the {y}.
        """,
    ),
)
SALE = (
    rich_frames(
        "dialogue.sale.ask",
        """
        Would you buy this <k=quality> <x=thing>? I want only <f=food> for it, and <virtue>.
        I will trade my <k=quality> <x=thing> for <quality> <f=food>, if you are <mood>.
        For <amount> <f=food> the <k=quality> <x=thing> is yours, <small_thing> and all.
        <^a trait> <job> offered me <f=food> for this <k=quality> <x=thing>.
        Look at this <k=quality> <x=thing>, @very <colour>, and think of your <f=food>.
        You have <f=food>, and I have <a k=quality> <x=thing> and <a mood> heart.
        My <relative> would part with the <k=quality> <x=thing> for <f=food>, <how>.
        Here is <a k=quality> <x=thing>; the price is <amount> <f=food>, paid <when>.
        I must sell the <k=quality> <x=thing> <when>, for <f=food> or <quality> <goods>.
        What is <a k=quality> <x=thing> worth to you in <f=food>, <how> weighed?
        """,
    ),
    rich_frames(
        "dialogue.sale.answer",
        """
        My <trait> <r=relative> has <a colour> {x} already, @by the <y=part>.
        For {f} I could buy the whole <y=place>, @thinks my <mood> <r=relative>.
        My <r=relative> @harmed the last {x} <how>, @by the <y=nature>.
        That {x} is from the <y=place>; my <trait> <r=relative> @saw it there <when>.
        I @gave my {f} to my <r=relative>, who @sings @by the <y=nature> <when>.
        My <mood> <r=relative> keeps the {f} @by the <y=part>, under <a thing>.
        Too {k}! At the <y=place> my <r=relative> got <a quality> one for <food>.
        Half the {f}, and my <trait> <r=relative> will @move the {x} to the <y=part>.
        The {x} @looks <colour> @by the <y=nature>, and my <r=relative> likes <food>.
        My <r=relative> would @sing in that {x} @by the <y=part> until <a job> is <mood>.
        """,
    ),
    rich_frames(
        "dialogue.sale.end",
        """
        Then keep your {f}, and may the {x} stand <how> @by the {y} with your {r}.
        Done! The {x} for the {f}; your <mood> {r} may @move it <how> from the {y} <when>.
        I shall give the {x} to your {r} <how>, and @eat my own <food> @by the {y}.
        Without {f} no {x}. Tell that <how> to your <mood> {r} @by the {y}, and @eat your <food>.
        @so I take <amount> <food> instead of {f}, and your <mood> {r} finds the {x} @by the {y} <when>.
        Your <mood> {r} is worth more {f} @by the {y} than any {x}, <colour> or <quality>.
        Then I will @hide the {x} @by the {y}, where your {r} never @sings <when>, and @eat my <food> <how>.
        Let <a trait> <job> weigh the {f} against the {x} @by the {y} <when>; your {r} may @sing.
        """,
    ),
)
BLAME = (
    rich_frames(
        "dialogue.blame.ask",
        """
        Who @harmed my <k=quality> <x=thing>? It was @by <a tree> <when>.
        Somebody @harmed the <k=quality> <x=thing>, and I @saw <food> on it.
        Some <mood> <bird> @harmed my <k=quality> <x=thing>, @thinks <a trait> <job>.
        My <k=quality> <x=thing> smells of <food>, and you look @very <mood>.
        You said that you would @mend the <k=quality> <x=thing> <when>, not @eat <food> in it.
        Look what has become of my <k=quality> <x=thing>: <colour> and full of <food>!
        <^when> my <k=quality> <x=thing> was still <quality>; now <a bird> @sings in it.
        I want to know why the <k=quality> <x=thing> @sits @by <a nature>.
        The <k=quality> <x=thing> came back <how>, with <a small_thing> stuck in it.
        What <a mood> sight is my <k=quality> <x=thing> under all that <food>!
        """,
    ),
    rich_frames(
        "dialogue.blame.answer",
        """
        It was my <trait> <r=relative>, who @moved the {x} to the <y=nature> <when>.
        My <mood> <r=relative> took the {x} for <a thing> @by the <y=part>.
        A @nasty @moved the {x} from the <y=place>; my <r=relative> only @sang <how>.
        Blame my <r=relative>, who needed the {x} @by the <y=nature> to @eat <food>.
        The {x} was {k} before! My <trait> <r=relative> @saw it @by the <y=part>.
        <^a job> paid my <r=relative> in <food> to @mend the {x} @by the <y=place>.
        My <r=relative> dropped the {x} from the <y=part> when <a mood> <bird> @sang.
        At the <y=place> they use {x} and <thing> alike, says my <mood> <r=relative>.
        My <r=relative> @hid <quality> <food> in the {x}, and then came the <y=nature>.
        You lent it to my <trait> <r=relative> <when>, @by the <y=place>, remember?
        """,
    ),
    rich_frames(
        "dialogue.blame.end",
        """
        Then your {r} shall @mend the {x} <how> @by the {y}, with <quality> <goods>.
        Tell your <mood> {r} that I wait @by the {y} <when> with what is left of the {x}.
        @so no {x} for your {r}, and no <food> @by the {y} until I am <mood>.
        I forgive your <mood> {r}, but the {x} stays @by the {y} as a warning to <a trait> <job>.
        Your {r} owes me <a colour> {x} and <amount> <food>, to be left @by the {y}.
        Well, {k} things break. Let your {r} @eat <quality> <food> @by the {y} <when>, and forget the {x}.
        Next time the {x} goes to <a job>, and your {r} may @sing @by the {y} <how>.
        I shall @move the {x} away from the {y} <when>, as long as your {r} @sings there.
        """,
    ),
)
PLAN = (
    rich_frames(
        "dialogue.plan.ask",
        """
        Shall we paint the <k=quality> <x=thing> <colour> and @give it to <a trait> <job>?
        I mean to @move <a k=quality> <x=thing> through the <place> <when>, <how>.
        Help me to @mend the <k=quality> <x=thing>; I pay in <quality> <food>.
        With <a k=quality> <x=thing> and some <food> we could @sing @by the <nature>.
        Let us @hide <food> in the <k=quality> <x=thing> and surprise <a mood> <job>.
        My plan is this: <a k=quality> <x=thing>, <amount> <food>, and <a mood> <bird>.
        <^when> we must @move the <k=quality> <x=thing> before <a trait> <job> sees it.
        I will teach <a bird> to @sing in <a k=quality> <x=thing>.
        Every <trait> <relative> @wants <a k=quality> <x=thing>; let us make one out of <goods>.
        What if we filled <a k=quality> <x=thing> with <food> and sold it as <food>?
        """,
    ),
    rich_frames(
        "dialogue.plan.answer",
        """
        My <trait> <r=relative> tried that @by the <y=nature> and was <mood> <often>.
        Not without my <r=relative>, who knows the <y=place> <how> and brings <food>.
        The {x} will never fit through the <y=part>, @thinks my <trait> <r=relative>.
        If it is <weather>, my <mood> <r=relative> can lend us the <y=place>.
        My <r=relative> @saw <a quality> {x} @by the <y=nature>; that one first.
        <^a trait> <job> at the <y=place> forbids it, but my <r=relative> is <mood>.
        Wait until my <mood> <r=relative> has left the <y=place> <when>.
        My <r=relative> would @sing <how> @by the <y=part> and spoil the {x}.
        {^a k} {x} brings bad luck @by the <y=nature>; ask my <trait> <r=relative>.
        Good, but my <r=relative> must @hide the <food> @by the <y=part> <how>.
        """,
    ),
    rich_frames(
        "dialogue.plan.end",
        """
        Then we meet @by the {y} <when>: you, I, your {r} and the {x}, <mood> or not.
        @so let your {r} @move the {x} to the {y}, and I @hide the <food> <how> @by <a tree>.
        If your <mood> {r} wants <quality> <food>, the {x} must be @by the {y} <when>.
        Forget the {x}. We shall @like your {r} @by the {y} and @eat <food> instead.
        Your {r} may hold the {x} while I @sing @by the {y}, <how> but <mood>.
        Agreed: the {x} to me, the {y} to your {r}, and the <quality> <food> to <a mood> <job>.
        Swear by the {k} {x} not to tell <a job>, nor your {r}, nor <a bird> @by the {y}.
        Then I go to the {y} alone with the {x}; your <mood> {r} may @eat my <food>.
        """,
    ),
)
SUBJECTS = (SEARCH, SALE, BLAME, PLAN)
GOSSIP = rich_frames(
    "dialogue.gossip",
    """
    That reminds me of {p.name} and the <quality> <n=thing> full of <food>.
    Did you hear <a bird> @sing for {p.name} and the <quality> <n=thing>?
    Ask {p.name}, who @mended <a quality> <n=thing> <when>.
    {p.name} has <a quality> <n=thing> now, and @looks @very <mood>.
    Like {p.name}, you mean, <how> @by the <place> with <a quality> <n=thing>?
    <^when> {p.name} @gave my <relative> <a quality> <n=thing>.
    Do you know {p.name}, the one with <feature> and <a n=thing>?
    You sound like {p.name} when <a job> @harmed the <quality> <n=thing>.
    I @saw {p.name} <when>, asleep in <a quality> <n=thing>.
    Everyone @by the <nature> laughs at {p.name}, since the <quality> <n=thing> broke.
    Let us talk of {p.name} and that <quality> <n=thing>, but <how>.
    My <trait> <relative> @liked {p.name} for <a quality> <n=thing>.
    """,
)
VERDICTS = rich_frames(
    "dialogue.verdict",
    """
    I would not trust {p.him} with <a colour> {n}, nor with <food>.
    And still {p.first} @sings @by the <nature> over that {n} <how>?
    Then {p.first} may @hide the {n} @by the <part> <when>.
    Who has <feature> and {a n} like that must be @very <mood>.
    {^a n} like that makes <a trait> <relative> <mood>, not only {p.first}.
    {p.first} should @give the {n} to <a mood> <job> <when>.
    What {p.he} does with the {n} <when>, only <a bird> knows.
    I @saw {p.him} @by the <place>, teaching the {n} <virtue>.
    The {n} @sits @by {p.him} <when>, I hear, @very <colour>.
    {^a n} for {p.him}, and <food> for <a trait> <job>!
    My <relative> @thinks that {p.first} will @eat <food> in the {n}.
    Poor {p.first}! May the {n} be <quality> and the <food> <quality>.
    """,
)


def write(d: Draw, world: World) -> None:
    """Question and answer, facts of the two and of a third, and an end that fits the beginning."""
    cast = Cast(d, world)
    d.say(SCENES, a=cast.one, b=cast.one)
    a, b = d.names["a"], d.names["b"]
    ask, answer, end = d.one(SUBJECTS)
    d.write(f"\n{a.name}: ")
    d.say(ask)
    d.write(f"\n{b.name}: ")
    d.say(answer)
    d.write(f"\n{a.name}: ")
    if d.chance(0.5):
        d.say(ALAS)
        d.write(" ")
        yours(d, d.one(RELATIONS), b)
    else:
        mine(d, d.one(RELATIONS), a)
    d.write(f"\n{b.name}: ")
    if d.chance(0.5):
        mine(d, d.one(RELATIONS), b)
    else:
        d.say(CHATTER)
    d.write(" ")
    d.say(GOSSIP, p=cast.one)
    d.write(" ")
    state(d, d.names["p"], d.one(RELATIONS))
    d.write(f"\n{a.name}: ")
    d.say(ALAS)
    d.write(" ")
    d.say(VERDICTS)
    d.write(" ")
    d.say(end)
