"""Bringing in cost files and budgets, and what follows for the alerts."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from storage.budgets import costs, queries
from storage.budgets.tables import Budget, BudgetRevision
from storage.db import PATIENT_MS, Database
from storage.enums import Period
from storage.money import money_text
from workflows import resting
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.budgets import alerts, doubts, increase, loading, rules, service, sources, twice
from workflows.budgets.forms import BudgetRow
from workflows.budgets.loading import Delivery, Refusal
from workflows.budgets.notices import LoadRefused
from workflows.budgets.records import CostReport, Crossing, LoadedPeriod
from workflows.budgets.sources import Deliverer, StandingLoad
from workflows.budgets.twice import Choice
from workflows.errors import InvalidInput
from workflows.outbox import Destination, post
from workflows.policy import Policy
from workflows.sources.focus import CostRead
from workflows.sources.text import folded_email


def take_costs(
    database: Database,
    actor: Actor,
    read: CostRead,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
    replace_period: bool = False,
    skip_bad_rows: bool = False,
    dry_run: bool = False,
    by: Deliverer | None = None,
    answer: Choice | None = None,
    probe: Callable[[str], None] = lambda name: None,
) -> CostReport:
    """Load cost files and look at every budget. Nothing is written when any row is bad, unless those may be skipped.

    `by` is the program that delivers, None for the command line; `answer` says what is to become of cost that looks as if
    it counted twice.

    It is written in many short transactions, between which others write: the cost counts from one moment on, and not
    before all of it is there (`loading`). What is there already goes to the projects that the policy's rules name now.
    Whoever is killed in between leaves the old cost or the new, and what follows from it to the next tick of the clock.

    With `dry_run` the report says what would happen, and nothing is written.
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
            (), (), (), bad, read.bad_row_count, read.remarks, read.charges_through, why, dry_run
        )
    with database.read(within=PATIENT_MS / 1000) as session:
        read = twice.settled(session, read)
    beside = _Beside(actor, read, answer or Choice(), by, now)
    delivery = Delivery(
        actor, read, policy, replace_period, now, by, probe, beside.doubts, beside.displaced
    )
    crossings: list[Crossing] = []
    if dry_run:
        with database.read(within=PATIENT_MS / 1000) as session:
            loaded = loading.look(session, delivery)
            beside.look(session)
    else:
        owner = secrets.token_hex(8)

        def follow(session: Session) -> None:
            beside.settle(session)
            _follow(session, owner)

        loaded = loading.load(database, delivery, follow=follow)
        if loaded.refusals:
            database.run(
                lambda session: _tell_owners(session, loaded.refusals, org_key=org_key, now=now),
                patient=True,
            )
        else:
            crossings = alerts.evaluate_all(
                database, policy=policy, org_key=org_key, now=now, owner=owner, probe=probe
            )
    return CostReport(
        loaded.periods if loaded.refusals else loaded.periods + beside.dropped,
        tuple(crossings),
        loaded.unallocated,
        bad,
        read.bad_row_count,
        read.remarks,
        read.charges_through,
        tuple(refusal.why for refusal in loaded.refusals),
        dry_run,
    )


class _Beside:
    """Cost of other sources that a delivery would count beside, or takes the place of, as was answered."""

    def __init__(
        self, actor: Actor, read: CostRead, answer: Choice, by: Deliverer | None, now: datetime
    ) -> None:
        self._actor, self._read, self._answer = actor, read, answer
        self._by, self._now = by, now
        self._apart: list[tuple[str, str]] = []
        self.dropped: tuple[LoadedPeriod, ...] = ()
        """What became of the loads that it took the place of."""

    def doubts(self, session: Session) -> tuple[Refusal, ...]:
        """What has to be answered first. Raises NotAllowed for a source that isn't the program's, and InvalidInput."""
        loads = twice.displaced(session, self._read, self._answer)
        sources.require_deliverer(session, {load.source for load in loads}, self._by)
        standing = [
            StandingLoad(load.id, load.source, load.billing_period, load.sha256, load.rows)
            for load in loads
        ]
        sources.require_own(session, self._by, replaced=standing, given=())
        unsettled = twice.unsettled(session, self._read, self._answer)
        if self._answer.separate:
            self._apart = [(name, load.source) for name, load, _ in unsettled]
            return ()
        is_bound = self._by is not None and bool(self._by.projects)
        return twice.doubts(session, unsettled, is_bound=is_bound)

    def displaced(self, session: Session) -> list[int]:
        """Ids of the loads that it takes the place of."""
        return [load.id for load in twice.displaced(session, self._read, self._answer)]

    def look(self, session: Session) -> None:
        """Say what would become of them."""
        loads = twice.displaced(session, self._read, self._answer)
        self.dropped = twice.dropping(session, loads)

    def settle(self, session: Session) -> None:
        """In the transaction in which the delivery begins to count: they count no more, and the answer is kept."""
        twice.keep_apart(session, self._apart)
        loads = twice.displaced(session, self._read, self._answer)
        self.dropped = twice.drop(session, self._actor, loads, now=self._now)


def _follow(session: Session, owner: str) -> None:
    """In the moment in which other cost counts, all budgets are to be looked at; by us, unless we die."""
    alerts.begin(session)
    alerts.take(session, owner)


