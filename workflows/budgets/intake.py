"""Bringing in cost files and budgets, and what follows for the alerts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from storage.budgets import queries
from storage.budgets.tables import Budget, BudgetRevision
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.budgets import alerts, loading
from workflows.budgets.forms import BudgetRow
from workflows.budgets.notices import LoadRefused
from workflows.budgets.records import CostReport, Crossing
from workflows.errors import InvalidInput
from workflows.outbox import Destination, post
from workflows.policy import Policy
from workflows.sources.focus import FocusRead


def take_costs(
    session: Session,
    actor: Actor,
    read: FocusRead,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
    replace_period: bool = False,
    skip_bad_rows: bool = False,
    dry_run: bool = False,
) -> CostReport:
    """Load cost files and look at every budget. Nothing is written when any row is bad, unless those may be skipped.

    With `dry_run` the report says what would happen; the caller rolls the transaction back.
    """
    bad = tuple(
        f"{row.file}, line {row.line}: {row.column or 'row'}: {row.reason}"
        if row.line
        else f"{row.file}: {row.reason}"
        for row in read.bad_rows
    )
    if read.bad_row_count and not skip_bad_rows:
        why = (
            f"Nothing was written: {read.bad_row_count:,} of the rows are bad. Mend them, or give --skip-bad-rows to "
            "load the others.",
        )
        return CostReport(
            (),
            (),
            (),
            bad,
            read.bad_row_count,
            read.remarks,
            read.charges_through,
            why,
            dry_run,
        )
    periods, refused = loading.load(
        session, actor, read, policy=policy, replace_period=replace_period, now=now
    )
    crossings: list[Crossing] = []
    if refused:
        _tell_owners(
            session, refused, policy=policy, org_key=org_key, now=now, read=read
        )
    elif not dry_run:
        crossings = alerts.evaluate(session, policy=policy, org_key=org_key, now=now)
    return CostReport(
        periods,
        tuple(crossings),
        loading.unallocated(session, now),
        bad,
        read.bad_row_count,
        read.remarks,
        read.charges_through,
        refused,
        dry_run,
    )


def _tell_owners(
    session: Session,
    refused: Sequence[str],
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
    read: FocusRead,
) -> None:
    """A refused load matters to those whose budgets it would have changed."""
    owners = {
        budget.owner_id for budget in queries.list_budgets(session) if budget.owner_id
    }
    stamp = now.date().isoformat()
    for owner_id in sorted(owners):
        person = queries.person(session, owner_id)
        if person is None or not person.slack_id:
            continue
        for period, why in zip(read.periods, refused, strict=False):
            post(
                session,
                LoadRefused(period.source, period.billing_period.isoformat(), why),
                to=Destination.person(org_key, person.slack_id),
                dedupe_key=f"load-refused:{period.source}:{period.billing_period}:{stamp}:{owner_id}",
                now=now,
            )


@dataclass(slots=True)
class RowOutcome:
    """What one row of a file did: `created`, `updated`, `unchanged`, or refused with a sentence."""

    line: int
    key: str
    what: str
    changes: dict[str, tuple[str, str]] = field(default_factory=dict)
    error: str | None = None


def apply_rows(
    session: Session,
    actor: Actor,
    rows: Sequence[tuple[int, BudgetRow]],
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> tuple[list[RowOutcome], list[Crossing]]:
    """Make or change budgets as a file says; (outcome per row, what is over already).

    A row means the budget of that project, period, start, currency and basis. Another amount makes a revision from
    the open round on. Rows with an `error` changed nothing; whether the others may stand is the caller's decision.
    """
    outcomes, touched = [], []
    seen: dict[tuple[str, str, str, str, str], int] = {}
    for line, row in rows:
        basis = (row.basis or policy.costs.basis).value
        key = (
            row.project.strip().casefold(),
            row.period.value,
            row.starts.isoformat(),
            row.currency,
            basis,
        )
        if key in seen:
            outcomes.append(
                RowOutcome(
                    line,
                    row.project,
                    "refused",
                    error=f"says the same budget as line {seen[key]}",
                )
            )
            continue
        seen[key] = line
        try:
            outcome, budget = _apply(
                session,
                actor,
                line,
                row,
                basis,
                policy=policy,
                org_key=org_key,
                now=now,
            )
        except InvalidInput as error:
            outcomes.append(
                RowOutcome(line, row.project, "refused", error=error.sentence)
            )
            continue
        outcomes.append(outcome)
        if outcome.what != "unchanged":
            touched.append(budget)
    session.flush()
    crossings = alerts.evaluate(
        session, policy=policy, org_key=org_key, now=now, budgets=touched, silent=True
    )
    return outcomes, crossings


def _apply(
    session: Session,
    actor: Actor,
    line: int,
    row: BudgetRow,
    basis: str,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> tuple[RowOutcome, Budget]:
    project = queries.find_project(session, row.project.strip().casefold())
    if project is None:
        raise InvalidInput(
            f"project: there is no project {row.project!r}; import it first, or mend the key"
        )
    owner_id = _owner(session, org_key, row.owner)
    thresholds = list(row.thresholds or policy.budgets.thresholds)
    budget = queries.find_same(
        session, project.id, row.period.value, row.starts, row.currency, basis
    )
    if budget is None:
        budget = Budget(
            project_id=project.id,
            period=row.period.value,
            starts=row.starts,
            ends=row.ends,
            currency=row.currency,
            basis=basis,
            owner_id=owner_id or project.owner_id,
            thresholds=thresholds,
            revision=1,
            created_at=now,
        )
        session.add(budget)
        session.flush()
        _revise(session, budget, row, None, now)
        audit.record(
            session, actor, "budget.created", ("budget", budget.id), now=now,
            project=project.id, period=budget.period, starts=budget.starts.isoformat(), amount=str(row.amount),
            currency=budget.currency, basis=basis, owner=budget.owner_id, thresholds=thresholds,
        )  # fmt: skip
        return RowOutcome(line, project.key, "created"), budget
    changes: dict[str, tuple[str, str]] = {}
    current = queries.list_revisions(session, [budget.id])[budget.id]
    base = next(
        (item for item in reversed(current) if item.valid_until is None), current[-1]
    )
    if base.amount != row.amount:
        changes["amount"] = (str(base.amount), str(row.amount))
        budget.revision += 1
        _revise(session, budget, row, now, now)
    if owner_id is not None and owner_id != budget.owner_id:
        changes["owner"] = (budget.owner_id or "", owner_id)
        budget.owner_id = owner_id
    if row.thresholds is not None and thresholds != list(budget.thresholds):
        changes["thresholds"] = (str(budget.thresholds), str(thresholds))
        budget.thresholds = thresholds
    if row.ends != budget.ends:
        changes["ends"] = (str(budget.ends), str(row.ends))
        budget.ends = row.ends
    if not changes:
        return RowOutcome(line, project.key, "unchanged"), budget
    session.flush()
    audit.record(
        session, actor, "budget.changed", ("budget", budget.id), now=now,
        fields=sorted(changes), amount=str(row.amount), revision=budget.revision,
    )  # fmt: skip
    return RowOutcome(line, project.key, "updated", changes), budget


def _revise(
    session: Session,
    budget: Budget,
    row: BudgetRow,
    since: datetime | None,
    now: datetime,
) -> None:
    session.add(
        BudgetRevision(
            budget_id=budget.id,
            revision=budget.revision,
            amount=row.amount,
            valid_from=budget.starts if since is None else since.date(),
            valid_until=None,
            approval_id=None,
            created_at=now,
        )
    )
    session.flush()


def _owner(session: Session, org_key: str, word: str | None) -> str | None:
    if word is None:
        return None
    found = queries.find_people(session, org_key, word.strip())
    if not found:
        raise InvalidInput(
            f"owner: nobody here is {word!r}; give a Slack id, or the e-mail address Slack knows"
        )
    if len(found) > 1:
        raise InvalidInput(
            f"owner: {len(found)} people have the address {word!r}; give a Slack id"
        )
    return found[0].id
