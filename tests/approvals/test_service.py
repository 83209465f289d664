"""A request from its opening to its end, on both databases."""

import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from bot.approvals import windows
from storage import runtime
from storage.approvals.tables import Approval, ApprovalStage, Decision
from storage.audit.tables import AuditEntry
from storage.delivery.tables import Timer
from storage.people.tables import Channel, Person, UserGroup
from storage.projects.tables import Project
from tests.approvals.conftest import POLICY, START, House
from tests.contexts import make_context
from workflows import approvable, clock
from workflows.approvals import reads, refusals
from workflows.approvals.submission import NobodyToDecide
from workflows.context import Actor
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound


def refused(house: House, name: str, approval_id: int, **more: object) -> str:
    """Try to approve; the sentence that says why not. Nothing may have changed."""
    before = (house.deciders(approval_id), house.state(approval_id), len(house.sent()))
    with pytest.raises(GovernanceError) as caught:
        house.decide(name, approval_id, **more)  # type: ignore[arg-type]
    assert before == (house.deciders(approval_id), house.state(approval_id), len(house.sent()))
    return caught.value.sentence


def test_two_stages_then_the_subject_changes_with_the_last_decision(house: House) -> None:
    project = house.project()
    one = house.submit("tim", project)
    house.deliver()
    house.decide("ola", one)
    assert (house.card(one).stage, house.card(one).revision) == (1, 2)
    house.decide("fay", one)
    assert house.status(project) == "draft"
    house.later(timedelta(hours=1))
    house.decide("eve", one)
    assert house.state(one) == "approved"
    assert house.status(project) == "live"
    assert house.deciders(one) == [
        ("ola", 0, "approve"),
        ("fay", 1, "approve"),
        ("eve", 1, "approve"),
    ]
    assert house.entries(one) == [
        "approval.opened",
        "approval.decided",
        "approval.decided",
        "approval.decided",
        "approval.approved",
    ]
    house.ledger_holds()


def test_each_decision_keeps_its_rule_group_and_reading(house: House) -> None:
    one = house.submit("tim", house.project())
    house.decide("ola", one)
    house.decide("fay", one)
    house.decide("eve", one)
    with house.db.read() as session:
        kept = session.execute(
            select(Decision.rule, Decision.via, Decision.membership_read_at).order_by(Decision.id)
        ).all()
    assert kept == [
        ("subject.owner", None, START),
        ("role:finance", "S0FINANCE", START),
        ("role:finance", None, START),
    ]


def test_a_reading_is_told_in_governed_time(house: House) -> None:
    """Slack is read in real time; a decision of January does not say that it rests on a reading of November."""
    with house.db.begin() as session:
        real = clock.real_now(session)
        runtime.set_offset(session, START - real)
        session.execute(update(Person).values(refreshed_at=real))
        session.execute(update(UserGroup).values(refreshed_at=real))
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    house.decide("fay", asked)
    with house.db.read() as session:
        kept = session.execute(select(Decision.membership_read_at)).scalars().all()
        noted = session.execute(
            select(AuditEntry.body).where(AuditEntry.action == "approval.decided")
        ).scalars()
        told = re.findall(r'"membership_read_at":"([^"]+)"', str(list(noted)))
    assert (len(kept), len(told)) == (2, 2)
    for read_at in [*kept, *map(datetime.fromisoformat, told)]:
        assert abs(read_at - START) < timedelta(seconds=1)
    shown = str(windows.details_window(house.card(asked), now=house.now))
    assert f"read from Slack <!date^{int(START.timestamp())}" in shown


def test_who_is_told_when(house: House) -> None:
    one = house.submit("tim", house.project())
    assert house.told("approval.card") == ["C0LANE"]
    assert house.told("approval.receipt") == ["U0TIM"]
    assert house.told("approval.asked") == ["U0OLA"]
    house.deliver()
    house.decide("ola", one)
    assert house.told("approval.asked") == ["U0OLA", "U0EVE", "U0FAY", "U0FRED"]
    assert house.told("approval.card") == ["C0LANE"]
    assert house.told("approval.ended") == []
    house.deliver()
    house.decide("fay", one)
    house.decide("fred", one)
    assert house.told("approval.ended") == ["U0TIM"]
    assert house.told("approval.story") == ["C0LANE"] * 3
    card = house.sent("approval.card")[0]
    assert {row.thread_of for row in house.sent("approval.story")} == {card.id}
    updated = [row.lane_key[-6:] for row in house.sent() if row.op == "update"]
    assert sorted(set(updated)) == sorted(
        ["C0LANE", ":U0TIM", ":U0OLA", ":U0EVE", ":U0FAY", "U0FRED"]
    )
    assert house.told("audit.head") == ["C0AUDIT", ""]


