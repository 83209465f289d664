"""Requests as the HTTP API tells of them. Pure."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from bot.approvals import words
from storage.enums import ApprovalState, Verdict
from workflows.approvals.records import Card, Line, Round
from workflows.releases.reads import Mark, Place
from workflows.releases.rules import Apart


class Who(BaseModel):
    """A person or a program; `id` is opaque and what the ledger calls them."""

    id: str
    name: str


class DecisionTold(BaseModel):
    """One verdict."""

    by: Who
    verdict: Verdict
    stage: str
    reason: str
    at: datetime


class StageTold(BaseModel):
    """Approvers who are asked together: `passed`, `asked` now, or `to come`."""

    name: str
    state: str
    approved: int
    quorum: int
    asked: list[str] = Field(description="Groups and people by name.")


class Statement(BaseModel):
    """A signed statement (in-toto Statement in a DSSE envelope) about an approval."""

    payload: str
    payloadType: str
    signatures: list[dict[str, str]]


class DifferenceTold(BaseModel):
    """One field in which two askings differ; `stages` where more has to be decided today."""

    field: str
    words: str


class ApartTold(BaseModel):
    """A request about the same release that waits at the same gate, and why this asking did not join it."""

    id: int
    differences: list[DifferenceTold]


class ApprovalTold(BaseModel):
    """A request as it stands."""

    id: int
    state: ApprovalState
    gate: str
    project: str
    asks: str = Field(description="What is asked, in words.")
    news: str = Field(description="How it stands, in one sentence.")
    subject: str | None = None
    digest: str | None = None
    commit: str | None = None
    environment: str | None = None
    asked: dict[str, Any] | None = Field(
        default=None,
        description="The question, by field: all that the asker gave. People are opaque ids, the reason is a salted digest.",
    )
    question: str | None = Field(
        default=None,
        description="SHA-256 over `asked`: two askings are one request only when it is equal.",
    )
    known: dict[str, Any] | None = Field(
        default=None,
        description="What mlgov read of its own record when a stage opened, like the tier; no part of the question.",
    )
    changed: list[str] | None = Field(
        default=None,
        description="What it rests on, or asks to change, that is not as it was when it was asked, in words.",
    )
    barred: list[str] | None = Field(
        default=None, description="What bars the step now, whoever approves it, in words."
    )
    people: dict[str, str] | None = Field(
        default=None,
        description="In the answer to an asking: the opaque ids of those whom it names.",
    )
    apart: list[ApartTold] | None = Field(
        default=None,
        description="In the answer to an asking: requests that wait and that it did not join.",
    )
    reason: str
    requested_by: Who
    requested_at: datetime
    decide_by: datetime
    ended_at: datetime | None = None
    revision: int = Field(description="What a decision must name: what it was shown.")
    mark: str = Field(description="Differs whenever the request or a verdict does.")
    stages: list[StageTold]
    decisions: list[DecisionTold]
    policy_version: int
    statement: Statement | None = Field(
        default=None, description="Once approved, where mlgov has a key to sign with."
    )


class ApprovalsTold(BaseModel):
    """Several requests, newest first."""

    approvals: list[ApprovalTold]
    next: int | None = Field(
        default=None, description="Give it as `before` for the ones that follow."
    )


def build_approval(
    card: Card, place: Place, mark: Mark, statement: Statement | None = None
) -> ApprovalTold:
    """A request for programs."""
    names = {stage.position: stage.name for stage in card.rounds}
    return ApprovalTold(
        id=card.id,
        state=card.state,
        gate=card.gate,
        project=place.project,
        asks=f"{card.words.project} asks to {card.words.asks}",
        news=describe_news(card),
        subject=place.asked.get("subject"),
        digest=place.asked.get("digest"),
        commit=place.asked.get("commit"),
        environment=place.asked.get("environment"),
        asked=place.asked or None,
        question=place.question,
        known=place.known or None,
        changed=[*card.changes, *([card.moved.clause] if card.moved else [])] or None,
        barred=list(card.bars) or None,
        reason=card.reason,
        requested_by=Who(id=card.requester.id, name=card.requester.name),
        requested_at=card.created_at,
        decide_by=card.expires_at,
        ended_at=card.decided_at,
        revision=card.revision,
        mark=mark.text,
        stages=[_stage(card, stage) for stage in card.rounds],
        decisions=[_decision(line, names[line.position]) for line in card.lines],
        policy_version=card.policy_id,
        statement=statement,
    )


def build_apart(record: Apart) -> ApartTold:
    """A request that an asking did not join, for programs."""
    return ApartTold(
        id=record.id,
        differences=[
            DifferenceTold(field=one.field, words=one.words) for one in record.differences
        ],
    )


def describe_news(card: Card) -> str:
    """How a request stands, in one plain sentence."""
    state = words.STATES[card.state].split()[-1]
    if card.is_pending:
        now = card.round
        asked = " and ".join(now.asked[:3]) or "nobody"
        return f"{state} for {now.name} ({asked}): {now.approved} of {now.quorum} approved."
    if card.state is ApprovalState.APPROVED:
        who = ", ".join(line.person.name for line in card.approvers) or "rule"
        return f"{state} by {who}: {card.words.done}."
    if card.rejection is not None:
        line = card.rejection
        return f"{state} by {line.person.name}: {line.reason or 'no reason is kept'}"
    return f"{state}: {card.words.stays}."


def _stage(card: Card, stage: Round) -> StageTold:
    if stage.position < card.stage or card.state is ApprovalState.APPROVED:
        state = "passed"
    elif stage.position == card.stage:
        state = "asked"
    else:
        state = "to come"
    return StageTold(
        name=stage.name,
        state=state,
        approved=stage.approved,
        quorum=stage.quorum,
        asked=list(stage.asked),
    )


def _decision(line: Line, stage: str) -> DecisionTold:
    return DecisionTold(
        by=Who(id=line.person.id, name=line.person.name),
        verdict=line.verdict,
        stage=stage,
        reason=line.reason,
        at=line.at,
    )
