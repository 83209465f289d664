"""How budgets stand, what their cards show, and acknowledging an alert."""

from collections.abc import Collection
from datetime import date, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from storage.approvals import queries as approvals
from storage.budgets import costs, queries
from storage.budgets.tables import Budget, BudgetRevision
from storage.enums import ApprovalState, CostBasis, Period
from storage.money import money_text
from storage.projects.tables import Project
from workflows import outbox, permissions
from workflows.audit import service as audit
from workflows.budgets import rules
from workflows.budgets.records import AlertCard, Asked, Breakdown, BudgetDetail, Burn, Revision
from workflows.context import Context
from workflows.errors import NotFound
from workflows.outbox import Subject
from workflows.policy import Policy


def no_budget() -> NotFound:
    """The same refusal for a budget or an alert that is not there and for one that is not for who asks."""
    return NotFound("There is no such budget here.", hint="budgets.list")


def amounts(revisions: Collection[BudgetRevision | queries.RevisionRow]) -> list[rules.Amount]:
    """A budget's revisions, or rows of them, as values."""
    return [
        rules.Amount(r.revision, r.amount, r.valid_from, r.valid_until, r.approval_id)
        for r in revisions
    ]


def span_of(budget: Budget | queries.BudgetRow, day: date, policy: Policy) -> rules.Span | None:
    """The round of a budget in which a day lies."""
    return rules.span_on(
        Period(budget.period),
        budget.starts,
        budget.ends,
        day,
        fiscal_month=policy.organisation.fiscal_month,
    )


def burns_by_project(ctx: Context, project_ids: Collection[int] | None) -> dict[int, list[Burn]]:
    """How the open rounds of these projects' budgets stand, or of all (None); projects without one are left out."""
    budgets = queries.list_budget_rows(ctx.session, project_ids)
    is_all = project_ids is None
    by_project: dict[int, list[Burn]] = {}
    for open_burn in list_burns(ctx, budgets, is_all=is_all):
        by_project.setdefault(open_burn.project_id, []).append(open_burn)
    return by_project


def list_burns(
    ctx: Context, budgets: Collection[Budget | queries.BudgetRow], *, is_all: bool = False
) -> list[Burn]:
    """How the open rounds of budgets stand today, in few statements however many budgets there are.

    Budgets, or rows of `standing.list_budgets`; `is_all` spares naming them to the database one by one.
    """
    today = ctx.now.date()
    named = None if is_all else [budget.id for budget in budgets]
    revisions = queries.list_revision_rows(ctx.session, named)
    open_: list[tuple[Budget | queries.BudgetRow, rules.Span, rules.Amount]] = []
    spans: dict[tuple[str, date, date | None], rules.Span | None] = {}
    for budget in budgets:
        kind = (budget.period, budget.starts, budget.ends)
        if kind not in spans:
            spans[kind] = span_of(budget, today, ctx.policy)
        span = spans[kind]
        revised = revisions.get(budget.id, ())
        amount = rules.amount_in(amounts(revised), span) if span else None
        if span is not None and amount is not None:
            open_.append((budget, span, amount))
    rounds = [(budget, span) for budget, span, _ in open_]
    sums = _sums(ctx.session, rounds, today, is_all=is_all)
    of_projects = None if is_all else {budget.project_id for budget, _ in rounds}
    through = costs.data_through_by_project(ctx.session, of_projects, today)
    result = []
    for budget, span, amount in open_:
        basis = CostBasis(budget.basis)
        by_currency = {
            currency: billed if basis is CostBasis.BILLED else effective
            for currency, billed, effective in sums[(span.first, span.last)].get(
                budget.project_id, ()
            )
        }
        result.append(
            Burn(
                budget_id=budget.id,
                project_id=budget.project_id,
                revision=amount.revision,
                span=span,
                period_words=rules.span_words(Period(budget.period), span),
                currency=budget.currency,
                basis=basis,
                amount=amount.amount,
                spent=by_currency.pop(budget.currency, Decimal(0)),
                others=tuple(sorted(by_currency.items())),
                data_through=through.get(budget.project_id),
                as_of=today,
            )
        )
    return result