def test_the_clicked_card_goes_first(house: House) -> None:
    one = house.submit("tim", house.project())
    house.deliver()
    card = house.sent("approval.card")[0]
    house.decide("ola", one, clicked=("C0LANE", f"{card.id}.0001"))
    first = {row.lane_key[-6:]: row.priority for row in house.sent() if row.op == "update"}
    assert first.pop("C0LANE") == 0
    assert set(first.values()) == {1}


def test_rejection_ends_it_with_a_reason(house: House) -> None:
    project = house.project()
    one = house.submit("tim", project)
    with pytest.raises(InvalidInput) as caught:
        house.decide("ola", one, "reject", reason="   ")
    assert caught.value.field == "reason"
    house.decide("ola", one, "reject", reason="Wait for <!channel> March")
    assert house.state(one) == "rejected"
    assert house.status(project) == "draft"
    card = house.card(one)
    assert card.rejection is not None
    assert card.rejection.reason == "Wait for <!channel> March"
    assert house.told("approval.ended") == ["U0TIM"]
    with house.db.read() as session:
        bodies = session.execute(select(AuditEntry.body)).scalars().all()
    assert not any("March" in body or "pilot" in body for body in bodies)
    house.ledger_holds()


def test_the_requester_never_decides(house: House) -> None:
    one = house.submit("fay", house.project())
    house.decide("ola", one)
    sentence = refused(house, "fay", one)
    assert sentence.startswith("You asked for this, so you can't decide it.")
    assert "Finance (0 of 2)" in sentence


def test_each_refusal_says_the_way_on(house: House) -> None:
    one = house.submit("tim", house.project())
    assert "not your turn yet: Budget owner decides first" in refused(house, "fay", one)
    told = refused(house, "ned", one)
    assert "You are not among those who decide this. Budget owner asks: Ola." in told
    house.decide("ola", one)
    assert "You approved this on Mon 26 Jan 08:50 already" in refused(house, "ola", one)
    house.decide("fay", one)
    assert "Waiting for: Finance (1 of 2)." in refused(house, "fay", one)
    house.decide("fred", one)
    assert "approved on Mon 26 Jan 08:50 by Ola, Fay and Fred" in refused(house, "eve", one)
    with pytest.raises(NotFound):
        house.decide("ola", 999, revision=1)


@pytest.mark.parametrize(
    ("name", "flags", "words"),
    [
        ("sam", {"is_stranger": True}, "another organisation"),
        ("gus", {"is_guest": True}, "guests can't use mlgov"),
        ("bob", {"is_bot": True}, "Bots can't"),
        ("lea", {"is_deactivated": True}, "deactivated"),
    ],
)
def test_outsiders_are_refused_even_if_they_are_in_the_group(
    house: House, name: str, flags: dict[str, bool], words: str
) -> None:
    one = house.submit("tim", house.project())
    house.decide("ola", one)
    known = refused(house, name, one, actor=house.actor(name, **flags))
    assert words in known
    # The signed payload looked like a member's, and only the mirror knows better.
    assert "Only full, active members" in refused(house, name, one)


def test_membership_is_read_when_the_decision_is_made(house: House) -> None:
    one = house.submit("tim", house.project())
    house.decide("ola", one)
    house.leaves("finance", "fay")
    told = refused(house, "fay", one)
    assert "Finance asks: Finance partners and Eve" in told
    house.flag("fred", is_deactivated=True)
    assert "Only full, active members" in refused(house, "fred", one)


def test_a_card_of_an_earlier_stage_decides_nothing(house: House) -> None:
    text = POLICY.replace("[subject.owner, subject.sponsor]", "[subject.owner, '@finance']")
    house.text = text
    one = house.submit("tim", house.project())
    house.decide("ola", one)
    assert "changed while you looked: it is with Finance (0 of 2) now" in refused(
        house, "fay", one, revision=1
    )
    assert "changed while you looked" in refused(house, "fay", one, revision=3)
    house.decide("fay", one, revision=2)


def test_another_approval_of_the_same_stage_does_not_make_a_card_stale(house: House) -> None:
    one = house.submit("tim", house.project())
    house.decide("ola", one)
    shown = house.card(one).revision
    house.decide("fay", one, revision=shown)
    house.decide("fred", one, revision=shown)
    assert house.state(one) == "approved"


def test_asking_twice_asks_once(house: House) -> None:
    project = house.project()
    first = house.submit("tim", project, key="view:1")
    sent = len(house.sent())
    assert house.submit("tim", project, key="view:1") == first
    assert len(house.sent()) == sent
    with pytest.raises(NotAllowed):
        house.submit("ned", project, key="view:1")
    assert house.entries(first) == ["approval.opened"]


