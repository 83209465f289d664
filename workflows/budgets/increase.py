"""Raising a budget: what is asked at the gate `budget_increase`, and the new revision when it is approved."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import queries as approvals
from storage.budgets import queries
from storage.budgets.tables import Budget, BudgetRevision
from storage.enums import ApprovalState, CostBasis
from storage.money import money_text
from storage.projects.tables import Project
from workflows import permissions, wording
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.budgets import alerts, rules, service
from workflows.budgets.forms import IncreaseBudget
from workflows.errors import InvalidInput, NotFound, Stale
from workflows.policy import Policy
from workflows.policy.facts import Facts
from workflows.subjects import (
    Prepared,
    ReadAgain,
    Rest,
    Words,
    project_facts,
    project_rests,
)

TYPE = "budget"


class BudgetIncrease:
    """A subject type (see `workflows.subjects`): its subject is a budget, its form `IncreaseBudget`."""

    gate = "budget_increase"
    is_editable = True

    def prepare(
        self,
        session: Session,
        actor: Actor,
        form: IncreaseBudget,
        *,
        policy: Policy,
        now: datetime,
        replacing: int | None = None,
    ) -> Prepared:
        """Lock the budget and say exactly what is asked. One request for more at a time."""
        permissions.require_member(
            actor, "budget.increase", subject=(TYPE, form.budget_id)
        )
        if replacing is not None:
            # Another budget would be told of in what follows, and its sight was not asked about.
            about = approvals.subject_of(session, replacing)
            if about != (TYPE, form.budget_id):
                raise NotFound(service.NO_BUDGET)
        budget = queries.lock_budget(session, form.budget_id)
        if budget is None:
            raise NotFound(service.NO_BUDGET)
        burn = service.burn_of(session, budget, policy=policy, now=now)
        if burn is None:
            raise InvalidInput(
                "This budget has no open round now, so there is nothing to raise."
            )
        if form.revision != burn.revision:
            raise Stale(
                "The budget changed while the window was open. Close it and open it again.",
                field="amount",
            )
        if form.amount <= burn.amount:
            raise InvalidInput(
                f"That is not more than the {_plain(burn.amount)} {burn.currency} there is now.",
                field="amount",
            )
        for pending in queries.requests(session, budget.id, pending_only=True):
            if pending.id == replacing:
                continue
            raise InvalidInput(
                f"{pending.requester} has already asked to raise this budget to {_plain(Decimal(pending.facts['new']))} "
                f"{burn.currency}; request #{pending.id} waits for a decision.",
                field="amount",
            )
        project = queries.project(session, budget.project_id)
        alerts.refresh_cards(session, budget.id, now=now)
        return Prepared(
            subject_id=budget.id,
            project_id=project.id,
            facts={
                "budget_id": budget.id,
                "from_revision": burn.revision,
                "old": money_text(burn.amount),
                "new": money_text(form.amount),
                "currency": burn.currency,
                "basis": burn.basis.value,
                "scope": form.scope,
                "period": burn.period_words,
                "period_start": burn.span.first.isoformat(),
                "period_end": burn.span.last.isoformat(),
            },
            people=_people(budget, project),
            conditions=_conditions(
                burn.amount, form.amount, burn.currency, form.scope, project
            ),
            rests=_rests(burn.amount, burn.currency, project),
        )

    def read_again(
        self,
        session: Session,
        subject_id: int,
        facts: dict[str, Any],
        *,
        policy: Policy,
        now: datetime,
    ) -> ReadAgain | None:
        """How far the amount that is asked is from what the budget holds now; None where it holds nothing any more."""
        budget = queries.find_budget(session, subject_id)
        if budget is None:
            return None
        span = rules.Span(
            date.fromisoformat(facts["period_start"]),
            date.fromisoformat(facts["period_end"]),
        )
        revisions = queries.list_revisions(session, [budget.id])[budget.id]
        current = rules.amount_in(service.amounts(revisions), span)
        if current is None:
            return None
        project = queries.project(session, budget.project_id)
        return ReadAgain(
            _conditions(
                current.amount,
                Decimal(facts["new"]),
                facts["currency"],
                facts["scope"],
                project,
            ),
            rests=_rests(current.amount, facts["currency"], project),
        )

    def people(self, session: Session, budget_id: int) -> dict[str, str | None]:
        """Who owns, sponsors and manages what would be asked for, before it is."""
        budget = queries.find_budget(session, budget_id)
        if budget is None:
            raise NotFound("This budget is not in the record any more.")
        return _people(budget, queries.project(session, budget.project_id))

    def lock(self, session: Session, subject_id: int) -> None:
        """Lock the budget's row."""
        queries.lock_budget(session, subject_id)

    def apply(
        self,
        session: Session,
        actor: Actor,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        policy: Policy,
        now: datetime,
    ) -> None:
        """Approved: the budget gets a new revision. What the old amount had crossed is not told again.

        A budget that grew to as much or more while the request waited stays: an approval never lowers one.
        """
        budget = queries.lock_budget(session, subject_id)
        if budget is None:
            raise NotFound("This budget is not in the record any more.")
        span = rules.Span(
            date.fromisoformat(facts["period_start"]),
            date.fromisoformat(facts["period_end"]),
        )
        revisions = queries.list_revisions(session, [budget.id])[budget.id]
        current = rules.amount_in(service.amounts(revisions), span)
        if current is not None and current.amount >= Decimal(facts["new"]):
            audit.record(
                session,
                actor,
                "budget.kept",
                (TYPE, budget.id),
                now=now,
                approval=approval_id,
                revision=current.revision,
                amount=money_text(current.amount),
            )
            alerts.refresh_cards(session, budget.id, now=now)
            return
        budget.revision += 1
        only = facts["scope"] == "period"
        session.add(
            BudgetRevision(
                budget_id=budget.id,
                revision=budget.revision,
                amount=Decimal(facts["new"]),
                valid_from=span.first,
                valid_until=span.last if only else None,
                approval_id=approval_id,
                created_at=now,
            )
        )
        session.flush()
        audit.record(
            session,
            actor,
            "budget.raised",
            (TYPE, budget.id),
            now=now,
            approval=approval_id,
            revision=budget.revision,
            old=facts["old"],
            new=facts["new"],
            currency=facts["currency"],
            scope=facts["scope"],
        )
        alerts.evaluate(
            session, policy=policy, org_key="", now=now, budgets=[budget], silent=True
        )
        alerts.refresh_cards(session, budget.id, now=now)

    def close(
        self,
        session: Session,
        actor: Actor,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        outcome: ApprovalState,
        policy: Policy,
        now: datetime,
    ) -> None:
        """Rejected, expired or withdrawn: the budget stays; its alerts' cards say so."""
        alerts.refresh_cards(session, subject_id, now=now)

    def lapse(
        self,
        session: Session,
        actor: Actor,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        policy: Policy,
        now: datetime,
    ) -> None:
        """The budget goes back by a new revision, unless another has changed it since."""
        budget = queries.lock_budget(session, subject_id)
        if budget is None:
            return
        span = rules.Span(
            date.fromisoformat(facts["period_start"]),
            date.fromisoformat(facts["period_end"]),
        )
        revisions = queries.list_revisions(session, [budget.id])[budget.id]
        current = rules.amount_in(service.amounts(revisions), span)
        made = {one.revision for one in revisions if one.approval_id == approval_id}
        if current is None or current.revision not in made:
            audit.record(
                session,
                actor,
                "budget.kept",
                (TYPE, budget.id),
                now=now,
                approval=approval_id,
                revision=current.revision if current else None,
            )
            alerts.refresh_cards(session, budget.id, now=now)
            return
        budget.revision += 1
        session.add(
            BudgetRevision(
                budget_id=budget.id,
                revision=budget.revision,
                amount=Decimal(facts["old"]),
                valid_from=span.first,
                valid_until=span.last if facts["scope"] == "period" else None,
                approval_id=approval_id,
                created_at=now,
            )
        )
        session.flush()
        audit.record(
            session,
            actor,
            "budget.put_back",
            (TYPE, budget.id),
            now=now,
            approval=approval_id,
            revision=budget.revision,
            old=facts["new"],
            new=facts["old"],
            currency=facts["currency"],
        )
        alerts.evaluate(
            session, policy=policy, org_key="", now=now, budgets=[budget], silent=True
        )
        alerts.refresh_cards(session, budget.id, now=now)

    def words(
        self,
        session: Session,
        subject_id: int,
        facts: dict[str, Any],
        *,
        policy: Policy,
        now: datetime,
    ) -> Words:
        """What is asked, in plain words."""
        budget = queries.find_budget(session, subject_id)
        project = queries.project(session, budget.project_id) if budget else None
        name = project.name if project else "A project"
        old, new, currency = (
            Decimal(facts["old"]),
            Decimal(facts["new"]),
            facts["currency"],
        )
        which = f"{facts['period']}'s budget"
        since = "" if facts["scope"] == "period" else ", and from then on"
        detail = [("For", facts["period"] + since)]
        burn = (
            service.burn_of(session, budget, policy=policy, now=now) if budget else None
        )
        if burn is not None:
            detail.append(
                ("Spent so far", f"{_plain(burn.spent)} {currency} {burn.basis} cost")
            )
            if burn.data_through is not None:
                detail.append(
                    ("Data through", wording.day(burn.data_through, burn.as_of))
                )
        detail.append(("Basis", CostBasis(facts["basis"]).value))
        return Words(
            project=name,
            asks=f"raise {which}{since}: {_plain(old)} → {_plain(new)} {currency} (+{_share(old, new)})",
            stays=f"the budget stays at {_plain(old)} {currency}",
            done=f"{which} for {name} is now {_plain(new)} {currency}{since}",
            facts=tuple(detail),
            undone=f"{which} for {name} is back at {_plain(old)} {currency}{since}",
        )


