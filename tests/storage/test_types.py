"""Times and money come back as they were written, on both databases."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

from storage.base import Money, UTCDateTime, from_microseconds
from storage.db import Database
from storage.money import exact_sum, money_text

metadata = MetaData()
sample = Table(
    "sample",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("amount", Money()),
    Column("at", UTCDateTime()),
)

amounts = st.decimals(
    min_value=Decimal("-1e15"), max_value=Decimal("1e15"), allow_nan=False, places=18
)


@pytest.fixture
def table(database: Database) -> Database:
    metadata.create_all(database.engine)
    return database


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(amounts, min_size=1, max_size=20))
def test_sums_are_exact_whatever_the_amounts(table: Database, values: list[Decimal]) -> None:
    with table.begin() as session:
        session.execute(sample.delete())
        session.execute(insert(sample), [{"amount": value} for value in values])
        total = session.execute(select(func.money_sum(sample.c.amount))).scalar_one()
        stored = sorted(session.execute(select(sample.c.amount)).scalars())
    assert total == exact_sum(values)
    assert Fraction(total) == sum(Fraction(value) for value in values)
    assert stored == sorted(values)


def test_the_sum_of_nothing_is_null(table: Database) -> None:
    with table.read() as session:
        assert session.execute(select(func.money_sum(sample.c.amount))).scalar_one() is None


@pytest.mark.parametrize(
    "value", [Decimal("0.1234567890123456789"), Decimal("NaN"), Decimal("1e25")]
)
def test_an_amount_that_would_be_rounded_is_refused(table: Database, value: Decimal) -> None:
    with pytest.raises(Exception, match="amount"), table.begin() as session:
        session.execute(insert(sample), [{"amount": value}])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("1E+3", "1000"),
        ("-0.00", "0"),
        ("10.500", "10.5"),
        ("0.00000001", "0.00000001"),
        ("18.00663861840", "18.0066386184"),
    ],
)
def test_there_is_one_way_to_write_an_amount(value: str, written: str) -> None:
    assert money_text(Decimal(value)) == written


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(microseconds=st.integers(0, 7_000_000_000_000_000), hours=st.integers(-12, 14))
def test_an_instant_is_kept_to_the_microsecond(
    table: Database, microseconds: int, hours: int
) -> None:
    aware = from_microseconds(microseconds).astimezone(timezone(timedelta(hours=hours)))
    with table.begin() as session:
        session.execute(sample.delete())
        session.execute(insert(sample), [{"at": aware}])
        back = session.execute(select(sample.c.at)).scalar_one()
    assert back == aware
    assert back.tzinfo == UTC


def test_a_time_without_a_zone_is_refused(table: Database) -> None:
    with pytest.raises(Exception, match="zone"), table.begin() as session:
        session.execute(insert(sample), [{"at": datetime(2026, 1, 1)}])  # noqa: DTZ001
