"""The estimates that people stand for: made of what was written, kept as they were, and what they come to."""

from decimal import Decimal
from typing import Any

from storage.cases import queries
from storage.cases.tables import BusinessCase, CaseRevision
from storage.enums import CaseSide, Driver
from storage.money import money_text
from workflows.cases import reads, rules
from workflows.cases.amounts import Range
from workflows.cases.records import Content
from workflows.context import ActorKind, Context


def build(ctx: Context, case: BusinessCase, content: Content) -> CaseRevision:
    """A case as it is written now, as a revision that is not on record yet; its number is the caller's."""
    figures = reads.read_figures(content)
    benefits, costs = (reads.sum_side(figures, side) for side in CaseSide)
    return CaseRevision(
        case_id=case.id,
        number=0,
        content={
            **content.stored(),
            "category": case.category,
            "business_unit": case.business_unit,
        },
        flows={
            "benefits": benefits.stored(),
            "costs": costs.stored(),
            "bills": _sum_bills(content).stored(),
        },
        currency=content.currency or "",
        confidence=content.confidence or Decimal(0),
        feasibility=content.feasibility or Decimal(0),
        tier=content.tier,
        likely=[benefits.stored()["likely"], costs.stored()["likely"]],
        approval_id=None,
        made_by=ctx.actor.id if ctx.actor.kind is ActorKind.PERSON else None,
        made_at=ctx.now,
        agreed_at=None,
    )


def add(ctx: Context, case: BusinessCase, content: Content) -> CaseRevision:
    """Keep a case as it is written now as its next revision; nobody has agreed to it yet."""
    revision = build(ctx, case, content)
    revision.number = queries.find_last_number(ctx.session, case.id) + 1
    ctx.session.add(revision)
    ctx.session.flush()
    return revision


def _sum_bills(content: Content) -> Range:
    """All costs but people, which no bill of a provider has."""
    bills = Range()
    for figure in reads.read_figures(content):
        if figure.line.side is CaseSide.COST and figure.line.driver is not Driver.PEOPLE:
            bills += figure.estimate
    return bills


def weigh(ctx: Context, revision: CaseRevision) -> rules.Outlook:
    """What a revision comes to at the policy's discount rate."""
    return rules.weigh(
        Range.of(revision.flows["benefits"]),
        Range.of(revision.flows["costs"]),
        ctx.policy.cases.discount_rate,
    )


def list_figures(ctx: Context, revision: CaseRevision) -> dict[str, Any]:
    """What a revision comes to, for the ledger and the request: amounts as canonical text."""
    likely = weigh(ctx, revision).likely
    content = Content.model_validate(revision.content)
    return {
        "benefits": money_text(likely.benefits.quantize(rules.CENT)),
        "costs": money_text(likely.costs.quantize(rules.CENT)),
        "npv": money_text(likely.npv.quantize(rules.CENT)),
        "currency": content.currency,
        "months": content.months,
        "starts": content.starts.isoformat() if content.starts else None,
        "category": revision.content["category"],
        "tier": content.tier,
    }