def _sums(
    session: Session,
    open_: Collection[tuple[Budget | queries.BudgetRow, rules.Span]],
    today: date,
    *,
    is_all: bool = False,
) -> dict[tuple[date, date], dict[int, list[tuple[str, Decimal, Decimal]]]]:
    """Cost by span and project; whole months from the roll-up, unless it holds days that do not count yet."""
    exact = costs.has_future(session, today)
    groups: dict[tuple[date, date], set[int]] = {}
    for budget, span in open_:
        groups.setdefault((span.first, span.last), set()).add(budget.project_id)
    sums: dict[tuple[date, date], dict[int, list[tuple[str, Decimal, Decimal]]]] = {}
    for (first, last), projects in groups.items():
        named = None if is_all else projects
        whole = first.day == 1 and (last + timedelta(days=1)).day == 1
        by_project = sums.setdefault((first, last), {})
        rows = (
            costs.sums_by_months(session, named, first, last)
            if whole and not exact
            else costs.sums_by_days(session, named, first, min(last, today))
        )
        for project, currency, billed, effective in rows:
            by_project.setdefault(project, []).append((currency, billed, effective))
    return sums


def find_burn(ctx: Context, budget: Budget) -> Burn | None:
    """How one budget's open round stands; None when no round is open."""
    open_burns = list_burns(ctx, [budget])
    return open_burns[0] if open_burns else None


def spent_in_round(ctx: Context, budget: Budget) -> tuple[rules.Span, Decimal] | None:
    """The open round of a budget, which need not be in the database yet, and what was spent in it; None when none is
    open."""
    today = ctx.now.date()
    span = span_of(budget, today, ctx.policy)
    if span is None:
        return None
    sums = _sums(ctx.session, [(budget, span)], today)
    is_billed = CostBasis(budget.basis) is CostBasis.BILLED
    costs_ = sums[(span.first, span.last)].get(budget.project_id, ())
    by_currency = {
        currency: billed if is_billed else effective for currency, billed, effective in costs_
    }
    return span, by_currency.get(budget.currency, Decimal(0))


def find_asked(session: Session, budget_id: int, first: date) -> Asked | None:
    """The newest request for more in the round that starts on `first`, or one that waits, from whichever round."""
    for row in queries.list_requests(session, budget_id):
        state = ApprovalState(row.state)
        if state is ApprovalState.PENDING or row.facts["period_start"] == first.isoformat():
            return Asked(
                row.id, state, Decimal(row.facts["new"]), row.requester, row.requester_slack_id
            )
    return None


def _days(session: Session, burn: Burn, today: date) -> list[tuple[date, Decimal]]:
    return costs.list_days(
        session,
        burn.project_id,
        burn.currency,
        burn.basis,
        burn.span.first,
        min(burn.span.last, today),
    )


def _likely(session: Session, burn: Burn, today: date) -> rules.Likely | None:
    if burn.data_through is None or not burn.span.holds(burn.data_through):
        return None
    return rules.likely(_days(session, burn, today), burn.span, burn.data_through)


def _riser(session: Session, burn: Burn) -> tuple[str, Decimal] | None:
    """The service that rose most against the same number of days before the round, when it made most of the rise."""
    if burn.data_through is None or not burn.span.holds(burn.data_through):
        return None
    length = burn.data_through - burn.span.first
    before_last = burn.span.first - timedelta(days=1)
    here = costs.sums_by_service(
        session, burn.project_id, burn.currency, burn.basis, burn.span.first, burn.data_through
    )
    before = costs.sums_by_service(
        session, burn.project_id, burn.currency, burn.basis, before_last - length, before_last
    )
    if not before:
        return None
    rises = {service: cost - before.get(service, Decimal(0)) for service, cost in here.items()}
    up = {service: rise for service, rise in rises.items() if rise > 0}
    if not up:
        return None
    service, rise = max(up.items(), key=lambda item: (item[1], item[0]))
    return (service, rise) if rise * 2 > sum(up.values()) and rise * 20 > burn.amount else None


