"""eyas: the whole life of a language model in one program."""

import os

__version__ = "0.1.0"

# OpenMP's threads wait for each other after every operation, by default spinning for so long that one busy neighbour
# on the machine slows training down many times over. A short spin costs nothing on a quiet machine. libgomp reads this
# once, when torch is loaded, so it must be set before.
os.environ.setdefault("GOMP_SPINCOUNT", "3000")
