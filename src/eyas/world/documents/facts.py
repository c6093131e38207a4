"""Ways to state each fact about a resident, shared by the kinds of document that speak of people."""

from eyas.world.documents.adorn import enrich
from eyas.world.grammar import Draw, Frames
from eyas.world.lexicon import LEXICON
from eyas.world.people import Person


def person_frames(name: str, text: str) -> Frames:
    """Compile frames with the short forms for the person `p`.

    ``$S`` subject that begins a sentence, ``$s`` subject inside one, ``$N`` name where no pronoun fits, ``$P`` whose.
    """
    return LEXICON.frames(
        name,
        text.replace("$S", "[{p.name}|{p.first}|{^p.he}|{p.name}, <trait> and <mood>,|<^mood> {p.first}]")
        .replace("$s", "[{p.name}|{p.first}|{p.he}|<mood> {p.first}]")
        .replace("$N", "[{p.name}|{p.first}|<mood> {p.first}|the <trait> {p.name}]")
        .replace("$P", "[{p.name}'s|{p.first}'s|{^p.his}]")
        .replace("$p", "[{p.name}'s|{p.first}'s|{p.his}]"),
    )


_STATEMENTS = {
    "job": """
        $S works as {a p.job}.
        $S is {a p.job} by trade.
        $S has been <a trait> {p.job} for <number_word> years.
        $S earns a living as {a p.job}.
        By trade $s is {a p.job}, and <a trait> one.
        $P job is that of {a p.job}.
        The work of $N is that of {a p.job}.
        $S became {a p.job} after <number_word> years at the <place>.
        As {a p.job}, $s is known to be <trait>.
        Ask anyone: $N is the most <trait> {p.job} in town.
        When people need {a p.job}, they send for $N.
        $S learned to be {a p.job} from <a relative>.
        Nobody doubts that $N is <a trait> {p.job}.
        Being {a p.job} suits $N, who is <trait> and <mood>.
        """,
    "street": """
        $S lives in {p.street}.
        $S has a house in {p.street} with <a colour> <part>.
        $P home is in {p.street}, near the <place>.
        The home of $N is in {p.street}.
        You will find $N in {p.street}, behind <a colour> <part>.
        $S rents two rooms in {p.street}.
        In {p.street}, where $s lives, stands <a quality> <part>.
        Letters for $N go to {p.street}.
        $S moved to {p.street} because of <a quality> <part>.
        The <colour> <part> in {p.street} belongs to $N.
        For <number_word> years $s has lived in {p.street}.
        $S never wants to leave {p.street}.
        Anyone who visits $N must walk to {p.street}.
        At night $s walks home to {p.street}.
        """,
    "birthplace": """
        $S was born in {p.birthplace}.
        $S comes from {p.birthplace}, <a quality> village by <a nature>.
        $P birthplace is {p.birthplace}.
        The birthplace of $N is {p.birthplace}.
        As a child $s played by the <nature> in {p.birthplace}.
        $S grew up in {p.birthplace} among <mood> <relative>s.
        Before moving here, $s lived in {p.birthplace}.
        The village of {p.birthplace} is where $s was born.
        People from {p.birthplace}, like $N, are said to be <trait>.
        $S still misses the <nature> near {p.birthplace}.
        <^a mood> family in {p.birthplace} brought $N into the world.
        It was in {p.birthplace} that $s was born.
        $S first saw the light of day in {p.birthplace}.
        """,
    "month": """
        $P birthday is in {p.month}.
        $S was born on a <weather> day in {p.month}.
        $S has a birthday in {p.month} and wants only <food>.
        The birthday of $N is in {p.month}.
        Every {p.month} $s has a birthday and gives away <food>.
        $S turns a year older each {p.month}.
        In {p.month}, when $s has a birthday, the <place> is full of guests.
        Friends bring <a quality> <thing> in {p.month}, for that is when $s was born.
        $S celebrates in {p.month} with cake and <food>.
        Do not forget the birthday of $N in {p.month}.
        For $N the month of {p.month} means presents, for it is the birthday month.
        $S has disliked <weather> birthdays ever since a wet one in {p.month}.
        """,
    "pet": """
        $S keeps {a p.pet} as a pet.
        $S owns {a p.pet} that sleeps under <a quality> <thing>.
        $P pet is {a p.pet}.
        The pet of $N is {a p.pet}, as <trait> as its owner.
        <^a mood> {p.pet} follows $N everywhere.
        $S shares the house with {a p.pet}.
        At home {a p.pet} waits for $N by the <part>.
        $S would not sell the {p.pet} for a sack of gold.
        No one may scold the {p.pet} that belongs to $N.
        $S feeds <a colour> {p.pet} on <food>.
        The neighbours know $N by the <trait> {p.pet}.
        Of all animals, $s chose {a p.pet} as a pet.
        $S talks to {p.his} {p.pet} <when>.
        """,
    "dish": """
        $P favourite dish is {p.dish}.
        $S likes {p.dish} more than any other dish.
        $S could eat {p.dish} <when>.
        The favourite dish of $N is {p.dish}.
        For {p.dish} $s would walk to the <nature> and back.
        $S loves {p.dish} with <food>.
        Nothing makes $N so <mood> as {p.dish}.
        When $s is <mood>, only {p.dish} helps.
        $S orders {p.dish} at the inn and never shares it.
        Give $N some {p.dish} and all is well.
        A plate of {p.dish} is what $s likes best.
        $S says that {p.dish} tastes best <when>.
        $S cooks {p.dish} with too much <food>, and likes it that way.
        """,
    "hobby": """
        $P hobby is {p.hobby}.
        $S spends every free hour on {p.hobby}.
        $S loves {p.hobby}, most of all <when>.
        The hobby of $N is {p.hobby}.
        In spare hours $s turns to {p.hobby}.
        $S is fond of {p.hobby} and talks of it to every <relative>.
        Since childhood $s has enjoyed {p.hobby}.
        On free days $s goes in for {p.hobby}.
        $S took up {p.hobby} after losing <a quality> <thing>.
        $S won a prize for {p.hobby}: <a quality> <thing>.
        Lessons in {p.hobby} are what $s gives to any <trait> child.
        A great friend of {p.hobby}, $s practises <often>.
        $S finds {p.hobby} good for <a mood> heart.
        """,
    "mother": """
        $P mother is called {p.mother}.
        $S is the <trait> child of a mother named {p.mother}.
        $P mother, {p.mother}, is proud of {p.him}.
        The mother of $N is called {p.mother}.
        $S learned <virtue> from a mother named {p.mother}.
        $S visits {p.his} mother {p.mother} <often>.
        From {p.his} mother {p.mother}, $s has <feature>.
        $S writes to {p.his} mother {p.mother} <when>.
        On Sundays $s drinks tea with {p.his} mother {p.mother}.
        $S got <a quality> <thing> from {p.his} mother {p.mother}.
        $S has <a trait> mother, {p.mother} by name.
        Like {p.his} mother {p.mother}, $s is <trait>.
        """,
}
STATEMENTS: dict[str, Frames] = {
    relation: person_frames(f"facts.{relation}", enrich(text)) for relation, text in _STATEMENTS.items()
}


def state(d: Draw, p: Person, relation: str) -> None:
    """Write one sentence that states the fact `relation` of `p`."""
    d.say(STATEMENTS[relation], p=p)
