"""Packing: every token once an epoch, little waste, documents kept apart, any batch from its number alone."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.data.bestfit import pack_cutting, pack_whole
from eyas.data.packing import IGNORE, MemoryDocuments, PackedRows
from eyas.errors import EyasError

lengths_lists = st.lists(st.integers(1, 400), min_size=1, max_size=120)


def numbered(lengths: list[int]) -> list[np.ndarray]:
    """Documents whose ids tell document and place: 1000 * document + place, after <|endoftext|>."""
    return [
        np.concatenate([[0], 1000 * (i + 1) + np.arange(n)]) for i, n in enumerate(lengths)
    ]  # fmt: skip


def epoch_rows(rows: PackedRows, epoch: int = 0) -> dict[str, torch.Tensor]:
    return rows.rows(epoch * rows.rows_per_epoch, rows.rows_per_epoch)


@given(lengths_lists, st.integers(2, 70), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_an_epoch_trains_every_token_and_every_document_end_once(lengths, seq_len, epoch):
    docs = numbered(lengths)
    rows = PackedRows(docs, seq_len, 1, seed=7)
    got = epoch_rows(rows, epoch)
    trained = got["targets"] != IGNORE
    inputs = Counter(got["tokens"][trained].tolist())
    targets = Counter(got["targets"][trained].tolist())
    assert inputs == Counter(np.concatenate(docs).tolist())
    assert targets == Counter(np.concatenate([[*doc[1:], 0] for doc in docs]).tolist())


@given(lengths_lists, st.integers(2, 70))
@settings(max_examples=60, deadline=None)
def test_targets_follow_their_inputs_and_no_document_id_covers_two_documents(lengths, seq_len):
    rows = PackedRows(numbered(lengths), seq_len, 1, seed=1)
    got = {key: value.numpy() for key, value in epoch_rows(rows).items()}
    for tokens, targets, doc_ids in zip(got["tokens"], got["targets"], got["doc_ids"], strict=True):
        assert (np.diff(doc_ids) >= 0).all()
        for doc_id in np.unique(doc_ids):
            inside = doc_ids == doc_id
            ids, wanted = tokens[inside], targets[inside]
            if wanted[0] == IGNORE:
                assert (wanted == IGNORE).all()
                continue
            assert (ids[1:] == wanted[:-1]).all()
            assert 0 not in ids[1:]  # <|endoftext|> only starts a document
            owners = {i // 1000 for i in [*ids.tolist(), *wanted.tolist()] if i}
            assert len(owners) <= 1


@pytest.mark.parametrize(
    "low, high, seq_len", [(10, 90, 64), (40, 41, 64), (2, 9, 64), (3000, 9000, 64), (30, 300, 512)]
)
def test_less_than_two_percent_of_the_positions_are_padding(low, high, seq_len):
    lengths = np.random.default_rng(0).integers(low, high, size=40_000 * 64 // (low + high) // 4 + 1)
    rows = PackedRows(numbered(lengths.tolist()), seq_len, 4, seed=0)
    padding = (epoch_rows(rows)["targets"] == IGNORE).float().mean().item()
    assert padding == pytest.approx(rows.waste)
    assert padding < 0.02


def test_documents_that_fit_are_almost_never_cut():
    lengths = np.random.default_rng(0).integers(20, 200, size=3000).tolist()
    got = epoch_rows(PackedRows(numbered(lengths), 256, 4, seed=0))
    starts = (torch.diff(got["doc_ids"], dim=1) != 0).sum().item() + len(got["doc_ids"])
    pieces = starts - (got["targets"][:, -1] == IGNORE).sum().item()
    assert pieces <= 1.01 * len(lengths)


def test_a_batch_depends_on_its_number_only():
    docs = numbered(np.random.default_rng(1).integers(1, 150, size=400).tolist())
    rows = PackedRows(docs, 32, 3, seed=5)
    forward = {step: rows.batch(step) for step in range(0, 2000, 37)}
    for step in reversed(forward):
        fresh = PackedRows(docs, 32, 3, seed=5).batch(step)
        again = rows.batch(step)
        for key, value in forward[step].items():
            assert torch.equal(fresh[key], value)
            assert torch.equal(again[key], value)


def test_epochs_and_seeds_differ_in_order():
    docs = numbered([10] * 300)
    one, two = PackedRows(docs, 16, 1, seed=1), PackedRows(docs, 16, 1, seed=2)
    assert not torch.equal(epoch_rows(one, 0)["tokens"], epoch_rows(one, 1)["tokens"])
    assert not torch.equal(epoch_rows(one, 0)["tokens"], epoch_rows(two, 0)["tokens"])


def test_a_long_document_is_cut_elsewhere_in_each_epoch():
    rows = PackedRows([np.arange(1, 5000)], 32, 1, seed=0)
    first = [set(epoch_rows(rows, epoch)["tokens"][:, 0].tolist()) for epoch in (0, 1)]
    assert first[0] != first[1]


def test_tokens_are_int64_and_document_ids_int32():
    batch = PackedRows(numbered([20] * 20), 8, 2, seed=0).batch(0)
    assert {key: (value.dtype, tuple(value.shape)) for key, value in batch.items()} == {
        "tokens": (torch.int64, (2, 8)),
        "targets": (torch.int64, (2, 8)),
        "doc_ids": (torch.int32, (2, 8)),
    }


def test_without_isolation_there_are_no_document_ids():
    assert "doc_ids" not in PackedRows(numbered([20] * 20), 8, 2, seed=0, isolate=False).batch(0)


def test_a_missing_endoftext_is_put_before_a_document():
    assert MemoryDocuments([[5, 6], [0, 7]]).read(0, 0, 9).tolist() == [0, 5, 6]
    assert MemoryDocuments([[5, 6], [0, 7]]).lengths.tolist() == [3, 2]


class Counted(MemoryDocuments):
    """Counts how many ids are read."""

    reads = 0

    def read(self, document: int, start: int, stop: int):
        self.reads += stop - start
        return super().read(document, start, stop)


def test_a_batch_far_along_reads_its_own_rows_only():
    docs = Counted(numbered([60] * 5000))
    rows = PackedRows(docs, 64, 4, seed=0)
    rows.batch(10_000_000)
    assert 0 < docs.reads < 4 * 64 * 2


def test_windows_cover_an_epoch_that_is_larger_than_one_window(monkeypatch):
    monkeypatch.setattr("eyas.data.packing.WINDOW_TOKENS", 2048)
    docs = numbered(np.random.default_rng(3).integers(1, 90, size=700).tolist())
    rows = PackedRows(docs, 16, 2, seed=0)
    assert rows.rows_per_epoch > 4 * rows._plan.window_rows
    got = epoch_rows(rows, 1)
    trained = got["targets"] != IGNORE
    assert Counter(got["tokens"][trained].tolist()) == Counter(np.concatenate(docs).tolist())


def test_blocks_of_documents_are_shuffled_when_there_are_very_many(monkeypatch):
    monkeypatch.setattr("eyas.data.packing.MAX_BLOCKS", 10)
    docs = numbered(np.random.default_rng(3).integers(1, 50, size=105).tolist())
    got = epoch_rows(PackedRows(docs, 16, 2, seed=0))
    trained = got["targets"] != IGNORE
    assert Counter(got["tokens"][trained].tolist()) == Counter(np.concatenate(docs).tolist())


def test_less_than_one_batch_is_refused_with_what_to_do():
    with pytest.raises(EyasError, match=r"fills 1 rows of 64 tokens, less than one batch of 8.*--batch-size"):
        PackedRows([[1, 2, 3]], 64, 8, seed=0)
    with pytest.raises(EyasError, match="less than one batch"):
        PackedRows([], 64, 8, seed=0)


# -- chat rows


def chat(*turns: tuple[int, bool]) -> tuple[list[int], list[bool]]:
    return [token for token, _ in turns], [mask for _, mask in turns]


def test_chat_rows_train_the_masked_tokens_only():
    ids, mask = chat((1, False), (5, False), (1, False), (6, True), (2, True), (9, False))
    batch = PackedRows([(ids, mask)], 8, 1, seed=0).batch(0)
    assert batch["tokens"][0, :5].tolist() == ids[:-1]
    assert batch["targets"][0].tolist() == [IGNORE, IGNORE, 6, 2, IGNORE, IGNORE, IGNORE, IGNORE]
    assert batch["doc_ids"][0].tolist() == [0] * 5 + [1] * 3


@given(st.lists(st.integers(3, 40), min_size=1, max_size=60), st.integers(0, 2))
@settings(max_examples=50, deadline=None)
def test_no_conversation_is_cut_or_lost(lengths, epoch):
    rows_in = [([1000 * (i + 1) + j for j in range(n)], [False] + [True] * (n - 1)) for i, n in enumerate(lengths)]
    rows = PackedRows(rows_in, 48, 1, seed=0)
    got = epoch_rows(rows, epoch)
    found = Counter()
    for tokens, targets, doc_ids in zip(got["tokens"], got["targets"], got["doc_ids"], strict=True):
        for doc_id in doc_ids.unique():
            inside = (doc_ids == doc_id) & (targets != IGNORE)
            if inside.any():
                found[tuple(tokens[inside].tolist())] += 1
    assert found == Counter(tuple(ids[:-1]) for ids, _ in rows_in)


def test_a_conversation_that_is_too_long_keeps_its_beginning_and_is_counted():
    ids = list(range(100, 120))
    rows = PackedRows([(ids, [False] * 4 + [True] * 16), (ids, [False] * 19 + [True])], 8, 1, seed=0)
    assert (rows.n_truncated, rows.n_untrained) == (1, 1)
    batch = rows.batch(0)
    assert batch["tokens"][0].tolist() == ids[:8]
    assert batch["targets"][0].tolist() == [IGNORE] * 3 + ids[4:9]


def test_conversations_without_an_answer_are_refused():
    with pytest.raises(EyasError, match="no conversation has a token to train on"):
        PackedRows([([1, 2, 3], [False] * 3)], 8, 1, seed=0)


# -- the bin packing


@given(st.lists(st.integers(1, 50), max_size=200))
def test_whole_packing_places_each_piece_once_within_capacity(lengths):
    rows = pack_whole(lengths, 50)
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    assert all(sum(lengths[i] for i in row) <= 50 for row in rows)
    # Best fit never leaves two rows half empty: they would have been one.
    fills = sorted(sum(lengths[i] for i in row) for row in rows)
    assert len(fills) < 2 or fills[0] + fills[1] > 50


@given(st.lists(st.integers(1, 30), min_size=1, max_size=200), st.integers(0, 3))
def test_cutting_packing_fills_exactly_the_rows_given(lengths, spare):
    n_rows = -(-sum(lengths) // 30) + spare
    rows = pack_cutting([(i, 0, n) for i, n in enumerate(lengths)], 30, n_rows)
    assert len(rows) == n_rows
    assert all(sum(length for _, _, length in row) <= 30 for row in rows)
    placed = Counter((doc, at) for row in rows for doc, start, n in row for at in range(start, start + n))
    assert placed == Counter((doc, at) for doc, n in enumerate(lengths) for at in range(n))
    if sum(lengths) >= 30 * n_rows // 2 and n_rows <= len(lengths):
        assert all(rows)
