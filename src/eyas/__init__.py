"""eyas: the whole life of a language model in one program."""

__version__ = "0.1.0"
