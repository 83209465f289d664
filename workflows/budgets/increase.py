"""Raising a budget: what is asked at the gate `budget_increase`, and the new revision when it is approved."""

from collections.abc import Collection, Sequence
from datetime import date
from decimal import ROUND_FLOOR, Decimal
from typing import Any, TypedDict

from sqlalchemy.orm import Session

from storage.approvals import queries as approvals
from storage.budgets import queries
from storage.budgets.tables import Budget, BudgetRevision
from storage.enums import ApprovalState, CostBasis, Period
from storage.money import money_text
from storage.projects.tables import Project
from workflows import permissions, resting, wording
from workflows.approvable import (
    Moved,
    Prepared,
    ReadAgain,
    Reread,
    SubjectMoved,
    Words,
    project_facts,
    project_rests,
)
from workflows.audit import service as audit
from workflows.budgets import alerts, rules, service
from workflows.budgets.forms import IncreaseBudget
from workflows.budgets.records import Burn
from workflows.budgets.rules import Piece, Span
from workflows.context import Context
from workflows.errors import InvalidInput, NotFound, Stale
from workflows.policy.conditions import Facts

# --- A request for more in words
#
# what it asks, for which months, and what has changed since. Pure.


def difference_words(
    facts: dict[str, Any], difference: tuple[date, Decimal | None, Decimal | None]
) -> str:
    """`January's budget is 2,000 EUR now; it was 1,000 EUR when this was asked`."""
    day, before, after = difference
    currency = facts["currency"]
    is_first = day.isoformat() == facts["period_start"]
    which = f"{facts['period']}'s budget"
    if not is_first:
        which = f"from {wording.day(day)} on, the budget"
    was = f"{plain(before)} {currency}" if before is not None else "not set"
    stands = f"is {plain(after)} {currency} now" if after is not None else "ends"
    return f"{which[:1].upper()}{which[1:]} {stands}; it was {was} when this was asked"


def asks(period: str, scope: str, currency: str, added: Decimal, pieces: Sequence[Piece]) -> str:
    """`raise January's budget, and from then on: 1,000 → 1,200 EUR (+20 %)`; months with another amount are told too."""
    old = pieces[0].amount if pieces else Decimal(0)
    change = f"{plain(old)} → {plain(old + added)} {currency} (+{share(old, added)})"
    if len(pieces) < 2:
        since = "" if scope == "period" else ", and from then on"
        return f"raise {period}'s budget{since}: {change}"
    return f"raise {period}'s budget: {change}{later(pieces, added, currency, with_old=True)}"


def later(pieces: Sequence[Piece], added: Decimal, currency: str, *, with_old: bool = False) -> str:
    """`, and from 1 Feb on 1,000 → 1,100 EUR`: months that have another amount than the first."""
    phrases = []
    for piece in pieces[1:3]:
        amount = f"{plain(piece.amount + added)} {currency}"
        if with_old:
            amount = f"{plain(piece.amount)} → {amount}"
        phrases.append(f"from {wording.day(piece.first)} on {amount}")
    remainder = ", and later months by as much" if len(pieces) > 3 else ""
    return f", and {', '.join(phrases)}{remainder}"


def plain(amount: Decimal) -> str:
    """An amount as people read it: grouped, with decimals only where there are any."""
    if amount == amount.to_integral_value():
        return f"{amount:,.0f}"
    places = 2 if abs(amount) >= 1 else min(18, 2 - amount.adjusted())
    return f"{amount:,.{places}f}"


def share(old: Decimal, added: Decimal) -> str:
    """`20 %` of the old amount."""
    share = added * 100 / old if old else Decimal(100)
    return f"{share:,.0f} %" if share >= 1 else "less than 1 %"


# --- The amounts that a request for more was asked on, and how they stand now


def asked_span(facts: dict[str, Any]) -> Span:
    """The round that was asked about, by its own days."""
    return Span(date.fromisoformat(facts["period_start"]), date.fromisoformat(facts["period_end"]))


def list_amounts(session: Session, budget: Budget) -> list[rules.Amount]:
    """What every revision of the budget says."""
    return service.amounts(queries.list_revisions(session, [budget.id])[budget.id])


