"""Readings that mlgov asks for itself: which, when, once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.approvals.conftest import ORG
from tests.contexts import make_context
from tests.inventory.conftest import OLA, OPS, POLICY, Yard
from workflows import policy
from workflows.inventory import monitoring
from workflows.inventory.monitoring import Asked
from workflows.policy.sections import Readings

MODEL = 1
QUERIES = """\
readings:
  every: 6h
  prometheus:
    Accuracy: avg(model_accuracy{model="$model", version="$version", measure="$metric"})
  models:
    other: {accuracy: "1"}
"""


@pytest.fixture
def asked(yard: Yard) -> Yard:
    """A yard whose policy has a query, with a model in use, the first."""
    yard.text = POLICY + QUERIES
    assert yard.in_use(yard.model()) == MODEL
    return yard


def due(yard: Yard) -> list[Asked]:
    with yard.db.read() as session:
        return monitoring.list_due_measures(make_context(session, policy=yard.policy, now=yard.now))


def keep(yard: Yard, **values: Decimal) -> None:
    found = {one: values[one.metric] for one in due(yard)}
    yard.db.run(
        lambda session: monitoring.keep_readings(
            make_context(session, policy=yard.policy, org=ORG, now=yard.now), found
        )
    )


def test_a_measure_is_asked_for_once_a_round_from_when_it_is_in_use(asked: Yard) -> None:
    assert due(asked) == [], "the round began before it was in use"
    asked.now += timedelta(hours=6)
    (one,) = due(asked)
    assert one.query == 'avg(model_accuracy{model="fraud", version="1", measure="accuracy"})'
    assert one.words == "fraud:1 accuracy"
    assert (one.at.hour % 6, one.at.minute, one.at <= asked.now) == (0, 0, True)
    keep(asked, accuracy=Decimal("0.9"))
    assert due(asked) == []
    asked.now += timedelta(hours=6)
    keep(asked, accuracy=Decimal("0.5"))
    model = asked.look(MODEL)
    assert [one.words for one in model.findings] == [
        "accuracy is 0.5, below the 0.85 of its monitoring plan"
    ]


def test_two_processes_keep_a_reading_once(asked: Yard) -> None:
    asked.now += timedelta(hours=6)
    (one,) = due(asked)
    for value in ("0.9", "0.8123"):
        values = {one: Decimal(value)}
        asked.db.run(
            lambda session, values=values: monitoring.keep_readings(
                make_context(session, policy=asked.policy, org=ORG, now=asked.now), values
            )
        )
    (reading,) = asked.seen(OLA, MODEL).readings
    assert reading.value == Decimal("0.9")
    gone = {replace(one, metric="dropped since"): Decimal(1)}
    asked.db.run(
        lambda session: monitoring.keep_readings(
            make_context(session, policy=asked.policy, org=ORG, now=asked.now), gone
        )
    )


def test_what_is_suspended_is_not_asked_for(asked: Yard) -> None:
    asked.now += timedelta(hours=6)
    (version,) = asked.look(MODEL).versions
    asked.step(OPS, version.id, "suspend")
    assert due(asked) == []


def test_rounds_begin_at_the_same_instants_everywhere() -> None:
    read = policy.parse(POLICY + QUERIES).policy
    at = datetime(2026, 1, 26, 8, 50, 1, 5, tzinfo=UTC)
    assert monitoring.start_of_round(read, at) == datetime(2026, 1, 26, 6, tzinfo=UTC)


def test_a_models_own_query_goes_first_and_dollars_are_promqls() -> None:
    read = Readings.model_validate(
        {"prometheus": {"a": 'x{m="$model"}', "b": 'y{n=~"a$$"}'}, "models": {"m": {"A": "own"}}}
    )
    assert read.query("m", "1", "a") == "own"
    assert read.query("other", "1", "A") == 'x{m="other"}'
    assert read.query("m", "1", "b") == 'y{n=~"a$"}'
    assert read.query("m", "1", "c") is None


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            '{prometheus: {a: "x{m=\\"$mode\\"}"}}',
            "$mode is not known; there are $model, $version and $metric",
        ),
        ('{prometheus: {a: "x{m=~\\"b$\\"}"}}', "a `$` of PromQL itself is written `$$`"),
        ("{every: 60d}", "a time from 1m to 31d"),
    ],
)
def test_a_query_that_cannot_be_filled_in_is_refused(section: str, said: str) -> None:
    with pytest.raises(policy.PolicyRefused) as raised:
        policy.parse(f"{POLICY}readings: {section}\n")
    assert said in str(raised.value)
