"""Pictures have names by what they show, words for those who cannot see them, and are drawn alike every time."""

import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal

import pytest

from bot.charts import drawing
from bot.charts.drawing import Picture, Spend
from bot.slack import blocks

FIRST, LAST = date(2026, 1, 1), date(2026, 1, 31)


def spend(*amounts: str, budget: str = "100") -> Spend:
    """Spend over the first days of January."""
    days = tuple((FIRST + timedelta(days=n), Decimal(amount)) for n, amount in enumerate(amounts))
    return Spend(FIRST, LAST, Decimal(budget), "EUR", days)


def test_equal_charts_are_one_picture_and_others_are_not() -> None:
    one = Picture(spend("10", "20"), "A", "a").key
    assert one == Picture(spend("10.00", "20"), "B", "b").key
    assert one != Picture(spend("10", "20.01"), "A", "a").key
    assert one != Picture(spend("10", "20", budget="101"), "A", "a").key


@pytest.mark.parametrize(
    "chart",
    [
        spend("10"),
        spend("0"),
        spend("-5", "0"),
        spend("99.5"),
        spend("10", "250"),
        spend("1000000000", budget="0.01"),
        Spend(FIRST, FIRST, Decimal(1), "EUR", ((FIRST, Decimal(1)),)),
    ],
)
def test_a_chart_is_a_png_and_the_same_every_time(chart: Spend) -> None:
    drawn = chart.png()
    assert drawn.startswith(b"\x89PNG")
    assert drawn == chart.png()
    assert b"tEXt" not in drawn
    assert len(drawn) < 200_000


@pytest.mark.parametrize(
    ("amount", "words"),
    [(0, "0"), (12.5, "12.5"), (999, "999"), (1000, "1k"), (32_110, "32.1k"), (-4e6, "-4M"), (2e9, "2B")],
)  # fmt: skip
def test_amounts_on_an_axis_are_short(amount: float, words: str) -> None:
    assert drawing.short(amount) == words


def test_blocks_take_files_or_words() -> None:
    one = Picture(spend("10"), "Ten spent", "10 of 100 EUR")
    two = Picture(spend("20"), "Twenty", "Twenty: 20 of 100 EUR")
    said = blocks.section("x")
    shown = [said, one.block(), two.block()]
    assert drawing.keys(shown) == {one.key, two.key}
    placed = drawing.place(shown, {one.key: "F0NE"})
    assert placed[0] == said
    assert placed[1]["slack_file"] == {"id": "F0NE"}
    assert placed[2]["elements"][0]["text"] == "Twenty: 20 of 100 EUR"
    assert drawing.place(shown, {})[1]["elements"][0]["text"] == ("Ten spent. 10 of 100 EUR")
    kept = drawing.without(shown, {one.key: "F0NE"})
    assert kept[1] == shown[1]
    assert kept[2] == placed[2]
    assert drawing.split(shown) == ([said], shown[1:])
    foreign = {"type": "image", "alt_text": "a", "image_url": "https://a.test/a.png"}
    assert drawing.place([foreign], {}) == [foreign]


@pytest.mark.slow
def test_nothing_waits_for_matplotlib_until_something_is_drawn() -> None:
    code = "import sys, bot.app, bot.cli.main; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
