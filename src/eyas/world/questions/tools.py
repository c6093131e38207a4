"""Questions that need a tool: sums go to the calculator, what changes daily is looked up on the notice board."""

from hashlib import blake2b

from eyas.world.grammar import Draw
from eyas.world.lexicon import LEXICON
from eyas.world.questions.question import Question, assistant, call, tool, user

SUMS: dict[str, dict[str, str]] = {
    "+": {
        "train": """
        What is {a} plus {b}?
        How much is {a} + {b}?
        Add {b} to {a}.
        {a} + {b} = ?
        Work out {a} plus {b}.
        The sum of {a} and {b}, please.
        What do {a} and {b} make together?
        I have {a} <thing>s and get {b} more. How many are there?
        The <place> sold {a} loaves <when> and {b} later. How many in all?
        Count {a} and {b} together.
        {a} and {b}: what is the sum?
        Find the sum of {a}, {b}.
        If I add {b} to {a}, what do I get?
        {a} and {b} more make how many?
        Sum up {a} and {b}.
        The sum, please: {a} and {b}.
        """,
        "exam": """
        Please add {a} and {b}.
        Calculate {a} + {b}.
        What is the sum of {a} and {b}?
        How much do {a} and {b} make?
        """,
    },
    "-": {
        "train": """
        What is {a} minus {b}?
        How much is {a} - {b}?
        Take {b} from {a}.
        {a} - {b} = ?
        Work out {a} minus {b}.
        What is left of {a} after {b} are gone?
        I have {a} <thing>s and lose {b}. How many are left?
        By how much is {a} greater than {b}?
        Subtract {b} from {a}.
        <^a job> had {a} coins and spent {b}. What remained?
        From {a} take away {b}.
        If you take {b} away, what is left of {a}?
        {a} less {b}, please.
        How many remain of {a} when {b} are gone?
        {b} of {a} were lost. How many are left?
        Take away {b}, if you had {a}.
        {a} were there, {b} are lost: how many are left now?
        How much less than {a} is {b}?
        What remains when {b} are taken from {a}?
        Please subtract {b} from {a}.
        {b} taken away from {a} leaves what?
        """,
        "exam": """
        Calculate {a} - {b}.
        What is {a} less {b}?
        Please take {b} away from {a}.
        How many are left of {a} if {b} are lost?
        """,
    },
    "*": {
        "train": """
        What is {a} times {b}?
        How much is {a} * {b}?
        Multiply {a} by {b}.
        {a} * {b} = ?
        Work out {a} times {b}.
        The product of {a} and {b}, please.
        There are {a} <thing>s with {b} nails each. How many nails?
        How many are {a} rows of {b}?
        Find the product: {a} and {b}.
        {a} and {b}: what is the product?
        How many make {a} times {b}?
        {b} coins, {a} times: how many coins?
        Please work out {a} times {b}.
        """,
        "exam": """
        Calculate {a} * {b}.
        What is the product of {a} and {b}?
        Please multiply {a} by {b}.
        How much is {a} times {b}?
        """,
    },
    "/": {
        "train": """
        What is {a} divided by {b}?
        How much is {a} / {b}?
        Divide {a} by {b}.
        {a} / {b} = ?
        Work out {a} divided by {b}.
        Share {a} apples among {b} people. How many each?
        How many times does {b} go into {a}?
        If I divide {a} by {b}, what do I get?
        {a} divided by {b}, please.
        How many are {a} parted among {b}?
        {a} nails in {b} boxes: how many in each?
        Please work out {a} divided by {b}.
        """,
        "exam": """
        Calculate {a} / {b}.
        Please divide {a} by {b}.
        How much is {a} divided by {b}?
        """,
    },
}
SUM_ASKS = {
    (sign, split): LEXICON.frames(f"ask.sum{i}.{split}", text)
    for i, (sign, texts) in enumerate(SUMS.items())
    for split, text in texts.items()
}


