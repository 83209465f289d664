"""Which Slack statuses say that somebody is away, and until when."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.people.lookup import away_until
from workflows.people.forms import OPEN_END

FRIDAY = datetime(2026, 1, 30, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "emoji", "is_away"),
    [
        ("Vacationing", ":palm_tree:", True),
        ("", ":palm_tree:", True),
        ("Out sick", ":face_with_thermometer:", True),
        ("OOO until Friday", ":wave:", True),
        ("On parental leave", "", True),
        ("on holiday", "", True),
        ("In a meeting", ":calendar:", False),
        ("Commuting", ":bus:", False),
        ("Working remotely", ":house_with_garden:", False),
        ("Giving it all away!", "", True),
        ("Taking the highway", "", False),
        ("", "", False),
    ],
)
def test_what_a_status_says(text: str, emoji: str, is_away: bool) -> None:
    ends = int(FRIDAY.timestamp())
    profile: dict[str, Any] = {"status_text": text, "status_emoji": emoji}
    assert away_until(profile | {"status_expiration": ends}) == (FRIDAY if is_away else None)
    assert away_until(profile | {"status_expiration": 0}) == (OPEN_END if is_away else None)
    assert away_until({}) is None
