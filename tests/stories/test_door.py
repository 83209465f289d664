"""What a review got past, over signed HTTP on both databases: each act on a request meets the one door."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from sandbox.outgoing import events
from sandbox.submission import Parcel, body_of
from storage.approvals.tables import Decision
from storage.audit.tables import AuditEntry
from storage.enums import ApprovalState
from storage.people.tables import Person, UserGroup
from tests import cli
from tests.conftest import fresh_url
from tests.stories.office import (
    ADA,
    FAY,
    FRED,
    OLA,
    POLICY,
    TIM,
    Office,
    eventually,
    opened,
    organisation,
)
from tests.stories.test_actions import fill, offered, press
from tests.stories.test_changing import GLASS, changed, told
from tests.stories.test_road import amount, ask, decide, over_budget, state
from workflows import clock

pytestmark = pytest.mark.slow

NED, XEN, YAN = "U0NED", "U0XEN", "U0YAN"
PLACES = POLICY.replace(
    "approvers: [role:finance]}", "approvers: [role:finance], quorum: 2}"
).replace(
    "    expires_after: 7d",
    '    hand_over_to: ["@helpers"]\n    member_since: 24h\n    expires_after: 7d',
)


def world() -> dict[str, Any]:
    """Ned, Xen and Yan are there too; Xen and Yan help."""
    made = organisation()
    made["users"] += [
        {
            "id": id_,
            "name": id_[2:].casefold(),
            "real_name": id_[2:].title(),
            "tz": "Europe/London",
            "team": "T0ACME",
        }
        for id_ in (NED, XEN, YAN)
    ]
    made["usergroups"].append(
        {"id": "S0HELP", "handle": "helpers", "name": "Helpers", "users": [XEN]}
    )
    return made


@contextmanager
def running(request: pytest.FixtureRequest, tmp_path: Path, policy: str) -> Iterator[Office]:
    url = fresh_url(request.param, request, tmp_path)
    with opened(url, tmp_path, policy=policy, world=world()) as office:
        over_budget(office)
        yield office


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Tim has asked for 1,500; administrators break the glass."""
    with running(request, tmp_path, GLASS) as made:
        assert ask(made).ok
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Finance is Fay and Fred, both of them, each for a day at least; Tim asks when that day is over."""
    with running(request, tmp_path, PLACES) as made:
        made.move(timedelta(days=2))
        assert ask(made).ok
        yield made


def read_before(office: Office, minutes: int = 30) -> None:
    """All that the mirror knows was read that long ago."""
    with office.db.begin(patient=True) as session:
        at = clock.real_now(session) - timedelta(minutes=minutes)
        session.execute(update(Person).values(refreshed_at=at))
        session.execute(update(UserGroup).values(refreshed_at=at))


def unheard(office: Office, **groups: list[str]) -> None:
    """Slack has other members in these groups, and the event that says so was lost."""
    for group_id, members in groups.items():
        known = office.sandbox.world.usergroups[group_id]
        office.sandbox.world.usergroups[group_id] = replace(known, user_ids=members)


def deactivated(office: Office, user_id: str) -> None:
    """Slack has deactivated somebody, and the event that says so was lost."""
    users = office.sandbox.world.users
    users[user_id] = replace(users[user_id], deleted=True)


def open_glass(office: Office, user_id: str) -> None:
    seat = office.sandbox.seat(user_id)
    shown = office.card(office.sandbox.seat(TIM), "C0TRIAGE", "approvals.details")
    assert seat.click(channel_id="C0TRIAGE", ts=shown.ts, action_id="approvals.details").ok
    seat.click(view_id=seat.modals()[-1].id, action_id="approvals.break_glass")


def refusals(office: Office) -> list[tuple[str, str]]:
    with office.db.read() as session:
        rows = session.execute(
            select(AuditEntry.action, AuditEntry.body)
            .where(AuditEntry.action.like("approval.%.refused"))
            .order_by(AuditEntry.seq)
        )
        return [(action, json.loads(body)["facts"]["why"]) for action, body in rows]


def test_glass_is_broken_on_what_its_window_showed(office: Office) -> None:
    open_glass(office, ADA)
    assert changed(office, "2900", "Twice as much and more").ok
    told(office)
    refused = fill(office, ADA, reason="The recall floods the queue")
    said = str(refused.errors)
    assert "1,000 → 1,500 EUR" in said, "what the window showed"
    assert "1,000 → 2,900 EUR" in said, "and what is asked now"
    assert (state(office), amount(office)) == (ApprovalState.PENDING, Decimal(1000))
    ada = office.sandbox.seat(ADA)
    ada.close(ada.modals()[-1].id, clear=True)
    open_glass(office, ADA)
    assert fill(office, ADA, reason="The recall floods the queue").ok
    assert (state(office), amount(office)) == (ApprovalState.APPROVED, Decimal(2900))


def test_who_left_the_group_or_the_company_breaks_no_glass_and_reviews_none(office: Office) -> None:
    open_glass(office, ADA)
    read_before(office)
    unheard(office, S0ADM=[])
    refused = fill(office, ADA, reason="The recall floods the queue")
    assert "There is no such request here" in str(refused.errors), "none for her"
    unheard(office, S0ADM=[ADA])
    read_before(office)
    ada = office.sandbox.seat(ADA)
    on_its_way = events.view_submission(
        office.sandbox.installation, ada.user, ada.team_id, ada.modals()[-1]
    )
    deactivated(office, ADA)
    answer = office.sandbox.delivery.send(Parcel("interactive", "view_submission", on_its_way))
    assert "Your account is deactivated" in str(body_of(answer))
    assert state(office) is ApprovalState.PENDING
    users = office.sandbox.world.users
    users[ADA] = replace(users[ADA], deleted=False)
    read_before(office)
    assert fill(office, ADA, reason="The recall floods the queue").ok
    assert state(office) is ApprovalState.APPROVED

    fay = office.sandbox.seat(FAY)
    message = office.card(fay, "C0GOV", "approvals.review_right")
    read_before(office)
    unheard(office, S0FIN=[FRED])
    fay.click(channel_id="C0GOV", ts=message.ts, action_id="approvals.review_right")
    office.private(fay, "Somebody who decides at this gate reviews it")
    assert "was right" not in str(fay.messages("C0GOV")[-1].blocks[:-1])
    assert refusals(office) == [
        ("approval.break_glass.refused", "not_named"),
        ("approval.review.refused", "not_entitled"),
    ]


def test_whom_slack_does_not_know_any_more_decides_nothing(office: Office) -> None:
    read_before(office)
    del office.sandbox.world.users[OLA]
    decide_as = office.sandbox.seat(TIM)
    card = office.card(decide_as, "C0TRIAGE", "approvals.approve")
    # The seat of somebody who is gone does not exist: the signed payload is what a client would have sent.
    office.bot.edge.click(
        {
            "type": "block_actions",
            "user": {"id": OLA, "team_id": "T0ACME"},
            "team": {"id": "T0ACME"},
            "container": {"channel_id": "C0TRIAGE", "message_ts": card.ts},
            "trigger_id": "1.2.x",
            "actions": [{"action_id": "approvals.approve", "value": "1:1"}],
        }
    )
    with office.db.read() as session:
        assert session.execute(select(Decision)).all() == []


def away(office: Office, user_id: str, stand_in: str) -> None:
    seat = office.sandbox.seat(user_id)
    seat.slash("/mlgov", "away", seat.dm().id)
    today = office.now().date()
    assert seat.submit(
        seat.modals()[-1].id,
        {
            "stand_in": {"stand_in": stand_in},
            "since": {"since": today.isoformat()},
            "until": {"until": (today + timedelta(days=3)).isoformat()},
        },
    ).ok
    office.settle()


def read_slack(office: Office) -> None:
    """What an administrator does who can't wait for the hour."""
    settings = office.bot.deps.settings
    assert settings.slack_bot_token is not None
    code, said = cli.run(
        "sync",
        SLACK_BOT_TOKEN=settings.slack_bot_token.get_secret_value(),
        SLACK_API_URL=settings.slack_api_url,
        MLGOV_DATABASE_URL=settings.mlgov_database_url.get_secret_value(),
        MLGOV_POLICY=str(settings.mlgov_policy),
    )
    assert code == 0, said