def _tell_owners(
    session: Session, refused: Sequence[Refusal], *, org_key: str, now: datetime
) -> None:
    """A refused load matters to those whose budgets it would have changed: their projects have cost in it."""
    stamp = now.date().isoformat()
    for refusal in refused:
        budgets = queries.list_budgets(session, costs.projects_of_load(session, refusal.load_id))
        for owner_id in sorted({one.owner_id for one in budgets if one.owner_id}):
            person = queries.person(session, owner_id)
            if person is None or not person.slack_id:
                continue
            month = refusal.billing_period.isoformat()
            post(
                session,
                LoadRefused(refusal.source, month, refusal.why),
                to=Destination.person(org_key, person.slack_id),
                dedupe_key=f"load-refused:{refusal.source}:{month}:{stamp}:{owner_id}",
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
    are_meant: bool = False,
) -> tuple[list[RowOutcome], list[Crossing]]:
    """Make or change budgets as a file says; (outcome per row, what is over already).

    Amounts that are asked again (`doubts`) are refused, unless whoever imports says that they `are_meant`.

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
                    line, row.project, "refused", error=f"says the same budget as line {seen[key]}"
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
                are_meant=are_meant,
            )
        except doubts.AmountDoubted as doubted:
            why = f"amount: {doubted.question} If so, import with --amounts-are-meant"
            outcomes.append(RowOutcome(line, row.project, "refused", error=why))
            continue
        except InvalidInput as error:
            outcomes.append(RowOutcome(line, row.project, "refused", error=error.sentence))
            continue
        outcomes.append(outcome)
        if outcome.what != "unchanged":
            touched.append(budget)
    session.flush()
    for project_id in sorted({budget.project_id for budget in touched}):
        _follow_on(session, project_id)
    resting.recheck_projects(
        session, {budget.project_id for budget in touched}, now=now, subject_type=increase.TYPE
    )
    crossings = alerts.evaluate(
        session, policy=policy, org_key=org_key, now=now, budgets=touched, silent=True
    )
    return outcomes, crossings


def _follow_on(session: Session, project_id: int) -> None:
    """A recurring budget ends where a later one of the same kind starts, so that no cost counts against both."""
    families: dict[tuple[str, str, str], list[Budget]] = {}
    for budget in queries.list_budgets(session, [project_id]):
        if budget.period != Period.FIXED:
            kind = (budget.period, budget.currency, budget.basis)
            families.setdefault(kind, []).append(budget)
    for family in families.values():
        family.sort(key=lambda budget: budget.starts)
        for budget, later in zip(family, [*family[1:], None], strict=True):
            budget.ends = later.starts - timedelta(days=1) if later else None
    session.flush()


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
    are_meant: bool,
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
        if not are_meant:
            _require_meant(session, budget, row, (), policy=policy, now=now)
        session.add(budget)
        session.flush()
        _revise(session, budget, row, None, now)
        audit.record(
            session,
            actor,
            "budget.created",
            ("budget", budget.id),
            now=now,
            project=project.id,
            period=budget.period,
            starts=budget.starts.isoformat(),
            amount=money_text(row.amount),
            currency=budget.currency,
            basis=basis,
            owner=budget.owner_id,
            thresholds=thresholds,
        )
        return RowOutcome(line, project.key, "created"), budget
    changes: dict[str, tuple[str, str]] = {}
    current = queries.list_revisions(session, [budget.id])[budget.id]
    # A file is compared with what files said last: it must not take back what was decided since.
    base = next(item for item in reversed(current) if item.approval_id is None)
    if base.amount != row.amount:
        if not are_meant:
            _require_meant(session, budget, row, current, policy=policy, now=now)
        changes["amount"] = (money_text(base.amount), money_text(row.amount))
        budget.revision += 1
        _revise(session, budget, row, now, now)
    if owner_id is not None and owner_id != budget.owner_id:
        changes["owner"] = (budget.owner_id or "", owner_id)
        budget.owner_id = owner_id
    if row.thresholds is not None and thresholds != list(budget.thresholds):
        changes["thresholds"] = (str(budget.thresholds), str(thresholds))
        budget.thresholds = thresholds
    if row.period is Period.FIXED and row.ends != budget.ends:
        changes["ends"] = (str(budget.ends), str(row.ends))
        budget.ends = row.ends
    if not changes:
        return RowOutcome(line, project.key, "unchanged"), budget
    session.flush()
    audit.record(
        session,
        actor,
        "budget.changed",
        ("budget", budget.id),
        now=now,
        fields=sorted(changes),
        amount=money_text(row.amount),
        revision=budget.revision,
    )
    return RowOutcome(line, project.key, "updated", changes), budget


def _require_meant(
    session: Session,
    budget: Budget,
    row: BudgetRow,
    revisions: Sequence[BudgetRevision],
    *,
    policy: Policy,
    now: datetime,
) -> None:
    """Raises AmountDoubted. Where no round is open, what a file said last is what there is."""
    round_ = service.spent_in_round(session, budget, policy=policy, now=now)
    amounts = service.amounts(revisions)
    current = rules.amount_in(amounts, round_[0]) if round_ is not None else None
    if current is None and amounts:
        current = amounts[-1]
    doubts.require_meant(
        row.amount,
        None,
        present=current.amount if current is not None else None,
        spent=round_[1] if round_ is not None else Decimal(0),
        currency=row.currency,
        period=rules.span_words(row.period, round_[0]) if round_ is not None else "",
    )


def _revise(
    session: Session, budget: Budget, row: BudgetRow, since: datetime | None, now: datetime
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
    found = queries.find_people(
        session, org_key, slack_id=word.strip().upper(), email=folded_email(word)
    )
    if not found:
        raise InvalidInput(
            f"owner: nobody here is {word!r}; give a Slack id, or the e-mail address Slack knows"
        )
    if len(found) > 1:
        raise InvalidInput(f"owner: {len(found)} people have the address {word!r}; give a Slack id")
    one = found[0]
    if one.is_deactivated or one.is_bot or one.is_guest or one.is_stranger:
        raise InvalidInput(
            f"owner: {word!r} is no active member of the organisation, so could never decide; name somebody else"
        )
    return one.id
