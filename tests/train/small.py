"""A language of eighteen words, the shape of a model that learns it in a second, and a law that is known."""

from eyas.scaling.dial_law import DialLaw
from eyas.scaling.law_file import FittedLaw

SHAPE = {"size": "0.1m", "vocab_size": 300, "context": 64, "sample_every": 0, "compile": "off", "quiet": True}
WORDS = "the cat dog sat on under mat tree and then it ran home to sleep because rain fell".split()

KNOWN = FittedLaw(
    data_set="transformer", counting="multiplying", law=(0.5, 400.0, 900.0, 0.5, 0.5), flops_factor=6.0,
    replicates=[(0.5, 400.0, 900.0, 0.5, 0.5)], residuals=[0.01, -0.01, 0.01, -0.01, 0.01, -0.01], largest_flops=1e14,
)  # fmt: skip
LAW = DialLaw(KNOWN, "a known law", level=True)