def load_alert_card(ctx: Context, alert_id: int) -> AlertCard | None:
    """A crossed threshold as it stands now; None when there is no such alert."""
    alert = queries.find_alert(ctx.session, alert_id)
    if alert is None:
        return None
    budget = queries.find_budget(ctx.session, alert.budget_id)
    if budget is None:
        return None
    project = queries.load_project(ctx.session, budget.project_id)
    current = find_burn(ctx, budget)
    is_open = current is not None and current.span.first == alert.period_start
    burn_shown = current
    if burn_shown is None or burn_shown.revision != alert.revision or not is_open:
        span = rules.Span(alert.period_start, alert.period_end)
        burn_shown = Burn(
            budget.id,
            project.id,
            alert.revision,
            span,
            rules.span_words(Period(budget.period), span),
            budget.currency,
            CostBasis(alert.basis),
            alert.amount,
            alert.spent,
            (),
            alert.data_through,
            ctx.now.date(),
        )
        is_open = is_open and current is not None and current.revision == alert.revision
    by = queries.find_person(ctx.session, alert.acknowledged_by)
    return AlertCard(
        id=alert.id,
        project_key=project.key,
        project=project.name,
        burn=burn_shown,
        threshold=alert.threshold,
        crossed_on=alert.crossed_on,
        spent_then=alert.spent,
        likely=_likely(ctx.session, burn_shown, ctx.now.date()) if is_open else None,
        riser=_riser(ctx.session, burn_shown) if is_open else None,
        acknowledged_by=(by.slack_id, by.name) if by else None,
        acknowledged_at=alert.acknowledged_at,
        asked=find_asked(ctx.session, budget.id, alert.period_start),
        is_open=is_open,
    )


def require_sight(ctx: Context, budget_id: int) -> Budget:
    """A budget that the actor may read: its project is in their sight, it is their own, they asked to raise it, or they
    have a card about it before them (`ctx.card`). Raises NotFound for everybody else, as for one that is not there."""
    permissions.require_member(ctx.actor, "budget.read", subject=("budget", budget_id))
    budget = queries.find_budget(ctx.session, budget_id)
    if budget is None or not (
        budget.owner_id == ctx.actor.id
        or permissions.sees_project(ctx, budget.project_id)
        or _has_asked(ctx, budget_id)
        or _is_before_them(ctx, budget_id)
    ):
        raise no_budget()
    return budget


def _has_asked(ctx: Context, budget_id: int) -> bool:
    return ctx.actor.slack_id is not None and any(
        one.requester_slack_id == ctx.actor.slack_id
        for one in queries.list_requests(ctx.session, budget_id)
    )


def _is_before_them(ctx: Context, budget_id: int) -> bool:
    subject = permissions.find_shown(ctx)
    match subject:
        case ("budget_alert", alert_id):
            alert = queries.find_alert(ctx.session, int(alert_id))
            return alert is not None and alert.budget_id == budget_id
        case ("approval", approval_id):
            about = approvals.find_subject(ctx.session, int(approval_id))
            return about == ("budget", budget_id)
        case _:
            return False


def acknowledge_alert(ctx: Context, alert_id: int) -> None:
    """Someone has seen an alert. The first one counts; again changes nothing. Raises NotFound for who may not see it."""
    permissions.require_member(ctx.actor, "budget.acknowledge", subject=("budget_alert", alert_id))
    alert = queries.lock_alert(ctx.session, alert_id)
    if alert is None:
        raise no_budget()
    require_sight(ctx, alert.budget_id)
    if alert.acknowledged_by is None:
        alert.acknowledged_by, alert.acknowledged_at = ctx.actor.id, ctx.now
        audit.record(ctx, "budget.acknowledged", ("budget", alert.budget_id), alert=alert.id)
    outbox.refresh(ctx, Subject.of("budget_alert", alert.id))


