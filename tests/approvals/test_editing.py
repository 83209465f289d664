"""Changing a request that waits: other words only tell, another thing asks people anew, from the stage that the policy says."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from storage.approvals.tables import ApprovalEdit, Decision
from storage.audit.tables import AuditEntry
from tests.approvals.conftest import House
from tests.approvals.test_conditions import owed
from tests.approvals.test_gates import gate
from tests.contexts import make_context
from workflows.approvals import editing, rules
from workflows.approvals.refusals import AlreadyEnded, Overdue
from workflows.approvals.submission import NobodyToDecide
from workflows.errors import GovernanceError, InvalidInput, NotAllowed
from workflows.policy import PolicyRefused, parse

THREE = gate(
    "{name: Owner, approvers: [subject.owner]}\n"
    '{name: Money, approvers: ["@finance"]}\n'
    "{name: Board, when: increase.percent > 20.0, approvers: [U0EVE]}",
    "change_reopens: Money\nremind_after: [1d]",
)
SMALL = gate("{name: Owner, approvers: [subject.owner]}", "auto_approve: increase.percent < 10.0")


def entry(house: House, approval_id: int) -> AuditEntry:
    with house.db.read() as session:
        found = session.execute(
            select(AuditEntry)
            .where(
                AuditEntry.action == "approval.edited", AuditEntry.subject_id == str(approval_id)
            )
            .order_by(AuditEntry.seq.desc())
        ).scalars()
        row = found.first()
        session.expunge_all()
    assert row is not None
    return row


def test_other_words_only_tell(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    before = house.card(asked)
    told = house.edit("tim", asked, "The pilot ended well, and the team is ready.")
    assert "nobody is asked anew" in told
    card = house.card(asked)
    assert card.reason == "The pilot ended well, and the team is ready."
    assert (card.stage, card.revision, card.lines) == (before.stage, before.revision, before.lines)
    assert card.expires_at == before.expires_at
    (edit,) = card.extras.edits
    assert (edit.is_material, edit.reason, edit.voided) == (False, "The pilot is over.", 0)
    assert house.told("approval.told") == ["C0LANE"]
    facts = json.loads(entry(house, asked).body)["facts"]
    assert facts["material"] is False
    assert facts["before"] == facts["after"]
    assert facts["reason"]
    assert "ready" not in entry(house, asked).body
    house.decide("fay", asked)
    house.decide("fred", asked)
    assert house.state(asked) == "approved"
    house.ledger_holds()


def test_another_thing_asks_everybody_anew(house: House) -> None:
    project = house.project()
    asked = house.submit("tim", project)
    house.decide("ola", asked)
    house.decide("fay", asked)
    seen = house.card(asked)
    house.later(timedelta(days=2))
    told = house.edit("tim", asked, amount=9_000.0)
    assert told.endswith("Budget owner is asked anew. What was decided counts no more.")
    card = house.card(asked)
    assert (card.stage, card.lines, card.facts["amount"]) == (0, (), 9_000.0)
    assert card.revision > seen.revision
    assert card.expires_at == house.now + timedelta(days=7)
    assert house.told("approval.asked").count("U0OLA") == 2
    assert house.told("approval.note") == ["U0FAY"]
    (edit,) = card.extras.edits
    assert (edit.reopened, edit.voided) == ("Budget owner", 2)
    with pytest.raises(GovernanceError):
        house.decide("ola", asked, revision=seen.revision)
    for name in ("ola", "fred", "fay"):
        house.decide(name, asked)
    assert (house.state(asked), house.status(project)) == ("approved", "live")
    now = rules.digest(card.facts)
    with house.db.read() as session:
        rows = session.execute(
            select(Decision.taken_back_at, Decision.shown).where(Decision.approval_id == asked)
        ).all()
    assert [shown == now for _, shown in rows] == [False, False, True, True, True]
    facts = json.loads(entry(house, asked).body)["facts"]
    assert (facts["after"], facts["material"]) == (now, True)
    assert facts["before"] != now
    assert len(facts["void"]) == 2
    house.ledger_holds()


def test_the_policy_says_from_which_stage_on(house: House) -> None:
    house.text = THREE
    asked = house.submit("tim", house.project(), percent=10.0)
    assert [one.name for one in house.card(asked).rounds] == ["Owner", "Money"]
    house.decide("ola", asked)
    told = house.edit("tim", asked, percent=30.0)
    assert "Money is asked anew." in told
    card = house.card(asked)
    assert [one.name for one in card.rounds] == ["Owner", "Money", "Board"]
    assert card.stage == 1
    assert [line.person.id for line in card.lines] == ["p-ola"]
    house.decide("fay", asked)
    house.edit("tim", asked, percent=12.0)
    assert house.card(asked).stage == 1
    assert [one.name for one in house.card(asked).rounds] == ["Owner", "Money"]
    house.decide("fred", asked)
    assert house.state(asked) == "approved"
    assert house.deciders(asked) == [("ola", 0, "approve"), ("fred", 1, "approve")]


def test_who_decided_before_that_stage_need_not_decide_again(house: House) -> None:
    house.text = gate(
        '{name: Two, approvers: [subject.owner, "@finance"], quorum: 2}\n'
        "{name: Board, approvers: [U0EVE]}",
        "change_reopens: Board",
    )
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    old = house.card(asked).revision
    told = house.edit("tim", asked, amount=6_000.0)
    assert "need not decide again" in told
    card = house.card(asked)
    assert (card.stage, card.round.approved) == (0, 1)
    assert card.extras.edits[0].reopened == ""
    with pytest.raises(GovernanceError):
        house.decide("fay", asked, revision=old)
    house.decide("fay", asked)
    house.decide("eve", asked)
    assert house.state(asked) == "approved"


def test_what_passes_by_rule_now_passes(house: House) -> None:
    house.text = SMALL
    project = house.project()
    asked = house.submit("tim", project, percent=50.0)
    assert "passes by rule" in house.edit("tim", asked, percent=5.0)
    assert (house.state(asked), house.status(project)) == ("approved", "live")
    assert house.card(asked).by_rule == "increase.percent < 10.0"
    assert house.deciders(asked) == []


def test_what_could_never_pass_changes_nothing(house: House) -> None:
    house.text = gate(
        "{name: Owner, approvers: [subject.owner]}\n"
        "{name: Nobody, when: increase.percent > 20.0, approvers: [subject.sponsor]}"
    )
    asked = house.submit("tim", house.project(), percent=10.0)
    before = house.card(asked)
    with pytest.raises(NobodyToDecide, match="Nobody"):
        house.edit("tim", asked, percent=30.0)
    assert house.card(asked) == before


def test_who_may_not_and_when_not(house: House) -> None:
    asked = house.submit("tim", house.project())
    for name in ("ola", "ned"):
        with pytest.raises(NotAllowed, match="Only the person who asked"):
            house.edit(name, asked, amount=9.0)
    with pytest.raises(InvalidInput, match="Nothing here is different"):
        house.edit("tim", asked)
    with pytest.raises(InvalidInput, match="why this is needed"):
        house.edit("tim", asked, " ", amount=9.0)
    house.question("ola", asked)
    with pytest.raises(InvalidInput, match="Ola asked you something first"):
        house.edit("tim", asked, amount=9.0)
    house.answer("tim", asked)
    with pytest.raises(InvalidInput, match="what it was opened for"):
        house.edit("tim", asked, project_id=house.project())
    house.later(timedelta(days=8))
    with pytest.raises(Overdue):
        house.edit("tim", asked, amount=9.0)
    house.expire(asked)
    with pytest.raises(AlreadyEnded):
        house.edit("tim", asked, amount=9.0)
    with house.db.read() as session:
        assert session.execute(select(ApprovalEdit)).first() is None


def test_clocks_start_again(house: House) -> None:
    house.text = gate("{name: Owner, approvers: [subject.owner]}", "remind_after: [1d]")
    asked = house.submit("tim", house.project())
    house.until(house.now + timedelta(days=1, hours=1))
    assert house.told("approval.due") == ["U0OLA"]
    house.edit("tim", asked, amount=9.0)
    house.until(house.now + timedelta(days=1, hours=1))
    assert house.told("approval.due") == ["U0OLA"] * 2
    house.until(house.now + timedelta(days=5))
    assert house.state(asked) == "pending"
    house.until(house.now + timedelta(days=2))
    assert house.state(asked) == "expired"


def test_conditions_go_with_the_approval_that_set_them(house: House) -> None:
    asked = house.submit("tim", house.project())
    house.decide("ola", asked, conditions=owed())
    assert len(house.card(asked).conditions) == 1
    house.edit("tim", asked, amount=9.0)
    assert house.card(asked).conditions == ()


def test_a_window_opens_only_for_who_may_change_it(house: House) -> None:
    asked = house.submit("tim", house.project())
    with house.db.read() as session:
        around = {"policy": house.policy, "now": house.now, "org": "T0ACME"}
        card = editing.require_editable(
            make_context(session, actor=house.actor("tim"), **around), asked
        )
        assert card.reason == "The pilot is over."
        with pytest.raises(NotAllowed):
            editing.require_editable(
                make_context(session, actor=house.actor("ola"), **around), asked
            )


def test_a_policy_names_a_stage_that_there_is() -> None:
    with pytest.raises(PolicyRefused, match="change_reopens names a stage"):
        parse(THREE.replace("change_reopens: Money", "change_reopens: Monney"))
