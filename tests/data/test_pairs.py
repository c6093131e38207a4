import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eyas.data.packing import IGNORE
from eyas.data.pairs import Answer, Pair, PairRows, preferences, thumbs
from eyas.errors import EyasError
from eyas.text.tokenizer import Tokenizer, train_tokenizer

lengths = st.integers(2, 16)
sayings = st.lists(st.sampled_from([" yes", " and", " no"]), min_size=1, max_size=5).map("".join)


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    return train_tokenizer(["yes and no"] * 20, 274)


def made(sizes: list[tuple[int, int]]) -> list[Pair]:
    """Pairs whose ids tell pair, side and place; the answer is the second half."""
    return [
        Pair(
            *(
                Answer(
                    [1000 * number + 100 * side + at for at in range(size)],
                    [at >= (size // 2 or 1) for at in range(size)],
                )
                for side, size in enumerate(both)
            )
        )  # type: ignore[arg-type]
        for number, both in enumerate(sizes)
    ]


def spoken(words: Tokenizer, answer: Answer) -> str:
    """The part of an answer that is learned."""
    return words.decode([token for token, mine in zip(answer.ids, answer.said, strict=True) if mine])


@given(st.lists(st.tuples(lengths, lengths), min_size=1, max_size=30), st.integers(2, 5), st.integers(0, 3))
def test_an_epoch_holds_every_pair_once_and_whole(sizes: list[tuple[int, int]], rows: int, seed: int) -> None:
    packed = PairRows(made(sizes), 16, rows, seed)
    seen = []
    for batch in packed.epoch(0):
        tokens, targets = batch["tokens"].flatten(), batch["targets"].flatten()
        for place, pair in enumerate(batch["pairs"].tolist()):
            seen.append(pair)
            for side, size in enumerate(sizes[pair]):
                last = int(batch["last"][2 * place + side])
                span = slice(last - size + 1, last + 1)
                ids = [1000 * pair + 100 * side + at for at in range(size)]
                assert tokens[span].tolist() == ids
                start = size // 2 or 1
                asked = [*[IGNORE] * (start - 1), *ids[start:], IGNORE]
                assert targets[span].tolist() == asked
                assert set(batch["sequence"].flatten()[span].tolist()) == {2 * place + side}
                assert len(set(batch["doc_ids"].flatten()[span].tolist())) == 1
        documents = [len(set(row.tolist())) for row in batch["doc_ids"]]
        assert sum(documents) >= 2 * len(batch["pairs"])
    assert sorted(seen) == list(range(len(sizes)))


def test_a_batch_depends_on_its_number_only() -> None:
    packed = PairRows(made([(4, 5)] * 40), 16, 2, seed=1)
    wanted = [packed.batch(step) for step in range(30)]
    again = PairRows(made([(4, 5)] * 40), 16, 2, seed=1)
    for step in (29, 3, 17):
        assert all(torch.equal(wanted[step][name], again.batch(step)[name]) for name in wanted[step])
    assert any(not torch.equal(wanted[at]["tokens"], wanted[at + packed.steps_per_epoch]["tokens"]) for at in range(5))


def test_the_reference_goes_with_its_pair() -> None:
    packed = PairRows(made([(4, 5)] * 9), 16, 2, seed=0)
    packed.set_reference(np.arange(18, dtype=np.float32).reshape(9, 2))
    for batch in packed.epoch(0):
        wanted = [2 * pair + side for pair in batch["pairs"].tolist() for side in (0, 1)]
        assert batch["reference"].tolist() == wanted


def test_what_is_longer_than_a_row_is_left_out_and_counted() -> None:
    packed = PairRows(made([(4, 17), (3, 3)]), 16, 2, seed=0)
    assert (len(packed.pairs), packed.n_too_long) == (1, 1)
    assert PairRows(made([(9, 9), (3, 3)]), 16, 1, seed=0).n_too_long == 1, "one row must hold both answers"
    with pytest.raises(EyasError, match="no pair of answers fits rows of 16"):
        PairRows(made([(4, 17)]), 16, 2, seed=0)


def test_only_the_last_answer_is_learned_up_to_its_end(words: Tokenizer) -> None:
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    row = {
        "prompt": talk,
        "chosen": [{"role": "assistant", "content": "yes"}],
        "rejected": [{"role": "assistant", "content": "no"}],
    }
    (pair,) = preferences(words, [row])
    for one, text in ((pair.first, "yes"), (pair.second, "no")):
        assert spoken(words, one) == f"{text}<|im_end|>"
    with pytest.raises(EyasError, match="said by the assistant"):
        preferences(words, [row | {"chosen": [{"role": "user", "content": "me"}]}])


def test_what_a_tool_says_within_an_answer_is_read_but_not_learned(words: Tokenizer) -> None:
    function = {"name": "calculator", "arguments": {"expression": "1+1"}}
    used = [
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]},
        {"role": "tool", "content": "secret"},
        {"role": "assistant", "content": "yes"},
    ]
    row = {"prompt": [{"role": "user", "content": "q"}], "chosen": used, "rejected": used[2:]}
    packed = PairRows(preferences(words, [row]), 256, 2, seed=0)
    (answer,) = (pair.first for pair in packed.pairs)
    learned = spoken(words, answer)
    assert "calculator" in learned and learned.endswith("yes<|im_end|>") and "secret" not in learned
    assert "secret" in words.decode(answer.ids)
    targets = packed.batch(0)["targets"]
    first = targets[(packed.batch(0)["sequence"] == 0) & (targets != IGNORE)]
    assert words.decode(first.tolist()) == learned


def test_a_thumb_is_paired_with_the_next_rows_answer(words: Tokenizer) -> None:
    rows = [
        {
            "prompt": [{"role": "user", "content": f"q{at}"}],
            "completion": [{"role": "assistant", "content": f"r{at}"}],
            "label": at == 1,
        }
        for at in range(3)
    ]
    pairs = thumbs(words, rows)
    assert [pair.wanted for pair in pairs] == [False, True, False]
    said = [spoken(words, pair.second) for pair in pairs]
    assert said == ["r1<|im_end|>", "r2<|im_end|>", "r0<|im_end|>"]
    with pytest.raises(EyasError, match="at least two thumbs"):
        thumbs(words, rows[:1])


@given(sayings, sayings)
def test_nothing_is_asked_where_both_answers_begin_alike(words: Tokenizer, chosen: str, rejected: str) -> None:
    prompt = [{"role": "user", "content": "no"}]
    said = [[{"role": "assistant", "content": text}] for text in (chosen, rejected)]
    (pair,) = preferences(words, [{"prompt": prompt, "chosen": said[0], "rejected": said[1]}])
    part = next(
        (at for at, both in enumerate(zip(pair.first.ids, pair.second.ids, strict=False)) if len({*both}) > 1), None
    )
    for one in (pair.first, pair.second):
        asked = [at for at, mine in enumerate(one.said) if mine]
        assert asked[-1] == len(one.ids) - 1
        assert asked[0] == (len(one.ids) - 1 if part is None else part)