def list_pieces(session: Session, budget: Budget, span: Span, scope: str) -> tuple[Piece, ...]:
    """What the budget has now in the rounds that are asked about."""
    return pieces_of(list_amounts(session, budget), budget, span, scope)


def pieces_of(
    amounts: Sequence[rules.Amount], budget: Budget, span: Span, scope: str
) -> tuple[Piece, ...]:
    """The same, of amounts that were read."""
    if Period(budget.period) is Period.FIXED:
        span = Span(budget.starts, budget.ends or budget.starts)
    return rules.pieces(
        amounts, Period(budget.period), span, onwards=scope == "onwards", ends=budget.ends
    )


def as_stored(pieces: Sequence[Piece]) -> list[list[str | None]]:
    """Amounts as a request keeps them: the first day, the last one if there is one, and the amount."""
    return [
        [
            piece.first.isoformat(),
            piece.last.isoformat() if piece.last else None,
            money_text(piece.amount),
        ]
        for piece in pieces
    ]


def shown_pieces(session: Session, budget: Budget, facts: dict[str, Any]) -> tuple[Piece, ...]:
    """The amounts on which the request was asked. One of an earlier release kept only the revision: they are what the
    revisions up to that one come to."""
    asked_on = facts.get("from_revision", budget.revision)
    stored = facts.get("shown")
    if stored is not None:
        return tuple(
            Piece(
                date.fromisoformat(first),
                date.fromisoformat(last) if last else None,
                Decimal(amount),
            )
            for first, last, amount in stored
        )
    return rules.pieces(
        [amount for amount in list_amounts(session, budget) if amount.revision <= asked_on],
        Period(budget.period),
        asked_span(facts),
        onwards=facts["scope"] == "onwards",
        ends=budget.ends,
    )


def current_amount(session: Session, budget: Budget, facts: dict[str, Any]) -> Decimal | None:
    """What the round that was asked about has now."""
    current = rules.amount_in(list_amounts(session, budget), asked_span(facts))
    return current.amount if current is not None else None


def wanted_amount(burn: Burn | None, facts: dict[str, Any]) -> Decimal | None:
    """As much more as was asked, on what the open round has now; None where that is another round than was meant."""
    if burn is None:
        return None
    is_over = burn.span.first.isoformat() != facts["period_start"]
    if facts["scope"] == "period" and is_over:
        return None
    return burn.amount + Decimal(facts["new"]) - Decimal(facts["old"])


# --- Amounts that are asked again
#
# much more than there is, or less than is spent already. One rule for every way in.

MUCH = 3
"""So many times the present amount, or more, is asked again."""


class AmountDoubted(InvalidInput):
    """An amount that may be a slip of a key: it counts once whoever entered it says that it's meant.

    `question` is a sentence or two that end with `Is that right?`; `amount` is what was entered.
    """

    def __init__(self, question: str, amount: Decimal) -> None:
        super().__init__(
            f"{question} If so, say that you mean it; if not, write another amount.", field="amount"
        )
        self.question = question
        self.amount = amount


class Round(TypedDict):
    """What an amount is compared with: see `question`."""

    present: Decimal | None
    spent: Decimal
    currency: str
    period: str


def of_round(burn: Burn) -> Round:
    """The open round of a budget as it stands."""
    return {
        "present": burn.amount,
        "spent": burn.spent,
        "currency": burn.currency,
        "period": burn.period_words,
    }


def question(
    amount: Decimal, *, present: Decimal | None, spent: Decimal, currency: str, period: str
) -> str | None:
    """What is asked about an amount, None where nothing about it is odd.

    `present` is what the round has now (None for a budget that is new), `spent` what was spent in it so far; both in
    `currency`. `period` names the round (`January`).
    """
    is_much = bool(present) and present is not None and amount >= MUCH * present
    is_spent = amount < spent
    already = f"{plain(spent)} {currency} is spent in {period} already"
    if is_much and present is not None:
        much = f"This is {_times(amount / present)} times the present {plain(present)} {currency}"
        sentence = f", and {already}" if is_spent else ""
        return f"{much}{sentence}. Is that right?"
    if is_spent:
        return f"This is less than what is spent: {already}. Is that right?"
    return None


