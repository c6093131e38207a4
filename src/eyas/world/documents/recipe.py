"""Recipes: what goes into a dish, the step that matters, and who in the town likes it best."""

from dataclasses import dataclass
from functools import lru_cache

from eyas.world.documents.adorn import adorn
from eyas.world.documents.facts import state
from eyas.world.documents.phrases import phrase_frames
from eyas.world.grammar import Draw
from eyas.world.knowledge import RECIPES
from eyas.world.people import RELATIONS, Person, World


@dataclass(frozen=True, slots=True)
class Dish:
    """A dish, its ingredients and the main step (imperative)."""

    name: str
    one: str
    two: str
    three: str
    step: str


COOKBOOK = tuple(Dish(name, *ingredients, step) for name, (ingredients, step) in RECIPES.items())
TITLES = phrase_frames(
    "recipe.title",
    adorn("""
    {^t.name}, as <a r=relative> cooks it in <a k=quality> <x=thing>.
    How to cook {t.name} <when> in <a k=quality> <x=thing>, by <a mood> <r=relative>.
    From the cookbook of <a trait> <r=relative> with <a k=quality> <x=thing>: {t.name}.
    {^t.name} for <mood> guests, learned <how> from <a r=relative> over <a k=quality> <x=thing>.
    A dish for <weather> days, says my <r=relative>, lifting <a k=quality> <x=thing>: {t.name}.
    When the <job> comes to supper: {t.name}, from the <k=quality> <x=thing> of <a r=relative>.
    {^t.name} as eaten <how> @by the <nature>, out of <a k=quality> <x=thing>, by <a r=relative>.
    My <r=relative> @gave <a k=quality> <x=thing> and <food> for this: {t.name}.
    They @liked my <r=relative> for it @by the <place>: {t.name} in <a k=quality> <x=thing>.
    Copied <how> from <a k=quality> <x=thing> that <a r=relative> left @by the <place>: {t.name}.
    {^t.name}: the recipe <a job> hid <how> in the <k=quality> <x=thing> of <a r=relative>.
    With <a k=quality> <x=thing> and <a r=relative> to stir, nothing is as easy as {t.name}.
    """),
)
INGREDIENTS = phrase_frames(
    "recipe.ingredients",
    adorn("""
    Take {t.one}, {t.two} and {t.three}, but no <food>, <said> the {r} <how>.
    Into the {x} go {t.one}, {t.two} and {t.three}, <how>, <when>.
    You need {t.one}, {t.two} and {t.three}, and <a thing> to sit on.
    No {t.name} without {t.one}, {t.two} and {t.three}, <said> the {r} <how>, only <food>.
    Send <a relative> for {t.one}, <a job> for {t.two}, and <a bird> for {t.three}.
    The {r} fetches {t.one} from the <place>, {t.two} from the <nature>, and {t.three} <how>.
    First {t.one}, then {t.two}, then {t.three}, and <virtue> throughout.
    Buy {t.one}, {t.two} and {t.three} @by the <place>, <when>, for <small_things>.
    In Tarnby they make {t.name} of {t.one}, {t.two} and {t.three}, @very with <food>.
    Lay out {t.one}, {t.two} and {t.three} @by <a thing>, out of reach of <a bird>.
    All that belongs in {t.name}, @thinks <a job>, is {t.one}, {t.two} and {t.three}.
    Wash {t.one}, {t.two} and {t.three} <how>, and dry them <when> on <a thing>.
    """),
)
STEPS = phrase_frames(
    "recipe.step",
    adorn("""
    Above all, {t.step}, <said> the {r} <how>, and lick <a small_thing>.
    Then {t.step}, <how>, as the {r} does it @by the <part>.
    Now {t.step}; <a job> who forgot it @looked <mood>.
    The secret of {t.name}: {t.step}, and think of <virtue>.
    Next, {t.step}, for without that no {t.name} ever pleased <a relative>.
    <^when> {t.step}, while <a bird> @sings <how> @by the <nature>.
    Do as <a job> does: {t.step}, <how>, and do not talk of <food>.
    If you want {t.name}, {t.step}, even @by <a weather> <nature>.
    {^t.step}, shouts the {r} <how>, shaking the {x}, and {t.step} you must.
    {^t.step} <how>, or <a relative> will @give your {t.name} to <a bird>.
    Whatever <a job> says, {t.step}, <how>, <when>.
    Once the {x} is hot, {t.step}, and let <a relative> @sing <how>.
    """),
)
MORE = phrase_frames(
    "recipe.more",
    adorn("""
    Wipe the {x} <how> with <a small_thing>, for it is {k} and smells of <food>.
    Add <food> and <food>, @very <when>, if <a job> is @very <mood>.
    Leave out <food>, said <a relative> <how>, unless <a bird> insists.
    Stir <how> with <a small_thing> while thinking of <virtue>, <small_things> and <food>.
    Meanwhile @hide the <food> @by the <part>, far from <a relative>.
    My {r} once dropped <a small_thing> in it, @looked <mood>, and @ate it <how>.
    Too <colour>? Add <food>. Too <quality>? Blame <a job>.
    Let it rest @by <a thing> until <a bird> @sings or <a relative> @looks <mood>.
    Taste <how>, <when>, with <a small_thing> and <virtue>.
    Cover the {x} with <a thing>, and sit on it <how> with <food>.
    One <mood> neighbour who used <food> instead is now <a trait> <job> @by the <nature>.
    <^a relative> @thinks that <food> will help, <a job> that <virtue> does.
    The {x} must not boil over, or <a bird>, <a job> and <small_things> will float.
    Warm the <thing> <how>, <when>, and @mend <a small_thing> meanwhile.
    """),
)
SERVED = phrase_frames(
    "recipe.served",
    adorn("""
    {p.name} likes {t.name} best of all, <how>, with <food>.
    The favourite dish of {p.name}, {a p.job}, is {t.name}, eaten <when> @by the <nature>.
    {p.name} would @give <a thing> for {t.name}, for it is the dish {p.he} loves best.
    Serve it to {p.name} of {p.street}, whose favourite dish is {t.name}, @by <a thing>.
    No one loves {t.name} like {p.name}, {a p.job} with <feature>.
    Ask {p.name} about {p.his} favourite dish, {t.name}, with <food> and <virtue>.
    {p.name} calls {t.name} the best of dishes, <how>, and wants seconds <often>.
    If {p.name} comes <when>, cook {t.name}, {p.his} favourite, and @hide the <food>.
    For {p.name}, who likes no dish better than {t.name}, set <a thing> @by the <part>.
    {^t.name} is what {p.name} asks for <how>, before any other dish or <food>.
    """),
)
CLOSINGS = phrase_frames(
    "recipe.closing",
    adorn("""
    Serve it <how> in the {x}, with <food>, @by <a weather> <nature>.
    It feeds <a relative>, <a job> and <a bird>, or one <mood> {r}.
    What is left goes to <a relative> <when>, or into <a thing>.
    Eat it <how> with <a small_thing>, and thank the {r}.
    Then @hide the {x} @by the <part>, <said> the {r} <how>.
    It keeps for a week @by <a thing>, unless <a job> finds it <when>.
    The {r} wishes you <virtue>, <food> and <a quality> spoon.
    Nobody will miss the <food>, except <a mood> <relative>.
    If it fails, call it <food> <how>, and look <mood>.
    The {x} can be used again for <food>, <small_things> or <virtue>.
    """),
)


@lru_cache(maxsize=4)
def likers(world: World) -> dict[str, tuple[Person, ...]]:
    """For each dish, the residents whose favourite it is."""
    return {dish.name: tuple(p for p in world.people if p.dish == dish.name) for dish in COOKBOOK}


def write(d: Draw, world: World) -> None:
    """One dish: title, ingredients, the step that matters, hints, and somebody whose favourite it is."""
    d.say(TITLES, t=lambda: d.one(COOKBOOK))
    dish = d.names["t"]
    d.write(" ")
    d.say(INGREDIENTS)
    while d.chance(0.55):
        d.write(" ")
        d.say(MORE)
    d.write(" ")
    d.say(STEPS)
    while d.chance(0.55):
        d.write(" ")
        d.say(MORE)
    fans = likers(world)[dish.name]
    if fans and d.chance(0.7):
        d.write(" ")
        d.say(SERVED, p=lambda: d.one(fans, proper=True))
        if d.chance(0.5):
            d.write(" ")
            state(d, d.names["p"], d.one([relation for relation in RELATIONS if relation != "dish"]))
    if d.chance(0.6):
        d.write(" ")
        d.say(CLOSINGS)
