"""The model mixed with what the file has said: both sides agree, and text that the model never learnt is coded."""

import hashlib
import random
from collections.abc import Iterator

import numpy as np
import pytest

from eyas.compress.archive import compressed, restored
from eyas.compress.coder import LARGEST_TOTAL
from eyas.compress.frequencies import frequencies
from eyas.compress.mixture import UNSURE, Mixture, scaled
from eyas.compress.predictor import Predictor
from eyas.compress.streams import Layout, coded, encode, predict
from tests.compress.conftest import TEXT

VOCABULARY, NONE = 50, np.array([7])  # one id that no text holds


def steps(count: int) -> Iterator[tuple[Mixture, int, np.ndarray, np.ndarray]]:
    """A mixture, the token that comes next, and the shares by both models, before each step of learning."""
    rng = random.Random(0)
    mixture, said = Mixture(VOCABULARY), list[int]()
    for _ in range(count):
        logits = np.array([[16 * rng.random() for _ in range(VOCABULARY)]], dtype=np.float32)
        sure, unsure = (scaled(frequencies(logits, NONE, sharpness))[0] for sharpness in (1.0, UNSURE))
        token = said[-5] if len(said) > 5 and rng.random() < 0.7 else int(rng.random() * 42) + 8
        mixture.look(said)
        yield mixture, token, sure, unsure
        mixture.learn(token, int(sure[token]), int(unsure[token]))
        said.append(token)


def share_of(token: int, row: np.ndarray) -> list[int]:
    return [int(row[:token].sum()), int(row[token]), int(row.sum())]


def test_the_share_of_one_token_is_that_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eyas.compress.mixture._PASTS", 40)  # so that counts begin anew on the way
    found = hashlib.sha256()
    for mixture, token, sure, unsure in steps(300):
        row = mixture.shares(sure, unsure)
        assert mixture.share(token, share_of(token, sure), share_of(token, unsure)) == share_of(token, row)
        assert row.sum() <= LARGEST_TOTAL and row[NONE] == 0 and (np.delete(row, NONE) > 0).all()
        found.update(row.astype("<u8").tobytes())
    assert found.hexdigest()[:16] == "38c517300792d90a", "zips that exist depend on every share"


def test_scaled_shares_come_to_the_same_and_none_is_lost() -> None:
    row = np.array([[1, 0, 5, 2**30], [3, 0, 0, 1]], dtype=np.uint32)
    assert scaled(row).tolist() == [[1, 0, 4, 2**30 - 6], [805306368, 0, 0, 268435456]]


def test_text_that_the_model_never_learnt_is_coded_by_what_came_before(predictor: Predictor) -> None:
    content = (TEXT * 40).encode()
    ids = np.array(predictor.symbols.ids(content), dtype=np.int32)
    layout = Layout(len(ids), 3, 64, 16)
    alone = coded(predict(predictor.reader, ids, layout)[:, 0])
    mixed, is_mixed = encode(predictor.reader, ids, layout)
    assert is_mixed and len(mixed) < len(alone) / 3
    archive = compressed(content, predictor)
    assert archive.mixed and restored(archive, predictor, "f", "m") == content


def test_where_the_model_does_better_alone_nothing_is_mixed(predictor: Predictor) -> None:
    reader, likely = predictor.reader, list[int]()
    for _ in range(8):  # what it would say itself
        sequence = reader.backend.new()
        (shares,) = reader.read(sequence, [reader.start, *likely], 1)
        reader.backend.release(sequence)
        likely.append(int(shares[0, 0].argmax()))
    ids, layout = np.array(likely, dtype=np.int32), Layout(8, 1, 64, 16)
    assert encode(reader, ids, layout) == (coded(predict(reader, ids, layout)[:, 0]), False)