def _times(ratio: Decimal) -> str:
    """`9`, `3.5`, `25,000`: never more than it is."""
    step = Decimal(1) if ratio >= 10 else Decimal("0.1")
    rounded = ratio.quantize(step, ROUND_FLOOR)
    is_whole = rounded == rounded.to_integral_value()
    return f"{rounded:,.0f}" if is_whole else f"{rounded:,.1f}"


def require_meant(
    amount: Decimal,
    meant: Decimal | None,
    *,
    present: Decimal | None,
    spent: Decimal,
    currency: str,
    period: str,
) -> None:
    """Raise AmountDoubted for an odd amount, unless exactly this one is `meant`."""
    asked = question(amount, present=present, spent=spent, currency=currency, period=period)
    if asked is not None and meant != amount:
        raise AmountDoubted(asked, amount)


# --- What a request for more says of the budget as it is now
#
# how the amounts differ, and what conditions are told.


def describe_difference(
    ctx: Context, budget: Budget, amounts: Sequence[rules.Amount], facts: dict[str, Any]
) -> Moved | None:
    """How the amounts that were asked about differ from those that were shown; None where they are the same."""
    current = pieces_of(amounts, budget, asked_span(facts), facts["scope"])
    before = shown_pieces(ctx.session, budget, facts)
    change = rules.first_difference(before, current)
    if change is None:
        return None
    burn = service.find_burn(ctx, budget)
    stands = burn.span.first.isoformat() if burn is not None else "over"
    mark = f"{budget.revision}/{stands}/{budget.ends or 'open'}"
    sentence = difference_words(facts, change)
    left = burn.amount if burn is not None else change[2]
    keep = f"Keep {plain(left)} {facts['currency']}" if left else "Withdraw"
    wanted = wanted_amount(burn, facts)
    if burn is None or wanted is None:
        return Moved(sentence, mark, keep=keep)
    doubt = question(wanted, **of_round(burn))
    return Moved(
        sentence,
        f"{mark}/doubted" if doubt else mark,
        doubt=doubt or "",
        again=f"Ask for {plain(wanted)} {burn.currency}",
        asks=asks(
            burn.period_words,
            facts["scope"],
            burn.currency,
            wanted - burn.amount,
            pieces_of(amounts, budget, burn.span, facts["scope"]),
        ),
        keep=keep,
    )


def read_again(
    project: Project, amounts: Sequence[rules.Amount], facts: dict[str, Any]
) -> ReadAgain | None:
    """What conditions are told now; None where the round that was asked about has no amount."""
    current = rules.amount_in(amounts, asked_span(facts))
    if current is None:
        return None
    return ReadAgain(
        conditions(
            current.amount, Decimal(facts["new"]), facts["currency"], facts["scope"], project
        ),
        rests=project_rests(project),
    )


def conditions(
    current: Decimal, new: Decimal, currency: str, scope: str, project: Project
) -> Facts:
    """The facts of an increase from what there is to what is asked, in the budget's currency."""
    return {
        "increase.percent": float((new - current) * 100 / current) if current else 100.0,
        "increase.amount": float(new - current),
        "increase.new": float(new),
        "increase.currency": currency,
        "increase.scope": scope,
        **project_facts(project),
    }


# --- Raising a budget
#
# what is asked at the gate `budget_increase`, and the new revision when it is approved.

TYPE = "budget"


