"""The declarative base: names for constraints, and the column types that annotations stand for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, DateTime, MetaData, Numeric, String, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.functions import GenericFunction

from storage.money import EXACT, MONEY_SCALE, money_text

# --- Column types that mean the same on SQLite and PostgreSQL: instants, money, sums of money

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970-01-01T00:00Z; exact, unlike `timestamp()`. The moment must carry a zone."""
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone cannot be stored: {moment!r}")
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The UTC instant that lies `value` microseconds after 1970-01-01T00:00Z."""
    return _EPOCH + timedelta(microseconds=value)


class UTCDateTime(TypeDecorator[datetime]):
    """An instant: `timestamptz` on PostgreSQL, integer microseconds on SQLite, always UTC in Python.

    SQLite has no type for instants; integers sort and compare exactly, text of different precision doesn't. Raises
    ValueError for a time without a zone.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        microseconds = to_microseconds(value)
        return microseconds if dialect.name == "sqlite" else from_microseconds(microseconds)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return from_microseconds(value) if dialect.name == "sqlite" else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An exact amount: NUMERIC(38,18) on PostgreSQL, canonical text on SQLite, whose own decimals are floats.

    Raises ValueError for more than 18 decimals, which PostgreSQL would round without a word, and for more than 20 digits
    before the point. Text doesn't sort by amount: compare and sum with `money_sum` or in Python.
    """

    impl = Numeric(38, MONEY_SCALE)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(60))
        return dialect.type_descriptor(Numeric(38, MONEY_SCALE))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or value.adjusted() > 19:
            raise ValueError(f"not an amount that can be stored: {value}")
        if exponent < -MONEY_SCALE and value != round(value, MONEY_SCALE):
            raise ValueError(f"an amount with more than {MONEY_SCALE} decimals: {value}")
        return money_text(value) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return Decimal(money_text(value if isinstance(value, Decimal) else Decimal(value)))


class money_sum(GenericFunction[Decimal]):
    """The exact sum of a Money column; NULL for no rows, like SUM."""

    type = Money()
    inherit_cache = True


@compiles(money_sum, "postgresql")
def _money_sum_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"sum({compiler.process(element.clauses, **kw)})"


class MoneySum:
    """SQLite's side of `money_sum`: an aggregate over canonical text, added as Decimal."""

    def __init__(self) -> None:
        self.total: Decimal | None = None

    def step(self, value: str | None) -> None:
        if value is not None:
            self.total = EXACT.add(
                self.total if self.total is not None else Decimal(0), Decimal(value)
            )

    def finalize(self) -> str | None:
        return None if self.total is None else money_text(self.total)


# --- The declarative base


class Base(DeclarativeBase):
    """All tables; constraints are named so that migrations can find them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UTCDateTime(),
        Decimal: Money(),
        dict[str, Any]: JSON(),
        list[Any]: JSON(),
        str: String(),
    }