def test_a_reason_is_needed(house: House) -> None:
    with pytest.raises(InvalidInput) as caught:
        house.submit("tim", house.project(), reason=" \n ")
    assert caught.value.field == "reason"


@pytest.mark.parametrize(
    ("owner", "requester", "words"),
    [
        (None, "tim", "Budget owner needs 1 person besides you"),
        ("ola", "ola", "Budget owner needs 1 person besides you"),
        ("lea", "tim", "Budget owner needs 1 person besides you"),
    ],
)
def test_a_stage_that_reaches_nobody_refuses_the_request(
    house: House, owner: str | None, requester: str, words: str
) -> None:
    project = house.project(owner=owner)
    with pytest.raises(NobodyToDecide) as caught:
        house.submit(requester, project)
    assert words in caught.value.sentence
    assert "subject.owner" in caught.value.sentence
    assert house.sent() == []


def test_stages_that_need_the_same_people_refuse_the_request(house: House) -> None:
    house.text = POLICY.replace("[role:finance], quorum: 2", "[subject.owner, U0FAY], quorum: 2")
    with pytest.raises(NobodyToDecide) as caught:
        house.submit("tim", house.project())
    assert "needed in other stages too" in caught.value.sentence
    assert "the stage Finance" in caught.value.sentence


def test_an_approval_that_would_block_a_later_stage_is_left_to_somebody_else(house: House) -> None:
    house.text = POLICY.replace(
        "[subject.owner, subject.sponsor]", "[subject.owner, U0FAY]"
    ).replace("[role:finance], quorum: 2", "[U0FAY, U0FRED], quorum: 2")
    one = house.submit("tim", house.project())
    assert "You are needed in a later stage (Finance)" in refused(house, "fay", one)
    house.decide("ola", one)
    house.decide("fay", one)
    house.decide("fred", one)
    assert house.state(one) == "approved"


def test_a_request_stays_on_the_policy_it_was_opened_under(house: House) -> None:
    one = house.submit("tim", house.project())
    house.text = POLICY.replace("quorum: 2", "quorum: 1").replace('["@finance", U0EVE]', "[U0NED]")
    house.decide("ola", one)
    assert "You are not among those" in refused(house, "ned", one)
    house.decide("fay", one)
    assert house.state(one) == "pending"
    with house.db.read() as session:
        bound = session.execute(
            select(ApprovalStage.approvers).where(ApprovalStage.position == 0)
        ).scalar_one()
    assert bound == [
        {"rule": "subject.owner", "who": ["person:p-ola"]},
        {"rule": "subject.sponsor", "who": []},
    ]


def test_it_expires_and_is_not_rejected(house: House) -> None:
    project = house.project()
    one = house.submit("tim", project)
    house.later(timedelta(days=6))
    house.expire(one)
    assert house.state(one) == "pending"
    house.later(timedelta(days=1))
    told = refused(house, "ola", one)
    assert told.startswith("This expired on Mon 2 Feb 08:50")
    with pytest.raises(refusals.Overdue):
        house.withdraw("tim", one)
    house.expire(one)
    assert house.state(one) == "expired"
    sent = len(house.sent())
    house.expire(one)
    assert len(house.sent()) == sent
    assert house.entries(one) == ["approval.opened", "approval.expired"]
    assert "expired on" in refused(house, "ola", one)
    assert house.told("approval.ended") == ["U0TIM"]


def test_the_end_stops_the_timer(house: House) -> None:
    one = house.submit("tim", house.project())
    with house.db.read() as session:
        timer = session.execute(select(Timer)).scalar_one()
        assert (timer.kind, timer.due_at, timer.state) == (
            "approval.expire",
            START + timedelta(days=7),
            "due",
        )
    house.decide("ola", one, "reject")
    with house.db.read() as session:
        assert session.execute(select(Timer.state)).scalar_one() == "cancelled"


def test_only_the_requester_withdraws(house: House) -> None:
    project = house.project()
    one = house.submit("tim", project)
    with pytest.raises(NotAllowed) as caught:
        house.withdraw("ola", one)
    assert caught.value.audit is not None
    house.withdraw("tim", one)
    assert house.state(one) == "withdrawn"
    assert house.told("approval.ended") == []
    with pytest.raises(refusals.AlreadyEnded):
        house.withdraw("tim", one)
    with house.db.read() as session:
        assert session.get_one(Project, project).business_unit == "withdrawn"


