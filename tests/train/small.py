"""A language of eighteen words and the shape of a model that learns it in a second."""

SHAPE = {"size": "0.1m", "vocab_size": 300, "context": 64, "sample_every": 0, "compile": "off", "quiet": True}
WORDS = "the cat dog sat on under mat tree and then it ran home to sleep because rain fell".split()
