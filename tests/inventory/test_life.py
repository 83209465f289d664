"""The life of a version: each step with its people, evidence and guards, on both databases."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from storage.enums import ChangeClass, EuClass, ModelState, Severity
from storage.projects.tables import Project
from tests.inventory.conftest import DEV, OLA, OPS, RISK, SPO, VAL, Yard
from workflows.approvals.refusals import Barred
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, Stale

S = ModelState


def test_from_registered_to_in_use_and_everybody_had_their_part(yard: Yard) -> None:
    model = yard.model(tier=1)
    assert yard.look(model).state is S.INVENTORIED
    version = yard.in_use(model)
    record = yard.look(model)
    assert (record.state, record.lead.id) == (S.IN_USE, version)  # type: ignore[union-attr]
    assert record.next_review is not None
    assert record.next_review.isoformat() == "2026-07-25"
    told = [(one.verb, one.actor) for one in reversed(yard.seen(OLA, model).history)]
    assert told == [
        ("start", "Ola"),
        ("submit", "Dev"),
        ("pass", "Val"),
        ("approve", "Spo"),
        ("implement", "Ops"),
        ("deploy", "Ola"),
    ]
    assert yard.at(version).approved_until == yard.now + timedelta(days=365)
    # Its project is in use from then on, and returns count.
    with yard.db.read() as session:
        (project,) = session.execute(select(Project).where(Project.live_on.is_not(None))).scalars()
        assert project.live_on == yard.now.date()
    yard.ledger_holds()


def test_refusals_say_everything_that_is_missing(yard: Yard) -> None:
    model = yard.model()
    version = yard.version(model, developers=(DEV, VAL))
    with pytest.raises(
        NotAllowed,
        match="missing: model card, datasheet, data lineage and quality, performance report; nobody is named to validate it",
    ):
        yard.step(DEV, version, "submit")
    with pytest.raises(InvalidInput, match="developed this, so they may not validate"):
        yard.step(DEV, version, "submit", validator=VAL)
    with pytest.raises(InvalidInput, match="owns this, so they may not validate"):
        yard.step(DEV, version, "submit", validator=OLA)
    yard.complete(version, "validation")
    with pytest.raises(NotAllowed, match="this is for a developer of it"):
        yard.step(OLA, version, "submit", validator=RISK)
    yard.step(DEV, version, "submit", validator=RISK)
    with pytest.raises(
        NotAllowed,
        match=r"missing: model card \(not accepted yet\).*fairness report.*you developed this version, so you may not validate it",
    ):
        yard.ask(DEV, version)
    assert yard.state_of(version) is S.VALIDATION


def test_a_metric_under_its_threshold_holds_a_version_up(yard: Yard) -> None:
    from workflows.evidence.forms import Measure

    version = yard.version(yard.model(tier=3))
    yard.complete(version, "validation")
    yard.hand_in(
        DEV, version, "performance_report", metrics=(Measure.read("accuracy = 0.81 >= 0.85"),)
    )
    with pytest.raises(NotAllowed, match=r"performance report \(accuracy 0\.81 is below 0\.85\)"):
        yard.step(DEV, version, "submit", validator=VAL)
    yard.hand_in(DEV, version, "performance_report")
    yard.step(DEV, version, "submit", validator=VAL)


def test_evidence_is_accepted_by_the_validator_and_never_by_who_made_it(yard: Yard) -> None:
    model = yard.model()
    version = yard.in_validation(model)
    item = yard.seen(VAL, model).can_accept[0]
    for who, why in ((DEV, "You made this"), (OLA, "accepted by who validates")):
        with pytest.raises(NotAllowed, match=why):
            yard.decide_evidence(who, item.id)
    with pytest.raises(InvalidInput, match="why you reject"):
        yard.decide_evidence(VAL, item.id, accept=False)
    yard.decide_evidence(VAL, item.id, accept=False, word="It names no data.")
    assert f"{item.type.replace('_', ' ')} (rejected)" in [
        one.words for one in yard.seen(VAL, model).lacks["approval"]
    ]
    with pytest.raises(Stale):
        yard.decide_evidence(VAL, item.id)
    again = yard.hand_in(DEV, version, item.type)
    yard.decide_evidence(RISK, again)
    with pytest.raises(NotAllowed, match="validation report is its validator's"):
        yard.hand_in(OLA, version, "validation_report")
    with pytest.raises(NotAllowed, match="handed in by those"):
        yard.hand_in(SPO, version, "model_card")


def test_a_waiver_is_model_risks_with_an_end_and_is_never_a_pass(yard: Yard) -> None:
    model = yard.model(tier=3)
    version = yard.in_validation(model)
    with pytest.raises(NotAllowed, match="Only model risk waives"):
        yard.waive(OLA, version, "validation_report")
    with pytest.raises(InvalidInput, match="at most 180 days"):
        yard.waive(RISK, version, "validation_report", days=400)
    yard.accept_all(VAL, version)
    yard.waive(RISK, version, "validation_report", days=30)
    request = yard.ask(VAL, version)
    # Complete, but waived: no rule passes it, people look.
    assert yard.state_of(version) is S.APPROVAL
    assert "1 waived" in yard.card(request).words.asks
    facts = dict(yard.card(request).words.facts)
    assert "WAIVED until" in facts["Validation report"]
    assert "by Risk: No training set yet." in facts["Validation report"]
    yard.withdraw(VAL, request)
    yard.now += timedelta(days=32)
    assert "validation report (waiver over)" in [
        one.words for one in yard.seen(VAL, model).lacks["approval"]
    ]


def test_a_tier_3_version_with_complete_evidence_passes_by_rule(yard: Yard) -> None:
    model = yard.model(tier=3)
    version = yard.in_validation(model)
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    request = yard.ask(VAL, version)
    assert yard.state(request) == "approved"
    assert yard.state_of(version) is S.APPROVED
    yard.ledger_holds()


def test_what_approvers_look_at_stands_still_and_silence_approves_nothing(yard: Yard) -> None:
    model = yard.model()
    version = yard.in_validation(model)
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    request = yard.ask(VAL, version)
    with pytest.raises(GovernanceError, match="stands still"):
        yard.hand_in(DEV, version, "model_card")
    with pytest.raises(GovernanceError, match="waiting for approval"):
        yard.step(OLA, version, "retire")
    yard.now += timedelta(days=8)
    yard.expire(request)
    assert yard.state_of(version) is S.VALIDATION
    again = yard.ask(VAL, version)
    yard.decide(RISK, again, "reject")
    assert yard.state_of(version) is S.DEVELOPMENT
    assert yard.look(model).state is S.DEVELOPMENT


def test_contents_that_changed_since_are_not_approved(yard: Yard) -> None:
    from storage.inventory.tables import ModelVersion

    model = yard.model()
    version = yard.in_validation(model)
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    request = yard.ask(VAL, version)
    with yard.db.begin() as session:
        session.get_one(ModelVersion, version).digest = "b" * 64
    with pytest.raises(Barred, match="not what stands there now, its contents changed"):
        yard.decide(RISK, request)
    assert yard.state_of(version) is S.APPROVAL
    yard.decide(RISK, request, "reject")


def test_who_made_or_validated_it_does_not_approve_it(yard: Yard) -> None:
    yard.text = yard.text.replace(
        "[role:model_risk]}", '["U0DEV", "U0VAL", "U0CON", "U0RISK"], quorum: 1}'
    )
    yard.person("con")
    model = yard.model()
    version = yard.version(model, contributors=("p-con",))
    yard.complete(version, "validation")
    yard.step(DEV, version, "submit", validator=VAL)
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    request = yard.ask(VAL, version)
    for who in (DEV, VAL, "con"):
        with pytest.raises(NotAllowed):
            yard.decide(who, request)
    yard.decide(RISK, request)
    assert yard.state_of(version) is S.APPROVED


def test_two_people_take_it_into_use_and_one_suspends_it(yard: Yard) -> None:
    model = yard.model()
    down = yard.model("triage", upstream=("fraud",), owner="ned", by=RISK)
    version = yard.approved(model)
    with pytest.raises(NotAllowed, match="missing: monitoring plan"):
        yard.step(OPS, version, "implement")
    yard.complete(version, "implementation")
    with pytest.raises(NotAllowed, match="this is for operations"):
        yard.step(DEV, version, "implement")
    yard.step(OPS, version, "implement")
    assert "needs two people" in yard.step("otto", version, "deploy")
    with pytest.raises(GovernanceError, match="agreed to this already"):
        yard.step("otto", version, "deploy")
    assert "needs two people" in yard.step(OPS, version, "deploy")
    assert yard.state_of(version) is S.IMPLEMENTATION
    yard.step(OLA, version, "deploy")
    assert yard.state_of(version) is S.IN_USE
    with pytest.raises(InvalidInput, match="Say in a sentence why"):
        yard.step(RISK, version, "suspend", "")
    with pytest.raises(NotAllowed, match="this is for its owner, operations or model risk"):
        yard.step(DEV, version, "suspend")
    yard.step("rita", version, "suspend", "It refuses everybody from Leeds.")
    assert yard.look(model).state is S.SUSPENDED
    heard = set(yard.told("model.step"))
    assert {"U0OLA", "U0NED", "C0LANE"} <= heard
    assert yard.look(down).upstream == ("Fraud",)


def test_suspended_comes_back_only_by_model_risk_and_mended(yard: Yard) -> None:
    model = yard.model()
    version = yard.in_use(model)
    finding = yard.find(OPS, model, Severity.HIGH, version)
    yard.step(OPS, version, "suspend")
    with pytest.raises(NotAllowed, match="1 open high finding; this is for model risk"):
        yard.step(OLA, version, "resume")
    yard.settle(OLA, finding, "resolve")
    yard.step(RISK, version, "resume")
    assert yard.state_of(version) is S.IN_USE
    yard.now += timedelta(days=400)
    yard.step(OPS, version, "suspend")
    with pytest.raises(NotAllowed, match="its approval ended on"):
        yard.step(RISK, version, "resume")


def test_changes_by_class(yard: Yard) -> None:
    model = yard.model()
    version = yard.in_use(model)
    with pytest.raises(InvalidInput, match="how much the change weighs"):
        yard.step(OLA, version, "change")
    yard.step(OLA, version, "change", change_class=ChangeClass.EDITORIAL)
    assert yard.state_of(version) is S.IN_USE
    with pytest.raises(InvalidInput, match="name it"):
        yard.step(OLA, version, "change", change_class=ChangeClass.MATERIAL)
    yard.step(OLA, version, "change", change_class=ChangeClass.MATERIAL, new_version="2")
    record = yard.look(model)
    assert [(one.version, one.state) for one in record.versions] == [
        ("2", S.DEVELOPMENT),
        ("1", S.IN_USE),
    ]
    assert record.lead.version == "1"  # type: ignore[union-attr]
    yard.step(OLA, version, "change", change_class=ChangeClass.MINOR)
    assert yard.state_of(version) is S.MODIFICATION
    yard.step(OLA, version, "keep")
    assert yard.state_of(version) is S.IN_USE
    yard.step(OLA, version, "change", change_class=ChangeClass.MINOR)
    yard.step(DEV, version, "revalidate", validator=VAL)
    assert yard.state_of(version) is S.VALIDATION
    assert yard.at(version).approved_until is None
    request = yard.ask(VAL, version)
    yard.decide(RISK, request)
    yard.step(OPS, version, "implement")


def test_retiring_needs_a_plan_two_people_and_nobody_who_depends_on_it(yard: Yard) -> None:
    model = yard.model()
    down = yard.model("triage", upstream=("fraud",))
    version, lower = yard.in_use(model), yard.in_use(down)
    with pytest.raises(NotAllowed, match="missing: decommission plan; still used by Triage"):
        yard.step(OLA, version, "retire")
    for one in (lower, version):
        yard.complete(one, "retirement")
        assert "needs two people" in yard.step(OLA, one, "retire")
        yard.step(RISK, one, "retire")
    assert yard.look(model).state is S.RETIRED
    with pytest.raises(GovernanceError, match="is retired; from there that step"):
        yard.step(OLA, version, "resume")
    with pytest.raises(GovernanceError, match="its record stays"):
        yard.hand_in(OLA, version, "model_card")
    young = yard.version(yard.model("young"))
    with pytest.raises(NotAllowed, match="missing: decommission plan"):
        yard.step(OLA, young, "retire")
    yard.complete(young, "retirement")
    yard.step(OLA, young, "retire")
    assert yard.state_of(young) is S.DEVELOPMENT, "one of two"
    yard.step(RISK, young, "retire")
    assert yard.state_of(young) is S.RETIRED


def test_a_model_starts_only_assessed_in_an_approved_project(yard: Yard) -> None:
    loose = yard.model("loose", tier=None, project=None)
    with pytest.raises(
        GovernanceError, match="its tier is not assessed yet; it belongs to no project yet"
    ):
        yard.version(loose)
    early = yard.model("early", project=yard.governed("submitted"))
    with pytest.raises(GovernanceError, match="its project is submitted, not approved"):
        yard.version(early)
    banned = yard.model("banned")
    assert yard.assess(banned, 3, eu_class=EuClass.PROHIBITED) == 1
    with pytest.raises(GovernanceError, match="prohibited under the EU AI Act"):
        yard.version(banned)
    with pytest.raises(GovernanceError, match="this is for its owner"):
        yard.version(yard.model("other"), who=SPO)


def test_a_click_on_what_changed_does_nothing(yard: Yard) -> None:
    version = yard.in_validation(yard.model())
    with pytest.raises(Stale, match="is in validation now"):
        yard.step(DEV, version, "submit", revision=1)


def test_where_the_policy_names_nobody_the_owner_stands_alone(yard: Yard) -> None:
    yard.text = yard.text.replace('  operations: ["@operations"]\n', "")
    model = yard.model(tier=3)
    version = yard.approved(model)
    yard.complete(version, "implementation")
    yard.step(OLA, version, "implement")
    yard.step(OLA, version, "deploy")
    assert yard.state_of(version) is S.IN_USE
    assert SPO not in yard.told("approval.asked")


def test_what_was_suspended_in_a_change_is_validated_again(yard: Yard) -> None:
    model = yard.model()
    version = yard.in_use(model)
    yard.step(OLA, version, "change", change_class=ChangeClass.MINOR)
    yard.step(OPS, version, "suspend")
    with pytest.raises(NotAllowed, match="has to be validated again"):
        yard.step(RISK, version, "resume")
    yard.step(RISK, version, "validate_again", validator=VAL)
    assert yard.state_of(version) is S.VALIDATION


def test_what_was_never_in_use_is_rolled_back_and_not_suspended_into_it(yard: Yard) -> None:
    version = yard.approved(yard.model())
    yard.complete(version, "implementation")
    yard.step(OPS, version, "implement")
    with pytest.raises(GovernanceError, match="that step does not exist"):
        yard.step(OPS, version, "suspend")
    yard.step(OPS, version, "roll_back")
    assert yard.state_of(version) is S.APPROVED


def test_another_validator_is_named_by_owner_or_model_risk_and_by_no_other_step(yard: Yard) -> None:
    from storage.enums import Part

    def validators(version: int) -> list[str]:
        return [one.name for one in yard.at(version).named(Part.VALIDATOR)]

    model = yard.model()
    version = yard.in_validation(model)
    with pytest.raises(InvalidInput, match="from now on"):
        yard.step(OLA, version, "reassign")
    with pytest.raises(NotAllowed, match="its owner or model risk"):
        yard.step(DEV, version, "reassign", validator="rita")
    yard.step(OLA, version, "reassign", validator="rita")
    assert validators(version) == ["Rita"]
    assert "U0RITA" in yard.told("model.validation")
    used = yard.in_use(yard.model("used"))
    yard.step(OPS, used, "suspend", validator="ned")
    assert validators(used) == ["Val"]


def test_coming_back_puts_no_review_off_and_the_retired_are_not_reviewed(yard: Yard) -> None:
    model = yard.model()
    version = yard.in_use(model)
    due = yard.look(model).next_review
    yard.now += timedelta(days=100)
    yard.step(OPS, version, "suspend")
    yard.step(RISK, version, "resume")
    assert yard.look(model).next_review == due
    yard.morning(1)
    assert yard.look(model).findings == (), "its plan counts from when it works again"
    yard.complete(version, "retirement")
    yard.step(OLA, version, "retire")
    yard.step(RISK, version, "retire")
    assert yard.look(model).next_review is None
