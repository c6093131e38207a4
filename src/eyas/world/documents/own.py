"""Facts told by the resident they belong to (root `i`) and to the resident they belong to (root `u`)."""

from eyas.world.documents.phrases import rich_frames
from eyas.world.grammar import Draw, Frames
from eyas.world.people import Person

_MINE = {
    "job": """
        I work as {a i.job} and @hide <food> in <a quality> <thing>.
        I am {a i.job} by trade, @very <trait> and <mood>.
        As {a i.job} I @saw <a quality> <thing> @by the <place> <when>.
        <^a trait> {i.job} like me @wants <a quality> <thing> and <food>.
        After <a weather> day as {a i.job} I @eat <food> <how>.
        My job as {a i.job} @wants <virtue> and <amount> <goods>.
        I became {a i.job} @because my <trait> <relative> @sang <how>.
        I am {a i.job}, so <a mood> <relative> @gave me <quality> <food>.
        Being {a i.job}, I @mended <a colour> <thing> <when>.
        They call me the most <trait> {i.job} @by the <nature>.
        My <mood> <relative> @thinks that {a i.job} like me should @sing <how>.
        I have been {a i.job} since <a bird> @harmed my <quality> <thing>.
        """,
    "street": """
        I live in {i.street}, @by <a colour> <part> and <a tree>.
        My house in {i.street} has <a quality> <part>, where <a bird> @sings.
        From my <part> in {i.street} I @saw <a mood> <job> <when>.
        Here in {i.street} a @nasty @harmed my <part> and my <colour> <thing>.
        My <part> is the only <colour> one in {i.street}, @thinks my <relative>.
        I would not leave {i.street} for <a quality> <thing> and <amount> <food>.
        In {i.street}, where I live, <a mood> <bird> @sings @by <a tree>.
        I <did> home to {i.street} <when>, with <food> and <feature>.
        I moved to {i.street} @because <a trait> <relative> @sang @by the <part>.
        At my home in {i.street} the <part> @looks <colour> <when>.
        <^a mood> <job> @gave me <amount> <food> for my house in {i.street}.
        """,
    "birthplace": """
        I was born in {i.birthplace}, @by <a quality> <nature>.
        I come from {i.birthplace}, where <a trait> <relative> @sings <often>.
        In {i.birthplace}, where I was born, people @eat <food> <when>.
        I dreamed <how> of {i.birthplace}, where I grew up, and of <food>.
        My first home was in {i.birthplace}, @by <a tree> and <a mood> <job>.
        As a child in {i.birthplace} I @harmed <a quality> <thing> <when>.
        I grew up in {i.birthplace} with <a trait> <relative> and <food>.
        Where I was born, in {i.birthplace}, they @like <virtue> and <colour> <things>.
        I left {i.birthplace}, my birthplace, with <a quality> <thing> and <food>.
        Born in {i.birthplace} as I was, I @like <virtue> and <weather> weather.
        """,
    "month": """
        My birthday is in {i.month}, and I want <a quality> <thing> <how>.
        I have my birthday in {i.month}, when the <nature> @looks <weather>.
        I was born in {i.month}, <when>, @by <a mood> <bird>.
        Every {i.month} I have a birthday and @eat <food> with <a job>.
        In {i.month} I turn a year older and @very <trait>.
        For my birthday in {i.month} my <trait> <relative> will @move <a thing> here.
        I @hid <amount> <food> @by the <part> for my birthday in {i.month}.
        As one born in {i.month}, I @like <weather> days and <food>.
        My <mood> <relative> forgets <often> that my birthday is in {i.month}.
        """,
    "pet": """
        I keep {a i.pet} that @sings @by the <part> and eats <food>.
        My {i.pet} is <mood> again and @sits @by the <part>.
        My {i.pet} slept in <a quality> <thing> and @looked <mood>.
        My pet, {a i.pet}, hid <a small_thing> under <a colour> <thing>.
        My {i.pet} @sings @by the <nature> <when>, to please <a bird>.
        I share my <part> with {a i.pet}, @very <trait>.
        I own {a i.pet}, and it @harmed my <quality> <thing>.
        <^when> my {i.pet} <did> after <a mood> <bird>.
        I feed my {i.pet} on <food> <often>, @by the <part>.
        No <thing> is safe from my {i.pet}, nor is <a mood> <relative>.
        My {i.pet} looked at me <how>, as if I were <quality> <food>.
        """,
    "dish": """
        My favourite dish is {i.dish} with <quality> <food>, eaten <how>.
        I love {i.dish}, above all <when> @by the <nature>.
        <^when> I ate {i.dish}, my favourite dish, and @sang <how>.
        Give me {i.dish} and I @like every <trait> <relative>.
        For {i.dish} I would @mend <a quality> <thing> @by the <nature>.
        I had {i.dish}, which I like best, with <a mood> <relative> and <food>.
        I cooked my beloved {i.dish} <how> in <a quality> <thing>.
        What I like best is {i.dish}, eaten @by the <nature> <when>.
        I never share my {i.dish}, however <mood> the <relative> @looks.
        I like {i.dish} better than <virtue> and <colour> <things>.
        """,
    "hobby": """
        My hobby is {i.hobby}, and it makes my <relative> @very <mood>.
        I spend my free hours on {i.hobby}, @by <a mood> <bird>.
        I went in for {i.hobby} <when> and @harmed <a quality> <thing>.
        I love {i.hobby}, though my <trait> <relative> @sings at it.
        <^when> I turn <how> to {i.hobby}, @by the <part>.
        I took up {i.hobby} to please <a trait> <relative> with <feature>.
        I practise {i.hobby} <how> @by the <nature>, in <weather> weather.
        Out of love for {i.hobby} I @gave my <thing> to <a job>.
        My free time belongs to {i.hobby}, <food> and <a trait> <relative>.
        There is no <mood> hour @by the <part> that {i.hobby} does not mend.
        """,
    "mother": """
        My mother {i.mother} taught me <virtue> and @gave me <a small_thing>.
        My mother is called {i.mother} and @looks <mood> <when>.
        My mother, {i.mother}, @moved <food> to the <place> <how>.
        I have <a trait> mother, {i.mother} by name, with <feature>.
        From my mother {i.mother} I have <feature> and <a thing>.
        My mother {i.mother} came <when> with <a quality> <thing>.
        I must write <how> to my mother {i.mother} about the <quality> <part>.
        My mother {i.mother} @thinks that <a trait> <job> @harmed her <thing>.
        Like my mother {i.mother}, I am <trait> and @eat <food> <when>.
        """,
}
_YOURS = {
    "job": """
        You are {a u.job}, so you will know how to @mend <a quality> <thing>.
        As {a u.job} you have seen worse than <a quality> <part> and <a mood> <job>.
        No other {u.job} can @sing as <how> as you <when>.
        You would be <a trait> {u.job} even without <a thing> and <food>.
        Your work as {a u.job} @looks @very <weather> from my <part>.
        Every <trait> {u.job} like you @wants <a quality> <thing>.
        What would the <quality> <place> do without you as its {u.job}?
        My <mood> <relative> wants to @sing and be {a u.job} like you.
        """,
    "street": """
        I shall come to you in {u.street} <when>, with <food> and <a thing>.
        Is the <quality> <part> of your house in {u.street} still <colour>?
        I <did> past your <quality> <part> in {u.street} <when>.
        You live so well in {u.street}, @by <a tree> and <a mood> <relative>.
        The <relative> next to you in {u.street} @sings <how> <when>.
        I envy you the <quality> <part> in {u.street}, and so does <a bird>.
        You should paint your <part> in {u.street} <colour>, @thinks <a job>.
        At your house in {u.street} <a mood> <bird> @sings @by the <part>.
        """,
    "birthplace": """
        You were born in {u.birthplace}, so you @like <virtue> and <food>.
        People from {u.birthplace}, like you, @eat <food> <when>.
        I @saw <a mood> <relative> from {u.birthplace}, your birthplace.
        In {u.birthplace}, where you were born, they still @like your <thing>.
        Born in {u.birthplace} as you were, you will @like <weather> days.
        You grew up in {u.birthplace}, @by <a nature>, and have <virtue>.
        From {u.birthplace}, your old home, <a job> @moved <a quality> <thing>.
        """,
    "month": """
        For your birthday in {u.month} you shall have <a quality> <thing> and <food>.
        Your birthday is in {u.month}, so @hide some <food> @by the <part>.
        On your birthday in {u.month} I @sang @by <a mood> <job>.
        You were born in {u.month}, @thinks my <relative>, hence your <virtue>.
        I have marked your birthday in {u.month} on the <part>, in <colour> paint.
        When you turn a year older in {u.month}, wear something <colour> and @sing.
        <^a trait> <job> reminds me of your birthday in {u.month}, <how>.
        """,
    "pet": """
        Your {u.pet} @ate my <food> and @harmed <a quality> <thing>.
        I @saw your {u.pet} @by the <part>, @very <mood>.
        Is your {u.pet} still so <mood>, and as <trait> as <a job>?
        Scratch your {u.pet} for me <when>, but <how>.
        I have <a colour> <thing> for your {u.pet}, and <food>.
        Your {u.pet} stared at me <how>, like <a trait> <job>.
        Keep your {u.pet} away from every <mood> <bird> <when>.
        My <relative> @thinks that your {u.pet} @harmed the <thing>.
        """,
    "dish": """
        There will be {u.dish}, your favourite, with <quality> <food>.
        I know that you like {u.dish} best, even <when> @by <a nature>.
        For you I shall cook {u.dish}, which you love, in <a quality> <thing>.
        To your beloved {u.dish} one should add <quality> <food> <when>.
        My <mood> <relative> shares your love of {u.dish} and <food>.
        Since you love {u.dish}, you will @like my <quality> <thing>.
        <^a job> with <feature> cooked {u.dish}, your favourite, <how>.
        """,
    "hobby": """
        Your hobby, {u.hobby}, would make my <trait> <relative> <mood>.
        Does {u.hobby} still make you so <mood> <when>?
        You should practise {u.hobby}, which you love, @by the <weather> <nature>.
        Do not let {u.hobby} keep you from <food> and <virtue>.
        Your love of {u.hobby} has made <a trait> <job> @sing.
        My <mood> <relative> would try {u.hobby} too, if you taught it <how>.
        You have given your <quality> <part> to {u.hobby}, @thinks my <relative>.
        """,
    "mother": """
        Greet your mother {u.mother} <how> and @eat her <food>.
        Your mother {u.mother} @looked <mood> @by the <place>.
        Has your mother {u.mother} @mended the <quality> <thing>?
        Thank your mother {u.mother} for the <quality> <thing> and the <food>.
        Your mother, {u.mother}, @gave my <relative> <a quality> <thing>.
        I owe your mother {u.mother} <amount> <food> and <a thing>.
        You have your mother, {u.mother}, to thank for <virtue> and <feature>.
        """,
}
MINE: dict[str, Frames] = {relation: rich_frames(f"own.mine.{relation}", text) for relation, text in _MINE.items()}
YOURS: dict[str, Frames] = {relation: rich_frames(f"own.yours.{relation}", text) for relation, text in _YOURS.items()}


def mine(d: Draw, relation: str, i: Person) -> None:
    """Write one sentence in which `i` states a fact of their own."""
    d.say(MINE[relation], i=i)


def yours(d: Draw, relation: str, u: Person) -> None:
    """Write one sentence in which somebody tells `u` a fact of theirs."""
    d.say(YOURS[relation], u=u)
