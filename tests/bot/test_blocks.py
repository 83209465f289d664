"""Text from people and files cannot ping, link, reorder or overflow."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.slack import blocks

FORBIDDEN = ("<!", "<@", "<#", "<http", "*", "~", "`", "\n", "\u202e", "\u2066", "\x00")


@given(st.text(max_size=400))
@example("<!channel> <https://evil.example|your bank> *bold* `code`")
@example("\u202eevil\u2066 right to left \u200f")
@example("a\nb\x00c" * 100)
def test_escaped_text_is_only_text(text: str) -> None:
    shown = blocks.escape(text, 200)
    assert not any(mark in shown for mark in FORBIDDEN)
    assert not re.search(r"(?<![^\W_])_|_(?![^\W_])", shown)
    assert len(shown.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")) <= 200
    assert shown


@given(st.text(), st.integers(2, 300))
def test_cut_never_exceeds_its_limit(text: str, limit: int) -> None:
    assert len(blocks.cut(text, limit)) <= limit


@given(st.text(max_size=6000))
def test_every_helper_stays_within_slacks_limits(text: str) -> None:
    assert len(blocks.header(text)["text"]["text"]) <= 150
    assert len(blocks.section(blocks.escape(text, 6000))["text"]["text"]) <= 3000
    assert len(blocks.button(text, "a.b", "1")["text"]["text"]) <= 75
    assert len(blocks.option(text, "1")["text"]["text"]) <= 75
    modal = blocks.modal(text, [], callback_id="a.b", submit=text or "Save", close=text)
    assert all(len(modal[part]["text"]) <= 24 for part in ("title", "submit", "close"))
    question = blocks.confirm(text, text, yes=text)
    assert (len(question["title"]["text"]), len(question["text"]["text"]) <= 300) <= (100, True)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("52000", "52,000 EUR"),
        ("41180.45", "41,180 EUR"),
        ("999.5", "999.50 EUR"),
        ("12", "12 EUR"),
        ("0", "0 EUR"),
        ("18.0066386184", "18.01 EUR"),
        ("0.0000123", "0.000012 EUR"),
        ("-3.5", "-3.50 EUR"),
    ],
)
def test_an_amount_is_readable_and_never_shown_as_zero(amount: str, shown: str) -> None:
    assert blocks.money(Decimal(amount), "EUR") == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        ("99.99", "100", "99 %"),
        ("100", "100", "100 %"),
        ("0", "100", "0 %"),
        ("1", "0", "—"),
        ("3211", "4000", "80 %"),
    ],
)
def test_nearly_all_is_not_all(part: str, whole: str, shown: str) -> None:
    assert blocks.percent(Decimal(part), Decimal(whole)) == shown


def test_an_underscore_within_a_word_stays() -> None:
    assert blocks.escape("is_archived _x_") == "is_archived ˍxˍ"


def test_times_have_a_fallback_for_screens_that_know_no_slack() -> None:
    shown = blocks.when(datetime(2026, 1, 28, 9, 0, tzinfo=UTC))
    assert shown == "<!date^1769590800^{date_short_pretty} {time}|Wed 28 Jan 09:00 UTC>"


@pytest.mark.parametrize(
    ("delta", "shown"),
    [
        (timedelta(days=2, hours=4, minutes=9), "2 d 4 h"),
        (timedelta(minutes=35), "35 min"),
        (timedelta(hours=1), "1 h"),
    ],
)
def test_durations_have_two_units(delta: timedelta, shown: str) -> None:
    assert blocks.span(delta) == shown


def test_our_own_words_keep_their_marks_and_ping_nobody() -> None:
    assert (
        blocks.harmless("`/mlgov help` <!channel> & more")
        == "`/mlgov help` &lt;!channel&gt; &amp; more"
    )
