"""The fund line of the portfolio: given so much money, which projects are worth most, as their reader may see them.

Nothing changes by looking. What goes on already is in, with what it still costs; what is approved, on hold or waits for a
decision competes for the rest. Amounts of months that are over count no more.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from storage.cases import queries
from storage.cases.queries import FundableRow
from storage.enums import ProjectStatus
from workflows import permissions
from workflows.cases import funding, rules
from workflows.cases.amounts import Flow, Range, compress, expand, parse_figure, total
from workflows.cases.forms import Currency, Words
from workflows.cases.funding import Candidate, CannotFund, Choice, Difference, Problem, RobustSet
from workflows.context import Context
from workflows.errors import InvalidInput
from workflows.inputs import Input
from workflows.wording import money

RUNNING = {ProjectStatus.IN_PROGRESS, ProjectStatus.LIVE}
COMPETE = {ProjectStatus.APPROVED, ProjectStatus.ON_HOLD, ProjectStatus.UNDER_REVIEW}
MORE = 100_000
"""Of the currency: what more money would buy is said of so much."""
SECONDS = 0.7
"""For each of the three questions: whoever asks waits for the answer."""


def _money(value: object) -> object:
    return parse_figure(value) if isinstance(value, str) else value


class FundLine(BaseModel):
    """How much money there is, and what else holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    money: Annotated[
        Annotated[Decimal, BeforeValidator(_money)],
        Input(
            "How much money is there?",
            "For what they still cost in all.",
            most=40,
            empty="Say an amount.",
        ),
    ]
    currency: Annotated[Currency, Input("In which currency?", most=3)]
    together: Annotated[
        Words,
        Input(
            "What goes together?",
            "Keys of projects: routing + triage; a line for each set.",
            multiline=True,
            most=1000,
        ),
    ] = ""
    exclusive: Annotated[
        Words,
        Input(
            "Of what can there be only one?",
            "Keys of projects: own-model / vendor-model; a line for each set.",
            multiline=True,
            most=1000,
        ),
    ] = ""


def read_form(amount: str, currency: str) -> FundLine:
    """The form of an amount as somebody writes it. Raises InvalidInput."""
    try:
        return FundLine(money=parse_figure(amount), currency=currency)
    except ValueError as error:
        raise InvalidInput(f"{str(error)[:1].upper()}{str(error)[1:]}.", field="money") from None


@dataclass(frozen=True, slots=True)
class Fundable:
    """A project that money can go to. `worth` is risk-adjusted and `cost` undiscounted, of the months to come."""

    project_id: int
    key: str
    name: str
    status: str
    is_running: bool
    worth: Decimal
    cost: Decimal


@dataclass(frozen=True, slots=True)
class FundLineRecord:
    """The answer: what is in, what is out, and how sure that is."""

    asked: FundLine
    funded: tuple[Fundable, ...]
    left: tuple[Fundable, ...]
    """Both with the most valuable first."""
    worth: Decimal
    cost: Decimal
    is_proved: bool
    gap: Decimal
    """The share by which the choice may fall short of the best."""
    comes_in: tuple[Fundable, ...]
    """What the next `MORE` would buy, and what would go for it."""
    goes_out: tuple[Fundable, ...]
    more_worth: Decimal
    always: tuple[Fundable, ...]
    """Funded under low and high estimates too, of what competes."""
    depends: tuple[Fundable, ...]
    others: tuple[str, ...]
    """Other currencies of which the reader sees estimates; those are not in it."""


def load(ctx: Context, form: FundLine) -> FundLineRecord:
    """The set of projects, among those that the actor sees, that is worth most for the money.

    Raises InvalidInput where there is nothing to choose, a key is unknown, what goes on already costs more, or the solver
    isn't installed.
    """
    permissions.require_member(ctx.actor, "portfolio.fund")
    sight = permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy)
    rows = queries.list_fundable(ctx.session, RUNNING | COMPETE, sight.within)
    chosen = [row for row in rows if row.currency == form.currency]
    others = sorted({row.currency for row in rows} - {form.currency})
    if not chosen:
        known = f" There are some in {', '.join(others)}." if others else ""
        raise InvalidInput(f"You see no estimate in {form.currency}.{known}", field="currency")
    valued = [_value(row, ctx.now.date(), ctx.policy.cases.discount_rate) for row in chosen]
    by_id = {project.project_id: project for project, _ in valued}
    ids = {project.key: project.project_id for project in by_id.values()}
    problem = Problem(
        [candidate for _, candidate in valued],
        _cents(form.money),
        together=_read_sets(form.together, ids, "together"),
        exclusive=_read_sets(form.exclusive, ids, "exclusive"),
    )
    choice, following, robust = _solve(problem, by_id, form)
    return _build(form, choice, following, robust, by_id, tuple(others))


