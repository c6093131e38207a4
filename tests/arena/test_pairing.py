"""Which pair is worth the next battle."""

from eyas.arena.pairing import pairs_worth_a_battle


def test_models_that_never_fought_come_before_a_pair_that_is_settled() -> None:
    settled = [("a", "b", "model_a")] * 30
    order = pairs_worth_a_battle(["a", "b", "new"], settled)
    assert sorted(map(sorted, order)) == [["a", "b"], ["a", "new"], ["b", "new"]]
    assert set(order[-1]) == {"a", "b"}


def test_equals_are_parted_before_those_whose_order_is_known() -> None:
    fought = [("a", "b", "tie"), ("b", "a", "both_bad")] * 4 + [("a", "c", "model_a"), ("c", "b", "model_b")] * 8
    assert set(pairs_worth_a_battle(["a", "b", "c"], fought)[0]) == {"a", "b"}


def test_battles_of_others_and_of_a_model_against_itself_tell_nothing() -> None:
    none: list[tuple[str, str, str]] = []
    assert pairs_worth_a_battle(["a", "b"], [("a", "gone", "model_a"), ("a", "a", "model_b")]) == [("a", "b")]
    assert pairs_worth_a_battle(["a"], none) == []
