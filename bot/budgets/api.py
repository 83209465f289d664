"""Taking in cost from programs: rows of their own, or rows in the FOCUS format."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from bot import failpoints
from bot.deps import Deps
from bot.web.api import NotTaken, describe_answers
from bot.web.authentication import Caller, Door, needs
from bot.web.uploads import Uploads, describe_form, require_json
from storage.enums import Scope
from storage.money import money_text
from workflows.budgets import imports
from workflows.budgets.cost_loading import Choice
from workflows.budgets.costs import Deliverer
from workflows.budgets.records import CostReport
from workflows.errors import InvalidInput, NotAllowed
from workflows.releases.forms import PROJECT
from workflows.sources import focus
from workflows.sources.apart import Job, TooMuch
from workflows.sources.apart.work import json_of
from workflows.sources.focus import HeldRead

# --- Cost as programs send it
#
# forms, and how they are read, apart from whoever answers people.

MOST_ROWS = 20_000
MOST_ACCOUNTS = 2_000
"""Accounts, each with its tags: they are written while others wait to write."""
MOST_UNPACKED = 100_000_000
"""Bytes of the table that the rows of a delivery make."""
_PLAIN = r"^[^\x00-\x1f\x7f-\x9f]*$"

Text = Annotated[str, StringConstraints(pattern=_PLAIN, max_length=200)]
Amount = Annotated[
    Decimal,
    Field(ge=Decimal(-(10**15)), le=Decimal(10**15), decimal_places=12, allow_inf_nan=False),
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

    source: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,79}$")] = (
        Field(description="Where this bill comes from, like gpu-farm.")
    )
    rows: Annotated[list[CostRow], Field(max_length=MOST_ROWS)] = []
    focus: Annotated[
        list[dict[str, str | int | float | bool | dict[str, Any] | None]],
        Field(
            max_length=MOST_ROWS,
            description="Rows with FOCUS 1.0 to 1.4 columns, instead of `rows`.",
        ),
    ] = []
    replace_period: bool = Field(
        default=False, description="Accept a delivery that drops much of what a month held."
    )
    separate: bool = Field(
        default=False,
        description="Count this beside a source that looks like the same bill; it isn't asked again.",
    )
    instead_of: Annotated[list[Text], Field(max_length=20)] = Field(
        default=[],
        description="Sources whose place this one takes: their months that it brings are dropped.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "Costs":
        if bool(self.rows) == bool(self.focus):
            raise ValueError("give rows, or focus, and not both")
        return self


@dataclass(frozen=True, slots=True)
class Reading:
    """How a delivery is read. With `projects` each of its rows has to name one of them."""

    tag_keys: tuple[str, ...]
    projects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it was read; of one that is `is_elsewhere` some row names none of the projects."""

    source: str
    replace_period: bool
    is_elsewhere: bool
    read: HeldRead
    separate: bool = False
    instead_of: tuple[str, ...] = ()


def _read(path: Path, asked: Reading) -> Delivery:
    costs = Costs.model_validate(json_of(path))
    bound = set(asked.projects)
    if bound and (
        costs.focus
        or any((row.project or "").strip().casefold() not in bound for row in costs.rows)
    ):
        return Delivery(costs.source, costs.replace_period, True, HeldRead())
    table = path.with_name("costs.csv")
    _write(table, costs.focus or [_as_focus(row, costs.source) for row in costs.rows])
    options = focus.ReadOptions(
        tag_keys=asked.tag_keys,
        source=costs.source,
        max_unpacked_bytes=MOST_UNPACKED,
        spill_directory=path.parent,
        max_spill_gb=1,
    )
    with focus.read([table], options=options) as read:
        if len(read.allocation_keys) > MOST_ACCOUNTS:
            raise TooMuch(
                f"A delivery names at most {MOST_ACCOUNTS:,} accounts, each with its tags, and this one names "
                f"{len(read.allocation_keys):,}. Name fewer, or bring it in with `mlgov import costs`."
            )
        return Delivery(
            costs.source,
            costs.replace_period,
            False,
            HeldRead.of(read),
            costs.separate,
            tuple(costs.instead_of),
        )


READ = Job("bot.budgets.api:READ", _read, TypeAdapter(Reading), TypeAdapter(Delivery))
"""The body of a delivery into sums that can be written."""


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
            "focus: columns are FOCUS names like BilledCost, at most 200 of them.", field="focus"
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


# --- Taking in cost from programs
#
# rows of their own, or rows in the FOCUS format.


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


def router(deps: Deps, door: Door, uploads: Uploads) -> APIRouter:
    """The endpoints under /costs."""
    api = APIRouter(prefix="/costs", tags=["costs"], route_class=door.route)
    Calls = Annotated[Caller, Depends(door.caller)]

    @api.post(
        "",
        responses=describe_answers(400, 401, 403, 408, 409, 413, 422, 429, 503),
        openapi_extra=needs(Scope.COSTS) | describe_form(Costs),
    )
    async def take(request: Request, caller: Calls) -> CostsTaken:
        """Take in cost. The same again changes nothing."""
        require_json(request)
        asked = Reading(deps.policy.costs.tag_keys, caller.token.projects)
        async with uploads.take(request, caller) as upload:
            delivery = await upload.read(READ, asked)
            return await upload.work(lambda: _load(deps, delivery, caller))

    return api


def _load(deps: Deps, delivery: Delivery, caller: Caller) -> CostsTaken:
    bound = caller.token.projects
    if delivery.is_elsewhere:
        raise NotAllowed(
            f"The token {caller.token.prefix} is only for the projects {', '.join(sorted(bound))}: "
            "send `rows` that name one of them each."
        )
    report = imports.take_costs(
        deps.db,
        deps.occasion(caller.actor),
        delivery.read,
        replace_period=delivery.replace_period,
        by=Deliverer(caller.token.name, bound),
        answer=Choice(delivery.separate, delivery.instead_of),
        probe=failpoints.hit,
    )
    taken = _taken(report)
    # What belongs to no project is the whole organisation's: no news for one project's program.
    return taken.model_copy(update={"unallocated": {}}) if bound else taken


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
            )
            .replace("--instead-of", "`instead_of`")
            .replace("--separate", "`separate`")[:900]
        )
    return CostsTaken(
        months=[
            MonthTaken(
                source=period.source,
                month=period.billing_period,
                what=period.what,
                rows=period.rows,
                billed={currency: money_text(amount) for currency, amount in period.billed},
            )
            for period in report.periods
        ],
        unallocated={currency: money_text(amount) for currency, amount in report.unallocated},
        thresholds_crossed=len(report.crossings),
        charges_through=report.charges_through,
    )
