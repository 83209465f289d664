"""The amounts that a request for more was asked on, and how they stand now."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from storage.budgets import queries
from storage.budgets.tables import Budget
from storage.enums import Period
from storage.money import money_text
from workflows.budgets import rules, service
from workflows.budgets.records import Burn
from workflows.budgets.rules import Piece, Span


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
