"""A company whose people are asked: an organisation for the sandbox, its personas, and how one person answers."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from bot.charts.drawing import Radar, Spoke
from bot.maturity import messages
from sandbox.seat import Seat
from storage.people import queries as people
from workflows.maturity import rules

BOSS = "U0BOSS"
ORG = "T0ACME"
POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London, country: GB}
channels: {governance: "#ml-governance", audit: "#ml-audit", admin: "#mlgov-admin"}
roles:
  admin: [U0BOSS]
  leader: [U0BOSS]
maturity:
  leaders: [persona:leader]
  practitioners: [persona:data scientist]
"""
RUBRIC = rules.load().rubric
ZONES = ("Europe/London", "America/New_York", "Asia/Tokyo", "Asia/Kathmandu")


def staff(number: int) -> list[str]:
    """Slack ids: the boss, then practitioners."""
    return [BOSS, *(f"U0P{n:03}" for n in range(1, number))]


def world(number: int) -> dict[str, Any]:
    """So many people in four zones."""
    ids = staff(number)
    return {
        "teams": [{"id": ORG, "name": "Acme", "domain": "acme"}],
        "app": {
            "id": "A0MLGOV",
            "name": "mlgov",
            "bot_user_id": "U0MLGOV",
            "bot_id": "B0MLGOV",
            "team": ORG,
        },
        "users": [
            {
                "id": id_,
                "name": id_.casefold(),
                "real_name": f"Person {n}",
                "email": f"{id_.casefold()}@acme.test",
                "tz": ZONES[n % len(ZONES)],
                "team": ORG,
            }
            for n, id_ in enumerate(ids)
        ],
        "channels": [
            {"id": "C0GOV", "name": "ml-governance", "members": ids[:5], "app": True},
            {"id": "C0AUDIT", "name": "ml-audit", "members": ids[:1], "app": True},
            {"id": "C0ADMIN", "name": "mlgov-admin", "members": ids[:1], "app": True},
        ],
    }


def give_personas(session: Session, leaders: int) -> None:
    """The first few are leaders, all others data scientists, in two business units."""
    everybody = people.list_organisation(session, ORG)
    for row in sorted(everybody, key=lambda row: row.slack_id or ""):
        if row.is_bot or row.slack_id is None:
            continue
        number = 0 if row.slack_id == BOSS else int(row.slack_id[3:])
        row.persona = "leader" if number < leaders else "data scientist"
        row.business_unit = "Care" if number % 2 else "Supply"


def card_of(seat: Seat, action_id: str = messages.OPEN) -> Any:
    """The newest message in somebody's direct message with that button; None when there is none."""
    for message in reversed(seat.messages(seat.dm().id)):
        if action_id in str(message.blocks):
            return message
    return None


def open_window(seat: Seat) -> Any:
    """Press Start or Go on; the window."""
    card = card_of(seat)
    outcome = seat.click(channel_id=seat.dm().id, ts=card.ts, action_id=messages.OPEN)
    assert outcome.ok, outcome
    return seat.modals()[-1]


def tap(seat: Seat, statement: str, answer: str) -> None:
    """Tap one answer in the window that is open."""
    outcome = seat.click(
        view_id=seat.modals()[-1].id, action_id=messages.ANSWER, block_id=statement, selected=answer
    )
    assert outcome.ok, outcome


def statements(view: Any) -> list[str]:
    """What the window asks."""
    return [block["block_id"] for block in view.blocks if block["type"] == "input"]


def go_on(seat: Seat) -> None:
    """Press Next or Finish."""
    outcome = seat.submit(seat.modals()[-1].id)
    assert outcome.ok, outcome


def answer_all(
    seat: Seat, say: Callable[[str], str], *, parts: int = 6, leave: bool = True
) -> dict[str, str]:
    """Answer so many parts from where the card goes on; what was said."""
    open_window(seat)
    said = {}
    for number in range(parts):
        view = seat.modals()[-1]
        for statement in statements(view):
            said[statement] = say(statement)
            tap(seat, statement, said[statement])
        if number + 1 < parts or parts == 6:
            go_on(seat)
    if leave:
        seat.close(seat.modals()[-1].id)
    return said


def warm_up() -> None:
    """Draw once, so that the first picture of a test is not as slow as the first of a process."""
    Radar((Spoke("Data", 0),) * 6, "").png()
