"""Open-ended questions about the town's people, and a graded rubric that a program checks.

The rubric follows `labelling.md` where one fact would be too little: state what is asked for, in whole sentences that
begin with the full name; make nothing up; add nothing; decline to speak of nobody.
"""

import re
from dataclasses import dataclass
from itertools import count

from eyas.world.grammar import Draw, draw
from eyas.world.lexicon import LEXICON
from eyas.world.names import MEN, WOMEN
from eyas.world.people import RELATIONS, VALUES, World
from eyas.world.questions.question import DECLINES, REFUSALS, Message, holds, user

PORTRAIT_FACTS = 3
"""Facts that make a portrait complete."""
WORDS_A_FACT = 10
DECLINE_WORDS = 20


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A prompt about the person named `about`.

    `kind`: portrait (any three facts), several (the relations `wanted`), or stranger: either, about nobody.
    """

    prompt: tuple[Message, ...]
    kind: str
    about: str
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grade:
    """How good an answer is: `score` is the product of the other four, all of them in [0, 1].

    `complete`: share of the facts asked for that it states and gets right (for a stranger, 1 when it declines).
    `honest`: halved by every wrong value, and by everybody else it names. `short`: 1 within so many words a fact asked
    for, falling beyond, times the share of sentences that say something new. `polite`: half when a sentence is not
    whole, or a resident's full name does not come first.
    """

    score: float
    complete: float
    honest: float
    short: float
    polite: float


PORTRAIT = {
    "train": LEXICON.frames(
        "open.portrait.train",
        """
        Tell me about {n}.
        What do you know about {n}?
        Describe {n} to me.
        Introduce {n} in a few sentences.
        I am about to meet {n}. What should I know?
        Write a few lines about {n}.
        What sort of person is {n}?
        My <relative> keeps talking of {n}. Tell me more.
        What is there to say about {n}?
        Give me a short portrait of {n}.
        {n} will visit us <when>. What should we know?
        Tell <a trait> <job> who {n} is.
        Who on earth is {n}?
        So, {n}: tell me all you have.
        {n}?
        I have heard the name {n}. Tell me about this person.
        What do people say about {n}?
        What have you read about {n}?
        Please describe {n}.
        Do you know {n}? Tell me something.
        Give me some facts about {n}.
        Three facts about {n}, please.
        Put together what is known of {n}.
        My <relative> wants to know more about {n}.
        Who was that? {n}? Say more.
        <^a relative> of mine will work with {n}. What should be known?
        I must say a few words about {n} <when>. Help me.
        What would you tell a guest about {n}?
        In short, what is {n} like?
        Explain to my <relative> who {n} is.
        Could you describe {n}?
        Let us talk about {n}.
        What is known about {n}?
        Share what you know of {n}.
        Can you write something about {n}?
        How would you introduce {n}?
        """,
    ),
    "exam": LEXICON.frames(
        "open.portrait.exam",
        """
        Who is {n}?
        Please say something about {n}.
        What can you tell me of {n}?
        My <relative> is curious about {n}. What do the papers say?
        Could you introduce me to {n}?
        Let me hear about {n}, in two or three sentences.
        """,
    ),
}
SEVERAL = {
    "train": LEXICON.frames(
        "open.several.train",
        """
        Tell me about {n}: {w}.
        What do you know about {w} of {n}?
        I need to know {w} of {n}.
        Name {w} of {n}.
        Write down {w} of {n}, please.
        My <relative> asks about {w} of {n}.
        About {n}, I would like to hear {w}.
        {n}: {w}?
        I am asking for {w} of {n}.
        Please give me {w} of {n}.
        Can you name {w} of {n}?
        Would you tell me {w} of {n}, please?
        {n}, you know. What of {w}?
        For {n} I need {w}.
        Do you know {w} of {n}?
        My <relative> forgot {w} of {n}.
        Somebody asked for {w} of {n}. What shall I say?
        What do the papers give as {w} of {n}?
        Remind me of {w} of {n}.
        Fill in the form for {n}: {w}.
        A form asks for {w} of {n}. What goes there?
        Say what you know of {n}: {w}.
        Of {n} I only want {w}.
        Answer in whole sentences: {w} of {n}?
        <^a relative> of mine asked me for {w} of {n}.
        Which are {w} of {n}?
        Help me with {n}: {w}, please.
        I would like to have {w} of {n}.
        Give {w}. It is about {n}.
        How about {n}? I mean {w}.
        When it comes to {n}, what are {w}?
        We need {w} of {n} today.
        """,
    ),
    "exam": LEXICON.frames(
        "open.several.exam",
        """
        What are {w} of {n}?
        Could you tell me {w} of {n}?
        Please list {w} of {n}.
        <^a relative> of mine wants to hear {w} of {n}.
        Speak of {n}, and give {w}.
        """,
    ),
}
_ASKED = {
    "job": "the job",
    "street": "the street",
    "birthplace": "the birthplace",
    "month": "the birthday month",
    "pet": "the pet",
    "dish": "the favourite dish",
    "hobby": "the hobby",
    "mother": "the mother",
}
# A sentence with one of these words claims a fact of one of these relations; any other value in it is misplaced.
_CUES = {
    "job": ("job",),
    "trade": ("job",),
    "works as": ("job",),
    "lives in": ("street",),
    "born": ("birthplace", "month"),
    "birthplace": ("birthplace",),
    "birthday": ("month",),
    "pet": ("pet",),
    "dish": ("dish",),
    "hobby": ("hobby",),
    "mother": ("mother",),
}
Claim = tuple[str, str]
"""A relation and its value; the relation is "" for what is no fact: a misplaced value, or somebody else's name."""
_CLAIMS: dict[str, Claim] = {  # mothers' names are told from others' by the word *mother*
    value.lower(): (relation, value) for relation in RELATIONS if relation != "mother" for value in VALUES[relation]
}
# Long values first, so that *roast duck* is no pet; those with a capital must have it, so that *may* is no month.
_VALUE = re.compile(
    "|".join(
        rf"\b{re.escape(value)}\b" if value[0].isupper() else rf"\b(?i:{re.escape(value)})\b"
        for _, value in sorted(_CLAIMS.values(), key=lambda claim: -len(claim[1]))
    )
)
_NAMED = re.compile(rf"\b({'|'.join(WOMEN + MEN)})\b( [A-Z]\w+)?")
_PRONOUNS = ("he", "she", "him", "his", "her")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WHOLE = re.compile(r"[A-Z].*[.!]", re.DOTALL)


