"""Strings to test with: many scripts, and those that attack."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from eyas.text.bpe import SPECIAL_TOKENS

property_test = settings(
    deadline=None, derandomize=True, database=None, max_examples=120, suppress_health_check=list(HealthCheck)
)

SENTENCES = (
    "The baker's daughter didn't say where the 1,234 loaves went; they'd gone!",
    "All human beings are born free and equal in dignity and rights.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Cafe\u0301 nai\u0308ve A\u030angstro\u0308m - decomposed, not composed.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "人人生而自由，在尊严和权利上一律平等。",
    "すべての人間は、生まれながらにして自由である。",
    "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।",
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน",
    "👩‍👩‍👧‍👦 🏳️‍🌈 ✌🏽 🇩🇪 😀😀",
    "def f(x):\n\treturn x ** 2  # square\r\n\r\n    if x != 3.14:\n        pass\n",
)


def _halves() -> list[str]:
    return [part for token in SPECIAL_TOKENS for part in (token[: len(token) // 2], token[len(token) // 2 :])]


_words = st.sampled_from(
    [*SENTENCES, " ", "  ", "\n", "\n\n", "\r\n", "\t", "'s", "'LL", "'ſ", "<", ">", "|", "<|", "{", '"', "\\"]
)
_scripts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_near = st.text(st.characters(codec="ascii"), max_size=12)
_marks = st.sampled_from(
    [
        "\ud800",
        "\ud801\udc00",
        "\udfff",
        "\ue000",
        "\U000f0000",
        "\x00",
        "\uffff no special token \uffff",
        "{{ 1 }}",
        "{% raw %}",
    ]
)

ordinary = st.lists(st.one_of(_words, _scripts, _near), max_size=8).map("".join)
"""Text of any script that spells no special token."""
ordinary = ordinary.filter(lambda text: not any(token in text for token in SPECIAL_TOKENS))

hostile = st.lists(
    st.one_of(st.sampled_from(SPECIAL_TOKENS), st.sampled_from(_halves()), _words, _marks, _scripts), max_size=8
).map("".join)
"""Text that tries to become a special token, to forge a mark, or to break the template."""
