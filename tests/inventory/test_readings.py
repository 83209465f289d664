"""Readings of what is in use, judged against the plan, and the forms of evidence."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bot.delivery.rendering import Scene
from bot.inventory import messages
from storage.enums import FindingSource, Severity
from tests.approvals.conftest import ORG
from tests.contexts import make_context
from tests.inventory.conftest import OLA, OPS, POLICY, RISK, Yard
from workflows.context import OPERATOR
from workflows.errors import InvalidInput
from workflows.evidence.forms import Measure, SubmitEvidence, Watched
from workflows.inventory import findings, monitoring
from workflows.inventory.forms import GiveReading
from workflows.inventory.notices import ReviewDue


def read(yard: Yard, version: int, value: str, metric: str = "accuracy", **more: Any) -> bool:
    from storage.inventory.tables import ModelVersion

    form = GiveReading(metric=metric, value=Decimal(value), **more)
    return yard.db.run(
        lambda session: monitoring.take_reading(
            make_context(session, actor=OPERATOR, policy=yard.policy, now=yard.now, org=ORG),
            session.get_one(ModelVersion, version),
            form,
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
    assert (card.readings[0].value, card.readings[0].is_breach) == (Decimal("0.79"), True)


def test_a_reading_that_does_not_come_opens_one_finding_for_each_silence(yard: Yard) -> None:
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
        OPS, version, "monitoring_plan", watched=(Watched.read("latency_ms <= 120 every 1"),)
    )
    assert [one.metric for one in yard.seen(OLA, model).readings] == ["latency_ms"]
    assert read(yard, version, "121", metric="LATENCY_MS") is True


def test_a_measure_that_a_plan_names_again_is_watched_again(yard: Yard) -> None:
    model = yard.model()
    version = yard.in_use(model)

    def plan(*lines: str) -> None:
        watched = tuple(Watched.read(one) for one in lines)
        yard.hand_in(OPS, version, "monitoring_plan", watched=watched)

    plan("latency_ms <= 120 every 1")
    plan("accuracy >= 0.85 every 7")
    plan("latency_ms <= 90 every 1", "Accuracy >= 0.8 every 7")
    assert [one.metric for one in yard.seen(OLA, model).readings] == ["accuracy", "latency_ms"]
    assert read(yard, version, "0.81") is False
    yard.now += timedelta(hours=1)
    assert read(yard, version, "0.79") is True


def test_one_finding_tells_of_a_breach_that_goes_on(yard: Yard) -> None:
    model = yard.model()
    version = yard.in_use(model)
    for _ in range(4):
        yard.now += timedelta(days=1)
        assert read(yard, version, "0.7") is True
    (finding,) = yard.look(model).findings
    yard.settle(RISK, finding.id, "resolve")
    assert yard.look(model).findings == ()
    yard.now += timedelta(minutes=1)
    assert read(yard, version, "0.7") is True
    assert len(yard.look(model).findings) == 1, "it is not mended"


def test_a_breach_asks_for_a_review_before_its_day(yard: Yard) -> None:
    model = yard.model()
    version = yard.in_use(model)
    planned = yard.look(model).next_review
    yard.now += timedelta(days=1)
    read(yard, version, "0.7")
    today = yard.now.date()
    assert planned is not None
    assert yard.look(model).next_review == today < planned
    yard.morning()
    assert yard.told("model.review") == ["U0OLA"]
    scene = Scene(yard.now, yard.policy)
    said = messages.review(yard.look(model), ReviewDue(model, False), scene)
    assert "• accuracy is 0.7, below the 0.85 of its monitoring plan" in str(said.blocks)
    yard.ledger_holds()


def test_the_policy_says_what_asks_for_a_review(yard: Yard) -> None:
    yard.text = POLICY + "inventory: {review_on: [silent]}\n"
    model = yard.model()
    version = yard.in_use(model)
    planned = yard.look(model).next_review
    yard.now += timedelta(hours=1)
    read(yard, version, "0.7")
    assert yard.look(model).next_review == planned
    yard.morning(9)
    assert [one.words[:10] for one in yard.look(model).findings] == ["accuracy i", "No reading"]
    assert yard.look(model).next_review == yard.now.date()


def test_nothing_is_reviewed_of_what_is_not_used(yard: Yard) -> None:
    model = yard.model()
    yard.db.run(
        lambda session: findings.file_detected(
            make_context(session, policy=yard.policy, now=yard.now, org=ORG),
            model,
            None,
            {"what": "contents", "version": "1"},
            Severity.HIGH,
            FindingSource.REGISTRY,
            "contents",
        )
    )
    assert len(yard.look(model).findings) == 1
    assert yard.look(model).next_review is None


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
    "text", ["accuracy", "accuracy = good >= 1", "= 1 >= 2", "a = 1 == 2", "a = 1..2 >= 3"]
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
