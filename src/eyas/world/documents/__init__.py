"""The kinds of document that the town writes, each a function ``write(draw, world)``."""
