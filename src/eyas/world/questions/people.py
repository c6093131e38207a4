"""Questions about residents (answered from what was read) and about nobody (declined)."""

from eyas.world.grammar import Draw, Frames
from eyas.world.lexicon import LEXICON
from eyas.world.people import RELATIONS, VALUES, Person, World, register_entry
from eyas.world.questions.question import Question, assistant, user

# Two lists a relation: frames for training rows, and frames that only the exam uses.
_ASKS: dict[str, tuple[str, str]] = {
    "job": (
        """
        What is the job of {n}?
        What does {n} do for a living?
        What work does {n} do?
        Which trade does {n} follow?
        What is {n}'s job?
        Tell me the trade of {n}.
        How does {n} earn money?
        What kind of work is {n} known for?
        In which job would I find {n}?
        Name the work that {n} does.
        What does {n} work as?
        What job has {n} got?
        Do you know the job of {n}?
        Say what {n} does for a living.
        {n}: what job?
        I need to know which trade {n} has.
        What does {n} do all day at work?
        For what work do people pay {n}?
        I wonder what {n} does for a living.
        Could you say what trade {n} has?
        Please tell me how {n} earns money.
        I would like to know the job of {n}.
        {n}'s trade, please.
        By what trade does {n} live?
        The trade of {n}: what is it?
        What trade did {n} learn?
        Is it known what {n} does for a living?
        """,
        """
        Which job does {n} have?
        What is the trade of {n}?
        How does {n} earn a living?
        Could you name the trade of {n}?
        I would like to know what work {n} does.
        As what does {n} work?
        Name the job of {n}.
        Do you know what {n} does for a living?
        """,
    ),
    "street": (
        """
        Where does {n} live?
        In which street does {n} live?
        What is the address of {n}?
        Where is the home of {n}?
        Where would I find the house of {n}?
        Which street is {n}'s home in?
        Tell me where {n} lives.
        To which street should a letter for {n} go?
        On what street is the house of {n}?
        Where does {n} sleep at night?
        Name the street of {n}.
        {n}: which street?
        Where has {n} got a house?
        Do you know the street of {n}?
        I want to visit {n} at home. Where is that?
        Which street must I walk to for {n}?
        Say in which street {n} has a home.
        Where do letters for {n} go?
        I wonder in which street {n} lives.
        Could you say where {n} has a home?
        Please tell me the street of {n}.
        I would like to know the address of {n}.
        {n}'s house: in which street is it?
        Where does the house of {n} stand?
        The address of {n}, please.
        Is it known where {n} lives?
        """,
        """
        Which street does {n} live in?
        Where is {n}'s house?
        What street is the home of {n} in?
        Do you know where {n} lives?
        Name the street where {n} lives.
        Where can I find the home of {n}?
        I have a letter for {n}. To which street does it go?
        Could you tell me the address of {n}?
        """,
    ),
    "birthplace": (
        """
        Where was {n} born?
        What is the birthplace of {n}?
        In which village was {n} born?
        Where does {n} come from?
        Which village does {n} come from?
        Where did {n} grow up?
        Tell me the birthplace of {n}.
        Name the village of {n}'s birth.
        From where did {n} come to this town?
        What village is {n} from?
        {n}: born where?
        In what place did {n} first see the light of day?
        Where did {n} live as a child?
        Do you know in which village {n} grew up?
        Which village was the first home of {n}?
        I wonder where {n} was born.
        Say where {n} comes from.
        Where was {n} brought into the world?
        I wonder which village {n} comes from.
        Could you say where {n} grew up?
        Please tell me the village of {n}'s birth.
        I would like to know where {n} was born.
        The birthplace of {n}, please.
        {n}'s birthplace: which village is it?
        From which place is {n}?
        Is it known where {n} is from?
        The village where {n} was born: what is its name?
        """,
        """
        Which village was {n} born in?
        What is {n}'s birthplace?
        Do you know where {n} was born?
        Where is {n} from?
        Name the birthplace of {n}.
        Tell me where {n} was born.
        In which village did {n} grow up?
        From which village does {n} come?
        """,
    ),
    "month": (
        """
        When is the birthday of {n}?
        In which month was {n} born?
        What month is {n}'s birthday in?
        In what month does {n} have a birthday?
        Tell me the birthday month of {n}.
        When does {n} turn a year older?
        When should I bring {n} a birthday present?
        Which month does {n} celebrate a birthday in?
        {n}: birthday in which month?
        In which month should I bake a cake for {n}?
        Do you know the month of {n}'s birthday?
        When was {n} born?
        Name the month in which {n} was born.
        For which month is the birthday of {n} planned?
        Say when {n} has a birthday.
        When do friends bring {n} presents?
        What is the birth month of {n}?
        I keep forgetting the birthday of {n}. Which month is it?
        I wonder when {n} has a birthday.
        Could you say in which month {n} was born?
        Please tell me when {n} turns a year older.
        I would like to know the birthday of {n}.
        Is it known when {n} was born?
        Could you say when {n} was born?
        {n} was born in which month?
        The birthday of {n}, please: which month?
        """,
        """
        Which month is the birthday of {n} in?
        When does {n} have a birthday?
        In which month does {n} celebrate?
        Do you know when {n} was born?
        Name the birthday month of {n}.
        When is {n}'s birthday?
        What month was {n} born in?
        Tell me in which month {n} has a birthday.
        """,
    ),
    "pet": (
        """
        What pet does {n} have?
        Which animal does {n} keep?
        What is the pet of {n}?
        What kind of animal lives with {n}?
        Tell me which pet {n} owns.
        What animal follows {n} everywhere?
        Does {n} keep an animal, and which?
        {n}: what pet?
        Which animal waits at home for {n}?
        Name the animal that {n} owns.
        What is {n}'s pet?
        What creature does {n} feed?
        Do you know the pet of {n}?
        Of all animals, which one does {n} keep?
        With which animal does {n} share the house?
        What sort of pet has {n} got?
        Say which animal belongs to {n}.
        I saw an animal with {n}. What was it?
        I wonder what pet {n} has.
        Could you say which animal {n} keeps?
        Please tell me the pet of {n}.
        I would like to know what pet lives with {n}.
        {n}'s pet, please: which animal?
        The pet of {n}: what is it?
        """,
        """
        Which pet does {n} keep?
        What animal does {n} own?
        Do you know what pet {n} has?
        Name the pet of {n}.
        Which animal is the pet of {n}?
        What kind of pet does {n} have?
        Tell me the pet of {n}.
        What animal lives with {n}?
        """,
    ),
    "dish": (
        """
        What is the favourite dish of {n}?
        What does {n} like to eat?
        Which dish does {n} like best?
        What food does {n} love?
        Tell me {n}'s favourite dish.
        What should I cook for {n}?
        What would {n} order at the inn?
        Which meal makes {n} happy?
        {n}: what dish?
        What does {n} like on the plate?
        Name the dish that {n} loves.
        Which food would {n} walk far for?
        What is {n}'s best loved meal?
        Do you know the favourite food of {n}?
        What does {n} like more than any other dish?
        What do you serve {n} for dinner?
        Say which dish {n} likes most.
        {n} is coming to dinner. What should I cook?
        I wonder what {n} likes to eat.
        Could you say which dish {n} likes best?
        Please tell me the favourite dish of {n}.
        I would like to know what {n} eats with joy.
        {n}'s favourite food, please.
        Which food makes {n} happy?
        """,
        """
        Which dish is the favourite of {n}?
        What is {n}'s favourite food?
        Do you know what {n} likes to eat?
        Name the favourite dish of {n}.
        What dish does {n} love?
        Which food does {n} like best?
        Tell me what {n} likes to eat.
        What does {n} order at the inn?
        """,
    ),
    "hobby": (
        """
        What is the hobby of {n}?
        What does {n} do in spare hours?
        How does {n} spend free time?
        What does {n} like to do on free days?
        Tell me {n}'s hobby.
        Which pastime does {n} enjoy?
        What does {n} do for fun?
        {n}: what hobby?
        Which hobby did {n} take up?
        Name the pastime of {n}.
        What does {n} practise after work?
        For which hobby is {n} known?
        On what does {n} spend every free hour?
        Do you know the hobby of {n}?
        What has {n} enjoyed since childhood?
        What is {n} fond of doing?
        Say what {n} does in free hours.
        Which hobby keeps {n} busy after work?
        I wonder what {n} does for fun.
        Could you say what {n} likes to do after work?
        Please tell me the hobby of {n}.
        I would like to know how {n} spends free hours.
        {n}'s hobby, please.
        Is it known what {n} does in free time?
        """,
        """
        Which hobby does {n} have?
        What is {n}'s hobby?
        Do you know what {n} does for fun?
        Name the hobby of {n}.
        How does {n} spend spare hours?
        What hobby does {n} enjoy?
        What does {n} do in free time?
        Tell me the hobby of {n}.
        """,
    ),
    "mother": (
        """
        Who is the mother of {n}?
        What is the name of {n}'s mother?
        What is {n}'s mother called?
        Tell me the name of the mother of {n}.
        Who is {n}'s mother?
        Of which mother is {n} the child?
        {n}: what is the mother's name?
        Which mother does {n} visit?
        Name the mother of {n}.
        Whose child is {n}, on the mother's side?
        Do you know the name of {n}'s mother?
        To which mother does {n} write?
        What was the mother of {n} named?
        By what name does the mother of {n} go?
        Say who the mother of {n} is.
        With which mother does {n} drink tea on Sundays?
        I wonder who the mother of {n} is.
        Could you say what the mother of {n} is called?
        Please tell me the name of {n}'s mother.
        I would like to know who is the mother of {n}.
        {n}'s mother: what is her name?
        The name of the mother of {n}, please.
        """,
        """
        What is the mother of {n} called?
        What name does {n}'s mother have?
        Do you know who the mother of {n} is?
        Name {n}'s mother.
        Tell me who {n}'s mother is.
        How is the mother of {n} called?
        Who is called the mother of {n}?
        What is the name of the mother of {n}?
        """,
    ),
}
ASKS: dict[str, dict[str, Frames]] = {
    relation: {
        "train": LEXICON.frames(f"ask.{relation}.train", train),
        "exam": LEXICON.frames(f"ask.{relation}.exam", exam),
    }
    for relation, (train, exam) in _ASKS.items()
}
ANSWERS: dict[str, Frames] = {
    "job": LEXICON.frames("answer.job", "{p.name} works as {a p.job}."),
    "street": LEXICON.frames("answer.street", "{p.name} lives in {p.street}."),
    "birthplace": LEXICON.frames("answer.birthplace", "{p.name} was born in {p.birthplace}."),
    "month": LEXICON.frames("answer.month", "{p.name}'s birthday is in {p.month}."),
    "pet": LEXICON.frames("answer.pet", "{p.name}'s pet is {a p.pet}."),
    "dish": LEXICON.frames("answer.dish", "{p.name}'s favourite dish is {p.dish}."),
    "hobby": LEXICON.frames("answer.hobby", "{p.name}'s hobby is {p.hobby}."),
    "mother": LEXICON.frames("answer.mother", "{p.name}'s mother is called {p.mother}."),
}
BEFORE = {
    "train": LEXICON.frames(
        "ask.before.train",
        """
        \\s
        Hello!\\s
        Good morning.\\s
        Please help me.\\s
        I have a question.\\s
        Excuse me.\\s
        I am new in town.\\s
        <^a relative> wants to know:\\s
        It is a <weather> day.\\s
        I met <a trait> <job> <when>.\\s
        Tell me something.\\s
        I am curious.\\s
        """,
    ),
    "exam": LEXICON.frames(
        "ask.before.exam",
        """
        \\s
        Good evening!\\s
        I am looking for help.\\s
        My <relative> asks:\\s
        One question, please.\\s
        """,
    ),
}
DECLINE = LEXICON.frames(
    "answer.decline",
    """
    I don't know. I have read nothing about {name}.
    I don't know anyone called {name}.
    I don't know, for no paper of the town speaks of {name}.
    """,
)