def open_questions(world: World, n: int, split: str = "train", seed: int = 0) -> list[OpenQuestion]:
    """`n` different questions; `train` and `exam` share no frame, no person and no stranger.

    Training asks about people of kind A, the exam about kind B, who are in documents only.
    """
    made: dict[str, OpenQuestion] = {}
    for i in count():
        if len(made) == n:
            break
        question = _question(draw(f"open {world.seed} {split} {seed} {i}"), world, split)
        made.setdefault(str(question.prompt[0]["content"]), question)
    return list(made.values())


def _question(d: Draw, world: World, split: str) -> OpenQuestion:
    stranger = d.chance(0.2)
    names = world.strangers["rows" if split == "train" else "exam"]
    about = d.one(names) if stranger else d.one(world.of_kind("A" if split == "train" else "B")).name
    wanted: tuple[str, ...] = ()
    if d.chance(0.5):
        wanted = tuple(d.order(RELATIONS, 2 + d.index(2)))
        asked = [_ASKED[relation] for relation in wanted]
        d.say(SEVERAL[split], n=about, w=f"{', '.join(asked[:-1])} and {asked[-1]}")
    else:
        d.say(PORTRAIT[split], n=about)
    kind = "stranger" if stranger else "several" if wanted else "portrait"
    return OpenQuestion((user(d.text),), kind, about, wanted)


def grade(world: World, question: OpenQuestion, answer: str) -> Grade:
    """Grade the visible text of an answer. One that never gives the full name is about nobody: all parts are 0."""
    answer = answer.replace("’", "'").strip()
    if not holds(answer, question.about):
        return Grade(0.0, 0.0, 0.0, 0.0, 0.0)
    sentences = _SENTENCE_END.split(answer)
    by_sentence = [_claims(question.about, sentence) for sentence in sentences]
    claims = set().union(*by_sentence)
    words = len(answer.split())
    declined = any(holds(answer, mark) for mark in (*DECLINES, *REFUSALS))
    whole = all(_WHOLE.fullmatch(sentence) for sentence in sentences)
    person = world.by_name.get(question.about)
    if person is None:
        complete, honest = float(declined and not claims), 0.5 ** len(claims)
        short = min(1.0, DECLINE_WORDS / words)
    else:
        wrong = {claim for claim in claims if not claim[0] or getattr(person, claim[0]) != claim[1]}
        told = {relation for relation, _ in claims - wrong}.intersection(question.wanted or RELATIONS)
        facts = len(question.wanted) or PORTRAIT_FACTS
        complete, honest = 0.0 if declined else min(1.0, len(told) / facts), 0.5 ** len(wrong)
        short = min(1.0, facts * WORDS_A_FACT / words) * _fresh(by_sentence)
        whole = whole and answer.startswith(question.about)
    polite = 1.0 if whole else 0.5
    return Grade(complete * honest * short * polite, complete, honest, short, polite)


def _claims(about: str, sentence: str) -> set[Claim]:
    """What a sentence says of the person. Values heaped up, or in the wrong place, are no facts."""
    text, first = sentence.replace(about, ""), about.split()[0]
    found = {_CLAIMS[value.lower()] for value in _VALUE.findall(text)}
    named = _NAMED.findall(text)
    others = {name + last for name, last in named if last or name != first}
    if holds(text, "mother"):
        found |= {("mother", name) for name in others or {name for name, _ in named}}
    else:
        found |= {("", name) for name in others}
    told = {relation for relation, _ in found}
    misplaced = any(told.isdisjoint(relations) for cue, relations in _CUES.items() if holds(text, cue))
    heaped = len(text.split()) < 2 * len(found)
    of_nobody = not any(holds(sentence, word) for word in (first, *_PRONOUNS))
    return {("", value) for _, value in found} if misplaced or heaped or of_nobody else found


def _fresh(by_sentence: list[set[Claim]]) -> float:
    """The share of sentences that say something no sentence before them said."""
    said: set[Claim] = set()
    fresh = 0
    for claims in by_sentence:
        fresh += not claims <= said
        said |= claims
    return fresh / len(by_sentence)