def load_detail(ctx: Context, budget_id: int) -> BudgetDetail:
    """A budget with its history. Raises NotFound when it is gone or no round is open."""
    budget = queries.find_budget(ctx.session, budget_id)
    burn_ = find_burn(ctx, budget) if budget else None
    if budget is None or burn_ is None:
        raise NotFound("This budget has no open round, so there is nothing to show.")
    project = queries.load_project(ctx.session, budget.project_id)
    revisions = queries.list_revisions(ctx.session, [budget.id])[budget.id]
    return BudgetDetail(
        burn=burn_,
        project_key=project.key,
        project=project.name,
        revisions=tuple(
            Revision(r.revision, r.amount, r.valid_from, r.valid_until, r.created_at, r.approval_id)
            for r in revisions
        ),
        likely=_likely(ctx.session, burn_, ctx.now.date()),
        asked=find_asked(ctx.session, budget.id, burn_.span.first),
        later=rules.pieces(
            amounts(revisions), Period(budget.period), burn_.span, onwards=True, ends=budget.ends
        )[1:],
    )


def load_detail_for(ctx: Context, budget_id: int) -> BudgetDetail:
    """A budget with its history, before somebody who may read it. Raises NotFound."""
    require_sight(ctx, budget_id)
    return load_detail(ctx, budget_id)


def load_breakdown(ctx: Context, budget_id: int) -> Breakdown:
    """Where an open round's cost came from. Raises NotFound for who may not see it."""
    budget_detail = load_detail_for(ctx, budget_id)
    last = min(budget_detail.burn.span.last, ctx.now.date())
    open_burn = budget_detail.burn
    services = costs.sums_by_service(
        ctx.session,
        open_burn.project_id,
        open_burn.currency,
        open_burn.basis,
        open_burn.span.first,
        last,
    )
    return Breakdown(
        budget_detail,
        tuple(sorted(services.items(), key=lambda item: (-item[1], item[0]))),
        tuple(reversed(_days(ctx.session, open_burn, ctx.now.date()))),
    )


def find_project_place(session: Session, project_id: int) -> tuple[str, str | None]:
    """A project's name, and the Slack id of its channel."""
    project = queries.load_project(session, project_id)
    return project.name, project.channel


# --- The first budget of a project


def agree_first(
    ctx: Context,
    project: Project,
    *,
    amount: Decimal,
    currency: str,
    starts: date,
    ends: date,
    approval_id: int,
) -> int | None:
    """Give a project the budget that comes with the approval of its case, from `starts` through `ends`; its id.

    None where the project has a budget in that time already: that one was agreed with more knowledge, and cost must not
    count against two.
    """
    for budget in queries.list_budgets(ctx.session, [project.id]):
        if budget.starts <= ends and (budget.ends is None or budget.ends >= starts):
            return None
    budget = Budget(
        project_id=project.id,
        period=Period.FIXED.value,
        starts=starts,
        ends=ends,
        currency=currency,
        basis=ctx.policy.costs.basis.value,
        owner_id=project.owner_id,
        thresholds=list(ctx.policy.budgets.thresholds),
        revision=1,
        created_at=ctx.now,
    )
    ctx.session.add(budget)
    ctx.session.flush()
    ctx.session.add(
        BudgetRevision(
            budget_id=budget.id,
            revision=1,
            amount=amount,
            valid_from=starts,
            valid_until=None,
            approval_id=approval_id,
            created_at=ctx.now,
        )
    )
    ctx.session.flush()
    audit.record(
        ctx,
        "budget.created",
        ("budget", budget.id),
        amount=money_text(amount),
        project=budget.project_id,
        period=budget.period,
        starts=starts.isoformat(),
        currency=currency,
        basis=budget.basis,
        owner=budget.owner_id,
        thresholds=budget.thresholds,
        approval=approval_id,
    )
    return budget.id
