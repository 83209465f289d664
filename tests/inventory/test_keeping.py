"""Registering, describing, assessing, findings and reviews, on both databases."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from bot.inventory import cards, words
from storage.enums import FindingStatus, ModelKind, ModelState, Severity
from tests.approvals.conftest import ORG
from tests.contexts import make_context
from tests.inventory.conftest import DEV, OLA, OPS, POLICY, RISK, SPO, TODAY, VAL, Yard
from workflows.context import OPERATOR
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound, Stale
from workflows.inventory import findings, reads, service
from workflows.inventory.forms import RegisterModel


def register(yard: Yard, who: str = OLA, **more: Any) -> int:
    form = RegisterModel(**{"key": "fraud", "name": "Fraud", "request_key": "one"} | more)
    return yard.db.run(
        lambda session: service.register_model(
            make_context(session, actor=yard.actor(who), policy=yard.policy, now=yard.now, org=ORG),
            form,
        )
    )


def found(yard: Yard, who: str, words: str = "") -> list[str]:
    with yard.db.read() as session:
        return [
            one.key
            for one in reads.list_models(
                make_context(session, actor=yard.actor(who), policy=yard.policy), words
            )
        ]


def test_registering_twice_registers_once(yard: Yard) -> None:
    first = register(yard)
    assert register(yard) == first
    with pytest.raises(InvalidInput, match="There is a model `fraud` already"):
        register(yard, request_key="two")
    with pytest.raises(NotFound, match="no project 'nowhere'"):
        register(yard, key="b", request_key="three", project="nowhere")
    with pytest.raises(NotFound, match="no model 'gone'"):
        register(yard, key="b", request_key="three", upstream=("gone",))
    with pytest.raises(InvalidInput, match="full members"):
        register(yard, key="b", request_key="three", owner_id="p-gus")
    with pytest.raises(NotAllowed, match="guest"):
        register_by_guest(yard)
    yard.ledger_holds()


def test_a_model_that_looks_like_another_is_refused(yard: Yard) -> None:
    register(yard, name="coca")
    for name in ("соса", "СОСА", "cóca"):
        with pytest.raises(InvalidInput, match="looks the same as that of `fraud`"):
            register(yard, key="other", name=name, request_key=name)
    register(yard, key="other", name="модель", request_key="two")


def register_by_guest(yard: Yard) -> None:
    form = RegisterModel(key="x", name="Xx", request_key="g")
    yard.db.run(
        lambda session: service.register_model(
            make_context(
                session,
                actor=yard.actor("gus", is_guest=True),
                policy=yard.policy,
                now=yard.now,
                org=ORG,
            ),
            form,
        )
    )


def test_a_vendor_and_a_generative_use_are_entries_with_what_they_consist_of(yard: Yard) -> None:
    from workflows.inventory.forms import Generative

    with pytest.raises(ValueError, match="which vendor"):
        RegisterModel(key="v", name="Vee", kind=ModelKind.VENDOR, request_key="r")
    model = yard.model("assistant", kind=ModelKind.GENERATIVE, vendor="Acme AI")
    parts = {"model": "large-2026-01", "prompt_sha256": "c" * 64}
    first = yard.version(
        model, "1", digest=None, generative=Generative(**parts, tools=("search", "calculator"))
    )
    same = yard.version(
        model, "1", digest=None, generative=Generative(**parts, tools=("calculator", "search"))
    )
    assert same == first
    with pytest.raises(InvalidInput, match="with other contents"):
        yard.version(model, "1", digest=None, generative=Generative(**parts))
    other = yard.version(model, "2", digest=None, generative=Generative(**parts))
    assert yard.at(first).digest != yard.at(other).digest
    assert yard.at(first).about["tools"] == ["calculator", "search"]


def test_upstream_models_never_go_round(yard: Yard) -> None:
    yard.model("aa")
    yard.model("bb", upstream=("aa",))
    c = yard.model("cc", upstream=("bb",))
    record = yard.look(c)
    assert record.upstream == ("Bb",)
    form = RegisterModel(
        key="aa", name="Aa", request_key="x", upstream=("cc",), project=record.project_key
    )
    a = yard.look(1)
    with pytest.raises(InvalidInput, match="round in a circle"):
        yard.db.run(
            lambda session: service.edit_model(
                make_context(
                    session, actor=yard.actor(OLA), policy=yard.policy, now=yard.now, org=ORG
                ),
                a.id,
                a.revision,
                form,
            )
        )
    with pytest.raises(Stale):
        yard.db.run(
            lambda session: service.edit_model(
                make_context(
                    session, actor=yard.actor(OLA), policy=yard.policy, now=yard.now, org=ORG
                ),
                a.id,
                99,
                form,
            )
        )


def test_another_tier_is_model_risks_with_a_reason(yard: Yard) -> None:
    model = yard.model()
    assert yard.look(model).tier == 2
    with pytest.raises(NotAllowed, match="From what you say follows tier 2"):
        yard.assess(model, 2, override=3)
    with pytest.raises(InvalidInput, match="why another tier"):
        yard.assess(model, 2, RISK, override=1)
    assert yard.assess(model, 2, RISK, override=1, reason="The press watches it.") == 1
    record = yard.look(model)
    assert (record.tier, record.tier_follows, record.tier_reason) == (1, 2, "The press watches it.")
    from storage.enums import EuClass

    with pytest.raises(InvalidInput, match="tier 1 in any case"):
        yard.assess(model, 3, RISK, eu_class=EuClass.HIGH, override=3, reason="No.")
    with pytest.raises(NotAllowed, match="Ask Ola"):
        yard.assess(model, 3, SPO)
    with pytest.raises(NotFound, match="no such model"):
        yard.assess(model, 3, "ned")


def test_what_is_no_model_is_said_by_model_risk_and_kept(yard: Yard) -> None:
    model = yard.model("rules")

    def say(who: str, is_model: bool, reason: str = "A fixed table.") -> None:
        yard.db.run(
            lambda session: service.classify_entry(
                make_context(session, actor=yard.actor(who), policy=yard.policy, now=yard.now),
                model,
                yard.look(model).revision,
                is_model=is_model,
                reason=reason,
            )
        )

    with pytest.raises(NotAllowed, match="Only model risk"):
        say(OLA, False)
    say(RISK, False)
    assert yard.look(model).state is ModelState.NOT_A_MODEL
    with pytest.raises(GovernanceError, match="no model"):
        yard.version(model)
    say(RISK, True)
    yard.version(model)
    with pytest.raises(GovernanceError, match="has versions already"):
        say(RISK, False)


def test_people_see_the_models_of_their_projects_and_model_risk_sees_all(yard: Yard) -> None:
    yard.model("fraud", technique="Gradient boosting")
    yard.model("hidden", project=None, owner="ned")
    assert found(yard, OLA) == ["fraud"]
    assert found(yard, "ned") == ["hidden"]
    assert found(yard, RISK) == ["fraud", "hidden"]
    assert found(yard, RISK, "boosting") == ["fraud"]
    assert found(yard, RISK, "NED") == ["hidden"]
    assert found(yard, RISK, "100%") == []
    with yard.db.read() as session:
        assert (
            len(reads.list_models(make_context(session, actor=OPERATOR, policy=yard.policy))) == 2
        )
        with pytest.raises(NotFound, match="Did you mean `fraud`"):
            reads.find_model(
                make_context(session, actor=yard.actor(RISK), policy=yard.policy), "fruad"
            )
        with pytest.raises(NotFound, match="You see no model “hidden”"):
            reads.find_model(
                make_context(session, actor=yard.actor(OLA), policy=yard.policy), "hidden"
            )
        with pytest.raises(NotFound, match="has no version “9”"):
            reads.find_model(
                make_context(session, actor=yard.actor(OLA), policy=yard.policy), "Fraud:9"
            )


# --- evidence


def test_who_only_sees_a_model_is_offered_no_evidence_to_hand_in(yard: Yard) -> None:
    model = yard.model()
    version = yard.version(model)
    offered = {who: cards.menu(yard.seen(who, model)) for who in (SPO, DEV, OPS)}
    hands_in = (words.EVIDENCE, "Hand in evidence…")
    assert [hands_in in each for each in offered.values()] == [False, True, True]
    with pytest.raises(NotAllowed, match="handed in by those who own"):
        yard.hand_in(SPO, version, "model_card")


def test_evidence_is_good_to_the_end_of_its_day_where_the_organisation_is(yard: Yard) -> None:
    yard.text = POLICY.replace("Europe/London", "America/New_York")
    model = yard.model()
    version = yard.version(model)
    yard.hand_in(DEV, version, "model_card", valid_until=TODAY)
    item = yard.seen(DEV, model).evidence["model_card"]
    assert item.valid_until == datetime(2026, 1, 27, 5, tzinfo=UTC)
    shown = words.item_status(item, yard.policy, TODAY)
    assert shown == "handed in by Dev, good until Mon 26 Jan"


# --- findings


def test_a_finding_has_an_owner_a_day_and_an_end(yard: Yard) -> None:
    model = yard.model()
    version = yard.version(model)
    finding = yard.find(RISK, model, Severity.CRITICAL, version)
    (record,) = yard.look(model).findings
    assert (record.owner.name, record.due) == ("Ola", TODAY + timedelta(days=7))  # type: ignore[union-attr]
    assert yard.told("model.finding") == ["U0OLA"]
    with pytest.raises(NotAllowed, match="Only model risk accepts"):
        yard.settle(OLA, finding, "accept", until=TODAY + timedelta(days=30))
    with pytest.raises(InvalidInput, match="at most 180 days"):
        yard.settle(RISK, finding, "accept", until=TODAY + timedelta(days=300))
    with pytest.raises(NotAllowed, match="This is for who has to mend it"):
        yard.settle(SPO, finding, "resolve")
    with pytest.raises(NotFound, match="no such model"):
        yard.settle("ned", finding, "resolve")
    with pytest.raises(InvalidInput, match="how one can see it"):
        yard.settle(OLA, finding, "resolve", "")
    yard.settle(RISK, finding, "accept", "Known, and rare.", until=TODAY + timedelta(days=30))
    assert not yard.look(model).findings[0].is_open(TODAY)
    yard.morning(31)
    assert yard.look(model).findings[0].status is FindingStatus.OPEN
    assert sorted(yard.told("model.finding")) == ["U0OLA", "U0OLA", "U0RISK"]
    yard.settle(OLA, finding, "resolve")
    assert yard.look(model).findings == ()
    yard.ledger_holds()


def test_who_developed_it_does_not_close_a_grave_finding_alone(yard: Yard) -> None:
    model = yard.model()
    version = yard.version(model)
    finding = yard.find(RISK, model, Severity.HIGH, version, owner_id="p-dev")
    yard.settle(DEV, finding, "progress", "")
    with pytest.raises(NotAllowed, match="somebody else has to see"):
        yard.settle(DEV, finding, "resolve")
    yard.settle(RISK, finding, "resolve")


def test_a_critical_finding_holds_up_its_own_version_only(yard: Yard) -> None:
    model = yard.model()
    used = yard.in_use(model)
    yard.find(RISK, model, Severity.CRITICAL, used)
    version = yard.in_validation(model, "2")
    yard.complete(version, "approval")
    yard.accept_all(VAL, version)
    mine = yard.find(VAL, model, Severity.CRITICAL, version)
    with pytest.raises(NotAllowed, match="1 open critical finding"):
        yard.ask(VAL, version)
    yard.settle(VAL, mine, "resolve")
    yard.ask(VAL, version)


# --- reviews


def test_a_review_is_asked_for_told_on_and_never_done_by_silence(yard: Yard) -> None:
    model = yard.model(tier=1)
    yard.in_use(model)
    due = yard.look(model).next_review
    assert due is not None
    yard.morning(179)
    assert yard.told("model.review") == []
    yard.morning()
    yard.morning()
    assert yard.told("model.review") == ["U0OLA"]
    yard.morning(13)
    assert sorted(yard.told("model.review")) == ["U0OLA", "U0OLA", "U0RISK", "U0RITA"]
    yard.morning(14)
    assert len(yard.told("model.review")) == 7
    assert yard.look(model).next_review == due
    with pytest.raises(NotAllowed, match="model risk, because it is tier 1"):
        reviewed(yard, OLA, model, due)
    reviewed(yard, RISK, model, due)
    assert yard.look(model).next_review == yard.now.date() + timedelta(days=180)
    with pytest.raises(Stale, match="reviewed meanwhile"):
        reviewed(yard, RISK, model, due)


def reviewed(yard: Yard, who: str, model: int, due: date) -> str:
    return yard.db.run(
        lambda session: findings.record_review(
            make_context(session, actor=yard.actor(who), policy=yard.policy, now=yard.now),
            model,
            due,
            words="Looked at drift and complaints.",
        )
    )


def test_in_use_after_its_approval_ended_is_a_finding_and_a_review(yard: Yard) -> None:
    model = yard.model(tier=2)
    yard.in_use(model)
    yard.morning(367)
    said = [one.words for one in yard.look(model).findings]
    assert any("its approval ended on 26 Jan 2027" in one for one in said)
    yard.morning()
    assert len(yard.look(model).findings) == len(said), "found once"


def test_home_shows_who_is_needed(yard: Yard) -> None:
    def waits(who: str) -> list[tuple[str, str]]:
        with yard.db.read() as session:
            return [
                (one.model.key, one.why)
                for one in reads.list_needs(
                    make_context(session, actor=yard.actor(who), policy=yard.policy, now=yard.now)
                )
            ]

    model = yard.model()
    yard.in_validation(model)
    assert waits(VAL) == [("fraud", "validation")]
    assert waits(OLA) == []
    finding = yard.find(RISK, model)
    assert waits(OLA) == [("fraud", "finding")]
    yard.settle(RISK, finding, "accept", until=TODAY + timedelta(days=9))
    assert waits(OLA) == []
    used = yard.model("used")
    yard.in_use(used)
    yard.now += timedelta(days=366)
    assert ("used", "review") in waits(OLA)


def test_who_has_a_part_in_a_model_sees_it_and_nobody_learns_of_others(yard: Yard) -> None:
    model = yard.model("fraud")
    assert found(yard, "ned") == []
    with yard.db.read() as session, pytest.raises(NotFound) as refused:
        reads.find_model(make_context(session, actor=yard.actor("ned"), policy=yard.policy), "frau")
    assert "Did you mean" not in refused.value.sentence
    yard.in_validation(model)
    assert found(yard, DEV) == found(yard, VAL) == ["fraud"]
    finding = yard.find(RISK, model, owner_id="p-ned")
    assert found(yard, "ned") == ["fraud"]
    yard.settle("ned", finding, "resolve")
    assert found(yard, "ned") == []
    with pytest.raises(NotFound, match="no model 'fraud'"):
        yard.model("down", owner="ned", project=None, upstream=("fraud",))
    yard.model("down", owner="ned", by=RISK, upstream=("fraud",))
    assert found(yard, "ned") == ["down", "fraud"]


def test_what_asks_less_of_versions_is_model_risks_to_say(yard: Yard) -> None:
    model = yard.model(tier=1, affects_people=True)
    assert yard.assess(model, 2) == 2, "nothing stands on it yet"
    yard.version(model)
    assert yard.assess(model, 1) == 1, "more is anybody's to say"
    with pytest.raises(NotAllowed, match="only model risk can say it"):
        yard.assess(model, 3)
    record = yard.look(model)
    form = RegisterModel(key="fraud", name="Fraud", request_key="x", project=record.project_key)

    def edit(who: str) -> None:
        yard.db.run(
            lambda session: service.edit_model(
                make_context(
                    session, actor=yard.actor(who), policy=yard.policy, now=yard.now, org=ORG
                ),
                model,
                record.revision,
                form,
            )
        )

    with pytest.raises(NotAllowed, match="only model risk can say it"):
        edit(OLA)
    edit(RISK)
    assert yard.assess(model, 3, RISK) == 3


def test_an_erased_person_is_drawn_out_of_the_cards_and_their_export_has_models(yard: Yard) -> None:
    from workflows.people import erasure
    from workflows.people import service as people_service

    model = yard.model()
    version = yard.version(model)
    yard.deliver()
    with yard.db.read() as session:
        mine = people_service.export(session, "p-dev")
    assert mine["model_versions"] == [{"version_id": version, "part": "developer"}]
    with yard.db.read() as session:
        assert people_service.export(session, "p-ola")["models"][0]["key"] == "fraud"
    yard.db.run(
        lambda session: erasure.erase(make_context(session, actor=OPERATOR, now=yard.now), "p-ola")
    )
    assert [row.op for row in yard.sent("model.card")] == ["post", "update"]
    assert yard.look(model).owner.name == erasure.NAME  # type: ignore[union-attr]
    yard.ledger_holds()


def test_two_who_link_at_once_close_no_circle(yard: Yard) -> None:
    ids = {
        key: yard.model(key, upstream=upstream)
        for key, upstream in (("aa", ()), ("cc", ()), ("bb", ("cc",)))
    }

    def link(session: Session, key: str, upstream: str) -> None:
        record = yard.look(ids[key])
        service.edit_model(
            make_context(session, actor=yard.actor(OLA), policy=yard.policy, now=yard.now, org=ORG),
            record.id,
            record.revision,
            RegisterModel(
                key=key,
                name=record.name,
                request_key=key,
                upstream=(upstream,),
                project=record.project_key,
            ),
        )

    with ThreadPoolExecutor(1) as second:
        with yard.db.begin() as session:
            link(session, "aa", "bb")
            other = second.submit(yard.db.run, lambda session: link(session, "cc", "aa"))
            # It has begun, and would have committed, if nothing made it wait.
            assert not wait([other], timeout=0.5).done
        with pytest.raises(InvalidInput, match="round in a circle"):
            other.result(30)