def hand_over(office: Office, user_id: str, to: str) -> Any:
    press(office, user_id, "approvals.more", "hand_over:1:2")
    return fill(office, user_id, to=to)


def test_a_stand_in_gives_one_place_on_once(places: Office) -> None:
    office = places
    away(office, FRED, NED)
    decide(office, OLA)
    unheard(office, S0HELP=[XEN, YAN])
    read_slack(office)
    press(office, NED, "approvals.more", "hand_over:1:2")
    # Yan has not been in the group for long enough.
    assert "Yan" not in offered(office, NED)
    assert "Xen" in offered(office, NED)
    ned = office.sandbox.seat(NED)
    assert fill(office, NED, to=XEN).ok
    assert "approvals.approve" not in str(ned.messages(ned.dm().id)[-1].blocks)
    office.move(timedelta(days=1, hours=1))
    ned.click(
        channel_id=ned.dm().id,
        ts=office.card(ned, ned.dm().id, "approvals.details").ts,
        action_id="approvals.more",
        message=_offering(office, NED, "hand_over:1:2"),
    )
    office.private(ned, "You are not among those who decide this")
    for user_id in (FRED, NED):
        seat = office.sandbox.seat(user_id)
        before = len(seat.ephemerals())
        seat.click(
            channel_id=seat.dm().id,
            ts="",
            action_id="approvals.approve",
            message=_offering(office, user_id, "1:2", "approvals.approve"),
        )
        eventually(
            lambda seat=seat, before=before: len(seat.ephemerals()) > before,
            "they are told that it does not count",
        )
    press(office, XEN, "approvals.approve")
    assert state(office) is ApprovalState.PENDING
    press(office, FAY, "approvals.approve")
    assert state(office) is ApprovalState.APPROVED
    with office.db.read() as session:
        rows = session.execute(
            select(Person.slack_id, Decision.position)
            .outerjoin(Decision, Decision.place_id == Person.id)
            .where(Decision.id.is_not(None))
        ).all()
    assert rows == [(FRED, 1)], "Xen decided with Fred's place"


def _offering(office: Office, user_id: str, value: str, action: str = "approvals.more") -> Any:
    """A message of the person's own, with one button that carries this value: what a forged payload says."""
    seat = office.sandbox.seat(user_id)
    message = seat.messages(seat.dm().id)[-1]
    button = {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": "x"},
        "value": value,
    }
    row = {"type": "actions", "block_id": "forged", "elements": [button]}
    return replace(message, blocks=[row])
