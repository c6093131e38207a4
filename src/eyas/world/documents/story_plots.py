"""Troubles of small stories: what goes wrong, what does not help, each possible cause with its remedy, and the end."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the trouble came (past tense clause) and what cures it then (a phrase in -ing)."""

    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A trouble (past tense clause), vain attempts (-ing), two causes, and the happy end (past tense clause)."""

    trouble: str
    vain: tuple[str, ...]
    causes: tuple[Cause, ...]
    end: str


def _plots(table: str) -> tuple[Plot, ...]:
    """Paragraphs of five lines: trouble; vain attempts; two times cause > remedy; end."""
    plots = []
    for paragraph in table.strip().split("\n\n"):
        trouble, vain, *causes, end = paragraph.splitlines()
        pairs = [cause.split(" > ") for cause in causes]
        plots.append(Plot(trouble, tuple(vain.split("; ")), tuple(Cause(a, b) for a, b in pairs), end))
    return tuple(plots)


PLOTS = _plots("""
the chimney smoked into the kitchen
opening every window; shouting up the flue
a jackdaw had built its nest in the flue > lifting the nest out with a rake
rain had swelled the damper shut > drying the damper over a candle
the soup tasted of soup again

the well gave only mud
digging with a spoon; praying for rain
a toad had dug its home in the spring > moving the toad to the pond
the lining stones had slid into the shaft > stacking the lining stones again
the water ran as clear as glass

the roof dripped on the bed
sleeping under an umbrella; moving the bed twice a night
a gull had dropped mussels on the slates > nailing down new slates
the gutter had filled with moss > scraping the moss from the gutter
the bed stayed dry through three storms

the hens laid no more eggs
reading poems to the hens; painting an egg on the wall
a fox had walked past every night > mending the hole in the fence
the new bell had startled the flock at dawn > wrapping the bell in wool
there was an omelette for the whole street

the bread would not rise
singing to the dough; baking it twice
the yeast had frozen on the sill > keeping the yeast in a warm bed
somebody had mixed plaster into the flour > sifting the flour through silk
the loaf lifted the lid off the oven

the clock ran backwards
turning the dial to the wall; having supper at breakfast
a spider had spun its web around the wheel > brushing the web off the wheel
a child had put the spring in upside down > turning the spring over
breakfast came before supper again

the boat sank at its mooring
bailing with a hat; scolding the boat
woodworms had bored through the bottom > tarring the bottom from end to end
someone had pulled out the bung for a bottle > carving a new bung
it floated like a duck on Sunday

the door would not open
knocking for an hour; climbing through the letter box
damp had swollen the frame > planing a thumb's width off the frame
a mouse had dragged a nut into the lock > shaking the nut out of the lock
visitors came in without taking off the roof

the milk turned sour by noon
adding sugar; milking only by night
the churn had been rinsed in vinegar > scalding the churn with hot water
the cow had eaten wild garlic > leading the cow to another meadow
the cream stood as thick as paint

the donkey refused to cross the bridge
pushing from behind; promising carrots
a loose board had creaked like a wolf > nailing down the loose board
the water had glittered in its eyes > making blinkers from an old hat
the cart reached the market before the fish did

a strange moan came from the cellar
hiding under the table; moaning back
the wind had blown across an open jar > putting a lid on the jar
a calf had lost its way down the steps > carrying the calf home to its mother
everyone slept until the sun was high

the fiddle squeaked like a gate
playing louder; playing only rests
the bow had been rubbed with soap > rubbing the bow with resin
moths had eaten half the bow hair > stringing the bow with new hair
the dancers asked for one more waltz

the lamp went out at every dusk
sitting very still; reading by the moon
the wick had been cut too short > threading a longer wick
somebody had filled it with cider > filling it with proper oil
there was light enough to read small print

the garden gate vanished overnight
guarding the gap; asking the hedge
the flood had floated it down to the weir > fishing it out of the weir
boys had borrowed it for a raft > trading the boys a barrel for it
the goats stayed among their own cabbages

the beans grew downward
turning the pots upside down; praising the sky
a mole had pulled them from below > planting them in tubs of tin
the seed had been sown on a slope of ice > sowing again after the thaw
the poles were green to the top

the letter box swallowed every letter
reaching in with tongs; writing larger
a squirrel had lined its nest with paper > giving the squirrel a basket of straw
the back had rusted through into the wall > patching the back with tin
three birthdays were celebrated at once

the wheel of the cart fell off
walking beside it; leaning to the other side
the pin had snapped on a stone > forging a thicker pin
thieves had sold the nut for scrap > screwing on a nut from the mill
the apples reached the fair unbruised