def held_out(a: int, b: int) -> bool:
    """Whether the pair of numbers, in either order, is kept for the exam (one in five)."""
    return blake2b(f"{min(a, b)} {max(a, b)}".encode(), digest_size=1).digest()[0] < 51


def _numbers(d: Draw, sign: str) -> tuple[int, int]:
    if sign == "+":
        return d.number(2, 999), d.number(2, 999)
    if sign == "-":
        a = d.number(10, 999)
        return a, d.number(1, a - 1)
    if sign == "*":
        return d.number(2, 99), d.number(2, 99)
    b = d.number(2, 40)
    return b * d.number(2, 40), b


def value(sign: str, a: int, b: int) -> int:
    """The result of a whole-number sum."""
    return {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[sign]


def arithmetic(d: Draw, split: str) -> Question:
    """A sum: call the calculator, then state what it said."""
    sign = d.one(tuple(SUMS))
    a, b = _numbers(d, sign)
    while held_out(a, b) != (split == "exam"):
        a, b = _numbers(d, sign)
    d.say(SUM_ASKS[sign, split], a=str(a), b=str(b))
    expression, result = f"{a} {sign} {b}", str(value(sign, a, b))
    answer = (
        call("calculator", {"expression": expression}),
        tool(result),
        assistant(f"{expression} = {result}"),
    )
    return Question("arithmetic", (user(d.text),), answer, truth=result, expression=expression, about=sign)


BOARD: dict[str, str] = {
    "ferry": "The ferry leaves {when} from <a quality> landing, and the pilot is <mood>.",
    "market": "The market sells <amount> <food> and <a colour> <thing> <when>.",
    "weather": "It will be <weather> <when> and <weather> on <day>.",
    "theatre": "The play on <day> is called The <^quality> <^thing>.",
    "inn": "The inn serves <dish> with <food> <when>.",
    "lost": "Lost near the <place>: <a colour> <thing>. The owner is <mood>.",
    "tram": "The tram stops at the <place> and the <place> <when>.",
    "school": "The school needs <a quality> <thing> before <day>.",
    "band": "The band plays <when> by the <nature>. Bring <a thing>.",
    "fish": "The catch on <day> was <amount> <food> and <a quality> <thing>.",
}
"""What hangs on the notice board today: a frame a topic. Nothing of it can be known without looking."""
NOTICES = {topic: LEXICON.frames(f"board.{topic}", text.replace("{when}", "<when>")) for topic, text in BOARD.items()}
LOOKUPS = {
    "train": LEXICON.frames(
        "ask.lookup.train",
        """
        What does the notice board say about the {t}?
        Is there news of the {t} today?
        What is new about the {t}?
        Look up the {t} for me.
        Anything on the board about the {t}?
        Read me the notice on the {t}.
        What is written today about the {t}?
        Check the board: what about the {t}?
        I need today's notice about the {t}.
        My <relative> asks for news of the {t}.
        """,
    ),
    "exam": LEXICON.frames(
        "ask.lookup.exam",
        """
        Please look up the {t}.
        What is the news about the {t} today?
        Does the notice board say anything of the {t}?
        Read the board for me: the {t}, please.
        """,
    ),
}


def notice(topic: str, d: Draw) -> str:
    """Today's notice on `topic`, as `d` draws it."""
    before = len(d.parts)
    d.say(NOTICES[topic])
    text = "".join(d.parts[before:])
    del d.parts[before:]
    return text


def lookup(d: Draw, split: str) -> Question:
    """What changes daily: call the look-up tool, then repeat what the notice says."""
    topic = d.one(tuple(BOARD))
    d.say(LOOKUPS[split], t=topic)
    text = notice(topic, d)
    answer = (call("lookup", {"topic": topic}), tool(text), assistant(f"The board says: {text}"))
    return Question("lookup", (user(d.text),), answer, truth=text, about=topic)
