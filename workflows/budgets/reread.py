"""What a request for more says of the budget as it is now: how the amounts differ, and what conditions are told."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from storage.budgets.tables import Budget
from storage.projects.tables import Project
from workflows.budgets import asking, doubts, phrases, rules, service
from workflows.policy import Policy
from workflows.policy.facts import Facts
from workflows.subjects import Moved, ReadAgain, project_facts, project_rests


def describe_difference(
    session: Session,
    budget: Budget,
    amounts: Sequence[rules.Amount],
    facts: dict[str, Any],
    *,
    policy: Policy,
    now: datetime,
) -> Moved | None:
    """How the amounts that were asked about differ from those that were shown; None where they are the same."""
    current = asking.pieces_of(amounts, budget, asking.asked_span(facts), facts["scope"])
    before = asking.shown_pieces(session, budget, facts)
    change = rules.first_difference(before, current)
    if change is None:
        return None
    burn = service.find_burn(session, budget, policy=policy, now=now)
    stands = burn.span.first.isoformat() if burn is not None else "over"
    mark = f"{budget.revision}/{stands}/{budget.ends or 'open'}"
    sentence = phrases.difference_words(facts, change)
    left = burn.amount if burn is not None else change[2]
    keep = f"Keep {phrases.plain(left)} {facts['currency']}" if left else "Withdraw"
    wanted = asking.wanted_amount(burn, facts)
    if burn is None or wanted is None:
        return Moved(sentence, mark, keep=keep)
    doubt = doubts.question(wanted, **doubts.of_round(burn))
    return Moved(
        sentence,
        f"{mark}/doubted" if doubt else mark,
        doubt=doubt or "",
        again=f"Ask for {phrases.plain(wanted)} {burn.currency}",
        asks=phrases.asks(
            burn.period_words,
            facts["scope"],
            burn.currency,
            wanted - burn.amount,
            asking.pieces_of(amounts, budget, burn.span, facts["scope"]),
        ),
        keep=keep,
    )


def read_again(
    project: Project, amounts: Sequence[rules.Amount], facts: dict[str, Any]
) -> ReadAgain | None:
    """What conditions are told now; None where the round that was asked about has no amount."""
    current = rules.amount_in(amounts, asking.asked_span(facts))
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