def find_currency(ctx: Context) -> str:
    """The currency of most estimates that the actor sees; the policy's where they see none."""
    sight = permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy)
    rows = queries.list_fundable(ctx.session, RUNNING | COMPETE, sight.within)
    counts = [row.currency for row in rows]
    return max(sorted(set(counts)), key=counts.count, default=ctx.policy.cases.currency)


def _solve(
    problem: Problem, by_id: Mapping[int, Fundable], form: FundLine
) -> tuple[Choice, Difference, RobustSet]:
    try:
        choice = funding.choose(problem, SECONDS)
        following = funding.what_next(problem, choice, MORE * 100, SECONDS)
        return choice, following, funding.robust_set(problem, SECONDS)
    except CannotFund as error:
        named = [by_id[id_].name for id_ in error.candidates if id_ in by_id]
        names = ", ".join(named[:8]) + (f" and {len(named) - 8:,} more" if len(named) > 8 else "")
        missing = (
            f" {money(Decimal(error.money) / 100, form.currency)} is missing."
            if error.money
            else ""
        )
        raise InvalidInput(
            f"{error.sentence}{missing} This concerns {names}.", field="money"
        ) from None


def _value(row: FundableRow, today: date, rate: Decimal) -> tuple[Fundable, Candidate]:
    starts = date.fromisoformat(row.starts)
    over = max(0, (today.year - starts.year) * 12 + today.month - starts.month)
    benefits, costs = (Range.of(row.flows[side]) for side in ("benefits", "costs"))

    def weigh(brings: Flow, takes: Flow) -> Decimal:
        worth = rules.value(_rest(brings, over), _rest(takes, over), rate)
        return rules.adjust_for_risk(worth, row.confidence, row.feasibility)

    likely = weigh(benefits.likely, costs.likely)
    cost = total(_rest(costs.likely, over))
    is_running = row.status in RUNNING
    return (
        Fundable(row.project_id, row.key, row.name, row.status, is_running, likely, cost),
        Candidate(
            row.project_id,
            low=_cents(weigh(benefits.low, costs.high)),
            likely=_cents(likely),
            high=_cents(weigh(benefits.high, costs.low)),
            cost=_cents(cost),
            is_running=is_running,
        ),
    )


def _rest(flow: Flow, over: int) -> Flow:
    """What is still to come."""
    return compress(list(expand(flow))[over:])


def _cents(amount: Decimal) -> int:
    return int((amount * 100).to_integral_value())


def _read_sets(text: str, ids: Mapping[str, int], field: str) -> Sequence[frozenset[int]]:
    sets = []
    for line in re.split(r"[\r\n;]+", text):
        keys = [key for key in re.split(r"[\s+/,]+", line.strip().casefold()) if key]
        unknown = [key for key in keys if key not in ids]
        if unknown:
            raise InvalidInput(
                f"You see no estimate of “{unknown[0][:60]}” in this currency.", field=field
            )
        if len(keys) == 1:
            raise InvalidInput(f"Name at least two projects beside “{keys[0][:60]}”.", field=field)
        if keys:
            sets.append(frozenset(ids[key] for key in keys))
    return sets


def _build(
    form: FundLine,
    choice: Choice,
    following: Difference,
    robust: RobustSet,
    by_id: Mapping[int, Fundable],
    others: tuple[str, ...],
) -> FundLineRecord:
    def pick(ids: Sequence[int] | frozenset[int]) -> tuple[Fundable, ...]:
        return tuple(sorted((by_id[id_] for id_ in ids), key=lambda each: (-each.worth, each.key)))

    competing = {id_ for id_, each in by_id.items() if not each.is_running}
    return FundLineRecord(
        asked=form,
        funded=pick(choice.chosen),
        left=pick([id_ for id_ in by_id if id_ not in choice.chosen]),
        worth=Decimal(choice.value) / 100,
        cost=Decimal(choice.cost) / 100,
        is_proved=choice.is_proved,
        gap=choice.gap,
        comes_in=pick(following.comes_in),
        goes_out=pick(following.goes_out),
        more_worth=Decimal(following.value) / 100,
        always=pick([id_ for id_ in robust.always if id_ in competing]),
        depends=pick([id_ for id_ in robust.depends if id_ in competing]),
        others=others,
    )
