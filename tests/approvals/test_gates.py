"""Each rule of a gate, in a database: who is asked, who may decide, and what happens when nobody does."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from storage.audit.tables import AuditEntry
from storage.people.tables import MirrorReading, Person
from tests.approvals.conftest import POLICY, START, House
from tests.contexts import make_context
from workflows.approvals import submission
from workflows.approvals.refusals import AlreadyDecided, CommentNeeded
from workflows.approvals.submission import NobodyToDecide
from workflows.errors import GovernanceError, NotAllowed

HEAD = POLICY[: POLICY.index("gates:")].replace(
    "roles:\n", 'roles:\n  risk: ["@risk"]\n  lead: [U0NED]\n'
)


def gate(stages: str, more: str = "") -> str:
    """A policy with this gate; `stages` one flow mapping a line."""
    listed = "\n".join(f"      - {line}" for line in stages.strip().splitlines())
    extra = "\n".join(f"    {line}" for line in more.strip().splitlines())
    return f"{HEAD}gates:\n  budget_increase:\n    stages:\n{listed}\n{extra}\n"


def refusal(house: House, name: str, id_: int, **more: object) -> str:
    with pytest.raises(GovernanceError) as caught:
        house.decide(name, id_, **more)  # type: ignore[arg-type]
    return caught.value.sentence


def names(house: House, id_: int) -> list[str]:
    return [stage.name for stage in house.card(id_).rounds]


OWNER = "{name: Owner, approvers: [subject.owner]}"
LARGE = "{name: Finance, when: increase.percent > 20.0 || increase.amount > 10000.0, approvers: [role:finance]}"


@pytest.mark.parametrize(
    ("asked", "stages"),
    [
        ({"percent": 30.0}, ["Owner", "Finance"]),
        ({"percent": 10.0}, ["Owner"]),
        ({"percent": 10.0, "amount": 20_000.0}, ["Owner", "Finance"]),
    ],
)
def test_a_stage_whose_condition_does_not_hold_is_left_out_and_told(
    house: House, asked: dict[str, float], stages: list[str]
) -> None:
    house.text = gate(f"{OWNER}\n{LARGE}")
    id_ = house.submit("tim", house.project(), **asked)
    assert names(house, id_) == stages
    assert [one.name for one in house.card(id_).dropped] == (
        [] if "Finance" in stages else ["Finance"]
    )
    house.decide("ola", id_)
    assert (house.state(id_) == "approved") == (stages == ["Owner"])


def test_a_request_to_which_no_stage_applies_is_refused(house: House) -> None:
    house.text = gate(LARGE)
    with pytest.raises(NobodyToDecide, match="No stage of this gate applies"):
        house.submit("tim", house.project(), percent=1.0, amount=1.0)
    assert house.sent() == []


@pytest.mark.parametrize(
    "more", ["auto_approve: increase.percent <= 10.0", "when: increase.percent > 10.0"]
)
def test_what_is_small_passes_by_rule_and_says_so(house: House, more: str) -> None:
    house.text = gate(OWNER, more)
    project = house.project()
    id_ = house.submit("tim", project, percent=5.0)
    card = house.card(id_)
    assert (house.state(id_), house.status(project)) == ("approved", "live")
    assert "increase.percent" in card.by_rule
    assert house.deciders(id_) == []
    assert house.told("approval.asked") == []
    assert house.told("approval.ended") == ["U0TIM"]
    assert house.entries(id_)[-2:] == ["approval.opened", "approval.approved"]
    assert house.state(house.submit("tim", house.project(), percent=15.0)) == "pending"


def test_all_of_wants_every_group_each_by_people_of_its_own(house: House) -> None:
    house.group("risk", "ned", "fay")
    house.text = gate(
        '{name: Release, all_of: [{name: Money, approvers: ["@finance"]}, {name: Risk, approvers: ["@risk"]}]}'
    )
    id_ = house.submit("tim", house.project())
    house.decide("fred", id_)
    card = house.card(id_)
    assert [(part.name, part.approved) for part in card.round.parts] == [("Money", 1), ("Risk", 0)]
    house.decide("fay", id_)  # of both groups: she fills the place that is free
    assert house.state(id_) == "approved"


def test_an_approval_that_fills_no_place_is_not_needed(house: House) -> None:
    house.group("risk", "ned")
    house.text = gate(
        '{name: Release, all_of: [{approvers: ["@finance"]}, {name: Risk, approvers: ["@risk"]}]}'
    )
    id_ = house.submit("tim", house.project())
    house.decide("fred", id_)
    with pytest.raises(AlreadyDecided, match=r"Waiting for: Risk \(0 of 1\)"):
        house.decide("fay", id_)
    assert house.card(id_, "fay").reader.why == ""  # type: ignore[union-attr]
    house.decide("ned", id_)
    assert house.state(id_) == "approved"


def test_any_of_is_passed_by_one_group(house: House) -> None:
    house.text = gate(
        "{name: Either, any_of: [{approvers: [role:finance], quorum: 2}, {approvers: [role:lead]}]}"
    )
    id_ = house.submit("tim", house.project())
    house.decide("fay", id_)
    assert house.state(id_) == "pending"
    house.decide("ned", id_)
    assert house.state(id_) == "approved"


def test_the_requesters_manager_decides(house: House) -> None:
    house.text = gate("{name: Manager, approvers: [requester.manager]}")
    with pytest.raises(NobodyToDecide, match=r"requester\.manager names nobody"):
        house.submit("tim", house.project())
    house.flag("tim", manager_id="p-ned")
    id_ = house.submit("tim", house.project())
    assert "reports to you" in house.card(id_, "ned").reader.why  # type: ignore[union-attr]
    house.decide("ned", id_)
    assert house.state(id_) == "approved"


def test_who_is_on_call_is_read_when_they_decide(house: House) -> None:
    house.group("oncall", "ned")
    house.text = gate('{name: On call, approvers: ["oncall:@oncall"]}')
    id_ = house.submit("tim", house.project())
    house.leaves("oncall", "ned")
    house.joins("oncall", "fay")
    assert "You are not among those who decide this" in refusal(house, "ned", id_)
    house.decide("fay", id_)
    assert house.state(id_) == "approved"


SEPARATE = "separate: [requester, developer, validator, contributors]"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"developer": "fay"}, "You developed this"),
        ({"validator": "fay"}, "You validated this"),
        ({"contributors": ("fay",)}, "You contributed to this"),
    ],
)
def test_who_took_part_does_not_decide(
    house: House, asked: dict[str, object], sentence: str
) -> None:
    house.text = gate('{name: Finance, approvers: ["@finance"]}', SEPARATE)
    id_ = house.submit("tim", house.project(), **asked)
    assert house.told("approval.asked") == ["U0FRED"]
    assert sentence in refusal(house, "fay", id_)
    house.decide("fred", id_)
    assert house.state(id_) == "approved"


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"developer": "tim"}, "You developed this, so the policy wants somebody else"),
        ({"developer": "ned", "validator": "ned"}, "developed and validated this"),
    ],
)
def test_parts_that_must_be_apart_are_apart_when_it_is_asked(
    house: House, asked: dict[str, object], sentence: str
) -> None:
    house.text = gate('{name: Finance, approvers: ["@finance"]}', SEPARATE)
    with pytest.raises(NotAllowed, match=sentence):
        house.submit("tim", house.project(), **asked)


def test_without_that_rule_a_developer_may_decide(house: House) -> None:
    house.text = gate('{name: Finance, approvers: ["@finance"]}')
    id_ = house.submit("tim", house.project(), developer="fay")
    house.decide("fay", id_)
    assert house.state(id_) == "approved"


def test_a_comment_is_required_where_the_stage_says_so(house: House) -> None:
    house.text = gate('{name: Finance, approvers: ["@finance"], comment: required}')
    id_ = house.submit("tim", house.project())
    with pytest.raises(CommentNeeded, match="say in a sentence why you approve"):
        house.decide("fay", id_)
    house.decide("fay", id_, reason="The backlog is real.")
    assert house.card(id_).lines[0].reason == "The backlog is real."


def test_who_joins_a_group_to_approve_has_to_wait(house: House) -> None:
    house.text = gate('{name: Finance, approvers: ["@finance"], member_since: 24h}')
    house.now = START + timedelta(days=2)
    id_ = house.submit("tim", house.project())
    house.joins("finance", "ned")
    sentence = refusal(house, "ned", id_)
    assert "You are new in Finance partners" in sentence
    assert "you can decide from Thu 29 Jan 08:50" in sentence
    house.later(timedelta(hours=24))
    house.decide("ned", id_)
    assert house.state(id_) == "approved"


def test_pinned_members_are_those_of_the_moment_it_was_asked(house: House) -> None:
    house.text = gate('{name: Finance, approvers: ["@finance"], member_since: pinned}')
    id_ = house.submit("tim", house.project())
    house.joins("finance", "ned")
    house.later(timedelta(days=6))
    assert "You joined Finance partners after this was asked" in refusal(house, "ned", id_)
    house.leaves("finance", "fay")
    assert "You are not among those" in refusal(house, "fay", id_)
    house.decide("fred", id_)
    assert house.state(id_) == "approved"


def test_a_fallback_decides_in_place_of_nobody(house: House) -> None:
    stage = "{name: Sponsor, approvers: [subject.sponsor]}"
    house.text = gate(stage, "nobody: refuse")
    with pytest.raises(NobodyToDecide, match=r"the stage Sponsor needs 1 person"):
        house.submit("tim", house.project())
    house.text = gate(stage, "nobody: {fallback: [role:lead]}")
    id_ = house.submit("tim", house.project())
    assert house.card(id_).round.has_fallback
    assert house.told("approval.asked") == ["U0NED"]
    house.decide("ned", id_)
    assert house.state(id_) == "approved"


def test_a_fallback_that_is_nobody_either_refuses(house: House) -> None:
    house.text = gate(
        "{name: Sponsor, approvers: [subject.sponsor], quorum: 2}",
        "nobody: {fallback: [role:lead]}",
    )
    with pytest.raises(NobodyToDecide, match="role:lead names 1"):
        house.submit("tim", house.project())


REMIND = "remind_after: [1d, 3d]"


def test_reminders_come_in_working_hours_together_and_stop(house: House) -> None:
    house.text = gate('{name: Finance, approvers: ["@finance"], quorum: 2}', REMIND)
    first = house.submit("tim", house.project())
    house.later(timedelta(hours=12))  # asked on Monday evening: due on Tuesday evening
    second = house.submit("tim", house.project())
    house.until(START + timedelta(hours=23))
    assert house.told("approval.due") == []
    house.until(START + timedelta(hours=25))
    assert sorted(house.told("approval.due")) == ["U0FAY", "U0FRED"]
    house.decide("fay", first)
    house.decide("fay", second)
    house.until(START + timedelta(hours=49))  # Wednesday morning, for the second
    assert sorted(house.told("approval.due")) == ["U0FAY", "U0FRED", "U0FRED"]
    house.decide("fred", first)
    house.decide("fred", second)
    house.until(START + timedelta(days=10))
    assert len(house.told("approval.due")) == 3


def test_what_falls_due_at_a_weekend_comes_as_one_message(house: House) -> None:
    house.text = gate("{name: Finance, approvers: [U0FAY]}", "remind_after: [1d]")
    house.now = START + timedelta(days=4, hours=4)  # Friday
    for hours in (0, 2, 3):
        house.later(timedelta(hours=hours))
        house.submit("tim", house.project())
    house.until(START + timedelta(days=7, hours=2))
    assert house.told("approval.due") == ["U0FAY"]


def test_quiet_stages_are_not_reminded(house: House) -> None:
    house.text = gate("{name: Finance, approvers: [U0FAY], ask: quiet}", REMIND)
    house.submit("tim", house.project())
    house.until(START + timedelta(days=6))
    assert house.told("approval.due") == []


@pytest.mark.parametrize("way", ["add", "replace", "notify"])
def test_escalation(house: House, way: str) -> None:
    house.text = gate(
        "{name: Finance, approvers: [U0FAY]}", f"escalate: {{after: 2d, {way}: [role:lead]}}"
    )
    id_ = house.submit("tim", house.project())
    house.deliver()
    before = house.card(id_).revision
    house.until(START + timedelta(days=3))
    assert "approval.escalated" in house.entries(id_)
    asked = house.told("approval.asked")
    assert asked == (["U0FAY"] if way == "notify" else ["U0FAY", "U0NED"])
    assert house.told("approval.escalated") == (["U0NED"] if way == "notify" else []) + ["C0LANE"]
    assert (house.card(id_).revision > before) == (way == "replace")
    if way == "notify":
        assert "not among those" in refusal(house, "ned", id_)
    if way == "replace":
        assert "not among those" in refusal(house, "fay", id_)
        house.decide("ned", id_)
        assert house.state(id_) == "approved"
    else:
        house.decide("fay", id_)
        assert house.state(id_) == "approved"


def test_what_was_decided_does_not_escalate(house: House) -> None:
    house.text = gate(
        f"{{name: Finance, approvers: [U0FAY]}}\n{OWNER}", "escalate: {after: 2d, add: [role:lead]}"
    )
    id_ = house.submit("tim", house.project())
    house.until(START + timedelta(days=1))
    house.decide("fay", id_)
    house.until(START + timedelta(days=2, hours=1))
    assert "approval.escalated" not in house.entries(id_)
    house.until(START + timedelta(days=3, hours=1))
    assert house.entries(id_).count("approval.escalated") == 1
    assert house.card(id_).stage == 1


def test_fourteen_days_without_anybody(house: House) -> None:
    house.text = gate(
        '{name: Finance, approvers: ["@finance"], quorum: 2}',
        "remind_after: [1d, 3d]\nescalate: {after: 4d, add: [role:lead]}\nexpires_after: 13d",
    )
    project = house.project()
    id_ = house.submit("tim", project)
    house.until(START + timedelta(days=14))
    assert (house.state(id_), house.status(project)) == ("expired", "draft")
    assert house.entries(id_)[-2:] == ["approval.escalated", "approval.expired"]
    assert len(house.told("approval.due")) == 4
    house.ledger_holds()


def test_an_approval_holds_for_as_long_as_the_gate_says(house: House) -> None:
    house.text = gate(OWNER, "valid_for: 30d")
    id_ = house.submit("tim", house.project())
    house.decide("ola", id_)
    assert house.card(id_).valid_until == START + timedelta(days=30)
    house.until(START + timedelta(days=29))
    assert house.told("approval.validity_ended") == []
    house.until(START + timedelta(days=31))
    assert house.told("approval.validity_ended") == ["U0TIM"]
    assert house.entries(id_)[-1] == "approval.validity_ended"


def test_the_way_is_told_before_it_is_asked(house: House) -> None:
    house.text = gate(f"{OWNER}\n{LARGE}")
    with house.db.read() as session:
        route = submission.preview_route(
            make_context(session, actor=house.actor("fay"), policy=house.policy, org="T0ACME"),
            "budget_increase",
            {"owner": "p-ola"},
        )
    assert [(leg.name, leg.people) for leg in route.legs] == [
        ("Owner", ("Ola",)),
        ("Finance", ("Eve", "Fred")),
    ]
    assert route.notified == 3
    assert "increase.percent" in route.legs[1].when


def test_nobody_stands_by_name_on_the_ledger(house: House) -> None:
    house.text = gate("{name: Finance, approvers: [U0FAY]}", "escalate: {after: 1d, add: [U0NED]}")
    id_ = house.submit("tim", house.project(), developer="eve")
    house.until(START + timedelta(days=2))
    house.decide("ned", id_)
    with house.db.read() as session:
        facts = str([row.body for row in session.execute(select(AuditEntry)).scalars()])
        people = [one.slack_id for one in session.execute(select(Person)).scalars()]
    assert not [one for one in people if one and one in facts]


def test_a_request_that_rests_on_a_mirror_never_read_says_so(house: House) -> None:
    with house.db.begin() as session:
        session.execute(delete(MirrorReading))
    project = house.project(owner=None)
    with pytest.raises(NobodyToDecide, match="hasn't read yet who belongs") as told:
        house.submit("tim", project)
    assert "names nobody" not in told.value.sentence
