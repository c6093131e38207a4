"""Letters from one resident to another: an affair of some object, news of both, and gossip about a third."""

from eyas.world.documents.cast import Cast
from eyas.world.documents.facts import state
from eyas.world.documents.own import mine, yours
from eyas.world.documents.phrases import CHATTER, rich_frames
from eyas.world.grammar import Draw
from eyas.world.people import RELATIONS, World

HEADINGS = rich_frames(
    "letter.heading",
    """
    Letter from {i.name} to {u.name}, written <when>.
    {i.name}, {i.street}, to {u.name}, {u.street}.
    From {i.name}, {i.job}, to {u.name}, {u.job}.
    To {u.name} in {u.street}, from {i.name}.
    By the hand of <a trait> <relative>: {i.name} to {u.name}.
    {i.name} writes to {u.name}, on <quality> paper.
    Found in <a quality> <thing>: {i.name} to {u.name}.
    {i.name} of {i.street} writes to {u.name}.
    For {u.name}, to be opened <when>. From {i.name}.
    In <colour> ink: {i.name} to {u.name}.
    {u.name}, @by the <place>. From {i.name}, {i.job}.
    Tarnby, <a weather> night. {i.name} to {u.name}.
    A letter that {i.name}, <mood>, wrote to {u.name}.
    Sealed with <food>: {i.name} to {u.name}.
    """,
)
GREETINGS = rich_frames(
    "letter.greeting",
    """
    Dear {u.first},
    My dear {u.first},
    Dearest {u.first},
    My <trait> {u.first},
    Dear and <trait> {u.first},
    Good day, {u.first},
    Dear friend {u.first},
    Ah, {u.first},
    Most <trait> {u.first},
    """,
)
# Every affair binds the object {x} and its quality {k}, then a spot {y} and somebody {r}, and settles with all of them.
GIFT = (
    rich_frames(
        "letter.gift.begin",
        """
        Thank you for the <k=quality> <x=thing>, which <a mood> <job> @moved here <when>.
        The <k=quality> <x=thing> you sent @sits @by my <part> and smells of <food>.
        What <a k=quality> <x=thing> you have sent me, <colour> as <a bird> and full of <food>!
        A thousand thanks for the <k=quality> <x=thing>; before, <a trait> <relative> @gave me only <food>.
        I opened your parcel <when> and found <a k=quality> <x=thing> under the <quality> <food>.
        You sent me <a k=quality> <x=thing>, and I @sang <how> @by the <nature>.
        Your gift, the <k=quality> <x=thing>, @sits @by my <part>, @very <colour>.
        I never owned <a k=quality> <x=thing> before yours came, only <a colour> <small_thing>.
        No other <trait> friend would send me <a k=quality> <x=thing> and call it <food>.
        Your <k=quality> <x=thing> came on <a weather> morning, @by <amount> <food>.
        """,
    ),
    rich_frames(
        "letter.gift.middle",
        """
        I put the {x} @by the <y=part>, where my <trait> <r=relative> <how> took it for <a thing>.
        My <trait> <r=relative> @moved the {x} to the <y=place> to please <a mood> <job>.
        The {x} now @sits @by the <y=part>, as my <trait> <r=relative> finds it too {k} for <food>.
        <^a mood> <bird> now @sings in the {x}, so my <r=relative> guards it @by the <y=nature>.
        <^when> your {x} fell <how> on my <r=relative> @by the <y=part>; both look <mood>.
        My <mood> <r=relative> <did> around the <y=nature> with the {x} until <a bird> @sang.
        No one at the <y=place> knew what the {x} was for, but my <r=relative> @ate <food> in it <how>.
        I showed the {x} to my <mood> <r=relative>, who <did> to the <y=place> and told <a job>.
        At the <y=place> <a trait> <job> offered my <r=relative> <amount> <food> for the {x}.
        I have painted the {x} <colour>, and my <trait> <r=relative> @mended the <y=part> to match.
        """,
    ),
    rich_frames(
        "letter.gift.end",
        """
        @so my {r} will @hide <amount> <quality> <food> for you @by the {y} <when>, to pay for the {x}.
        @so the {x} @sits <how> @by the {y}, and my {r} will @eat your <quality> <food> <when>.
        If you send another {x}, make it less {k} and more <colour>, or my {r} will @sing <how> @by the {y}.
        My {r} @thinks that <a quality> <thing> would look <colour> @by the {y}, next to the {x} and the <food>.
        You may visit the {x} @by the {y} <when>; my {r} will @sing <how> for <quality> <food>.
        To thank you for the {x}, my {r} will @sing @by the {y} until <a trait> <job> is <mood>.
        I enclose <quality> <food> that my {r} @hid <how> @by the {y}, and <a small_thing>, in thanks for the {x}.
        {^a k} gift asks for <a quality> one: my {r} will @move <a colour> <thing> from the {y} to you.
        """,
    ),
)
LOSS = (
    rich_frames(
        "letter.loss.begin",
        """
        I have lost my <k=quality> <x=thing>, and the <part> smells of <food> and <mood> <relative>.
        My <k=quality> <x=thing> is gone since <a weather> night @by the <nature>.
        <^a trait> <job> took my <k=quality> <x=thing> <when> and left <a small_thing>.
        Have you seen <a k=quality> <x=thing>? Mine <did> off <when>, with <food> in it.
        A calamity: the <k=quality> <x=thing> has vanished <how>, with <amount> <food> inside.
        You remember my <k=quality> <x=thing>; forget it, for <a bird> or <a job> has it now.
        I am <mood>, for my <k=quality> <x=thing> is no longer @by the <part>.
        There is an empty spot where my <k=quality> <x=thing> stood, and <a mood> <bird> in it.
        Gone is the <k=quality> <x=thing>, gone like <food> on <a weather> <day>.
        I sat down <when> to @mend my <k=quality> <x=thing> and found only <a small_thing>.
        """,
    ),
    rich_frames(
        "letter.loss.middle",
        """
        I looked for the {x} @by the <y=nature>, but @saw only my <r=relative>, who @looked <mood>.
        My <trait> <r=relative> @thinks that <a bird> @moved the {x} to the <y=place>.
        <^a trait> <job> @saw the {x} @by the <y=place>, with my <mood> <r=relative>.
        I asked at the <y=place> <when>; there my <r=relative> turned <colour> at the word {x}.
        <^when> I @saw my <r=relative> @by the <y=nature>, hiding something under <a colour> <thing>.
        My <r=relative> @thought that the {x} lay under <amount> <food> @by the <y=part>.
        Tracks of <colour> boots led to the <y=place>, and my <trait> <r=relative> has <colour> boots.
        My <r=relative> searched the <y=part> <how> and found <amount> <food>, but no {x}.
        I offered <amount> <food> at the <y=place> for news of the {x}; my <r=relative> @ate it <how>.
        The <mood> <job> from the <y=place> @thinks that my <r=relative> hates {k} things.
        """,
    ),
    rich_frames(
        "letter.loss.end",
        """
        If my {r} should @give you <a colour> {x}, @hide it <how> @by the <part> and send <a job> to the {y}.
        Whoever finds the {x} @by the {y} shall have <amount> <quality> <food> and <a thing>, unless it is my {r}.
        But look, here comes my {r} from the {y} with the {x}, @very <mood>, with <feature>, and full of <food>.
        The {x} is found! <^a bird> @hid it @by the {y}, and my {r} @looks @very <mood> <when>.
        Until the {x} comes home I use <a quality> <thing>, and my {r} must @sing @by the {y}.
        Please ask <a trait> <job> about the {x}, but <how>, for my {r} listens @by the {y}.
        I shall sit @by the {y} <when> with <quality> <food> and watch my {r} for the {x}.
        Perhaps the {x} <did> from the {y} to the <nature> <when>, and my {r} @moved only <quality> <food>.
        """,
    ),
)
LOAN = (
    rich_frames(
        "letter.loan.begin",
        """
        About the <k=quality> <x=thing> that you lent me: it is <colour> now, and @sits <how>.
        I still have your <k=quality> <x=thing>; I @eat <food> in it <often>.
        You want your <k=quality> <x=thing> back <when>, says <a trait> <job>.
        I promised to bring back your <k=quality> <x=thing> <when>; I was @very <mood>.
        Your <k=quality> <x=thing> helped me through the <weather> weather, but now it smells of <food>.
        I meant to @mend your <k=quality> <x=thing> <when>, and then came <a mood> <bird>.
        Do not be <mood>, but a @nasty @harmed your <k=quality> <x=thing> <when>.
        I owe you <a k=quality> <x=thing> and an excuse: <a bird>, and <a weather> night.
        Years ago you lent me <a k=quality> <x=thing>, and <when> I @saw it @by my <part>.
        Your <k=quality> <x=thing> will come home, only more <quality> and more <colour>.
        """,
    ),
    rich_frames(
        "letter.loan.middle",
        """
        My <trait> <r=relative> @moved the {x} to the <y=nature> and let <a bird> @sing in it.
        My <mood> <r=relative> dropped the {x} from the <y=part>, right on <a trait> <job>.
        At the <y=place> my <r=relative> filled the {x} with <food> and @gave it to <a job>.
        I left the {x} @by the <y=nature>, where my <r=relative> <did> into it <when>.
        The {x} was too {k} for the <y=place>, so my <r=relative> @mended it <how> with <goods>.
        My <r=relative> wore the {x} as a hat @by the <y=place>, and <a mood> <job> @sang.
        <^a trait> <job> @by the <y=place> sat on the {x}, and on my <mood> <r=relative>.
        On <a weather> day my <r=relative> @harmed the {x} <how> @by the <y=nature>.
        My <trait> <r=relative> has nailed the {x} to the <y=part>, against <colour> ghosts.
        The {x} @sat <how> @by the <y=part>, and my <r=relative> @harmed it with <goods>.
        """,
    ),
    rich_frames(
        "letter.loan.end",
        """
        My {r} will @move the {x} to the {y} <when>, with <quality> <food> and <a small_thing> for the damage.
        Please take <amount> <food> for the {x}, and never @give my {r} <a thing> @by the {y}.
        @so the {x} is yours again: look <how> @by the {y} <when>, and do not @like my {r}.
        Would you accept <a quality> <thing> for the {x}? My <mood> {r} @hid it <how> @by the {y}.
        I shall paint the {x} <colour> <when>, and my {r} shall @mend the {y} <how> with <goods>.
        When the {y} is <colour> again, my {r} will @move the {x} home to you <how> with <quality> <food>.
        If you are <mood>, the {x} comes back <when>, but my <mood> {r} will @sing <how> @by the {y}.
        @so keep calm and I keep the {x}; my {r} will @give you <quality> <food> from the {y}.
        """,
    ),
)
FEAST = (
    rich_frames(
        "letter.feast.begin",
        """
        Come to us <when>: we shall unveil <a k=quality> <x=thing> and @eat <food>.
        You are invited to see my <colour> <x=thing>, <k=quality> as it is, and to @eat <food>.
        There will be a feast <when>, and <a trait> guest may win <a k=quality> <x=thing>.
        I am giving a party for the <k=quality> <x=thing>, which my <mood> <relative> @mended.
        We mean to race <how> for <a k=quality> <x=thing> <when>, fed on <food>.
        Would you judge our contest in <virtue>? One can win <a k=quality> <x=thing> and <food>.
        Keep the next <weather> day free, for we shall @mend <a k=quality> <x=thing> <how>.
        Bring <food> <when>, for <a k=quality> <x=thing> is to be given to <a trait> <job>.
        <^a mood> <job> will show us <a k=quality> <x=thing> <when>, and @sing <how>.
        It is time to toast the <k=quality> <x=thing> again, with <quality> cider and <food>.
        """,
    ),
    rich_frames(
        "letter.feast.middle",
        """
        The {x} will stand @by the <y=nature>, guarded by my <trait> <r=relative> and <a bird>.
        We meet at the <y=place>, where my <mood> <r=relative> will @eat <food> <how>.
        My <r=relative> has hung <colour> ribbons on the <y=part> and <food> on the {x}.
        There will be music @by the <y=nature>: my <trait> <r=relative> plays <a quality> <thing>.
        If it is <weather>, we @move the {x} to the <y=place>, and my <r=relative> minds the <food>.
        My <r=relative> will speak <how> about the {x} at the <y=place> until <a job> is <mood>.
        Last year my <r=relative> fell <how> from the <y=part> when <a mood> <bird> saw the {x}.
        At the <y=place> you will know my <trait> <r=relative> by <feature>.
        Walk <how> to the <y=nature>, as my <r=relative> has hidden <amount> <food> there.
        The <y=part> has been painted <colour>, and my <r=relative> has promised not to @sing <when>.
        """,
    ),
    rich_frames(
        "letter.feast.end",
        """
        @so be <mood> and be at the {y} <when>, or my {r} will @hide the {x} @by <a nature>.
        Bring <a quality> <thing> for my {r}, and come <how> @by the {y} with <quality> <food>.
        Wear something <colour>, so that my {r} can see you <how> @by the {y}, next to the {x} and <a trait> <job>.
        If you cannot come, send <amount> <food> to the {y}; my {r} will @give you the {x} <how> <when>.
        The {x} leaves the {y} <when>, and so does my {r}, <mood> or <mood>, with <a quality> <thing>.
        Say yes <how>, and my {r} will @hide <amount> <quality> <food> for you @by the {y}.
        Whoever touches the {x} first must @sing @by the {y} with my {r} and <a trait> <job>.
        Tell <a trait> <job>, but nobody else: the {y} is <quality> and my {r} will @eat the <food> <how>.
        """,
    ),
)
PLOTS = (GIFT, LOSS, LOAN, FEAST)
INTRODUCTIONS = rich_frames(
    "letter.introduction",
    """
    Have you heard about {p.name} and the <quality> <n=thing> @by the <place>?
    <^how> {p.name} <did> past <when> with <a quality> <n=thing>.
    I must tell you of {p.name}, who @mended <a quality> <n=thing> <when>.
    <^a trait> <job> @saw {p.name}, <mood> and carrying <a n=thing>.
    The whole <place> talks of {p.name}, for <a quality> <n=thing> @sits in <food> there.
    You will laugh: {p.name} has traded <food> for <a quality> <n=thing>, <how>.
    Do you know {p.name}, the one with <feature> and the <quality> <n=thing>?
    It was {p.name} who told <a trait> <job> about my <quality> <n=thing>.
    Poor {p.name} has been <mood> since <a bird> @harmed the <quality> <n=thing>.
    They say that {p.name} won <a quality> <n=thing> from <a mood> <job> <when>.
    Beside me sits {p.name}, <mood>, with <a quality> <n=thing> and <food>.
    My <trait> <relative> @liked {p.name}, for the sake of <a quality> <n=thing>.
    I hear that {p.name} @gave <a quality> <n=thing> to <a trait> <relative>.
    <^when> {p.name} came for <amount> <food> and left <a quality> <n=thing>.
    """,
)
TAILS = rich_frames(
    "letter.tail",
    """
    @so $s wants to trade the {n} for <amount> <quality> <food> <when>.
    @so do not mention any {n} to $N <when>, when <a job> is <mood>.
    Still, {p.first} and the {n} make <a trait> and <mood> pair.
    I would trust {p.first} with my <quality> <thing>, but not with <a colour> {n}.
    No wonder that the {n} makes {p.him} @very <mood> <when>, @by the <nature>.
    What {p.first} will @eat in that {n} <when>, only <a mood> <bird> @by the <nature> knows.
    Since then $s means to @hide the {n} @by <a quality> <part> <when>.
    I told {p.him} to @move the {n} <how> to <a quality> <place> <when>.
    Perhaps the {n} will teach {p.him} <virtue>, @thinks my <trait> <relative>.
    Envy of that {n} makes our <trait> <job> @sing @by the <nature>.
    The {n} @sits @by {p.him} <when>, says my <mood> <relative>.
    One day {p.first} will pay <how> for that {n} in <quality> <food>.
    """,
)
CLOSINGS = rich_frames(
    "letter.closing",
    """
    Your <mood> {i.first}
    Yours <how>, {i.first}
    With <food> and greetings, {i.name}
    Your <trait> friend {i.first}
    Ever your {i.first}, <trait> but <mood>
    In haste and <mood>, {i.first}
    Your {i.job}, {i.name}
    Stay as <trait> as you are! {i.first}
    Written <how> by {i.name}
    Yours until the <nature> runs dry, {i.first}
    With <amount> good wishes, {i.name}
    Kindly @hide this <how>. {i.first}
    """,
)


def write(d: Draw, world: World) -> None:
    """An affair in three steps; between them facts of the writer and the reader, and gossip about a third."""
    cast = Cast(d, world)
    d.say(HEADINGS, i=cast.one, u=cast.one)
    d.write("\n")
    d.say(GREETINGS)
    d.write("\n")
    begin, middle, end = d.one(PLOTS)
    d.say(begin)
    d.write(" ")
    mine(d, d.one(RELATIONS), d.names["i"])
    d.write(" ")
    d.say(middle)
    if d.chance(0.8):
        d.write(" ")
        if d.chance(0.5):
            d.say(CHATTER)
        else:
            yours(d, d.one(RELATIONS), d.names["u"])
    d.write("\n")
    d.say(INTRODUCTIONS, p=cast.one)
    for relation in d.order(RELATIONS, 1 + d.chance(0.1)):
        d.write(" ")
        state(d, d.names["p"], relation)
    d.write(" ")
    d.say(TAILS)
    d.write("\n")
    d.say(end)
    d.write("\n")
    d.say(CLOSINGS)
