"""What an approval rests on: read again while it waits, shown, routed anew and asked anew; and one table of guards."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from storage.audit.tables import AuditEntry
from storage.budgets.tables import Budget
from storage.enums import ModelState, Severity
from storage.evidence.tables import Evidence
from storage.inventory.tables import ModelVersion
from tests.contexts import make_context
from tests.inventory.conftest import DEV, OLA, OPS, RISK, SPO, VAL, Yard
from workflows import resting
from workflows.approvals.refusals import Barred, CardChanged, MovedOn
from workflows.errors import GovernanceError, NotAllowed
from workflows.evidence.rules import digest_items
from workflows.inventory import evidence, model_approval, permissions, reads, rules, transitions

S = ModelState
ROUTES = "    when_facts_change: add_stages\n    expires_after: 7d"


def asked(yard: Yard, model: int, *, tier: int | None = None) -> tuple[int, int]:
    """A version that waits for approval, with the evidence of the most material tier where it may become that."""
    version = yard.in_validation(model)
    yard.complete(version, "approval")
    for type_ in ("robustness_test", "privacy_impact_assessment", "impact_assessment"):
        yard.hand_in(DEV, version, type_)
    yard.accept_all(VAL, version)
    return version, yard.ask(VAL, version)


def look(yard: Yard) -> None:
    """Let whatever fell due run, as the clock hand does."""
    yard.until(yard.now)


def steps_on_ledger(yard: Yard, verb: str) -> list[dict[str, Any]]:
    with yard.db.read() as session:
        return [
            json.loads(row.body)["facts"]
            for row in session.execute(
                select(AuditEntry)
                .where(AuditEntry.action == f"approval.{verb}")
                .order_by(AuditEntry.seq)
            ).scalars()
        ]


def test_a_tier_that_rises_while_approvers_look_asks_its_sponsor_too(yard: Yard) -> None:
    model = yard.model(tier=2)
    version, request = asked(yard, model)
    assert [one.name for one in yard.card(request).rounds] == ["Model risk"]
    shown = yard.card(request).revision
    yard.assess(model, 1)
    # Before anything has looked again: whoever approves was not shown that.
    with pytest.raises(MovedOn, match="tier 2 → 1"):
        yard.decide(RISK, request)
    look(yard)
    card = yard.card(request)
    assert [one.name for one in card.rounds] == ["Model risk", "Sponsor"]
    assert "tier 2 → 1" in card.changes
    assert (card.added, card.dropped) == (("Sponsor",), ())
    assert {one["name"]: one["value"] for one in card.known}["tier"] == 1
    with pytest.raises(CardChanged):
        yard.decide(RISK, request, revision=shown)
    yard.decide(RISK, request)
    assert yard.card(request).round.name == "Sponsor"
    yard.decide(SPO, request)
    assert yard.state_of(version) is S.APPROVED
    yard.ledger_holds()


def test_who_approved_less_is_asked_again(yard: Yard) -> None:
    yard.text = yard.text.replace("[role:model_risk]}", "[role:model_risk], quorum: 2}")
    model = yard.model(tier=2)
    version, request = asked(yard, model)
    yard.decide(RISK, request)
    yard.assess(model, 1)
    look(yard)
    assert yard.deciders(request) == [], "that was about tier 2"
    card = yard.card(request)
    assert (card.round.name, card.round.approved) == ("Model risk", 0)
    assert [line.person.name for line in card.taken_back] == ["Risk"]
    assert sorted(yard.told("approval.note")) == ["U0RISK", "U0VAL"]
    assert yard.told("approval.asked").count("U0RISK") == 2, "a new card rings"
    (void,) = steps_on_ledger(yard, "asked_again")
    assert (void["stage"], len(void["void"])) == (0, 1)
    for who in (RISK, "rita", SPO):
        yard.decide(who, request)
    assert yard.state_of(version) is S.APPROVED
    yard.ledger_holds()


def test_a_policy_that_only_adds_stages_tells_who_approved_less(yard: Yard) -> None:
    yard.text = yard.text.replace("[role:model_risk]}", "[role:model_risk], quorum: 2}").replace(
        "    expires_after: 7d", ROUTES
    )
    stored(yard)
    model = yard.model(tier=2)
    version, request = asked(yard, model)
    yard.decide(RISK, request)
    yard.assess(model, 1)
    look(yard)
    assert [who for who, _, _ in yard.deciders(request)] == [RISK]
    assert "U0RISK" in yard.told("approval.note")
    yard.decide("rita", request)
    assert yard.state_of(version) is S.APPROVAL
    yard.decide(SPO, request)
    assert yard.state_of(version) is S.APPROVED
    yard.ledger_holds()


def stored(yard: Yard) -> None:
    """Requests are bound to the text that is stored as version 1."""
    from sqlalchemy import update

    from storage.policies.tables import PolicyVersion

    with yard.db.begin() as session:
        session.execute(update(PolicyVersion).values(text=yard.text))


def test_a_critical_finding_bars_approval_until_it_is_settled(yard: Yard) -> None:
    model = yard.model(tier=2)
    version, request = asked(yard, model)
    finding = yard.find(OLA, model, Severity.CRITICAL, version)
    with pytest.raises(Barred, match="1 open critical finding"):
        yard.decide(RISK, request)
    look(yard)
    card = yard.card(request)
    assert card.bars == ("1 open critical finding",)
    assert "1 critical finding" in card.changes
    with pytest.raises(Barred):
        yard.decide(RISK, request)
    yard.settle(RISK, finding, "resolve")
    look(yard)
    assert (yard.card(request).bars, yard.card(request).changes) == ((), ())
    yard.decide(RISK, request)
    assert yard.state_of(version) is S.APPROVED
    yard.ledger_holds()


def test_broken_glass_spares_people_and_no_guard(yard: Yard) -> None:
    from workflows.approvals.forms import BreakGlass

    yard.text = yard.text.replace(
        "    expires_after: 7d", "    break_glass: {by: [U0NED]}\n    expires_after: 7d"
    )
    model = yard.model(tier=2)
    version, request = asked(yard, model)
    finding = yard.find(OLA, model, Severity.CRITICAL, version)
    look(yard)
    with pytest.raises(Barred, match="critical"):
        yard.act("ned", BreakGlass(**yard.as_shown(request), reason="It burns."))
    assert yard.state_of(version) is S.APPROVAL
    yard.settle(RISK, finding, "resolve")
    look(yard)
    yard.act("ned", BreakGlass(**yard.as_shown(request), reason="It burns."))
    assert yard.state_of(version) is S.APPROVED


def test_a_critical_finding_bars_implementation_and_use(yard: Yard) -> None:
    model = yard.model(tier=2)
    version = yard.approved(model)
    yard.complete(version, "implementation")
    finding = yard.find(OLA, model, Severity.CRITICAL, version)
    with pytest.raises(NotAllowed, match="1 open critical finding"):
        yard.step(OPS, version, "implement")
    yard.settle(RISK, finding, "resolve")
    yard.step(OPS, version, "implement")
    finding = yard.find(OLA, model, Severity.CRITICAL, version)
    for who in (OPS, OLA):
        with pytest.raises(NotAllowed, match="1 open critical finding"):
            yard.step(who, version, "deploy")
    assert yard.state_of(version) is S.IMPLEMENTATION
    yard.settle(RISK, finding, "resolve")
    yard.step(OPS, version, "deploy")
    yard.step(OLA, version, "deploy")
    assert yard.state_of(version) is S.IN_USE


def test_a_waiver_that_ends_while_it_waits_bars_it(yard: Yard) -> None:
    model = yard.model(tier=3)
    version = yard.in_validation(model)
    yard.accept_all(VAL, version)
    yard.waive(RISK, version, "validation_report", days=2)
    request = yard.ask(VAL, version)
    yard.later(timedelta(days=4))
    with pytest.raises(Barred, match=r"validation report \(waiver over\)"):
        yard.decide(RISK, request)
    # Nothing changed in the record: the day is over, and every night what waits is looked at.
    yard.db.run(lambda session: resting.recheck_all(session, at=yard.now))
    look(yard)
    assert "waiver over" in yard.card(request).bars[0]


def test_what_got_lighter_is_shown_and_asks_nobody_anew(yard: Yard) -> None:
    yard.text = yard.text.replace("[role:model_risk]}", "[role:model_risk], quorum: 2}")
    model = yard.model(tier=1)
    version, request = asked(yard, model)
    revision = yard.card(request).revision
    yard.decide("rita", request)
    yard.find(OLA, model, Severity.LOW, version)
    yard.assess(model, 2, RISK)
    look(yard)
    card = yard.card(request)
    assert {"tier 1 → 2", "1 lesser finding"} <= set(card.changes)
    assert (card.revision, card.round.approved) == (revision, 1)
    assert [one.name for one in card.rounds] == ["Model risk", "Sponsor"], (
        "no stage is ever dropped"
    )
    assert yard.told("approval.note") == []
    yard.decide(RISK, request)
    assert yard.card(request).round.name == "Sponsor"


def test_who_has_had_a_part_by_now_has_not_decided(yard: Yard) -> None:
    from storage.inventory.tables import ModelPerson
    from workflows.inventory import service

    yard.text = yard.text.replace("[role:model_risk]}", "[role:model_risk], quorum: 2}")
    model = yard.model(tier=2)
    version, request = asked(yard, model)
    yard.person("max")
    yard.joins("model-risk", "max")
    yard.decide(RISK, request)
    with yard.db.begin() as session:
        session.add(ModelPerson(version_id=version, person_id="p-risk", part="contributor"))
        service.refresh_copies(make_context(session, now=yard.now), model)
    look(yard)
    assert yard.deciders(request) == []
    with pytest.raises(NotAllowed, match="You contributed to this"):
        yard.decide(RISK, request)
    yard.decide("rita", request)
    yard.decide("max", request)
    assert yard.state_of(version) is S.APPROVED
    yard.ledger_holds()


def test_a_role_that_is_somebody_elses_by_now_is_asked_as_it_is(yard: Yard) -> None:
    from storage.policies.tables import PolicyVersion

    model = yard.model(tier=2)
    version, request = asked(yard, model)
    assert "U0NED" not in yard.told("approval.asked")
    yard.text = yard.text.replace('model_risk: ["@model-risk"]', "model_risk: [U0NED, U0OTTO]")
    with yard.db.begin() as session:
        session.add(PolicyVersion(sha256="1" * 64, text=yard.text, applied_at=yard.now))
    with pytest.raises(MovedOn, match="others decide for Model risk"):
        yard.decide(RISK, request)
    yard.db.run(lambda session: resting.recheck_all(session, at=yard.now))
    look(yard)
    assert {"U0NED", "U0OTTO"} <= set(yard.told("approval.asked"))
    with pytest.raises(GovernanceError):
        yard.decide(RISK, request)
    yard.decide("ned", request)
    assert yard.state_of(version) is S.APPROVED
    yard.ledger_holds()


def test_a_stage_that_could_never_pass_is_said_and_approves_nothing(yard: Yard) -> None:
    model = yard.model(tier=2)
    version, request = asked(yard, model)
    yard.flag(SPO, is_deactivated=True)
    yard.assess(model, 1)
    look(yard)
    assert "Sponsor has to decide too" in yard.card(request).stuck
    with pytest.raises(GovernanceError, match="Sponsor has to decide too"):
        yard.decide(RISK, request)
    assert yard.state_of(version) is S.APPROVAL


def test_while_a_question_is_open_nothing_is_asked_anew(yard: Yard) -> None:
    model = yard.model(tier=2)
    _, request = asked(yard, model)
    yard.question(RISK, request)
    yard.assess(model, 1)
    look(yard)
    assert yard.card(request).added == ()
    yard.answer(VAL, request)
    look(yard)
    assert yard.card(request).added == ("Sponsor",)
    yard.ledger_holds()


# --- one table of guards

HERE = {
    rules.Who.OWNER: OLA,
    rules.Who.DEVELOPER: DEV,
    rules.Who.VALIDATOR: VAL,
    rules.Who.MODEL_RISK: RISK,
    rules.Who.OPERATIONS: OPS,
}
USES = {S.APPROVAL, S.APPROVED, S.IMPLEMENTATION, S.IN_USE}


def test_nothing_leads_to_approval_or_use_past_a_critical_finding() -> None:
    for move in rules.MOVES:
        is_back = move.verb == "roll_back"
        leads = move.target in USES and not is_back
        assert (rules.Guard.NO_CRITICAL in move.guards) == leads, move
    assert {rules.find_move(state, verb) for state, verb in rules.NEXT.items()} <= set(rules.MOVES)


def _critical(yard: Yard, model: int, version: int) -> None:
    yard.find(OLA, model, Severity.CRITICAL, version)


def _high(yard: Yard, model: int, version: int) -> None:
    yard.find(OLA, model, Severity.HIGH, version)


def _no_budget(yard: Yard, model: int, version: int) -> None:
    with yard.db.begin() as session:
        session.execute(delete(Budget))


def _contents(yard: Yard, model: int, version: int) -> None:
    _set(yard, version, digest="c" * 64)


def _approval_over(yard: Yard, model: int, version: int) -> None:
    _set(yard, version, approved_until=yard.now - timedelta(days=1))


def _evidence_gone(yard: Yard, model: int, version: int) -> None:
    with yard.db.begin() as session:
        session.execute(delete(Evidence).where(Evidence.version_id == version))


def _used(yard: Yard, model: int, version: int) -> None:
    below = yard.in_use(yard.model("triage", upstream=("fraud",)))
    assert yard.state_of(below) is S.IN_USE


def _set(yard: Yard, version: int, **values: Any) -> None:
    with yard.db.begin() as session:
        session.execute(update(ModelVersion).where(ModelVersion.id == version).values(**values))


BREAKS: tuple[Callable[[Yard, int, int], None], ...] = (
    _used,
    _high,
    _critical,
    _contents,
    _approval_over,
    _no_budget,
    _evidence_gone,
)
"""What goes wrong, one after the other, until everything has."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_check_says_what_a_step_refuses_and_nothing_else(yard: Yard) -> None:
    """The whole table, both ways, as one thing after the other goes wrong."""
    model = yard.model(tier=2)
    version = yard.in_use(model)
    yard.complete(version, "retirement")
    walked = {move for move in rules.MOVES if move.source is not S.INVENTORIED}
    walked = {move for move in walked if move.verb not in rules.ENDINGS}
    refused: set[rules.Move] = set()
    free: set[rules.Move] = set()
    for breaks in (lambda *_: None, *BREAKS):
        breaks(yard, model, version)
        for state in S:
            if not any(move.source is state for move in walked):
                continue
            _set(yard, version, state=state.value)
            _walk(yard, model, version, refused, free)
    assert free >= walked - {rules.find_move(S.VALIDATION, "return")}
    barrable = {one for one in walked if one.evidence or set(one.guards) - rules.SAID_WITH_IT}
    assert refused == barrable


