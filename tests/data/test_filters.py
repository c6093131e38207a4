"""Filters: what they take, what they leave, and that they say so."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.data.build import BuildReport
from eyas.data.documents import Document, Tally
from eyas.data.filters import FILTERS, make_filters, through
from eyas.data.near_duplicates import NearDuplicates, signature
from eyas.data.personal_data import luhn, remove_personal_data
from eyas.data.quality import QualityLimits, quality_fault
from eyas.errors import EyasError

WORDS = [f"w{i}ord" for i in range(3000)]


def prose(seed: int, length: int = 200) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)


def jaccard(one: list[str], two: list[str]) -> float:
    grams = [{tuple(words[i : i + 5]) for i in range(len(words) - 4)} for words in (one, two)]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


def test_the_signature_estimates_the_jaccard_similarity():
    one = prose(0, 600)
    for changes in (1, 5, 20, 60):
        two = list(one)
        for at in random.Random(changes).sample(range(600), changes):
            two[at] = "changed"
        estimate = (signature(" ".join(one)) == signature(" ".join(two))).mean()
        assert estimate == pytest.approx(jaccard(one, two), abs=0.15)


def test_a_document_with_a_word_changed_is_a_near_duplicate_and_a_new_one_is_not():
    keep, tally = NearDuplicates(), Tally()
    kept = [keep(Document(" ".join(prose(seed))), tally) for seed in range(100)]
    assert all(kept)
    changed = prose(7)
    changed[100] = "another"
    assert keep(Document(" ".join(changed)), tally) is None
    assert keep(Document(" ".join(prose(8)).upper() + "!"), tally) is None
    assert tally.counts == {"near-duplicate": 2}


def test_half_new_documents_are_kept():
    keep, tally = NearDuplicates(), Tally()
    for seed in range(30):
        assert keep(Document(" ".join(prose(seed))), tally)
        assert keep(Document(" ".join(prose(seed)[:100] + prose(1000 + seed)[:100])), tally)


@pytest.mark.parametrize("text", ["", "!", "one", "one two three four five six", "\u9dba\u304c\u7acb\u3064" * 5])
def test_short_texts_and_scripts_without_spaces_have_signatures(text):
    assert (signature(text) == signature(text)).all()
    assert not (signature(text) == signature(text + " heron reeds")).all()


def test_signatures_of_long_texts_do_not_depend_on_the_chunks(monkeypatch):
    text = " ".join(prose(3, 9000))
    whole = signature(text)
    monkeypatch.setattr("eyas.data.near_duplicates._CHUNK", 500)
    assert (signature(text) == whole).all()


PROSE = "The heron stood in the reeds and waited. A frog looked up, saw the bird and held its breath for a while."


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "鶺が葭の中に立って待っていた。蛙は見上げて、息を止めた。" * 2,
        "Цапля стоит в воде и ждёт, а лягушка смотрит на неё из камышей и молчит.",
    ],
)
def test_prose_in_any_script_is_language(text):
    assert quality_fault(text, QualityLimits()) is None


@pytest.mark.parametrize(
    "text, fault",
    [
        ("Too short.", "too few words"),
        ("12 41 993 1 23 99 1.5 2,000 7 8 9 10 11 12", "too few letters"),
        ("a b c d e f g h i j k l m n o", "odd word lengths"),
        ("buy now " * 40 + PROSE, "repeated phrase"),
        ("# heron # frog # reeds # water # bird # fish # pond # stone # moss # rain #", "too many symbols"),
        ("\n".join(f"- {' '.join(prose(i, 8))}" for i in range(20)), "bullet points only"),
        ("\n".join(f"{' '.join(prose(i, 20))} ..." for i in range(20)), "too many ellipses"),
        ("\n".join([" ".join(prose(i % 4, 30)) for i in range(20)]), "repeated lines"),
    ],
)
def test_what_is_hardly_language_is_named(text, fault):
    assert quality_fault(text, QualityLimits()) == fault


PERSONAL = [
    ("Write to ann.b+c@mail.example.org, please.", "Write to [email], please.", {"e-mail address": 1}),
    ("Card 4111 1111 1111 1111 expires", "Card [card] expires", {"card number": 1}),
    ("Card 5500-0000-0000-0004.", "Card [card].", {"card number": 1}),
    ("from 8.8.8.8 and 2001:4860:4860::8888", "from [ip] and [ip]", {"IP address": 2}),
    ("Call +44 20 7946 0958 today", "Call [phone] today", {"telephone number": 1}),
    ("Call (555) 010-1234 or 555-010-1234", "Call [phone] or [phone]", {"telephone number": 2}),
]


@pytest.mark.parametrize("text, cleaned, found", PERSONAL)
def test_personal_data_become_words_in_brackets(text, cleaned, found):
    assert remove_personal_data(text) == (cleaned, found)


@pytest.mark.parametrize(
    "text",
    [
        "Card 4111 1111 1111 1112 fails its check digit",
        "In 1984, 2,345,678 people; pi is 3.14159265358979",
        "at 127.0.0.1 and 192.168.1.10 and 300.1.2.3",
        "12:30:45 and std::vector and a::b",
        "2024-01-15 to 2024-02-20, 10-12-14",
        "user@host and @name and a @ b",
        "def f(x): return x[1:2]",
    ],
)
def test_other_numbers_and_signs_are_left_alone(text):
    assert remove_personal_data(text) == (text, {})


@given(st.text("0123456789.:-@ab+() \n", max_size=400))
@settings(max_examples=150, deadline=None)
def test_cleaning_twice_changes_nothing_more(text):
    once, _ = remove_personal_data(text)
    twice, found = remove_personal_data(once)
    assert remove_personal_data(twice)[0] == twice or found


def test_the_check_digit_is_luhns():
    assert luhn("79927398713")
    assert not any(luhn(f"7992739871{digit}") for digit in "012456789")


def test_filters_run_in_order_and_count_what_they_took(build, texts_in):
    report = BuildReport()
    documents = [PROSE, PROSE.replace("frog", "toad"), "no", PROSE + " Ask ann@mail.example.org.", " ".join(prose(1))]
    shards = build("<|endoftext|>".join(documents), filters=FILTERS, report=report)
    assert texts_in(shards)[0] == PROSE
    assert shards.index["left_out"] == report.tally.counts
    assert report.tally.counts["low quality (too few words)"] == 1
    assert "no" not in texts_in(shards)


def test_a_changed_document_has_no_floor():
    tally = Tally()
    (keep,) = make_filters(["personal-data"])
    assert keep(Document("plain", 5.0), tally) == Document("plain", 5.0)
    assert keep(Document("ann@mail.example.org", 5.0), tally) == Document("[email]", None)
    assert through([keep], Document("ann@mail.example.org"), tally) == Document("[email]")
    assert tally.counts == {"e-mail address": 2}


def test_an_unknown_filter_is_one_sentence():
    with pytest.raises(EyasError, match="--filter nonsense is unknown; there are quality, near-duplicates"):
        make_filters(["nonsense"])