the shoes pinched at every step
walking on the hands; cutting the nails
rain had shrunk the leather > stretching the leather over a log
they had been mixed up with a child's pair > swapping pairs at the cobbler's door
there was dancing until the lamps burned low

the kite fell whenever it rose
blowing from below; choosing a lower sky
its tail had been tied too short > tying seven rags to its tail
a hole had been pecked in its wing > gluing silk across the hole
it flew higher than the clock tower

the bees left the hive
humming invitingly; drawing flowers on it
paint fumes had filled the hive > airing the hive for a week
a bear-shaped bush had frightened them > clipping the bush into a rose
there was honey on every plate in the street

the pond turned green
fishing in it anyway; calling it a meadow
the reeds had choked the inlet > mowing the reeds at the inlet
geese had been dropping bread in it > feeding the geese on the far bank
one could count the pebbles at the bottom

the coat lost a button every day
wearing it inside out; standing very straight
a magpie had taken a liking to brass > sewing on buttons of plain wood
the thread had rotted in the damp > sewing with waxed thread
the wind found no way in

the stove roared like a lion
roaring back; feeding it less
the flue door had been left wide open > closing the flue door halfway
pine cones had been stored in it > sweeping out the pine cones
the cat returned to its cushion

the piano played a note too many
playing a note too few; bowing early
a pencil had fallen between the strings > fishing the pencil out with wire
a mouse had danced upon the hammers > luring the mouse out with bacon
the applause lasted longer than the tune

the path was covered in frogs
tiptoeing; kissing one of them
the ditch had overflowed in the storm > digging the ditch deeper
a lamp had drawn all the gnats there > hanging the lamp by the marsh
it took two minutes to walk to church again

the tea tasted of fish
blaming the cups; drinking it faster
an eel had got into the rain barrel > tipping the eel back into the river
the kettle had been lent to a fisherman > boiling lemon peel in the kettle
the guests asked for a second pot

the sledge would not slide
pushing uphill; waiting for more snow
ashes had been scattered on the hill > sweeping the ashes from the hill
the runners had rusted all summer > rubbing the runners with candle wax
the ride ended in the next village

the scarecrow scared only children
teaching it to frown; standing in its place
it had been facing the school > turning it to the field
crows had moved into its sleeves > sewing up its sleeves
the wheat was cut and not one ear was missing

the curtain caught on every nail
pulling harder; living in the dark
the rod had been hung too low > hanging the rod a hand higher
a puppy had chewed the hem to threads > stitching a new hem
the sun could be let in and put out at will

the bell gave no sound
swinging it harder; shouting ding
a swarm had settled on the clapper > smoking the swarm out gently
the clapper had been pawned for beer > buying the clapper back
it was heard as far as the lighthouse
""")
HELD_OUT = _plots("""
the wall leaned toward the street
leaning the other way; whispering beside it
ivy had pulled it over > cutting the ivy at the root
carters had stacked their sacks behind it > moving the sacks to the barn
children balanced along it again

the soup boiled over every time
cooking it in the yard; looking away
the pot had been filled to the brim > ladling out a third of it
a stone had been holding the lid down > taking the stone off the lid
the kitchen floor stayed clean till Easter

the trumpet gave only a cough
giving it syrup; playing in the bath
a potato had been stuffed up its bell > pulling the potato with a corkscrew
a valve had frozen in the night > warming the valve under an arm
the parade marched in step at last

the hedge grew into the bedroom
closing the shutters on it; sleeping outdoors
it had been watered with beer > watering it with plain rain
the gardener had sold his shears > sharpening the bread knife on it
there was a window where the leaves had been

the ladder was a rung short
jumping; owning shorter walls
the stove had run out of wood in March > carving a rung from an oak branch
a goat had eaten the rope that held it > tying the rung with wire
the plums were picked to the very top

the cheese walked across the larder
closing both eyes; tying it to a chair
a family of mice had been pushing it > giving the mice a rind of their own
the shelf had been built on a slant > wedging a coin beneath the shelf
supper stayed where it was put

the ferry went round in circles
steering to both sides; drinking less
one oar had been sawn shorter than the other > sawing the long oar to match
a rope had been tied to the pier below > cutting the rope under the water
the far bank came nearer than the near one

the snowman refused to melt
offering it tea; talking of summer
it had been built around a milestone > rolling it down to the river
the shadow of the mill had lain on it all day > dragging it out into the sun
the crocuses came up where it had stood
""")
"""`HELD_OUT` plots stand in no document: questions may use them."""
