"""Bringing in cost files and budgets, and what follows for the alerts."""

import secrets
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from storage.budgets import costs, queries
from storage.budgets.tables import Budget, BudgetRevision
from storage.db import PATIENT_MS, Database
from storage.enums import Period
from storage.money import money_text
from storage.people.tables import Person
from storage.projects.tables import Project
from workflows import resting
from workflows.audit import service as audit
from workflows.budgets import alerts, cost_loading, increase, rules, service
from workflows.budgets import costs as budget_costs
from workflows.budgets.cost_loading import Choice, Delivery, Refusal
from workflows.budgets.costs import Deliverer, StandingLoad
from workflows.budgets.forms import BudgetRow
from workflows.budgets.notices import LoadRefused
from workflows.budgets.records import CostReport, Crossing, LoadedPeriod
from workflows.context import Context, Occasion
from workflows.errors import InvalidInput
from workflows.outbox import Destination, post
from workflows.sources.focus import CostRead
from workflows.sources.rows import Item, Table
from workflows.sources.text import folded_email


def take_costs(
    database: Database,
    occasion: Occasion,
    read: CostRead,
    *,
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
        read = cost_loading.settle_names(session, read)
    beside = _DoubleCounting(read, answer or Choice(), by)
    delivery = Delivery(occasion, read, replace_period, by, probe, beside.doubts, beside.displaced)
    crossings: list[Crossing] = []
    if dry_run:
        with database.read(within=PATIENT_MS / 1000) as session:
            loaded = cost_loading.preview_load(session, delivery)
            beside.look(session)
    else:
        owner = secrets.token_hex(8)

        def follow(session: Session) -> None:
            beside.settle(occasion.context(session))
            _begin_evaluation(session, owner)

        loaded = cost_loading.load_costs(database, delivery, follow=follow)
        if loaded.refusals:
            database.run(
                lambda session: _tell_owners(occasion.context(session), loaded.refusals),
                patient=True,
            )
        else:
            crossings = alerts.evaluate_all(database, occasion, owner=owner, probe=probe)
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


class _DoubleCounting:
    """Cost of other sources that a delivery would count beside, or takes the place of, as was answered."""

    def __init__(self, read: CostRead, answer: Choice, by: Deliverer | None) -> None:
        self._read, self._answer, self._by = read, answer, by
        self._apart: list[tuple[str, str]] = []
        self.dropped: tuple[LoadedPeriod, ...] = ()
        """What became of the loads that it took the place of."""

    def doubts(self, session: Session) -> tuple[Refusal, ...]:
        """What has to be answered first. Raises NotAllowed for a source that isn't the program's, and InvalidInput."""
        loads = cost_loading.find_displaced(session, self._read, self._answer)
        budget_costs.require_deliverer(session, {load.source for load in loads}, self._by)
        standing = [
            StandingLoad(load.id, load.source, load.billing_period, load.sha256, load.rows)
            for load in loads
        ]
        budget_costs.require_own(session, self._by, replaced=standing, given=())
        unsettled = cost_loading.find_double_counts(session, self._read, self._answer)
        if self._answer.separate:
            self._apart = [(name, load.source) for name, load, _ in unsettled]
            return ()
        is_bound = self._by is not None and bool(self._by.projects)
        return cost_loading.ask_about(session, unsettled, is_bound=is_bound)

    def displaced(self, session: Session) -> list[int]:
        """Ids of the loads that it takes the place of."""
        return [load.id for load in cost_loading.find_displaced(session, self._read, self._answer)]

    def look(self, session: Session) -> None:
        """Say what would become of them."""
        loads = cost_loading.find_displaced(session, self._read, self._answer)
        self.dropped = cost_loading.list_dropped(session, loads)

    def settle(self, ctx: Context) -> None:
        """In the transaction in which the delivery begins to count: they count no more, and the answer is kept."""
        cost_loading.keep_apart(ctx.session, self._apart)
        loads = cost_loading.find_displaced(ctx.session, self._read, self._answer)
        self.dropped = cost_loading.drop_loads(ctx, loads)


def _begin_evaluation(session: Session, owner: str) -> None:
    """In the moment in which other cost counts, all budgets are to be looked at; by us, unless we die."""
    alerts.begin_evaluation(session)
    alerts.take_evaluation(session, owner)


def _tell_owners(ctx: Context, refused: Sequence[Refusal]) -> None:
    """A refused load matters to those whose budgets it would have changed: their projects have cost in it."""
    stamp = ctx.now.date().isoformat()
    for refusal in refused:
        budgets = queries.list_budgets(
            ctx.session, costs.list_projects_of_load(ctx.session, refusal.load_id)
        )
        for owner_id in sorted({one.owner_id for one in budgets if one.owner_id}):
            person = queries.find_person(ctx.session, owner_id)
            if person is None or not person.slack_id:
                continue
            month = refusal.billing_period.isoformat()
            post(
                ctx.session,
                LoadRefused(refusal.source, month, refusal.why),
                to=Destination.person(ctx.org, person.slack_id),
                dedupe_key=f"load-refused:{refusal.source}:{month}:{stamp}:{owner_id}",
                now=ctx.now,
            )


@dataclass(slots=True)
class BudgetItem(Item[BudgetRow]):
    """A row of a table of budgets."""

    project: Project = field(init=False)
    budget: Budget | None = None
    owner: Person | None = None
    """Whom the row names."""


class BudgetTable(Table[BudgetRow, BudgetItem]):
    """Makes and changes budgets as a file says.

    A row means the budget of that project, period, start, currency and basis. Another amount makes a revision from
    the open round on. Amounts that are asked again (`doubts`) are refused, unless whoever imports says that they
    `are_meant`. What is over already is told here once, and alarms nobody.
    """

    form, item = BudgetRow, BudgetItem
    repeated = "says the same budget as line {line}"
    repeated_field = None

    def __init__(self, *, are_meant: bool = False) -> None:
        super().__init__()
        self._are_meant = are_meant
        self.crossings: dict[Crossing, None] = {}

    def load_records(self, rows: Sequence[BudgetRow]) -> None:
        """The projects of these rows, and all of their budgets with what was ever agreed."""
        self._projects = queries.projects_by_keys(self.ctx.session, [_key(row) for row in rows])
        ids = [project.id for project in self._projects.values()]
        self._budgets = {
            _same(budget): budget for budget in queries.list_budgets(self.ctx.session, ids)
        }
        self._revisions = queries.list_revisions(
            self.ctx.session, [budget.id for budget in self._budgets.values()]
        )

    def find_record(self, item: BudgetItem) -> Hashable:
        """The budget that the row means."""
        row = item.row
        basis = (row.basis or self.ctx.policy.costs.basis).value
        item.name = _key(row)
        about = (row.period.value, row.starts, row.currency, basis)
        if (project := self._projects.get(item.name)) is not None:
            item.project = project
            item.budget = self._budgets.get((project.id, *about))
        return item.name, *about

    def read_cells(self, item: BudgetItem) -> None:
        """Its project, its owner, and whether the amount may be a slip of a key."""
        row = item.row
        if item.name not in self._projects:
            raise InvalidInput(
                f"there is no project {row.project!r}; import it first, or mend the key",
                field="project",
            )
        item.owner = self._owner(row.owner) if row.owner is not None else None
        revisions = self._revisions[item.budget.id] if item.budget else ()
        if not self._are_meant and (not revisions or _in_files(revisions) != row.amount):
            self._require_meant(item.budget or self._draft(item), row, revisions)

    def _owner(self, word: str) -> Person:
        people = queries.find_people(
            self.ctx.session, self.ctx.org, slack_id=word.strip().upper(), email=folded_email(word)
        )
        why = None
        if not people:
            why = f"nobody here is {word!r}; give a member id or an e-mail address"
        elif len(people) > 1:
            why = f"{len(people)} people have the address {word!r}; give the id of one"
        elif any(p.is_deactivated or p.is_bot or p.is_guest or p.is_stranger for p in people):
            why = f"{word!r} is no active member of the organisation, so could never decide; name somebody else"
        if why is not None:
            raise InvalidInput(why, field="owner")
        return people[0]

    def _require_meant(
        self, budget: Budget, row: BudgetRow, revisions: Sequence[BudgetRevision]
    ) -> None:
        """Raises InvalidInput. Where no round is open, what a file said last is what there is."""
        round_ = service.spent_in_round(self.ctx, budget)
        amounts = service.amounts(revisions)
        current = rules.amount_in(amounts, round_[0]) if round_ is not None else None
        if current is None and amounts:
            current = amounts[-1]
        question = increase.question(
            row.amount,
            present=current.amount if current is not None else None,
            spent=round_[1] if round_ is not None else Decimal(0),
            currency=row.currency,
            period=rules.span_words(row.period, round_[0]) if round_ is not None else "",
        )
        if question is not None:
            raise InvalidInput(f"{question} If so, import with --amounts-are-meant", field="amount")

    def _draft(self, item: BudgetItem) -> Budget:
        row, project = item.row, item.project
        return Budget(
            project_id=project.id,
            period=row.period.value,
            starts=row.starts,
            ends=row.ends,
            currency=row.currency,
            basis=(row.basis or self.ctx.policy.costs.basis).value,
            owner_id=item.owner.id if item.owner else project.owner_id,
            thresholds=list(row.thresholds or self.ctx.policy.budgets.thresholds),
            revision=1,
            created_at=self.ctx.now,
        )

    def write_record(self, item: BudgetItem) -> None:
        """Make the budget, or change what the row says."""
        if item.budget is None:
            item.is_new = True
            budget = item.budget = self._draft(item)
            self.ctx.session.add(budget)
            self.ctx.session.flush()
            self._revise(budget, item.row, budget.starts)
            facts: dict[str, object] = {
                "project": budget.project_id,
                "period": budget.period,
                "starts": budget.starts.isoformat(),
                "currency": budget.currency,
                "basis": budget.basis,
                "owner": budget.owner_id,
                "thresholds": budget.thresholds,
            }
        else:
            budget = item.budget
            self._change(item, budget)
            if not item.fields:
                return
            facts = {
                "fields": sorted(change.field for change in item.fields),
                "revision": budget.revision,
            }
        audit.record(
            self.ctx,
            "budget.created" if item.is_new else "budget.changed",
            ("budget", budget.id),
            amount=money_text(item.row.amount),
            **facts,
        )

    def _change(self, item: BudgetItem, budget: Budget) -> None:
        row = item.row
        before = _in_files(self._revisions[budget.id])
        if before != row.amount:
            item.change("amount", money_text(before), money_text(row.amount))
            budget.revision += 1
            self._revise(budget, row, self.ctx.now.date())
        if item.owner is not None:
            item.put(budget, "owner_id", item.owner.id)
        if row.thresholds is not None:
            item.put(budget, "thresholds", list(row.thresholds))
        if row.period is Period.FIXED:
            item.put(budget, "ends", row.ends)

    def _revise(self, budget: Budget, row: BudgetRow, valid_from: date) -> None:
        self.ctx.session.add(
            BudgetRevision(
                budget_id=budget.id,
                revision=budget.revision,
                amount=row.amount,
                valid_from=valid_from,
                valid_until=None,
                approval_id=None,
                created_at=self.ctx.now,
            )
        )

    def follow_up(self, items: Sequence[BudgetItem]) -> None:
        """Rounds follow on each other, and thresholds that are crossed already are recorded."""
        touched = [i.budget for i in items if i.budget and (i.is_new or i.fields)]
        projects = {budget.project_id for budget in touched}
        _follow_on(self.ctx.session, projects)
        resting.recheck_projects(
            self.ctx.session, projects, now=self.ctx.now, subject_type=increase.TYPE
        )
        crossings = alerts.evaluate(self.ctx, budgets=touched, silent=True)
        self.crossings |= dict.fromkeys(crossings)

    def list_notes(self) -> Iterator[str]:
        """What is over already."""
        for crossing in self.crossings:
            yield f"{crossing.project_key} is past {crossing.threshold} % already; that is recorded, and nobody is alerted about it."
        yield from super().list_notes()


def _key(row: BudgetRow) -> str:
    return row.project.strip().casefold()


def _same(budget: Budget) -> tuple[int, str, date, str, str]:
    return budget.project_id, budget.period, budget.starts, budget.currency, budget.basis


def _in_files(revisions: Sequence[BudgetRevision]) -> Decimal:
    """What files said last: with it a file is compared, as it must not take back what was decided since."""
    return next(each.amount for each in reversed(revisions) if each.approval_id is None)


def _follow_on(session: Session, projects: Collection[int]) -> None:
    """A recurring budget ends where a later one of the same kind starts, so that no cost counts against both."""
    families: dict[tuple[int, str, str, str], list[Budget]] = defaultdict(list)
    for budget in queries.list_budgets(session, projects):
        if budget.period != Period.FIXED:
            family = (budget.project_id, budget.period, budget.currency, budget.basis)
            families[family].append(budget)
    for budgets in families.values():
        budgets.sort(key=lambda budget: budget.starts)
        for budget, later in zip(budgets, [*budgets[1:], None], strict=True):
            budget.ends = later.starts - timedelta(days=1) if later else None
    session.flush()
