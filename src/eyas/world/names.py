"""Proper names of the town and the values its facts can take."""

WOMEN = tuple(
    "Ada Agnes Alma Anna Beth Bess Bridget Cara Clara Cora Daisy Della Edith Ella Elsie Emma Esther Etta Faith "
    "Flora Freda Gerda Greta Hannah Hazel Helen Hilda Ida Ingrid Iris Ivy Jane Joan Josie Judith Kate".split()
)
MEN = tuple(
    "Adam Albert Alfred Amos Arthur Basil Ben Bruno Caleb Carl Cecil Conrad Daniel David Dirk Edgar Edwin Elias "
    "Ernest Felix Frank Fred George Giles Gilbert Harold Harvey Henry Hugo Isaac Jacob James Jasper Jonas "
    "Karl Leo".split()
)
LAST_NAMES = tuple(
    "Abbott Alder Amberly Archer Ashby Baird Barlow Beck Bell Birch Blake Bolton Bramley Briggs Brook Burrow Calder "
    "Carver Chandler Clay Colby Cooper Corbett Crane Cross Dale Dalton Darby Dawson Drake Dunn Eastman Eddy Ellery "
    "Fairley Farrow Fenwick Finch Fisher Flint Forrest Foster Frost Garner Gibbs Glover Grange Graves Grover Hale "
    "Hardy Harper Hartley Hawkins Heath Hewitt Holloway Holt Hooper Hurst Ingram Jarvis Jewel Keating Kemp Kendall "
    "Kirby Lambert Langley Larkin Lawton Leach Lister Lock Lowell Mallory Marlow Marsh Mercer Milton Moody Nash "
    "Norris Oakley Osgood Page Palmer Parrish Pell Perkins Pike Potter Quill Radley Reed Ridley Rowan".split()
)
"""Last names of a town of ordinary size; a larger one adds `BUILT_NAMES`, as many as it needs."""
JOBS = tuple(
    "baker, barber, beekeeper, blacksmith, boat builder, bookbinder, butcher, carpenter, chimney sweep, clockmaker, "
    "cobbler, cook, doctor, farmer, ferry pilot, fishmonger, gardener, glass blower, gold digger, hat maker, judge, "
    "lamplighter, librarian, lighthouse keeper, mail carrier, mason, miller, miner, nurse, painter, piano tuner, "
    "potter, roofer, schoolteacher, shepherd, tailor, tram driver, vet, watchman, weaver".split(", ")
)
STREETS = tuple(
    "Anchor Lane, Apple Row, Barrel Street, Candle Street, Castle Road, Cherry Lane, Chapel Hill, Copper Street, "
    "Dock Street, Fiddler's Row, Garden Walk, Hopper's Lane, King Street, Ladder Steps, Lantern Street, Meadow "
    "Road, Mill Lane, North Quay, Orchard Road, Pebble Street, Rope Walk, Saddler's Yard, South Bank, Spring "
    "Street, Station Road, Tanner Street, Thimble Lane, Tower Street, Willow Walk, Windmill Hill".split(", ")
)
BIRTHPLACES = tuple(
    "Aldermere Bracken Coldwell Dunmoor Elmstead Farside Gorsley Hollin Ironbridge Jessop Kettlewick Linfold Marrow "
    "Netherby Oxham Pinewater Quarley Ravensea Saltby Thornwick Upcott Velmouth Westhay Yarrow".split()
)
_NAME_BEGINNINGS = (
    "Acorn Bank Barn Bay Bee Berry Bluff Bow Bracken Briar Buck Burn Cart Chalk Chest Church Clear Cold Copper "
    "Corn Crab Crag Dark Deer Dove East Elder Elm Fair Far Fern Flax Fox Free Gate Gold Goose Grain Green Grey "
    "Gull Half Hammer Hart Hawk Hay Heather High Hollow Honey Horn Iron Kettle King Lamb Lark Lime Long Loom Low "
    "Maple Mead Mill Moor Moss Nether Nettle North Oak Oat Old Orchard Otter Owl Pear Pine Plum Quick Raven Red "
    "Reed Rook Rose Rush Rye Salt Sand Sedge Sheep Silver Sloe Snow South Spring Stan Star Stone Swan Thatch "
    "Thorn Under Upper Wall Warm West Wheat White Wild Willow Win Wolf Wood Wren Yew"
).split()
_NAME_ENDINGS = (
    "acre bourne bridge bury by combe cote croft dale dean field fold ford gill grove ham hope hurst ley mere "
    "more pool ridge shaw side stead stow thorpe thwaite tree wick worth"
).split()
BUILT_NAMES = tuple(
    name
    for turn in range(len(_NAME_BEGINNINGS))  # neighbours in this list share neither part, so every length is a mixture
    for i, end in enumerate(_NAME_ENDINGS)
    if (name := _NAME_BEGINNINGS[(turn + 7 * i) % len(_NAME_BEGINNINGS)] + end) not in LAST_NAMES + BIRTHPLACES
)
MONTHS = tuple("January February March April May June July August September October November December".split())
PETS = tuple(
    "badger, beagle, blackbird, canary, donkey, duck, ferret, goat, goldfish, goose, grey cat, hedgehog, lizard, "
    "magpie, mouse, parrot, pony, rabbit, raven, sheepdog, snail, squirrel, tame fox, terrier, toad, "
    "tortoise".split(", ")
)
DISHES = tuple(
    "apple pie, baked trout, barley soup, bean stew, beef pudding, blackberry tart, bread pudding, butter "
    "dumplings, cabbage rolls, carrot cake, cheese toast, cherry soup, chicken broth, corn fritters, egg noodles, "
    "fish pie, fried mushrooms, ginger biscuits, honey cake, lamb stew, leek pancakes, lemon rice, mashed turnips, "
    "nut bread, onion soup, pea soup, pickled herring, plum jam, potato salad, roast duck, smoked eel, spiced "
    "pears, walnut rolls, white sausage".split(", ")
)
HOBBIES = tuple(
    "archery, astronomy, basket weaving, bird watching, boxing, butterfly drawing, candle making, card tricks, "
    "chess, choir singing, cricket, dancing, drumming, fencing, fishing, flower pressing, harp playing, ice "
    "skating, juggling, kite flying, knitting, map drawing, model boats, mountain climbing, origami, poetry, puppet "
    "making, quilting, rowing, sketching, stamp collecting, storytelling, swimming, violin playing, whittling, "
    "wrestling".split(", ")
)
PLACES = tuple(
    "bakery, bandstand, bathhouse, bell tower, boat house, bridge, brewery, clock tower, coal yard, corn exchange, "
    "dairy, ferry landing, fish market, forge, fountain, glass house, graveyard, harbour, hospital, inn, library, "
    "lighthouse, market square, mill, old quarry, park, post office, pottery, railway station, school, stables, "
    "tannery, tea room, theatre, town hall, weir".split(", ")
)
"""Common nouns, used with *the*."""
