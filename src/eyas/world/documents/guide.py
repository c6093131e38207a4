"""Walks through the town: by places and streets, past the doors of residents, and back to where it began."""

from eyas.world.documents.cast import Cast
from eyas.world.documents.facts import state
from eyas.world.documents.phrases import rich_frames
from eyas.world.grammar import Draw
from eyas.world.people import RELATIONS, World

# The start binds the place {y}, the thing to carry {x} and somebody {r}; the walk comes back to them.
STARTS = rich_frames(
    "guide.start",
    """
    A walk through Tarnby, best <when>. Begin @by the <y=place> with <a x=thing>, borrowed from <a r=relative>.
    Meet <a r=relative> @by the <y=place> <when>; you will be given <a x=thing> to carry.
    This walk begins @by the <y=place>. Take <a x=thing>, <food> and, if you must, <a r=relative>.
    To see Tarnby you need <a x=thing>, <weather> weather and <a r=relative>. Start @by the <y=place>.
    The <y=place> is where we start, for <a r=relative> has left <a x=thing> full of <food> there.
    Visitors who @like <virtue> may leave <a r=relative> @by the <y=place>, guarding <a x=thing>, and walk on.
    Start <when> @by the <y=place>, where <a r=relative> @sings in <a x=thing>.
    For this walk hang <a x=thing> on your arm and <a r=relative> on the other, and leave the <y=place> <how>.
    The shortest tour of Tarnby: out of the <y=place>, around <a r=relative> with <a x=thing>, and on.
    In <weather> weather begin @by the <y=place>; <a r=relative> lends you <a x=thing> for <food>.
    """,
)
WAYS = rich_frames(
    "guide.way",
    """
    Turn [left|right] @by the <place>, where <a job> @sings <how>.
    Go <how> past the <place>, which @looks <quality> and smells of <food>.
    [Left|Right] of the <place> @sits <a thing> that <a job> @mended <when>.
    Cross the <nature> on <a thing>; <a bird> will @like you.
    Follow the smell of <food> to the <place> and greet <a job> <how>.
    Climb <a part> to see the <place> and, <when>, <a bird>.
    Do not @eat the <food> @by the <place>: <a job> @harmed some.
    Rest @by <a tree>, where <a relative> of mine once @hid <a thing>.
    The <weather> path [left|right] of the <place> is kept by <a job> with <feature>.
    Ring <how> at <a part> @by the <place> and ask for <food>.
    Mind <a thing> @by the <nature>: <a bird> @sings in it <often>.
    Admire the <place>, built <when> by <a job> who was @very <mood>.
    At the <place> pay <amount> <food> to <a job>, or @sing <how>.
    Walk on to the <nature> and count <things> until you are <mood>.
    The <nature> to your [left|right] was once <a quality> <place>, @thinks <a job>.
    Look up <how>: on the roof of the <place> @sits <a bird> with <food>.
    """,
)
DOORS = rich_frames(
    "guide.door",
    """
    In {p.street}, behind <a part>, lives {p.name}, {a p.job} with <feature>.
    This is {p.street}; {p.name} lives here and @sings <how> @by <a part>.
    The <part> in {p.street}, full of <food>, belongs to {p.name}, the <trait> {p.job}.
    Knock <how> <when> in {p.street}: {p.name}, {p.job}, will @give you <a thing>.
    Then comes {p.street}. Here {p.name} keeps {a p.pet} and <a thing>.
    Listen in {p.street}: that is {p.name}, at work as {a p.job} @by <a thing>.
    {p.name} may wave to you in {p.street}, <how>, with <a small_thing>.
    Through {p.street} now, where <a bird> guards the door of {p.name}.
    The house of {p.name} in {p.street} has <a part> and smells of {p.dish}.
    Wipe your boots in {p.street}, for {p.name} @mended the <colour> steps <how> <when>.
    Next is {p.street}, with the home of {p.name}, who loves {p.hobby} and <food>.
    In {p.street} people point <how> at <a part>: {p.name} lives there, @very <mood>.
    {p.street} is quiet <when>, for {p.name}, {a p.job}, @sings on <a thing>.
    Stop in {p.street} and look for {p.name}, <trait> and <mood>, born in {p.birthplace}.
    """,
)
ENDS = rich_frames(
    "guide.end",
    """
    So you come back to the {y} <when>: @give the {x} <how> to the {r} and @eat <quality> <food>.
    If you still have the {x}, you are a true walker; the {y} is @by <a tree>, and the {r} is <mood>.
    The last stop is the {y} again, where the {r}, @very <mood>, @wants the {x} and <amount> <quality> <food>.
    And there is the {y}, no more <quality> than before. Bow <how> to the {r} and put down the {x} @by <a tree>.
    Tell the {r} @by the {y} <how> about <a bird>, and @mend the {x} with <goods> if you @harmed it.
    Whoever is @very <mood> now may sleep in the {x} @by the {y}; the {r} will @sing <how>.
    Lost? Call <how> for the {r}, @hide the {x} @by <a tree>, and walk towards the {y} and the smell of <food>.
    Not far from the {y} the {r} weighs the {x} <how>; @eat any <food> in it @by <a tree>.
    Back @by the {y}, sit on the {x} and @eat <food> with the {r} until <a bird> @sings.
    That was Tarnby. The {y} shuts <when>, the {r} @sings in the {x}, and so should you, <how>, with <food>.
    """,
)


def write(d: Draw, world: World) -> None:
    """Two or three doors of residents with their facts, ways between them, and the start again."""
    cast = Cast(d, world)
    d.say(STARTS)
    doors = 0
    while doors < 2 or (doors == 2 and d.chance(0.1)):
        d.write(" ")
        d.say(WAYS)
        d.write("\n" if doors == 0 else " ")
        d.say(DOORS, p=cast.one)
        d.write(" ")
        state(d, d.names["p"], d.one([relation for relation in RELATIONS if relation != "street"]))
        doors += 1
    d.write("\n")
    d.say(ENDS)