@pytest.mark.parametrize(
    ("ask", "channel", "cards", "asked"),
    [
        ("channel", "C0LANE", ["C0LANE"], ["U0OLA"]),
        ("channel", None, [], ["U0OLA"]),
        ("dm", "C0LANE", [], ["U0OLA"]),
        ("quiet", "C0LANE", [], []),
    ],
)
def test_how_a_stage_is_asked(
    house: House, ask: str, channel: str | None, cards: list[str], asked: list[str]
) -> None:
    house.text = POLICY + f"    ask: {ask}\n"
    one = house.submit("tim", house.project(channel=channel))
    assert house.told("approval.card") == cards
    assert house.told("approval.asked") == asked
    assert house.told("approval.receipt") == ["U0TIM"]
    house.decide("ola", one)
    assert len(house.told("approval.story")) == len(cards)


def test_a_crowd_is_asked_by_the_channel_alone_unless_outsiders_read_it(house: House) -> None:
    crowd = [f"m{number}" for number in range(14)]
    for name in crowd:
        house.person(name)
    house.group("crowd", *crowd)
    house.text = POLICY.replace("[subject.owner, subject.sponsor]", '["@crowd"]')
    house.submit("tim", house.project())
    assert house.told("approval.asked") == []
    with house.db.begin() as session:
        session.execute(
            select(Channel).where(Channel.slack_id == "C0LANE")
        ).scalar_one().has_guests = True
    house.submit("tim", house.project())
    assert len(house.told("approval.asked")) == 14


def test_what_waits_and_what_was_asked(house: House) -> None:
    one = house.submit("tim", house.project())
    two = house.submit("fay", house.project())

    def waiting(name: str) -> list[int]:
        with house.db.read() as session:
            found = reads.list_waiting(
                make_context(session, actor=house.actor(name), policy=house.policy, now=house.now)
            )
        return [card.id for card in found]

    def asked(name: str) -> list[tuple[int, str]]:
        with house.db.read() as session:
            found = reads.list_asked(
                make_context(session, actor=house.actor(name), policy=house.policy, now=house.now)
            )
        return [(card.id, card.state.value) for card in found]

    assert waiting("ola") == [one, two]
    assert waiting("fay") == []
    house.decide("ola", one)
    house.decide("ola", two)
    assert waiting("ola") == []
    assert waiting("fay") == [one]
    assert waiting("gus") == []
    assert house.card(one, "fay").reader is not None
    assert house.card(one, "fay").reader.why == "you are in Finance partners"  # type: ignore[union-attr]
    house.decide("fay", one, "reject")
    assert asked("tim") == [(one, "rejected")]
    assert asked("fay") == [(two, "pending")]
    house.later(timedelta(days=15))
    assert waiting("fred") == []
    assert asked("tim") == []


def test_an_approver_who_cannot_be_reached_does_not_stop_the_others(house: House) -> None:
    with house.db.begin() as session:
        session.get_one(Person, "p-fred").slack_id = None
    one = house.submit("tim", house.project())
    house.decide("ola", one)
    assert "U0FRED" not in house.told("approval.asked")
    house.decide("fay", one)
    house.decide("eve", one)
    assert house.state(one) == "approved"


def test_a_subject_that_changed_meanwhile_lets_the_last_click_change_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = house.submit("tim", house.project())
    house.decide("ola", one)
    house.decide("fay", one)

    def gone(*args: object, **more: object) -> None:
        raise InvalidInput("The project is closed.")

    monkeypatch.setattr(type(approvable.SUBJECTS["project"]), "apply", gone)
    assert refused(house, "fred", one) == "The project is closed."
    house.ledger_holds()


def test_names_in_refusals_cannot_ping_or_link(house: House) -> None:
    house.flag("ola", name="<!channel> & <https://evil.example|x> *b*")
    one = house.submit("tim", house.project())
    told = refused(house, "ned", one)
    assert "<" not in told
    assert "&" not in told


def test_a_person_of_another_organisation_with_the_same_slack_id_is_nobody(house: House) -> None:
    with house.db.begin() as session:
        session.add(Person(id="p-twin", org_key="T0ELSE", slack_id="U0EVE", name="Twin"))
        session.flush()
    one = house.submit("tim", house.project())
    house.decide("ola", one)
    assert "U0EVE" in house.told("approval.asked")
    with house.db.read() as session:
        asked = [row.notice["person_id"] for row in house.sent("approval.asked")]
        assert session.get_one(Approval, one).stage == 1
    assert "p-twin" not in asked
    twin = Actor("p-twin", house.actor("eve").kind, "Twin", "U0EVE")
    with pytest.raises(GovernanceError):
        house.decide("eve", one, actor=twin)
