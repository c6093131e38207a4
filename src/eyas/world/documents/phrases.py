"""Small choices of words shared by many kinds of document, written ``@word`` in their frames, and idle talk."""

import re

from eyas.world.documents.adorn import enrich
from eyas.world.documents.facts import person_frames
from eyas.world.grammar import Frames

_CHOICES = {
    "thinks": "swears claims thinks says dreams fears hopes believes suspects insists boasts whispers maintains admits",
    "thought": "swore claimed thought said dreamed feared hoped believed suspected insisted boasted whispered admitted",
    "moved": "took carried dragged rolled pushed sent brought smuggled pulled hauled delivered escorted floated drove",
    "move": "take carry drag roll push send bring smuggle pull haul deliver escort float drive",
    "saw": "saw met noticed followed greeted spotted watched passed avoided admired recognised startled caught",
    "sits": "stands hangs lies sits sleeps rests rattles shines creaks sulks leans drips waits hides rots hums",
    "sat": "stood hung lay sat slept rested rattled shone creaked sulked leaned dripped waited hid rotted hummed",
    "looks": "looks sounds seems feels remains",
    "looked": "looked sounded seemed felt remained",
    "harmed": "dropped broke dented cracked soaked scratched burned squashed drowned bent smeared nibbled kicked bit",
    "mended": "mended polished scrubbed painted washed patched repaired oiled dusted tuned varnished brushed glued",
    "mend": "mend polish scrub paint wash patch repair oil dust tune varnish brush glue",
    "gave": "sold lent gave promised handed showed offered threw returned",
    "give": "sell lend give promise hand show offer throw return",
    "hid": "hid left lost buried forgot dropped stored found tucked chained wedged hoisted parked spilled",
    "hide": "hide leave lose bury forget drop store find tuck chain wedge hoist park spill",
    "by": "by behind near above below beyond beside under opposite next_to not_far_from in_sight_of at_the_back_of",
    "very": "rather quite very truly hardly suddenly clearly a_little somewhat oddly uncommonly strangely visibly",
    "so": "So Now Still, Yet Luckily, Sadly, Of_course By_now Meanwhile Strangely, Naturally, Even_so, In_the_end",
    "sing": "sing whistle weep dance sleep wait pray sulk snore preach dream fish hum shiver juggle yodel",
    "sang": "sang whistled wept danced slept waited prayed sulked snored preached dreamed fished hummed shivered",
    "sings": "sings whistles weeps dances sleeps waits prays sulks snores preaches dreams fishes hums shivers juggles",
    "eat": "eat sell share boil fry hide steal praise weigh mash bake pickle grill smell",
    "ate": "ate sold shared boiled fried hid stole praised weighed mashed baked pickled grilled smelled",
    "wants": "wants needs demands deserves expects covets requests seeks",
    "liked": "liked hated loved envied blamed praised pitied thanked trusted mocked admired teased ignored scolded",
    "like": "like hate love envy blame praise pity thank trust mock admire tease ignore scold",
    "because": "because since although though as even_though",
    "all": "every no each hardly_any",
    "nasty": "storm draught flood shower gust thaw frost thunderclap hailstorm fog drought whirlwind",
}
_MACRO = re.compile(r"@([a-z]+)")


def _expand(match: re.Match[str]) -> str:
    return "[" + "|".join(word.replace("_", " ") for word in _CHOICES[match.group(1)].split()) + "]"


def phrase_frames(name: str, text: str) -> Frames:
    """Compile frames that may hold ``@word`` beside what `person_frames` knows."""
    return person_frames(name, _MACRO.sub(_expand, text))


def rich_frames(name: str, text: str) -> Frames:
    """The same, with an adjective for every bare noun, or two."""
    return phrase_frames(name, enrich(text))


CHATTER = rich_frames(
    "phrases.chatter",
    """
    <^when> <a trait> <job> @moved <a quality> <thing> to the <place>, and now <a bird> @sits on it.
    My <relative> @harmed <a colour> <thing> @by the <part> and @sings there <often>.
    We had <a weather> week: <a bird> @sang @by the <nature>, and my <relative> @ate the <food>.
    A @nasty carried off <a quality> <thing>; <a mood> <job> found it @by the <nature>.
    The <job> has <feature> now, and @looks @very <mood> <when>.
    I dreamed of <a quality> <thing> @by <a weather> <nature>, full of <food>.
    The <job> and the <relative> quarrelled about <a quality> <thing> <when>; both @looked @very <mood>.
    My <relative> has grown so <trait> that @all <bird> @by the <nature> @sings.
    I @hid <a colour> <small_thing> @by the <tree>, and <a bird> @hid <a quality> one there too.
    The <place> smells of <food> @because <a trait> <relative> of mine @sang there.
    We @ate the <food> with <food>, @by the <weather> <nature>, and @looked <mood>.
    A @nasty @moved our <thing> to the <place>, where <a trait> <job> @mended it <how>.
    My <relative> @thinks that <virtue> and <food> @mend <a quality> <thing> better than glue.
    On <a weather> night the <job> <did> <how> @by my <part> with <amount> <goods>.
    <^a colour> <bird> @sings in my <part> @because I @gave <amount> <food> to <a mood> <relative>.
    I have begun to @like <virtue>; @because it is <weather>, my <relative> will @sing.
    Nobody @liked my <colour> <thing> until <a mood> <job> @harmed it @by the <place>.
    <^amount> <food> fell @by the <part> <when>, and <a trait> <relative> @looked <mood>.
    The <relative> of <a job> @gave <a quality> <small_thing> to <a bird>, and @looks <mood>.
    They mean to @mend the <part> of the <place> with <goods> and <food>, <how>.
    My <part> @looks <quality>, for <a weather> @nasty @harmed it <when>.
    Of all <trait> people in Tarnby, only the <job> @sang <how> @by the <nature>.
    <^when> the <tree> @by my <part> fell <how> on <a quality> <thing>.
    I weighed my <mood> <relative> against <amount> <f=food>: the {f} won, <how>.
    """,
)
