"""Arithmetic worksheets: small sums wrapped in words, and the right answers."""

from collections.abc import Callable
from operator import add, mul, sub

from eyas.world.documents.adorn import adorn
from eyas.world.documents.phrases import phrase_frames
from eyas.world.grammar import Draw, Frames
from eyas.world.people import World

HEADINGS = phrase_frames(
    "worksheet.heading",
    adorn("""
    Worksheet for <a weather> morning, with <food> for whoever finishes <how>.
    Sums for <trait> children, written <when> by <a job>.
    Arithmetic at the <place>, taught <how> by <a relative>.
    Numbers for <a mood> <relative>, on the back of <a thing>.
    The schoolteacher lost <a small_thing>; these sums are the punishment.
    Counting lesson, <when>, @by <a weather> <nature>.
    <^virtue> and sums, set by <a job> with <feature>.
    Homework, nibbled by <a bird> and smelling of <food>.
    Sums that <a job> and <a relative> quarrelled over <how>.
    For <mood> pupils: count <how>, then @eat <food>.
    Reckoning for <a job>, who @very counts <small_things>.
    From the sum book that @sat @by <a thing> at the <place>.
    """),
)
# Each row: frames in which {a}, {b} and the answer {s} stand, the operation, and the range of both numbers.
MORE = phrase_frames(
    "worksheet.more",
    adorn("""
    <^a relative> has {a} <x=things> and finds {b} more @by the <nature>: {s} <colour> {x}.
    {a} + {b} = {s}, <said> <a job> <how>.
    <^a job> sells {a} <x=things> <when> and {b} <when>. Sold in all: {s} {x}.
    {a} <bird>s sing @by <a tree>, and {b} <mood> ones join them. That makes {s}.
    Add {a} <x=small_things> from the <place> to {b} from the <nature>: {s} {x} for <a relative>.
    <^a job> walks {a} miles for <food> and {b} for <a thing>, {s} miles altogether, <how>.
    In <a thing> lie {a} <x=small_things>, in <a thing> {b}. All the {x}: {s}.
    What is {a} and {b}? It is {s}, @thinks <a relative>, counting <small_things>.
    Put {a} and {b} <x=small_things> @by the <part>, and <a bird> guards {s} {x}.
    First {a}, then {b}; so the <place> bought <x=things>, and now has {s} {x}.
    The <part> has {a} cracks, the <part> {b}; <a job> mends {s} <how>.
    With {a} coins for <food> and {b} for <a small_thing>, <a relative> spends {s} <when>.
    """),
)
LESS = phrase_frames(
    "worksheet.less",
    adorn("""
    <^a relative> had {a} <x=things> and lost {b} @by the <nature>: {s} {x} are left, all <quality>.
    {a} - {b} = {s}, <said> <a job> <how>.
    Of {a} <x=small_things> <a bird> stole {b} <when>. There remain {s} {x}.
    A crate held {a} <x=things>; {b} were <quality>, the other {s} {x} <quality>.
    Take {b} from {a}, <said> <a relative>, and there are {s} <small_things> on <a thing>.
    {a} <bird>s sat @by <a tree>; {b} flew to the <place>. Now {s} sit there <how>.
    <^a job> owed {a} <x=small_things>, paid {b} <how>, and still owes {s} {x}.
    It is {a} miles to the <nature>; after {b} miles and <food>, {s} are left for <a relative>.
    From {a} steps of the <part> {b} are <quality>. The sound ones: {s}, @thinks <a job>.
    Bake {a} buns, @eat {b} <how>, and {s} remain for <a relative> or <a bird>.
    {a} less {b} is {s}, @thinks <a relative> with <feature>.
    The <place> had {a} <x=things> and lent {b} to <a job>; it keeps {s} {x} @by the <part>.
    """),
)
TIMES = phrase_frames(
    "worksheet.times",
    adorn("""
    {a} times {b} is {s}, <said> <a job> <how>.
    {a} x {b} = {s}, and <food> for whoever knows it.
    {a} baskets with {b} <x=small_things> each hold {s} {x}, @thinks <a relative>.
    Every one of {a} <job>s has {b} <x=things>. Together {s} {x} lie @by the <part>.
    In {a} rows of {b} stand {s} <x=things>, counted <when> by <a relative>.
    {a} days at {b} coins a day earn {s} coins, or <a thing> and <food>.
    If <a quality> <thing> costs {b} coins, {a} cost {s}, <said> <a job> <how>.
    {a} <bird>s lay {b} eggs each; <a relative> carries {s} eggs to the <place> <how>.
    {a} shelves, {b} <x=things> on each: {s} {x}, says <a mood> <job>.
    <^a relative> walks {b} miles <often>, {a} times: {s} miles, <how>.
    {a} pockets with {b} <x=small_things> in each make {s} {x}, and <a mood> tailor.
    The table of {a}: {b} times {a} makes {s}, sang <a relative> @by the <place>.
    """),
)
CLOSINGS = phrase_frames(
    "worksheet.closing",
    adorn("""
    Checked <how> by <a job>, who found no mistake and <food>.
    Whoever got all of it right may @mend <a thing> <when>.
    Wrong answers go to <a relative> @by the <place>.
    Now count <small_things> <how> until <a bird> @sings.
    The answers were seen <when> in <a thing> of <a job>.
    Next time: <food>, <small_things> and bigger numbers.
    No <relative> may help, unless with <food> or <virtue>.
    The end; wash <a thing> and @eat <food>.
    """),
)
TASKS: tuple[tuple[Frames, Callable[[int, int], int], int, int], ...] = (
    (MORE, add, 2, 20),
    (LESS, sub, 4, 30),
    (TIMES, mul, 2, 10),
)


def write(d: Draw, world: World) -> None:
    """Three to six sums in words; differences leave at least two, so that plurals are right."""
    d.say(HEADINGS)
    for _ in range(3 + d.index(4)):
        d.write("\n")
        task(d, *d.one(TASKS))
    if d.chance(0.5):
        d.write("\n")
        d.say(CLOSINGS)


def task(d: Draw, frames: Frames, operation: Callable[[int, int], int], low: int, high: int) -> None:
    """Write one sum; whichever number the text names first is drawn first."""

    def first() -> str:
        other = d.names["b"]
        return str(d.number(low if callable(other) or operation is not sub else int(other) + 2, high))

    def second() -> str:
        other = d.names["a"]
        return str(d.number(2, int(other) - 2 if operation is sub and not callable(other) else max(10, low)))

    d.say(frames, a=first, b=second, s=lambda: str(operation(int(d.names["a"]), int(d.names["b"]))))