class BudgetIncrease:
    """A subject type (see `workflows.approvable`): its subject is a budget, its form `IncreaseBudget`.

    What is asked is a change to the amounts that were shown: each month gets as much more as the card said. A request
    keeps the days of its round and the amounts on which it was asked, so that neither another fiscal year nor another
    amount makes anything else of it.
    """

    gate = "budget_increase"
    is_editable = True

    def prepare(
        self, ctx: Context, form: IncreaseBudget, *, replacing: int | None = None
    ) -> Prepared:
        """Lock the budget and say exactly what is asked. One request for more at a time."""
        permissions.require_member(ctx.actor, "budget.increase", subject=(TYPE, form.budget_id))
        if replacing is not None:
            # Another budget would be told of in what follows, and its sight was not asked about.
            about = approvals.find_subject(ctx.session, replacing)
            if about != (TYPE, form.budget_id):
                raise service.no_budget()
        budget = queries.lock_budget(ctx.session, form.budget_id)
        if budget is None:
            raise service.no_budget()
        burn = service.find_burn(ctx, budget)
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
                f"That is not more than the {plain(burn.amount)} {burn.currency} there is now.",
                field="amount",
            )
        meant = form.meant
        for pending in queries.list_requests(ctx.session, budget.id, pending_only=True):
            if pending.id == replacing:
                before = Decimal(pending.facts["new"])
                meant = before if before == form.amount else meant
                continue
            raise InvalidInput(
                f"{pending.requester} has already asked to raise this budget to {plain(Decimal(pending.facts['new']))} "
                f"{burn.currency}; request #{pending.id} waits for a decision.",
                field="amount",
            )
        require_meant(form.amount, meant, **of_round(burn))
        project = queries.load_project(ctx.session, budget.project_id)
        alerts.refresh_cards(ctx, budget.id)
        pieces = list_pieces(ctx.session, budget, burn.span, form.scope)
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
                "shown": as_stored(pieces),
            },
            people=_people(budget, project),
            conditions=conditions(burn.amount, form.amount, burn.currency, form.scope, project),
            rests=project_rests(project),
        )

    def reread(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Reread:
        """How far the amount that is asked is from what the budget holds now, and how that differs from what was shown."""
        whole = queries.find_whole(ctx.session, subject_id)
        if whole is None:
            return Reread(None)
        budget, project, revisions = whole
        amounts = service.amounts(revisions)
        return Reread(
            read_again(project, amounts, facts), describe_difference(ctx, budget, amounts, facts)
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

    def apply(self, ctx: Context, approval_id: int, subject_id: int, facts: dict[str, Any]) -> None:
        """Approved: every round that was asked about gets as much more as was shown, by new revisions.

        What the old amount had crossed is not told again. Raises SubjectMoved where the amounts aren't those that were
        shown.
        """
        budget = queries.lock_budget(ctx.session, subject_id)
        if budget is None:
            raise NotFound("This budget is not in the record any more.")
        moved = self.reread(ctx, subject_id, facts).moved
        if moved is not None:
            raise SubjectMoved(f"{moved.clause}. Nothing was approved.")
        added = Decimal(facts["new"]) - Decimal(facts["old"])
        current = list_pieces(ctx.session, budget, asked_span(facts), facts["scope"])
        raised = [Piece(piece.first, piece.last, piece.amount + added) for piece in current]
        if facts["scope"] == "onwards":
            raised[-1] = Piece(raised[-1].first, None, raised[-1].amount)
        before = [piece.amount for piece in current]
        _revise(ctx, budget, approval_id, facts, before, raised, "budget.raised")
        _follow(ctx, budget)

    def close(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        outcome: ApprovalState,
    ) -> None:
        """Rejected, expired or withdrawn: the budget stays; its alerts' cards say so."""
        alerts.refresh_cards(ctx, subject_id)

    def lapse(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        spared: Collection[str] = (),
    ) -> None:
        """What this approval added is taken back, and nothing else: rounds for which a file has said another amount
        since keep that, and what other approvals added stays. What is over the amount that holds again is told."""
        budget = queries.lock_budget(ctx.session, subject_id)
        if budget is None:
            return
        amounts = list_amounts(ctx.session, budget)
        left = rules.without(
            amounts,
            approval_id,
            Period(budget.period),
            asked_span(facts),
            onwards=facts["scope"] == "onwards",
            ends=budget.ends,
        )
        if not left:
            current = rules.amount_in(amounts, asked_span(facts))
            audit.record(
                ctx,
                "budget.kept",
                (TYPE, budget.id),
                approval=approval_id,
                revision=current.revision if current else None,
            )
            alerts.refresh_cards(ctx, budget.id)
            return
        added = Decimal(facts["new"]) - Decimal(facts["old"])
        before = [piece.amount + added for piece in left]
        _revise(ctx, budget, approval_id, facts, before, left, "budget.put_back")
        _follow(ctx, budget, speaks=True, spared=spared)

    def again(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> IncreaseBudget | None:
        """As much more on what there is now, in the round that is open; None where the round that was asked about is
        over, or none is open."""
        budget = queries.find_budget(ctx.session, subject_id)
        burn = service.find_burn(ctx, budget) if budget else None
        wanted = wanted_amount(burn, facts)
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

    def words(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Words:
        """What is asked, in plain words."""
        budget = queries.find_budget(ctx.session, subject_id)
        project = queries.load_project(ctx.session, budget.project_id) if budget else None
        name = project.name if project else "A project"
        old, new, currency = (Decimal(facts["old"]), Decimal(facts["new"]), facts["currency"])
        which = f"{facts['period']}'s budget"
        since = "" if facts["scope"] == "period" else ", and from then on"
        pieces = shown_pieces(ctx.session, budget, facts) if budget else ()
        stands = current_amount(ctx.session, budget, facts) if budget else None
        detail = [("For", facts["period"] + since)]
        burn = service.find_burn(ctx, budget) if budget else None
        if burn is not None:
            detail.append(("Spent so far", f"{plain(burn.spent)} {currency} {burn.basis} cost"))
            if burn.data_through is not None:
                detail.append(("Data through", wording.day(burn.data_through, burn.as_of)))
        detail.append(("Basis", CostBasis(facts["basis"]).value))
        back = f"is back at {plain(old)} {currency}{since}"
        if burn is not None and burn.spent > burn.amount:
            share = burn.spent * 100 / burn.amount
            back += f", and {plain(burn.spent)} {currency} is spent ({share:,.0f} %)"
        return Words(
            project=name,
            asks=asks(facts["period"], facts["scope"], currency, new - old, pieces),
            stays=f"the budget stays at {plain(old if stands is None else stands)} {currency}",
            done=f"{which} for {name} is now {plain(new)} {currency}"
            + (since if len(pieces) < 2 else later(pieces, new - old, currency)),
            facts=tuple(detail),
            undone=f"{which} for {name} {back}"
            if stands in (old, new, None) and len(pieces) < 2
            else f"{which} for {name} is without these {plain(new - old)} {currency} again{since}",
        )


def _revise(
    ctx: Context,
    budget: Budget,
    approval_id: int,
    facts: dict[str, Any],
    before: Sequence[Decimal],
    after: Sequence[Piece],
    action: str,
) -> None:
    """One revision and one entry of the ledger for each stretch of rounds whose amount is the same."""
    for old, piece in zip(before, after, strict=True):
        budget.revision += 1
        ctx.session.add(
            BudgetRevision(
                budget_id=budget.id,
                revision=budget.revision,
                amount=piece.amount,
                valid_from=piece.first,
                valid_until=piece.last,
                approval_id=approval_id,
                created_at=ctx.now,
            )
        )
        audit.record(
            ctx,
            action,
            (TYPE, budget.id),
            approval=approval_id,
            revision=budget.revision,
            old=money_text(old),
            new=money_text(piece.amount),
            first=piece.first.isoformat(),
            last=piece.last.isoformat() if piece.last else None,
            currency=facts["currency"],
            scope=facts["scope"],
        )
    ctx.session.flush()


def _follow(
    ctx: Context, budget: Budget, *, speaks: bool = False, spared: Collection[str] = ()
) -> None:
    resting.recheck_projects(ctx.session, [budget.project_id], now=ctx.now, subject_type=TYPE)
    alerts.evaluate(ctx, budgets=[budget], silent=not speaks, spared=spared)
    alerts.refresh_cards(ctx, budget.id)


def _people(budget: Budget, project: Project) -> dict[str, str | None]:
    return {
        "owner": budget.owner_id or project.owner_id,
        "sponsor": project.sponsor_id,
        "manager": project.manager_id,
    }


BUDGET_INCREASE = BudgetIncrease()