def _walk(yard: Yard, model: int, version: int, refused: set[Any], free: set[Any]) -> None:
    with yard.db.read() as session:
        told = evidence.check_version(
            make_context(session, policy=yard.policy, now=yard.now), version
        )
        row = session.get_one(ModelVersion, version)
        record = reads.load_model(session, model)
        at = permissions.load_situation(
            make_context(session, policy=yard.policy, now=yard.now),
            record,
            row,
            permissions.load_items(session, version),
        )
        for one in told.steps:
            move = rules.find_move(told.state, one.verb)
            assert move is not None
            (refused if one.missing else free).add(move)
            if one.verb == rules.NEXT[told.state]:
                assert told.missing == one.missing
            lacks = at.lacks.get(move.evidence, ()) if move.evidence else ()
            phrases = [*one.missing[len(lacks) :]]
            assert [lack.words for lack in lacks] == list(one.missing[: len(lacks)])
            if lacks:
                phrases.insert(0, f"missing: {', '.join(one.missing[: len(lacks)])}")
            assert said_by(yard, session, row, move) == phrases, (move, told)


def said_by(yard: Yard, session: Any, row: ModelVersion, move: rules.Move) -> list[str]:
    """What the step itself is refused with, by somebody who may take it."""
    if rules.Who.REQUEST in move.who:
        facts = {
            "digest": row.digest or "",
            "evidence": digest_items(permissions.load_items(session, row.id)),
        }
        now = model_approval.MODEL_APPROVAL.reread(
            make_context(session, policy=yard.policy, now=yard.now), row.id, facts
        ).again
        assert now is not None
        return list(now.bars)
    who = next(HERE[one] for one in sorted(move.who))
    try:
        transitions.require_free(
            make_context(session, actor=yard.actor(who), policy=yard.policy, now=yard.now),
            row,
            move,
        )
    except NotAllowed as refusal:
        return refusal.sentence.partition("can't go on yet: ")[2].removesuffix(".").split("; ")
    return []