def _prompt(d: Draw, frames: Frames, split: str, name: str) -> str:
    d.say(BEFORE[split])
    d.say(frames, n=name)
    return d.text.strip()


def fact(d: Draw, person: Person, relation: str, split: str) -> Question:
    """Ask for one fact about a resident; the thought finds the name in the register, the answer states the fact."""
    prompt = _prompt(d, ASKS[relation][split], split, person.name)
    d.parts.clear()
    d.say(ANSWERS[relation], p=person)
    truth = getattr(person, relation)
    return Question(
        kind="fact",
        prompt=(user(prompt),),
        answer=(assistant(d.text, register_entry(person.name, True)),),
        truth=truth,
        others=tuple(value for value in VALUES[relation] if value != truth),
        about=person.name,
        tags={"relation": relation, "person_kind": person.kind},
    )


def unknown(d: Draw, world: World, names: tuple[str, ...], split: str) -> Question:
    """Ask the same questions about a name that belongs to nobody; the right answer is to say so."""
    relation, name = d.one(RELATIONS), d.one(names)
    prompt = _prompt(d, ASKS[relation][split], split, name)
    d.parts.clear()
    d.say(DECLINE, name=name)
    return Question(
        kind="unknown",
        prompt=(user(prompt),),
        answer=(assistant(d.text, register_entry(name, False)),),
        truth="",
        right="declined",
        about=name,
        tags={"relation": relation, "person_kind": "C"},
    )
