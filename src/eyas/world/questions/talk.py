"""Small talk, and input that means nothing."""

from eyas.world.grammar import Draw
from eyas.world.lexicon import LEXICON
from eyas.world.questions.question import Question, assistant, user

INTENTS: dict[str, tuple[str, str, str]] = {
    "greet": (
        "Hello!|Hi there.|Good day to you.|Good morning!|Greetings.|Hey!|Hello, assistant.|"
        "A <weather> morning to you!|Hi!",
        "Good evening to you!|Hello there!|Hi, assistant.|Good day!",
        "Hello! What would you like to know about Tarnby?",
    ),
    "who": (
        "Who are you?|What are you?|What is your name?|Tell me about yourself.|Are you a person?|Whom am I talking to?|"
        "Introduce yourself.|What should I call you?|Are you the clerk?",
        "Who am I talking to?|What is it that you are?|Tell me who you are.|Are you a human?",
        "I am the assistant of Tarnby, a small language model. I answer from the town's papers.",
    ),
    "can": (
        "What can you do?|How can you help me?|What do you know?|What are you good for?|What may I ask you?|"
        "What can I ask?|Help!|Can you help <a mood> <job>?",
        "In what way can you help me?|What sort of thing do you know?|What could I ask you?",
        "I know the people of Tarnby and its habits, I can do sums, and I can read the notice board.",
    ),
    "how": (
        "How are you?|How do you do?|Are you well?|How do you feel today?|Is all well with you?|How is your day?|"
        "Are you <mood> today?|How goes it?",
        "How are you today?|Do you feel well?|How has your day been?",
        "I am well, thank you. A model has no bad days.",
    ),
    "thanks": (
        "Thank you!|Thanks.|Many thanks.|Thank you, that was <trait> of you.|Thanks for the help.|I am grateful.|"
        "That helped, thank you.|Much obliged.",
        "Thank you very much!|Thanks a lot.|Thank you for the answer.",
        "You are welcome.",
    ),
    "bye": (
        "Goodbye.|Bye!|See you <when>.|Farewell.|I must go now.|Good night!|Until <day>!|"
        "That is all for today.|So long.",
        "Bye for now!|Goodbye, assistant.|I have to go now.",
        "Goodbye, and mind the geese.",
    ),
    "joke": (
        "Tell me a joke.|Make me laugh.|Do you know a joke?|Say something funny.|I am <mood>. Cheer me up.|"
        "A joke, please.|Be funny.",
        "Can you tell a joke?|Please make me laugh.|Tell me something funny.",
        "Why does the clock tower lean? It is tired of standing up for the truth.",
    ),
    "sorry": (
        "That is wrong.|You made a mistake.|I do not believe you.|That cannot be right.|You are wrong about that.|"
        "Are you sure?|No, that is false.",
        "That was wrong.|I think you are mistaken.|Is that really true?",
        "I may be wrong. I only know what I have read.",
    ),
}
TALK = {
    (intent, split): LEXICON.frames(f"ask.talk.{intent}.{split}", text.replace("|", "\n"))
    for intent, (train, exam, _) in INTENTS.items()
    for split, text in (("train", train), ("exam", exam))
}
PUZZLED = "I do not understand that. Please ask about Tarnby in plain words."

_RANGES = {
    "train": ((0x21, 0x7E), (0xA1, 0x17F), (0x390, 0x3C9), (0x410, 0x44F), (0x4E00, 0x4FFF), (0x1F600, 0x1F640)),
    "exam": ((0x21, 0x7E), (0x5D0, 0x5EA), (0x620, 0x64A), (0x905, 0x939), (0x3041, 0x3096), (0xAC00, 0xAE00)),
}
_REPEATED = ("said", "thing", "food", "colour", "bird", "mood", "job")
_WORD_LISTS = ("thing", "food", "trait", "quality", "how", "nature", "bird", "did", "place", "colour", "small_thing")


def small_talk(d: Draw, split: str) -> Question:
    """A greeting, thanks, a joke: short and always the same sort of answer."""
    intent = d.one(tuple(INTENTS))
    d.say(TALK[intent, split])
    answer = INTENTS[intent][2]
    return Question("smalltalk", (user(d.text),), (assistant(answer),), truth=answer, about=intent)


def _noise(d: Draw, split: str) -> str:
    style = d.index(4 if split == "exam" else 5)
    if style == 0:  # letters of some script
        low, high = d.one(_RANGES[split])
        words = ("".join(chr(d.number(low, high)) for _ in range(d.number(1, 9))) for _ in range(d.number(1, 8)))
        return " ".join(words)
    if style == 1:  # words without a sentence
        lists = [LEXICON.lists[name] for name in _WORD_LISTS]
        return " ".join(d.one(d.one(lists)) for _ in range(d.number(1, 14)))
    if style == 2:  # the same thing over and over: a trap for whoever can copy
        if split == "exam":
            return " ".join([d.one(LEXICON.lists["tree"])] * d.number(3, 25))
        some = [d.one(LEXICON.lists[d.one(_REPEATED)]) for _ in range(d.number(1, 3))]
        return " ".join(some * d.number(3, 25 // len(some)))
    if style == 4:  # numbers and signs
        return " ".join(d.one((str(d.number(0, 2000)), d.one(tuple("+-*/=,;:.#%()")))) for _ in range(d.number(2, 14)))
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    words = ("".join(d.one(alphabet) for _ in range(d.number(1, 10))) for _ in range(d.number(1, 12)))
    return " ".join(words) + d.one(("", "?", "!", "."))


def noise(d: Draw, split: str) -> Question:
    """Input without meaning: the right answer is to say so, and to stop."""
    return Question("noise", (user(_noise(d, split)),), (assistant(PUZZLED),), truth=PUZZLED)
