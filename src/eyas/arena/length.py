"""Length control: how much longer A's answer is than B's, as a covariate of the rating model.

People and judges like long answers; with the covariate, a rating says who wins at equal length (style control of
Chatbot Arena; length-controlled AlpacaEval, Dubois et al. 2024, arXiv 2404.04475).
"""

import numpy as np

from eyas.arena.battles import Floats


def length_covariate(lengths: Floats) -> Floats:
    """(n,) relative difference (a - b) / (a + b) of the (n, 2) lengths, in units of its root mean square.

    It is not centred: changing sides must change its sign and nothing else. All zeros when no two lengths differ.
    """
    a, b = lengths[:, 0], lengths[:, 1]
    whole = a + b
    relative = np.where(whole > 0, (a - b) / np.where(whole > 0, whole, 1.0), 0.0)
    spread = float(np.sqrt(np.mean(relative**2)))
    return np.asarray(relative / spread if spread > 0 else relative)
