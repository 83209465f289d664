"""Raising a budget: what is asked at the gate `budget_increase`, and the new revision when it is approved."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import queries as approvals
from storage.budgets import queries
from storage.budgets.tables import Budget, BudgetRevision
from storage.enums import ApprovalState, CostBasis, Period
from storage.money import money_text
from storage.projects.tables import Project
from workflows import permissions, resting, wording
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.budgets import alerts, asking, doubts, phrases, reread, rules, service
from workflows.budgets.forms import IncreaseBudget
from workflows.budgets.rules import Piece
from workflows.errors import InvalidInput, NotFound, Stale
from workflows.policy import Policy
from workflows.subjects import Prepared, Reread, SubjectMoved, Words, project_rests

TYPE = "budget"


class BudgetIncrease:
    """A subject type (see `workflows.subjects`): its subject is a budget, its form `IncreaseBudget`.

    What is asked is a change to the amounts that were shown: each month gets as much more as the card said. A request
    keeps the days of its round and the amounts on which it was asked, so that neither another fiscal year nor another
    amount makes anything else of it.
    """

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
        permissions.require_member(actor, "budget.increase", subject=(TYPE, form.budget_id))
        if replacing is not None:
            # Another budget would be told of in what follows, and its sight was not asked about.
            about = approvals.find_subject(session, replacing)
            if about != (TYPE, form.budget_id):
                raise service.no_budget()
        budget = queries.lock_budget(session, form.budget_id)
        if budget is None:
            raise service.no_budget()
        burn = service.find_burn(session, budget, policy=policy, now=now)
        if burn is None:
            raise InvalidInput("This budget has no open round now, so there is nothing to raise.")
        if form.revision != burn.revision or form.first not in (None, burn.span.first):
            raise Stale(
                "The budget changed since it was shown to you. Nothing was asked for.",
                field="amount",
                hint="window",
            )
        if form.amount <= burn.amount:
            raise InvalidInput(
                f"That is not more than the {phrases.plain(burn.amount)} {burn.currency} there is now.",
                field="amount",
            )
        meant = form.meant
        for pending in queries.list_requests(session, budget.id, pending_only=True):
            if pending.id == replacing:
                before = Decimal(pending.facts["new"])
                meant = before if before == form.amount else meant
                continue
            raise InvalidInput(
                f"{pending.requester} has already asked to raise this budget to {phrases.plain(Decimal(pending.facts['new']))} "
                f"{burn.currency}; request #{pending.id} waits for a decision.",
                field="amount",
            )
        doubts.require_meant(form.amount, meant, **doubts.of_round(burn))
        project = queries.load_project(session, budget.project_id)
        alerts.refresh_cards(session, budget.id, now=now)
        pieces = asking.list_pieces(session, budget, burn.span, form.scope)
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
                "shown": asking.as_stored(pieces),
            },
            people=_people(budget, project),
            conditions=reread.conditions(
                burn.amount, form.amount, burn.currency, form.scope, project
            ),
            rests=project_rests(project),
        )

    def reread(
        self,
        session: Session,
        subject_id: int,
        facts: dict[str, Any],
        *,
        policy: Policy,
        now: datetime,
    ) -> Reread:
        """How far the amount that is asked is from what the budget holds now, and how that differs from what was shown."""
        whole = queries.find_whole(session, subject_id)
        if whole is None:
            return Reread(None)
        budget, project, revisions = whole
        amounts = service.amounts(revisions)
        return Reread(
            reread.read_again(project, amounts, facts),
            reread.describe_difference(session, budget, amounts, facts, policy=policy, now=now),
        )

    def people(self, session: Session, budget_id: int) -> dict[str, str | None]:
        """Who owns, sponsors and manages what would be asked for, before it is."""
        budget = queries.find_budget(session, budget_id)
        if budget is None:
            raise NotFound("This budget is not in the record any more.")
        return _people(budget, queries.load_project(session, budget.project_id))

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
        """Approved: every round that was asked about gets as much more as was shown, by new revisions.

        What the old amount had crossed is not told again. Raises SubjectMoved where the amounts aren't those that were
        shown.
        """
        budget = queries.lock_budget(session, subject_id)
        if budget is None:
            raise NotFound("This budget is not in the record any more.")
        moved = self.reread(session, subject_id, facts, policy=policy, now=now).moved
        if moved is not None:
            raise SubjectMoved(f"{moved.clause}. Nothing was approved.")
        added = Decimal(facts["new"]) - Decimal(facts["old"])
        current = asking.list_pieces(session, budget, asking.asked_span(facts), facts["scope"])
        raised = [Piece(piece.first, piece.last, piece.amount + added) for piece in current]
        if facts["scope"] == "onwards":
            raised[-1] = Piece(raised[-1].first, None, raised[-1].amount)
        before = [piece.amount for piece in current]
        _revise(session, actor, budget, approval_id, facts, before, raised, "budget.raised", now)
        _follow(session, budget, policy=policy, now=now)

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
        spared: Collection[str] = (),
    ) -> None:
        """What this approval added is taken back, and nothing else: rounds for which a file has said another amount
        since keep that, and what other approvals added stays. What is over the amount that holds again is told."""
        budget = queries.lock_budget(session, subject_id)
        if budget is None:
            return
        amounts = asking.list_amounts(session, budget)
        left = rules.without(
            amounts,
            approval_id,
            Period(budget.period),
            asking.asked_span(facts),
            onwards=facts["scope"] == "onwards",
            ends=budget.ends,
        )
        if not left:
            current = rules.amount_in(amounts, asking.asked_span(facts))
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
        added = Decimal(facts["new"]) - Decimal(facts["old"])
        before = [piece.amount + added for piece in left]
        _revise(session, actor, budget, approval_id, facts, before, left, "budget.put_back", now)
        _follow(session, budget, policy=policy, now=now, speaks=True, spared=spared)

    def again(
        self,
        session: Session,
        subject_id: int,
        facts: dict[str, Any],
        *,
        policy: Policy,
        now: datetime,
    ) -> IncreaseBudget | None:
        """As much more on what there is now, in the round that is open; None where the round that was asked about is
        over, or none is open."""
        budget = queries.find_budget(session, subject_id)
        burn = service.find_burn(session, budget, policy=policy, now=now) if budget else None
        wanted = asking.wanted_amount(burn, facts)
        if burn is None or wanted is None:
            return None
        return IncreaseBudget(
            budget_id=burn.budget_id,
            revision=burn.revision,
            amount=wanted,
            scope=facts["scope"],
            first=burn.span.first,
            meant=wanted,  # the button asked: its mark says so
        )

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
        project = queries.load_project(session, budget.project_id) if budget else None
        name = project.name if project else "A project"
        old, new, currency = (Decimal(facts["old"]), Decimal(facts["new"]), facts["currency"])
        which = f"{facts['period']}'s budget"
        since = "" if facts["scope"] == "period" else ", and from then on"
        pieces = asking.shown_pieces(session, budget, facts) if budget else ()
        stands = asking.current_amount(session, budget, facts) if budget else None
        detail = [("For", facts["period"] + since)]
        burn = service.find_burn(session, budget, policy=policy, now=now) if budget else None
        if burn is not None:
            detail.append(
                ("Spent so far", f"{phrases.plain(burn.spent)} {currency} {burn.basis} cost")
            )
            if burn.data_through is not None:
                detail.append(("Data through", wording.day(burn.data_through, burn.as_of)))
        detail.append(("Basis", CostBasis(facts["basis"]).value))
        back = f"is back at {phrases.plain(old)} {currency}{since}"
        if burn is not None and burn.spent > burn.amount:
            share = burn.spent * 100 / burn.amount
            back += f", and {phrases.plain(burn.spent)} {currency} is spent ({share:,.0f} %)"
        return Words(
            project=name,
            asks=phrases.asks(facts["period"], facts["scope"], currency, new - old, pieces),
            stays=f"the budget stays at {phrases.plain(old if stands is None else stands)} {currency}",
            done=f"{which} for {name} is now {phrases.plain(new)} {currency}"
            + (since if len(pieces) < 2 else phrases.later(pieces, new - old, currency)),
            facts=tuple(detail),
            undone=f"{which} for {name} {back}"
            if stands in (old, new, None) and len(pieces) < 2
            else f"{which} for {name} is without these {phrases.plain(new - old)} {currency} again{since}",
        )


def _revise(
    session: Session,
    actor: Actor,
    budget: Budget,
    approval_id: int,
    facts: dict[str, Any],
    before: Sequence[Decimal],
    after: Sequence[Piece],
    action: str,
    now: datetime,
) -> None:
    """One revision and one entry of the ledger for each stretch of rounds whose amount is the same."""
    for old, piece in zip(before, after, strict=True):
        budget.revision += 1
        session.add(
            BudgetRevision(
                budget_id=budget.id,
                revision=budget.revision,
                amount=piece.amount,
                valid_from=piece.first,
                valid_until=piece.last,
                approval_id=approval_id,
                created_at=now,
            )
        )
        audit.record(
            session,
            actor,
            action,
            (TYPE, budget.id),
            now=now,
            approval=approval_id,
            revision=budget.revision,
            old=money_text(old),
            new=money_text(piece.amount),
            first=piece.first.isoformat(),
            last=piece.last.isoformat() if piece.last else None,
            currency=facts["currency"],
            scope=facts["scope"],
        )
    session.flush()


def _follow(
    session: Session,
    budget: Budget,
    *,
    policy: Policy,
    now: datetime,
    speaks: bool = False,
    spared: Collection[str] = (),
) -> None:
    resting.recheck_projects(session, [budget.project_id], now=now, subject_type=TYPE)
    alerts.evaluate(
        session,
        policy=policy,
        org_key=None,
        now=now,
        budgets=[budget],
        silent=not speaks,
        spared=spared,
    )
    alerts.refresh_cards(session, budget.id, now=now)


def _people(budget: Budget, project: Project) -> dict[str, str | None]:
    return {
        "owner": budget.owner_id or project.owner_id,
        "sponsor": project.sponsor_id,
        "manager": project.manager_id,
    }


BUDGET_INCREASE = BudgetIncrease()
