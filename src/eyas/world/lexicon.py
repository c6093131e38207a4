"""The words that free slots draw from. Lists are long on purpose: variety keeps the text from being a form letter.

`quality` and `colour` are for things, `trait` and `mood` for people (`low` and `high` are moods that an event brings),
`weather` for days. Countability is uniform within a list, and every word takes *a* or *an* by its first letter.
"""

from eyas.world.grammar import Lexicon
from eyas.world.names import BIRTHPLACES, DISHES, HOBBIES, JOBS, LAST_NAMES, MEN, MONTHS, PETS, PLACES, STREETS, WOMEN


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in " ".join(text.split()).split(","))


_LISTS: dict[str, tuple[str, ...]] = {
    "first_name": WOMEN + MEN,
    "last_name": LAST_NAMES,
    "street": STREETS,
    "village": BIRTHPLACES,
    "month": MONTHS,
    "job": JOBS,
    "animal": PETS,
    "dish": DISHES,
    "hobby": HOBBIES,
    "place": PLACES,
    "day": _words("Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"),
    "weather": _words(
        """misty, frosty, windy, sunny, rainy, cloudy, stormy, foggy, snowy, hazy, gusty, chilly, mild, muggy, dry,
        damp, blustery, grey, bright, drizzly, bleak, sultry, still, balmy, bitter, breezy, showery, sleety,
        thundery, dull, warm, cold, hot, wet, dreary, murky, raw, cool, clear, squally, stuffy, sweltering, parched,
        soggy, crisp, moonlit, leaden, changeable, pleasant, dismal"""
    ),
    "mood": _words(
        """cheerful, gloomy, proud, nervous, tired, hopeful, restless, curious, grumpy, calm, lonely, merry,
        puzzled, worried, thankful, shy, eager, stubborn, homesick, jealous, relieved, sleepy, bold, angry, dreamy,
        grateful, bored, giddy, sheepish, tender, anxious, content, sulky, hungry, thirsty, ashamed, astonished,
        baffled, breathless, bashful, confident, cross, delighted, downcast, embarrassed, excited, exhausted,
        frightened, glum, impatient, irritable, lively, lofty, melancholy, mournful, offended, pensive, playful,
        radiant, sad, satisfied, startled, suspicious, triumphant, touchy, unhappy, upset, vexed, wistful, woeful,
        jubilant, flustered, tearful, defiant, dazed, alarmed, amused, carefree, envious, fretful, resigned,
        bewildered"""
    ),
    "trait": _words(
        """patient, clumsy, generous, noisy, thrifty, punctual, forgetful, brave, gentle, witty, careful, polite,
        lazy, clever, solemn, kind, strict, modest, talkative, quiet, messy, tidy, daring, fussy, loyal, cunning,
        gruff, jolly, wise, blunt, dignified, absent-minded, ambitious, bookish, bossy, cautious, charming,
        courteous, crafty, diligent, dreadful, earnest, easygoing, eccentric, elegant, fearless, fierce, frank,
        friendly, frugal, good-natured, graceful, greedy, gullible, hard-working, hasty, helpful, humble, idle,
        inventive, learned, level-headed, long-winded, meddlesome, methodical, mischievous, nosy, obstinate,
        old-fashioned, outspoken, peaceful, plucky, practical, prudent, reckless, reliable, resourceful, romantic,
        sensible, sharp-eyed, silent, sincere, soft-hearted, stern, stingy, sturdy, superstitious, tactful,
        thorough, trusting, truthful, unlucky, vain, well-read, wily, vague"""
    ),
    "colour": _words(
        """red, blue, green, yellow, brown, purple, silver, golden, white, black, pink, crimson, scarlet, turquoise,
        violet, cream, rusty, pale, striped, spotted, amber, apricot, chestnut, copper-coloured, emerald,
        grass-green, ivory, lavender, lemon-yellow, lilac, maroon, mauve, moss-green, mustard-coloured, olive,
        orange, pearly, plum-coloured, rose-pink, ruby, sand-coloured, sea-green, sky-blue, snow-white, speckled,
        tawny, teal, chequered"""
    ),
    "quality": _words(
        """old, new, broken, heavy, tiny, wooden, dusty, shiny, crooked, borrowed, cracked, faded, polished, leaky,
        narrow, enormous, rusted, painted, patched, hollow, folded, precious, smooth, rough, tangled, carved, plain,
        peculiar, battered, slender, muddy, forgotten, ancient, bent, blackened, brand-new, bulky, charred, cheap,
        chipped, clean, costly, creaky, damaged, dented, dirty, dripping, elaborate, expensive, famous, flimsy,
        foreign, fragile, frayed, genuine, gleaming, greasy, handmade, home-made, humming, imported, inherited,
        knobbly, large, light, lopsided, magnificent, mended, mouldy, musty, mysterious, neat, nibbled, oversized,
        perfumed, prize-winning, rattling, repaired, respectable, rickety, ridiculous, second-hand, shabby, small,
        solid, splendid, spotless, squeaky, stained, stolen, stout, swollen, twisted, ugly, uneven, valuable,
        warped, weathered, wobbly, worn"""
    ),
    "thing": _words(
        """lantern, ladder, barrel, basket, bucket, kettle, blanket, mirror, trunk, umbrella, wheelbarrow, rope,
        hammer, saddle, bottle, candlestick, whistle, drum, compass, teapot, shovel, curtain, rug, purse, telescope,
        trumpet, cradle, bench, flowerpot, notebook, spade, cartwheel, pillow, fishing rod, music box, doorbell,
        picture frame, copper pan, oil lamp, walking stick, sewing box, rocking chair, accordion, anvil, apron,
        armchair, axe, bagpipe, banner, barometer, bathtub, beehive, birdcage, bookcase, broom, cauldron,
        chessboard, churn, clock, coal scuttle, cuckoo clock, cupboard, doll, doormat, easel, feather duster,
        fiddle, flag, footstool, frying pan, globe, hammock, harness, hatbox, inkwell, jug, kite, ladle, map,
        mattress, money box, mousetrap, net, oar, paddle, piano, pitchfork, quilt, rake, sack, saw, scarecrow,
        sledge, spinning wheel, suitcase, table, tablecloth, toolbox, tray, waistcoat, wardrobe, washboard, watering
        can, weathervane, wig"""
    ),
    "small_thing": _words(
        """key, button, ribbon, thimble, coin, ring, feather, pebble, needle, match, stamp, glove, locket, acorn,
        marble, spoon, brooch, cork, shell, bead, buckle, pencil, tooth, seed, badge, whisker, nail, ticket, card,
        bell, biscuit, bootlace, candle end, chestnut, chisel, clothes peg, comb, conker, dice cup, earring,
        envelope, eyeglass, fish hook, fork, hairpin, handkerchief, hinge, horseshoe, label, letter, medal, monocle,
        mushroom, napkin, note, nutcracker, padlock, pea, pen, pen nib, pin, pipe, plum stone, pocket watch,
        postcard, receipt, rivet, safety pin, scarf pin, screw, shilling, shoehorn, snuffbox, sock, spectacle case,
        splinter, sponge, tassel, teaspoon, tiepin, tinderbox, token, toothpick, tweezer case, walnut, wax seal,
        wishbone, wristband"""
    ),
    "food": _words(
        """bread, cheese, butter, honey, eggs, apples, pears, plums, cherries, onions, carrots, turnips, beans,
        peas, potatoes, cabbage, mushrooms, walnuts, flour, barley, oats, salt, pepper, tea, milk, cream, trout,
        herring, ham, bacon, sausages, raisins, ginger, mustard, vinegar, lemons, leeks, radishes, spinach, garlic,
        almonds, asparagus, beef, beetroot, blackberries, buns, buttermilk, celery, chestnuts, chives, cinnamon,
        cloves, crab, cress, cucumbers, currants, custard, dill, dumplings, eels, figs, gingerbread, gooseberries,
        grapes, gravy, hazelnuts, horseradish, kale, lentils, lettuce, marmalade, mint, mutton, nettles, noodles,
        nutmeg, pancakes, parsley, parsnips, pastry, pickles, pork, prunes, pumpkin, quinces, rabbit, raspberries,
        rhubarb, rice, rye, saffron, sage, shrimps, strawberries, sugar, thyme, toast, treacle, veal"""
    ),
    "goods": _words(
        """soap, candles, string, matches, lamp oil, ink, paper, wool, thread, buttons, nails, glue, paint, coal,
        firewood, chalk, needles, ribbon, boot polish, starch, envelopes, bandages, bird seed, brushes"""
    ),
    "amount": _words(
        """a bag of, a box of, a basket of, a jar of, a handful of, a crate of, a pound of, a tin of, half a sack
        of, a bundle of, plenty of, a barrel of, a bowl of, a cartload of, a heap of, a
        mountain of, a pinch of, a pocketful of, a spoonful of, a tray of, a week's worth of, some, two baskets of"""
    ),
    "did": _words(
        """hurried, wandered, walked, strolled, ran, limped, marched, crept, rode, tramped, skipped, rushed,
        trudged, stumbled, raced, paced, hopped, slipped, drifted, galloped, ambled, bounced, charged, climbed,
        danced, dashed, dawdled, fled, flew, glided, hastened, hiked, hobbled, jogged, leaped, lumbered, plodded,
        pranced, rambled, sauntered, scampered, scrambled, scuttled, shuffled, skated, sneaked, sped, sprinted,
        staggered, stamped, stole, strode, strutted, swaggered, tiptoed, toddled, trotted, tumbled, waddled"""
    ),
    "said": _words(
        """said, whispered, shouted, muttered, laughed, sighed, replied, grumbled, called, cried, murmured,
        announced, declared, insisted, admitted, joked, added, agreed, argued, barked, bellowed, boasted, chuckled,
        complained, confessed, croaked, drawled, exclaimed, explained, gasped, growled, groaned, hissed, hummed,
        mumbled, observed, pleaded, promised, protested, purred, remarked, roared, snapped, sniffed, snorted,
        stammered, yawned, yelled, wheezed, warned"""
    ),
    "how": _words(
        """slowly, quickly, quietly, loudly, gladly, sadly, carefully, proudly, politely, calmly, bravely,
        nervously, gently, firmly, secretly, cheerfully, clumsily, eagerly, suddenly, patiently, softly, stiffly,
        warmly, wearily, angrily, anxiously, awkwardly, bluntly, boldly, briskly, brightly, casually, cautiously,
        coldly, dreamily, dryly, faintly, fiercely, fondly, frankly, gloomily, gracefully, gravely, grimly, gruffly,
        happily, hastily, heartily, hoarsely, humbly, idly, innocently, kindly, lazily, lightly, meekly, merrily,
        mildly, modestly, mournfully, mysteriously, neatly, patriotically, plainly, promptly, reluctantly, ruefully,
        seriously, shakily, sharply, sheepishly, shyly, sleepily, slyly, smoothly, solemnly, sternly, stubbornly,
        sweetly, tenderly, thoughtfully, timidly, tiredly, vaguely, wisely"""
    ),
    "when": _words(
        """at dawn, at noon, at dusk, at midnight, before breakfast, after lunch, after supper, in the morning, in
        the evening, in the afternoon, at sunset, at sunrise, during the night, around teatime, before bedtime, at
        first light, after breakfast, before lunch, before supper, at daybreak, at nightfall, after dark, before
        church, after church, between meals, by candlelight, by moonlight, during the sermon, in the small hours, in
        the rain, in the snow, in the twilight, long before dawn, late at night, on the stroke of twelve, over
        breakfast, over tea, at low tide, at high tide, at closing time, at milking time, at lamp-lighting time, at
        the last bell, at the first bell, at cockcrow, under the stars, on an empty stomach, by firelight, early in
        the day, towards evening"""
    ),
    "often": _words(
        """every day, every week, now and then, twice a month, most evenings, on holidays, all winter, all summer,
        once in a while, nearly always, hardly ever, on rainy days, on quiet mornings, whenever possible, year after
        year, again and again, all autumn, all spring, at every chance, at every full moon, at weekends, before
        every market day, day and night, day after day, each spring, each autumn, every fortnight, every morning,
        every night, every other week, except on holidays, from time to time, in all weathers, in good years, in
        hard winters, more and more, morning and evening, most mornings, on feast days, on foggy nights, on market
        days, once a year, rain or shine, several times a week, three times a day, week after week, without fail, at
        all hours, every leap year, on alternate days, more often than not"""
    ),
    "nature": _words(
        """river, hill, forest, meadow, pond, beach, cliff, valley, marsh, orchard, stream, hedge, island, cave,
        moor, field, waterfall, sand dune, reed bed, footpath, bay, bog, boulder, brook, cornfield, cove, creek,
        dell, ditch, duck pond, estuary, ford, glade, gorge, grove, heath, hillside, hollow, lagoon, lake, ledge,
        meander, millstream, mudflat, oak wood, pasture, pebble bank, pine wood, ravine, ridge, riverbank, rock
        pool, rose garden, sandbank, slope, spring, swamp, thicket, towpath, vineyard, whirlpool, wood"""
    ),
    "tree": _words(
        """oak, elm, ash, birch, willow, pine, maple, beech, poplar, chestnut, cedar, hazel, apple tree, pear tree,
        walnut tree, linden, rowan, yew, larch, hawthorn, alder, aspen, blackthorn, cherry tree, cypress, elder,
        fir, hornbeam, juniper, laburnum, lime tree, medlar, mulberry tree, plane tree, plum tree, quince tree,
        spruce, sycamore, holly tree, wild apple"""
    ),
    "bird": _words(
        """sparrow, swallow, heron, gull, owl, robin, crow, thrush, wren, finch, hawk, kestrel, cuckoo, swan,
        pigeon, starling, lark, jackdaw, woodpecker, cormorant, bittern, blackcap, bullfinch, bunting, buzzard,
        chaffinch, coot, curlew, dipper, dove, falcon, goldfinch, jay, kingfisher, lapwing, linnet, martin, moorhen,
        nightingale, nuthatch, osprey, partridge, pheasant, plover, puffin, rook, sandpiper, siskin, skylark, snipe,
        stork, swift, tern, warbler, yellowhammer"""
    ),
    "part": _words(
        """roof, gate, fence, chimney, window, cellar, staircase, attic, doorstep, wall, kitchen, garden, balcony,
        porch, floor, chimney pot, shed, well, archway, gutter, back door, banister, bay window, bedroom, coal hole,
        corridor, courtyard, dining room, dovecote, drainpipe, fireplace, front door, greenhouse, hall, hayloft,
        hearth, hen house, keyhole, larder, letter box, loft, pantry, parlour, passage, pigsty, pump, rain barrel,
        roof beam, scullery, shutter, side door, skylight, stable, summer house, threshold, trapdoor, turret,
        veranda, wash house, windowsill, woodshed, yard"""
    ),
    "relative": _words(
        """uncle, aunt, cousin, nephew, niece, neighbour, grandfather, grandmother, brother, sister, godson, old
        friend, former teacher, lodger, apprentice, big brother, big sister, classmate, colleague, customer,
        daughter, distant cousin, father, former rival, foundling, fiddle teacher, goddaughter, godfather,
        godmother, grandson, granddaughter, great-aunt, great-uncle, guardian, guest, half-brother, half-sister,
        landlady, landlord, little brother, little sister, old flame, pen friend, playmate, pupil, rival,
        schoolfriend, second cousin, son, stepbrother, stepsister, tenant, twin, widowed aunt, workmate"""
    ),
    "feature": _words(
        """curly hair, long sleeves, a loud laugh, a gold tooth, freckles, a wide hat, big boots, a soft voice, a
        limp, thick eyebrows, round glasses, a red scarf, rough hands, a crooked smile, silver earrings, a short
        beard, a green coat, quick eyes, a squeaky bicycle, a deep cough, ink on the fingers, a straw basket, a torn
        pocket, a velvet cap, a bent umbrella, a brass whistle, a broad grin, a double chin, a fur collar, a hooked
        nose, a jingling purse, a large shadow, a lace collar, a long stride, a mended elbow, a missing button, a
        nervous hiccup, a pipe without tobacco, a pointed chin, a purple waistcoat, a ring on each thumb, a sharp
        elbow, a sunburnt neck, a thin moustache, a tin lunch box, a weak chin, a white apron, a yellow raincoat, an
        enormous handkerchief, an upright walk, blue stockings, bony knees, bright buttons, bushy whiskers, cold
        hands, crumbs on both lapels, dimples, flat feet, flour on both sleeves, grey plaits, ginger hair, heavy
        keys, large ears, mismatched socks, muddy gaiters, narrow shoulders, patched trousers, polished shoes, red
        cheeks, sleepy eyes, small feet, striped mittens, tangled hair, two pairs of spectacles, wooden clogs"""
    ),
    "virtue": _words(
        """patience, courage, good manners, neat handwriting, strong opinions, bad jokes, early rising, fine
        whistling, a good memory, cold baths, long walks, careful sums, sharp questions, warm soup, quick answers,
        loud singing, steady hands, old songs, clean boots, tall tales, odd inventions, second chances, tidy
        shelves, fair play, a clear conscience, a firm handshake, a good appetite, afternoon naps, brisk bargaining,
        charity, clean windows, common sense, counting twice, discretion, dry humour, early bedtimes, fresh air,
        full pockets, gentle teasing, gratitude, hard work, hearty laughter, hospitality, humility, idle afternoons,
        keeping secrets, kind lies, long letters, loud prayers, mending things, modest hats, moonlit swims, mulled
        cider, new brooms, old friendships, open doors, paying debts, perseverance, plain cooking, plain speaking,
        punctuality, quiet evenings, rude songs, short sermons, silence, simple suppers, slow cooking, small
        portions, soft pillows, straight answers, straight furrows, strong tea, strict bookkeeping, thick socks,
        thrift, tidy hedges, timely repairs, warm mittens, wise proverbs"""
    ),
    "low": _words(
        """gloomy, worried, sad, upset, glum, downcast, anxious, cross, mournful, angry, baffled, vexed, alarmed,
        tearful, fretful, woeful, grumpy, ashamed, sulky, unhappy, melancholy, nervous, puzzled, miserable"""
    ),
    "high": _words(
        """cheerful, merry, proud, relieved, delighted, radiant, triumphant, jubilant, content, thankful, giddy,
        satisfied, playful, carefree, hopeful, grateful, amused, calm, lively, confident, joyful, light-hearted,
        blissful, pleased"""
    ),
    "number_word": _words(
        "two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, fifteen, twenty, thirty, forty, fifty"
    ),
}


def plural(noun: str) -> str:
    """``walking sticks``, ``benches``, ``teeth``."""
    if noun == "tooth":
        return "teeth"
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"


_LISTS["things"] = tuple(plural(word) for word in _LISTS["thing"])
_LISTS["small_things"] = tuple(plural(word) for word in _LISTS["small_thing"])

LEXICON = Lexicon(
    _LISTS, proper=frozenset({"first_name", "last_name", "street", "village", "month", "day", "number_word"})
)
