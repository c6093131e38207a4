"""Near-duplicate questions, and items that hang together."""

from eyas.flywheel.clusters import components, near_duplicates


def test_a_question_with_a_word_more_is_a_near_duplicate_and_one_about_somebody_else_is_none() -> None:
    asked = "On which days of the week does the ferry go to the island in winter"
    texts = [
        f"{asked}?",
        "Where does Ada Potter live?",
        "Where does Ida Stone live?",
        f"PLEASE, {asked.lower()}?",
        "In which street does Ada Potter live?",
    ]
    assert set(near_duplicates(texts)) == {(0, 3)}


def test_equal_texts_are_linked_to_the_first() -> None:
    assert set(near_duplicates(["Hello", "Bye", "hello!", "HELLO"])) == {(0, 2), (0, 3)}


def test_components_follow_links_through_others_and_are_named_after_their_first_item() -> None:
    assert components(7, [(5, 6), (4, 2), (2, 6), (0, 1)]) == [0, 0, 2, 3, 2, 2, 2]
    assert components(3, []) == [0, 1, 2]
