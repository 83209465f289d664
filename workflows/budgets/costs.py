"""Whose a cost is, exact totals of cost, and who delivers a source of cost."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial

from sqlalchemy.orm import Session

from storage.budgets import costs, generations
from storage.budgets import costs as queries
from storage.budgets.tables import CostSource
from storage.db import PATIENT_MS, Database
from storage.money import exact_sum
from storage.tokens import queries as tokens
from workflows.audit import service as audit
from workflows.budgets.forms import SummaryForm
from workflows.budgets.records import CostSummary, SummaryLine
from workflows.context import ActorKind, Context
from workflows.errors import InvalidInput, NotAllowed, NotFound
from workflows.policy import Policy
from workflows.sources.accounts import same_account

# --- Whose a cost is: the policy's rules first, then the tag `project`, then the sub-account


class Allocator:
    """Finds the project of an allocation key, by the policy and the projects at the time it is built."""

    def __init__(self, session: Session, policy: Policy) -> None:
        self._projects = costs.project_ids(session)
        self._accounts = costs.account_projects(session)
        self._rules = policy.costs.allocate
        named = {rule.sub_account for rule in self._rules if rule.sub_account}
        self._same = _spelt_once({_fold(one) for one in named} | self._accounts.keys())
        self._alike = {
            same: self._accounts[account]
            for same, account in self._same.items()
            if account in self._accounts
        }

    def project(self, account_id: str, account_name: str, tags: str) -> int | None:
        """The id of the project that the cost belongs to; None for none. `tags` is a JSON object.

        The first rule of the policy that matches decides, even when it names a project that doesn't exist: its cost is
        then unallocated, and not given to another project by its tag.
        """
        folded = {key.casefold(): str(value) for key, value in json.loads(tags or "{}").items()}
        accounts = {account_id.strip().casefold(), account_name.strip().casefold()} - {""}
        for rule in self._rules:
            by_account = (
                rule.sub_account is None
                or _fold(rule.sub_account) in accounts
                or self._is_alike(rule.sub_account, account_id)
            )
            by_tag = rule.tag is None or _has(folded, rule.tag)
            if by_account and by_tag:
                return self._projects.get(rule.project.strip().casefold())
        if (tagged := self._projects.get(folded.get("project", "").strip().casefold())) is not None:
            return tagged
        return next(
            (self._accounts[name] for name in sorted(accounts) if name in self._accounts),
            self._alike.get(same_account(account_id)),
        )

    def _is_alike(self, named: str, account_id: str) -> bool:
        """Whether `account_id` is the account `named` by a rule in another spelling, and that spelling fits no other one."""
        same = same_account(account_id)
        return self._same.get(same) == _fold(named)


def _fold(account: str) -> str:
    return account.strip().casefold()


def _spelt_once(accounts: Iterable[str]) -> dict[str, str]:
    """`same_account(account)` → account, without the values that several of these accounts share."""
    spellings: dict[str, set[str]] = {}
    for account in accounts:
        spellings.setdefault(same_account(account), set()).add(account)
    return {
        same: next(iter(several))
        for same, several in spellings.items()
        if len(several) == 1 and same
    }


def _has(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(
        tags.get(key.strip().casefold(), "").strip().casefold() == value.strip().casefold()
        for key, value in wanted.items()
    )


def reallocate(session: Session, policy: Policy) -> int:
    """Give every allocation key to its project by today's rules and projects; how many changed.

    Run after projects or the policy changed, instead of importing cost again.
    """
    allocator = Allocator(session, policy)
    changes = []
    for key, account_id, name, tags, project in costs.list_allocation_keys(session):
        now = allocator.project(account_id, name, tags)
        if now != project:
            changes.append({"key": key, "project": now})
    costs.set_projects(session, changes)
    return len(changes)


STEP = 1_000
"""Allocation keys that are updated in one transaction, so that none is long."""


def reallocate_in_steps(database: Database, policy: Policy) -> int:
    """As `reallocate`, while others want to write: worked out in a read transaction, and written in short ones."""
    with database.read(within=PATIENT_MS / 1000) as session:
        allocator = Allocator(session, policy)
        changes = [
            {"key": key, "before": before, "project": project}
            for key, account_id, name, tags, before in costs.list_allocation_keys(session)
            if (project := allocator.project(account_id, name, tags)) != before
        ]
    for start in range(0, len(changes), STEP):
        part = changes[start : start + STEP]
        database.in_turn(partial(generations.give_keys, changes=part))
    return len(changes)


# --- Exact totals of what was imported


def summarise_costs(session: Session, form: SummaryForm) -> CostSummary:
    """Totals per currency, largest first, days in order. Cost of no project is a line of its own (label None)."""
    rows = queries.sum_by(session, form.by, form.basis, form.first, form.last, form.project_id)
    lines = [
        SummaryLine(None if label is None else str(label), currency, amount)
        for label, currency, amount in rows
    ]
    if form.by == "day":
        lines.sort(key=lambda line: (line.label or "", line.currency))
    else:
        lines.sort(
            key=lambda line: (line.currency, line.label is None, -line.amount, line.label or "")
        )
    totals: dict[str, list[Decimal]] = {}
    for line in lines:
        totals.setdefault(line.currency, []).append(line.amount)
    return CostSummary(
        by=form.by,
        basis=form.basis,
        lines=tuple(lines),
        totals=tuple(
            (currency, exact_sum(amounts)) for currency, amounts in sorted(totals.items())
        ),
        data_through=queries.data_through(session, form.last)
        if form.last
        else queries.latest_charge(session),
    )


# --- Who delivers a source of cost: who delivered it first, until it is handed over


@dataclass(frozen=True, slots=True)
class Deliverer:
    """A program that delivers cost: the name of its token, and the keys of projects it is bound to (empty: all)."""

    token: str
    projects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StandingLoad:
    """The load of a source and billing period that counted when it was read."""

    id: int
    source: str
    billing_period: date
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A source, the name of the token that delivers it (None: the command line), and the last day with cost."""

    source: str
    token: str | None
    charges_through: date | None


