"""Taking in cost from programs: rows of their own, or rows in the FOCUS format."""

import csv
import json
import tempfile
import threading
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from bot.api.door import Caller, Door
from bot.api.problems import NotTaken, Unavailable, answers
from bot.context import Deps
from storage.enums import Scope
from storage.money import money_text
from workflows.budgets import intake
from workflows.budgets.records import CostReport
from workflows.errors import InvalidInput, NotAllowed
from workflows.releases.forms import PROJECT
from workflows.sources import focus

MOST_ROWS = 20_000
_PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"
_TURN = threading.Lock()
_QUEUE = threading.BoundedSemaphore(3)
"""Reading takes memory, so there is one delivery at a time; two more may wait. Others are told to come back, so that
deliveries never hold the threads that clicks need."""
_PATIENCE = 10.0
"""Seconds that a delivery waits for the one before it."""

Text = Annotated[str, StringConstraints(pattern=_PLAIN, max_length=200)]
Amount = Annotated[
    Decimal,
    Field(
        ge=Decimal(-(10**15)),
        le=Decimal(10**15),
        decimal_places=12,
        allow_inf_nan=False,
    ),
]


class CostRow(BaseModel):
    """What one day cost, in one currency. Without a project the policy's rules say whose it is."""

    model_config = ConfigDict(extra="forbid")

    day: Annotated[date, Field(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
    amount: Amount
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    project: Annotated[str, StringConstraints(pattern=PROJECT)] | None = None
    account: Text = ""
    service: Text = ""


class Costs(BaseModel):
    """All of a source's cost for the billing months in it: a month is replaced as a whole."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,79}$")
    ] = Field(description="Where this bill comes from, like gpu-farm.")
    rows: Annotated[list[CostRow], Field(max_length=MOST_ROWS)] = []
    focus: Annotated[
        list[dict[str, str | int | float | bool | dict[str, Any] | None]],
        Field(
            max_length=MOST_ROWS,
            description="Rows with FOCUS 1.0 to 1.4 columns, instead of `rows`.",
        ),
    ] = []
    replace_period: bool = Field(
        default=False,
        description="Accept a delivery that drops much of what a month held.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "Costs":
        if bool(self.rows) == bool(self.focus):
            raise ValueError("give rows, or focus, and not both")
        return self


class MonthTaken(BaseModel):
    """What became of one billing month: `new`, `replaced` or `unchanged`."""

    source: str
    month: date
    what: str
    rows: int
    billed: dict[str, str]


class CostsTaken(BaseModel):
    """What a delivery did."""

    months: list[MonthTaken]
    unallocated: dict[str, str] = Field(
        description="Cost of all sources that belongs to no project, by currency; empty for a token that is bound to projects."
    )
    thresholds_crossed: int
    charges_through: date | None


def router(deps: Deps, door: Door) -> APIRouter:
    """The endpoints under /costs."""
    made = APIRouter(prefix="/costs", tags=["costs"])
    Calls = Annotated[Caller, Depends(door.caller)]

    @made.post("", responses=answers(400, 401, 403, 409, 413, 422, 503))
    def take(costs: Costs, caller: Calls) -> CostsTaken:
        """Take in cost. The same again changes nothing."""
        door.require(caller, Scope.COSTS)
        _require_bound(costs, caller)
        if not _QUEUE.acquire(blocking=False):
            raise Unavailable
        try:
            if not _TURN.acquire(timeout=_PATIENCE):
                raise Unavailable
            try:
                taken = _taken(_load(deps, costs, caller))
                # What belongs to no project is none of a bound token's business.
                unbound = not caller.token.projects
                return (
                    taken if unbound else taken.model_copy(update={"unallocated": {}})
                )
            finally:
                _TURN.release()
        finally:
            _QUEUE.release()

    return made


def _require_bound(costs: Costs, caller: Caller) -> None:
    bound = set(caller.token.projects)
    if not bound:
        return
    if costs.focus or any(
        (row.project or "").strip().casefold() not in bound for row in costs.rows
    ):
        raise NotAllowed(
            f"The token {caller.token.prefix} is only for the projects {', '.join(sorted(bound))}: "
            "send `rows` that name one of them each."
        )


def _load(deps: Deps, costs: Costs, caller: Caller) -> CostReport:
    rows = costs.focus or [_as_focus(row, costs.source) for row in costs.rows]
    policy = deps.policy
    with tempfile.TemporaryDirectory(prefix="mlgov-costs-") as folder:
        path = Path(folder) / "costs.csv"
        _write(path, rows)
        options = focus.ReadOptions(tag_keys=policy.costs.tag_keys, source=costs.source)
        with (
            focus.read([path], options=options) as read,
            deps.db.begin(patient=True) as session,
        ):
            return intake.take_costs(
                session,
                caller.actor,
                read,
                policy=policy,
                org_key=deps.team.org_key,
                now=deps.now(session),
                replace_period=costs.replace_period,
            )


def _as_focus(row: CostRow, source: str) -> dict[str, Any]:
    first = row.day.replace(day=1)
    amount = money_text(row.amount)
    return {
        "BilledCost": amount,
        "EffectiveCost": amount,
        "BillingCurrency": row.currency,
        "BillingAccountId": source,
        "BillingPeriodStart": f"{first}T00:00:00Z",
        "BillingPeriodEnd": f"{(first + timedelta(days=32)).replace(day=1)}T00:00:00Z",
        "ChargePeriodStart": f"{row.day}T00:00:00Z",
        "ChargePeriodEnd": f"{row.day + timedelta(days=1)}T00:00:00Z",
        "ChargeCategory": "Usage",
        "ProviderName": source,
        "ServiceName": row.service,
        "SubAccountId": row.account,
        "SubAccountName": row.account,
        "Tags": json.dumps({"project": row.project} if row.project else {}),
    }


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if len(columns) > 200 or not all(_is_word(name) for name in columns):
        raise InvalidInput(
            "focus: columns are FOCUS names like BilledCost, at most 200 of them.",
            field="focus",
        )
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)


def _is_word(name: str) -> bool:
    return 0 < len(name) <= 100 and name.replace("_", "").isalnum()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f") if abs(value) < 1e18 else repr(value)
    return str(value).replace("\x00", "")


def _taken(report: CostReport) -> CostsTaken:
    if report.bad_row_count:
        raise InvalidInput(
            f"Nothing was written: {report.bad_row_count:,} of the rows are bad. {'; '.join(report.bad_rows[:5])}"[
                :900
            ],
            field="rows",
        )
    if report.refused:
        raise NotTaken(
            f"Nothing was written. {' '.join(report.refused)}".replace(
                "--replace-period", "`replace_period`"
            )[:900]
        )
    return CostsTaken(
        months=[
            MonthTaken(
                source=period.source,
                month=period.billing_period,
                what=period.what,
                rows=period.rows,
                billed={
                    currency: money_text(amount) for currency, amount in period.billed
                },
            )
            for period in report.periods
        ],
        unallocated={
            currency: money_text(amount) for currency, amount in report.unallocated
        },
        thresholds_crossed=len(report.crossings),
        charges_through=report.charges_through,
    )
