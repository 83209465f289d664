"""Registering, describing, assessing, findings, reviews and readings, on both databases."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from storage.enums import FindingStatus, ModelKind, ModelState, Severity
from tests.approvals.conftest import ORG
from tests.inventory.conftest import DEV, OLA, OPS, RISK, TODAY, VAL, Yard
from workflows.actors import OPERATOR
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound, Stale
from workflows.evidence.forms import Measure, SubmitEvidence, Watched
from workflows.inventory import monitoring, reads, reviews, service
from workflows.inventory.forms import GiveReading, RegisterModel


def register(yard: Yard, who: str = OLA, **more: Any) -> int:
    form = RegisterModel(
        **{"key": "fraud", "name": "Fraud", "request_key": "one"} | more
    )
    return yard.db.run(
        lambda session: service.register(
            session,
            yard.actor(who),
            form,
            policy=yard.policy,
            now=yard.now,
            org_key=ORG,
        )
    )


def found(yard: Yard, who: str, words: str = "") -> list[str]:
    with yard.db.read() as session:
        return [
            one.key
            for one in reads.list_(session, yard.actor(who), words, policy=yard.policy)
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


def register_by_guest(yard: Yard) -> None:
    form = RegisterModel(key="x", name="Xx", request_key="g")
    yard.db.run(
        lambda session: service.register(
            session,
            yard.actor("gus", is_guest=True),
            form,
            policy=yard.policy,
            now=yard.now,
            org_key=ORG,
        )
    )


def test_a_vendor_and_a_generative_use_are_entries_with_what_they_consist_of(
    yard: Yard,
) -> None:
    from workflows.inventory.forms import Generative

    with pytest.raises(ValueError, match="which vendor"):
        RegisterModel(key="v", name="Vee", kind=ModelKind.VENDOR, request_key="r")
    model = yard.model("assistant", kind=ModelKind.GENERATIVE, vendor="Acme AI")
    parts = {"model": "large-2026-01", "prompt_sha256": "c" * 64}
    first = yard.version(
        model,
        "1",
        digest=None,
        generative=Generative(**parts, tools=("search", "calculator")),
    )
    same = yard.version(
        model,
        "1",
        digest=None,
        generative=Generative(**parts, tools=("calculator", "search")),
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
        key="aa",
        name="Aa",
        request_key="x",
        upstream=("cc",),
        project=record.project_key,
    )
    a = yard.look(1)
    with pytest.raises(InvalidInput, match="round in a circle"):
        yard.db.run(
            lambda session: service.edit(
                session,
                yard.actor(OLA),
                a.id,
                a.revision,
                form,
                policy=yard.policy,
                now=yard.now,
                org_key=ORG,
            )
        )
    with pytest.raises(Stale):
        yard.db.run(
            lambda session: service.edit(
                session,
                yard.actor(OLA),
                a.id,
                99,
                form,
                policy=yard.policy,
                now=yard.now,
                org_key=ORG,
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
    assert (record.tier, record.tier_follows, record.tier_reason) == (
        1,
        2,
        "The press watches it.",
    )
    from storage.enums import EuClass

    with pytest.raises(InvalidInput, match="tier 1 in any case"):
        yard.assess(model, 3, RISK, eu_class=EuClass.HIGH, override=3, reason="No.")
    with pytest.raises(NotAllowed, match="Ask Ola"):
        yard.assess(model, 3, "ned")


def test_what_is_no_model_is_said_by_model_risk_and_kept(yard: Yard) -> None:
    model = yard.model("rules")

    def say(who: str, is_model: bool, reason: str = "A fixed table.") -> None:
        yard.db.run(
            lambda session: service.say_what_it_is(
                session,
                yard.actor(who),
                model,
                yard.look(model).revision,
                is_model=is_model,
                reason=reason,
                policy=yard.policy,
                now=yard.now,
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


def test_people_see_the_models_of_their_projects_and_model_risk_sees_all(
    yard: Yard,
) -> None:
    yard.model("fraud", technique="Gradient boosting")
    yard.model("hidden", project=None, owner="ned")
    assert found(yard, OLA) == ["fraud"]
    assert found(yard, "ned") == ["hidden"]
    assert found(yard, RISK) == ["fraud", "hidden"]
    assert found(yard, RISK, "boosting") == ["fraud"]
    assert found(yard, RISK, "NED") == ["hidden"]
    assert found(yard, RISK, "100%") == []
    with yard.db.read() as session:
        assert len(reads.list_(session, OPERATOR, policy=yard.policy)) == 2
        with pytest.raises(NotFound, match="Did you mean `fraud`"):
            reads.find(session, yard.actor(RISK), "fruad", policy=yard.policy)
        with pytest.raises(NotFound, match="You see no model “hidden”"):
            reads.find(session, yard.actor(OLA), "hidden", policy=yard.policy)
        with pytest.raises(NotFound, match="has no version “9”"):
            reads.find(session, yard.actor(OLA), "Fraud:9", policy=yard.policy)


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
        yard.settle("ned", finding, "resolve")
    with pytest.raises(InvalidInput, match="how one can see it"):
        yard.settle(OLA, finding, "resolve", "")
    yard.settle(
        RISK, finding, "accept", "Known, and rare.", until=TODAY + timedelta(days=30)
    )
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
        lambda session: reviews.done(
            session,
            yard.actor(who),
            model,
            due,
            words="Looked at drift and complaints.",
            policy=yard.policy,
            now=yard.now,
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


# --- readings


def read(
    yard: Yard, version: int, value: str, metric: str = "accuracy", **more: Any
) -> bool:
    from storage.inventory.tables import ModelVersion

    form = GiveReading(metric=metric, value=Decimal(value), **more)
    return yard.db.run(
        lambda session: monitoring.take(
            session,
            OPERATOR,
            session.get_one(ModelVersion, version),
            form,
            policy=yard.policy,
            now=yard.now,
            org_key=ORG,
        )
    )


def test_a_reading_under_the_plan_opens_a_finding_once(yard: Yard) -> None:
    model = yard.model(tier=1)
    version = yard.in_use(model)
    assert read(yard, version, "0.9", at=yard.now) is False
    assert read(yard, version, "0.9", at=yard.now) is False
    with pytest.raises(InvalidInput, match=r"another value of accuracy .* 0\.9"):
        read(yard, version, "0.7", at=yard.now)
    with pytest.raises(InvalidInput, match="It watches accuracy"):
        read(yard, version, "1", metric="latency")
    with pytest.raises(InvalidInput, match="still to come"):
        read(yard, version, "1", at=yard.now + timedelta(days=1))
    yard.now += timedelta(hours=2)
    assert read(yard, version, "0.80") is True
    yard.now += timedelta(hours=1)
    assert read(yard, version, "0.79") is True
    (finding,) = yard.look(model).findings
    assert (finding.severity, finding.words) == (
        Severity.HIGH,
        "accuracy is 0.8, below the 0.85 of its monitoring plan",
    )
    card = yard.seen(OLA, model)
    assert (card.readings[0].value, card.readings[0].is_breach) == (
        Decimal("0.79"),
        True,
    )


def test_a_reading_that_does_not_come_opens_one_finding_for_each_silence(
    yard: Yard,
) -> None:
    model = yard.model()
    version = yard.in_use(model)
    yard.morning(7)
    assert yard.look(model).findings == ()
    yard.morning(2)
    yard.morning(2)
    (finding,) = yard.look(model).findings
    assert "No reading of accuracy has come since 26 Jan 2026" in finding.words
    read(yard, version, "0.9")
    yard.morning(9)
    assert len(yard.look(model).findings) == 2
    yard.step(OPS, version, "suspend")
    yard.morning(30)
    assert len(yard.look(model).findings) == 2, "what is suspended is silent rightly"


def test_another_plan_in_use_is_watched_from_then_on(yard: Yard) -> None:
    model = yard.model()
    version = yard.in_use(model)
    yard.hand_in(
        OPS,
        version,
        "monitoring_plan",
        watched=(Watched.read("latency_ms <= 120 every 1"),),
    )
    assert [one.metric for one in yard.seen(OLA, model).readings] == ["latency_ms"]
    assert read(yard, version, "121", metric="LATENCY_MS") is True


# --- forms


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("accuracy = 0.91 >= 0.85", True),
        ("accuracy=0.85>=0.85", True),
        ("drift = 0.2 <= 0.1", False),
        ("p99 ms = 80 < 120", True),
    ],
)
def test_metrics_are_judged(text: str, met: bool) -> None:
    assert Measure.read(text).is_met is met


@pytest.mark.parametrize(
    "text",
    ["accuracy", "accuracy = good >= 1", "= 1 >= 2", "a = 1 == 2", "a = 1..2 >= 3"],
)
def test_what_is_no_metric_is_refused(text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        Measure.read(text)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"type": "performance_report", "summary": "Fine"}, "at least one metric"),
        ({"type": "monitoring_plan", "summary": "Fine"}, "at least one measure"),
        ({"type": "validation_report", "summary": "Fine"}, "pass, conditional or fail"),
        ({"type": "model_card"}, "where it is kept"),
        ({"type": "model_card", "uri": "javascript:alert(1)"}, "uri"),
        ({"type": "model_card", "sha256": "abc"}, "sha256"),
        ({"type": "performance_report", "metrics": [{"name": "a", "value": 1, "threshold": 1}, {"name": "A", "value": 1, "threshold": 1}]}, "twice"),
        ({"type": "performance_report", "metrics": [{"name": "a", "value": "NaN", "threshold": 1}]}, "finite"),
    ],
)  # fmt: skip
def test_evidence_that_says_nothing_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        SubmitEvidence.model_validate(given)


def test_home_shows_who_is_needed(yard: Yard) -> None:
    def needs(who: str) -> list[tuple[str, str]]:
        with yard.db.read() as session:
            return [
                (one.model.key, one.why)
                for one in reads.needing(
                    session, yard.actor(who), policy=yard.policy, now=yard.now
                )
            ]

    model = yard.model()
    yard.in_validation(model)
    assert needs(VAL) == [("fraud", "validation")]
    assert needs(OLA) == []
    finding = yard.find(RISK, model)
    assert needs(OLA) == [("fraud", "finding")]
    yard.settle(RISK, finding, "accept", until=TODAY + timedelta(days=9))
    assert needs(OLA) == []
    used = yard.model("used")
    yard.in_use(used)
    yard.now += timedelta(days=366)
    assert ("used", "review") in needs(OLA)


def test_who_has_a_part_in_a_model_sees_it_and_nobody_learns_of_others(
    yard: Yard,
) -> None:
    model = yard.model("fraud")
    assert found(yard, "ned") == []
    with yard.db.read() as session, pytest.raises(NotFound) as refused:
        reads.find(session, yard.actor("ned"), "frau", policy=yard.policy)
    assert "Did you mean" not in refused.value.sentence
    yard.in_validation(model)
    assert found(yard, DEV) == found(yard, VAL) == ["fraud"]
    finding = yard.find(RISK, model, owner_id="p-ned")
    assert found(yard, "ned") == ["fraud"]
    yard.settle("ned", finding, "resolve")
    assert found(yard, "ned") == []
    yard.model("down", owner="ned", upstream=("fraud",))
    assert found(yard, "ned") == ["down", "fraud"]


def test_what_asks_less_of_versions_is_model_risks_to_say(yard: Yard) -> None:
    model = yard.model(tier=1, affects_people=True)
    assert yard.assess(model, 2) == 2, "nothing stands on it yet"
    yard.version(model)
    assert yard.assess(model, 1) == 1, "more is anybody's to say"
    with pytest.raises(NotAllowed, match="only model risk can say it"):
        yard.assess(model, 3)
    record = yard.look(model)
    form = RegisterModel(
        key="fraud", name="Fraud", request_key="x", project=record.project_key
    )

    def edit(who: str) -> None:
        yard.db.run(
            lambda session: service.edit(
                session,
                yard.actor(who),
                model,
                record.revision,
                form,
                policy=yard.policy,
                now=yard.now,
                org_key=ORG,
            )
        )

    with pytest.raises(NotAllowed, match="only model risk can say it"):
        edit(OLA)
    edit(RISK)
    assert yard.assess(model, 3, RISK) == 3


def test_an_erased_person_is_drawn_out_of_the_cards_and_their_export_has_models(
    yard: Yard,
) -> None:
    from workflows.people import erasure, exports

    model = yard.model()
    version = yard.version(model)
    yard.deliver()
    with yard.db.read() as session:
        mine = exports.export(session, "p-dev")
    assert mine["model_versions"] == [{"version_id": version, "part": "developer"}]
    with yard.db.read() as session:
        assert exports.export(session, "p-ola")["models"][0]["key"] == "fraud"
    yard.db.run(lambda session: erasure.erase(session, OPERATOR, "p-ola", now=yard.now))
    assert [row.op for row in yard.sent("model.card")] == ["post", "update"]
    assert yard.look(model).owner.name == erasure.NAME  # type: ignore[union-attr]
    yard.ledger_holds()
