"""Who is messaged unasked, and what becomes of the rest."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import pytest
from sqlalchemy.orm import Session

from bot.status import messages
from tests.approvals.conftest import ORG, POLICY, House
from tests.contexts import make_context
from workflows import rollout
from workflows.errors import NotAllowed
from workflows.outbox import Destination, Notice, Subject

ROLES = "roles: {admin: [U0NED], pilot: ['@finance'], leader: [U0OLA], finance: ['@finance']}"


@dataclass(frozen=True, slots=True)
class Nudge(Notice):
    kind: ClassVar[str] = "milestones.reminder"
    number: int


def under(house: House, stage: str) -> House:
    text = POLICY.replace('roles:\n  finance: ["@finance", U0EVE]\n', ROLES + "\n")
    house.text = text.replace("gates:", f"rollout: {stage}\ngates:", 1)
    return house


def tell(house: House, name: str, number: int = 1) -> int | None:
    return house.db.run(
        lambda session: rollout.message_unasked(
            make_context(session, policy=house.policy, now=house.now),
            f"p-{name}",
            Nudge(number),
            to=Destination.person(ORG, f"U0{name.upper()}"),
            dedupe_key=f"nudge:{number}:{name}",
            subject=Subject.of("milestone", number),
        )
    )


def report(house: House) -> rollout.Report:
    with house.db.read() as session:
        return rollout.load_report(make_context(session, policy=house.policy, now=house.now))


@pytest.mark.parametrize(
    ("stage", "reached"),
    [
        ("me", {"ned"}),
        ("pilot", {"ned", "fay", "fred"}),
        ("all", {"ned", "fay", "fred", "ola", "tim"}),
    ],
)
def test_a_rollout_reaches_whom_it_names(house: House, stage: str, reached: set[str]) -> None:
    under(house, stage)
    told = {name for name in ("ned", "fay", "fred", "ola", "tim") if tell(house, name)}
    assert told == reached
    held = {item.name.casefold() for item in report(house).newest}
    assert held == {"ned", "fay", "fred", "ola", "tim"} - reached


def test_guests_of_a_pilot_group_are_not_pilots(house: House) -> None:
    assert tell(under(house, "pilot"), "gus") is None


def test_what_was_held_back_is_kept_once_and_never_sent_later(house: House) -> None:
    under(house, "me")
    assert tell(house, "tim") is None
    assert tell(house, "tim") is None
    assert report(house).kinds == (("milestones.reminder", 1, 1),)
    under(house, "all")
    assert tell(house, "tim") is None
    assert tell(house, "tim", 2) is not None
    assert house.told("milestones.reminder") == ["U0TIM"]


def test_telling_and_holding_back_end_with_their_transaction(house: House) -> None:
    under(house, "me")

    def broken(session: Session) -> None:
        rollout.message_unasked(
            make_context(session, policy=house.policy, now=house.now),
            "p-tim",
            Nudge(1),
            to=Destination.person(ORG, "U0TIM"),
            dedupe_key="nudge",
        )
        raise RuntimeError

    with pytest.raises(RuntimeError):
        house.db.run(broken)
    assert report(house).messages == 0


def test_a_request_asks_its_approvers_under_every_rollout(house: House) -> None:
    under(house, "me")
    house.submit("tim", house.project())
    assert house.told("approval.asked") == ["U0OLA"]
    assert house.told("approval.receipt") == ["U0TIM"]
    assert report(house).messages == 0


def test_the_report_looks_back_a_week_and_counts_people(house: House) -> None:
    under(house, "pilot")
    for number in (1, 2):
        for name in ("ola", "tim"):
            tell(house, name, number)
    found = report(house)
    assert (found.messages, found.people) == (4, 2)
    shown = messages.withheld_message(found)
    assert shown.text == "4 messages to 2 people were held back in the last 7 days"
    assert "4 milestones reminder messages to 2 people" in str(shown.blocks)
    house.later(timedelta(days=8))
    assert report(house).messages == 0
    assert "Nothing was held back" in messages.withheld_message(report(house)).text


def test_those_who_govern_hear_of_it_once_a_week(house: House) -> None:
    under(house, "me")
    house.text = house.text.replace(
        'channels: {audit: "#ml-audit"}', 'channels: {governance: "#lane-vision"}'
    )

    def weekly(until: str) -> None:
        house.db.run(
            lambda session: rollout.report_weekly(
                make_context(session, policy=house.policy, org=ORG, now=house.now), until
            )
        )

    weekly("2026-01-26")
    assert house.sent("rollout.withheld") == []
    tell(house, "tim")
    weekly("2026-02-02")
    weekly("2026-02-02")
    assert house.told("rollout.withheld") == ["C0LANE"]


def test_only_administrators_and_leaders_see_it(house: House) -> None:
    under(house, "me")
    with house.db.read() as session:
        for name in ("ned", "ola"):
            rollout.require_overseer(
                make_context(session, actor=house.actor(name), policy=house.policy)
            )
        with pytest.raises(NotAllowed, match="administrators and for leaders"):
            rollout.require_overseer(
                make_context(session, actor=house.actor("tim"), policy=house.policy)
            )