def _conditions(
    current: Decimal, new: Decimal, currency: str, scope: str, project: Project
) -> Facts:
    return {
        "increase.percent": float((new - current) * 100 / current)
        if current
        else 100.0,
        "increase.amount": float(new - current),
        "increase.new": float(new),
        "increase.currency": currency,
        "increase.scope": scope,
        **project_facts(project),
    }


def _rests(current: Decimal, currency: str, project: Project) -> tuple[Rest, ...]:
    """What a request to raise it rests on: the amount that there is without it."""
    return (
        Rest(
            "budget",
            "the budget",
            money_text(current),
            f"{_plain(current)} {currency}",
        ),
        *project_rests(project),
    )


def _people(budget: Budget, project: Project) -> dict[str, str | None]:
    return {
        "owner": budget.owner_id or project.owner_id,
        "sponsor": project.sponsor_id,
        "manager": project.manager_id,
    }


def _plain(amount: Decimal) -> str:
    """An amount as people read it: grouped, with decimals only where there are any."""
    if amount == amount.to_integral_value():
        return f"{amount:,.0f}"
    places = 2 if abs(amount) >= 1 else min(18, 2 - amount.adjusted())
    return f"{amount:,.{places}f}"


def _share(old: Decimal, new: Decimal) -> str:
    share = (new - old) * 100 / old
    return f"{share:,.0f} %" if share >= 1 else "less than 1 %"


BUDGET_INCREASE = BudgetIncrease()
