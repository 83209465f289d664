"""Names that people read: what is kept is what they see, and no two look the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.slack import blocks
from workflows.inventory.forms import RegisterModel
from workflows.projects.forms import ProjectRow
from workflows.sources.text import folded_email, skeleton, storable, unmixed, visible

HIDDEN = (
    "\u200b", "\u00ad", "\u2060", "\ufeff", "\u200e", "\u202e", "\u2066",
    "\u3164", "\uffa0", "\u115f", "\u034f", "\u2800", "\u180e", "\U000e0041",
    "\U000e0001", "\u200d", "\u200c", "\ufe0f", "\ufe01", "\u061c", "\ufff9",
)  # fmt: skip
"""Characters that show nothing between two Latin letters."""


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda c: f"U+{ord(c):04X}")
def test_what_shows_nothing_is_not_kept_and_not_shown(hidden: str) -> None:
    name = f"Lane{hidden} keeping{hidden}"
    assert visible(name) == "Lane keeping"
    assert storable(name) == "Lane keeping"
    assert blocks.plain(name) == "Lane keeping"
    assert "Lane keeping" in blocks.escape(name)
    assert ProjectRow(key="lane", name=name).name == "Lane keeping"
    assert RegisterModel(key="lane", name=name, request_key="r").name == "Lane keeping"


@pytest.mark.parametrize(
    "name",
    [
        "می‌خواهم",  # Persian needs the non-joiner
        "क्‍ष",  # Devanagari the joiner
        "👩‍🔬 Labs",
        "☀️ Forecasts",
        "1️⃣ First",
        "Prüfung Straße",
        "Δ-pricing",
        "α-decay",
        "Модель",
        "模型",
        "Lane keeping 11",
    ],
)
def test_names_of_the_world_stay_as_they_are(name: str) -> None:
    assert visible(name) == name
    assert unmixed(name) == name


@pytest.mark.parametrize("name", ["Frаud score", "Οutlier", "fraud ѕcore"])
def test_a_word_of_two_alphabets_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="write it in one alphabet"):
        RegisterModel(key="x", name=name, request_key="r")
    with pytest.raises(ValidationError, match="write it in one alphabet"):
        ProjectRow(key="x", name=name)


def test_what_looks_the_same_has_the_same_skeleton() -> None:
    assert skeleton("СОСА") == skeleton("coca")
    assert skeleton("Fraud  score") == skeleton("fraud\u200b ѕсоrе")
    assert skeleton("Lane keeping 11") != skeleton("Lane keeping 12")


@given(st.text(max_size=30))
def test_once_is_enough_and_nothing_hidden_is_left(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert not set(visible(text)) & set(HIDDEN) - set("\u200d\u200c\ufe0f\ufe01")


def test_an_address_shows_all_its_characters() -> None:
    for same in (
        "ana\u200b@acme.test",
        "Ana@acme\u00ad.test",
        "\ufeffana@acme.test ",
        "ａna＠acme.test",
        "ana@ac\u200dme.test",
    ):
        assert folded_email(same) == "ana@acme.test"
    assert folded_email("аna@acme.test") is None  # the first letter is Cyrillic
    assert folded_email("анна@пример.рф") == "анна@пример.рф"