def require_deliverer(session: Session, sources: Collection[str], by: Deliverer | None) -> None:
    """Raise NotAllowed when one of these sources is delivered by another program or by the command line.

    `by` is None for the command line, which may deliver every source.
    """
    if by is None:
        return
    for source in sorted(sources):
        row = costs.find_source(session, source)
        if row is None and not costs.has_loads(session, source):
            continue
        if row is None or row.token != by.token:
            whose = "another token" if row is not None and row.token else "the command line"
            raise NotAllowed(
                f"The cost of {source} is delivered by {whose}, and only that can change it. Name a source of your own, or "
                f"let an operator hand this one over: `mlgov costs give '{source}' {by.token}`."
            )


def claim_source(session: Session, source: str, by: Deliverer | None, *, now: datetime) -> None:
    """Give a source that nobody has delivered yet to `by` (None: the command line)."""
    if costs.find_source(session, source) is None:
        token = by.token if by is not None else None
        session.add(CostSource(source=source, token=token, opened_at=now))
        session.flush()


def require_own(
    session: Session,
    by: Deliverer | None,
    *,
    replaced: Iterable[StandingLoad],
    given: Iterable[int | None],
) -> None:
    """Raise NotAllowed when a bound program would replace or deliver cost of other projects, or of none.

    `replaced` are the loads it replaces, `given` the projects (None: none) that the policy gives its rows to.
    """
    if by is None or not by.projects:
        return
    ids = costs.project_ids(session)
    own = {ids[key] for key in by.projects if key in ids}
    bound = ", ".join(sorted(by.projects))
    for load in replaced:
        if not costs.list_owners_of_load(session, load.id) <= own:
            raise NotAllowed(
                f"{load.source} holds cost of others for {load.billing_period:%Y-%m}, and this token is only for {bound}, so "
                "it can't replace that month. Name a source of your own, or deliver with a token for all of its projects."
            )
    if not set(given) <= own:
        raise NotAllowed(
            f"The policy's rules (`costs.allocate`) give some of these rows to other projects, and this token is only for {bound}. "
            "Leave those accounts out, or deliver with a token for all of their projects."
        )


def list_sources(session: Session) -> Sequence[SourceRecord]:
    """Every source, by name."""
    return [SourceRecord(*row) for row in costs.list_sources(session)]


def give_source(ctx: Context, source: str, token: str | None) -> None:
    """Let another token (by name; None: the command line) deliver a source from now on.

    Raises NotAllowed for anybody but the operator, NotFound for an unknown source, InvalidInput for an unused name.
    """
    if ctx.actor.kind is not ActorKind.OPERATOR:
        raise NotAllowed("Only who operates mlgov hands a source over.")
    costs.lock_loads(ctx.session)
    row = costs.find_source(ctx.session, source)
    if row is None:
        raise NotFound(
            f"There is no cost of {source!r}. `mlgov costs sources` lists what there is."
        )
    if token is not None and not tokens.is_name_taken(ctx.session, token, now=ctx.now):
        raise InvalidInput(
            f"No token named {token!r} is in use. `mlgov token list` shows them.", field="token"
        )
    if row.token == token:
        return
    before, row.token = row.token, token
    ctx.session.flush()
    audit.record(ctx, "costs.given", ("cost_source", source), token=token, before=before)
