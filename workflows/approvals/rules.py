"""Who may decide what, and what a verdict leads to: values in, values out."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from storage.enums import ApprovalState, Ask, Verdict

PERSON = "person:"
"""Before the opaque id of a person whom `subject.owner` and the like stood for when the request was opened."""


HANDED_OVER = "handed_over"
"""The rule by which somebody decides to whom an approver gave their place."""


@dataclass(frozen=True, slots=True)
class Approver:
    """One approver of a stage: the policy's word, and whom it stood for (Slack ids, `@group`s, `person:ID`s)."""

    rule: str
    who: tuple[str, ...]
    by: str | None = None
    """The person who gave their place in the stage to this one, and so does not decide in it themselves."""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Approver":
        """From what the stage row keeps."""
        return cls(stored["rule"], tuple(stored["who"]), stored.get("by"))

    def stored(self) -> dict[str, Any]:
        """As the stage row keeps it."""
        kept: dict[str, Any] = {"rule": self.rule, "who": list(self.who)}
        return kept | {"by": self.by} if self.by else kept


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a request: `quorum` different people out of its approvers must approve."""

    name: str
    approvers: tuple[Approver, ...]
    quorum: int
    ask: Ask


@dataclass(frozen=True, slots=True)
class Group:
    """A user group someone is in, and when that was read from Slack."""

    slack_id: str
    handle: str
    name: str
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Someone as the mirror of Slack has them at this moment."""

    person_id: str
    slack_id: str | None
    is_member: bool
    read_at: datetime | None
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Why somebody may decide: the policy's word, the group through which it reached them, and when that was read."""

    rule: str
    group: Group | None
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Vote:
    """A verdict that was given before."""

    person_id: str
    position: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Request:
    """What a verdict is judged against."""

    requester_id: str
    state: ApprovalState
    stage: int
    revision: int
    expires_at: datetime
    stages: tuple[Stage, ...]


class Refusal(StrEnum):
    """Why a verdict does not count. Each has a sentence of its own; the ledger keeps the word."""

    ENDED = "ended"
    OVERDUE = "overdue"
    REQUESTER = "requester"
    NO_MEMBER = "no_member"
    REPEATED = "repeated"
    NOT_YET = "not_yet_asked"
    PASSED = "stage_passed"
    NOT_ASKED = "not_asked"
    STALE = "stale"
    NEEDED_LATER = "needed_later"


def digest(facts: Mapping[str, Any]) -> str:
    """SHA-256 over what a request asks, in canonical JSON: what an approval is bound to."""
    canonical = json.dumps(
        facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def entitlement(
    approvers: Sequence[Approver], standing: Standing
) -> Entitlement | None:
    """The first approver rule that reaches this person, in the policy's order; None when none does."""
    by_group = {group.slack_id: group for group in standing.groups}
    by_handle = {f"@{group.handle}": group for group in standing.groups}
    if any(approver.by == standing.person_id for approver in approvers):
        return None
    themselves = {f"{PERSON}{standing.person_id}", standing.slack_id}
    for approver in approvers:
        for who in approver.who:
            if who in themselves:
                return Entitlement(approver.rule, None, standing.read_at)
            group = by_group.get(who) or by_handle.get(who)
            if group is not None:
                return Entitlement(approver.rule, group, group.read_at)
    return None


def judge(
    request: Request,
    votes: Sequence[Vote],
    standing: Standing,
    *,
    revision: int,
    now: datetime,
) -> Entitlement | Refusal:
    """Whether this person's verdict counts now, on a card that showed `revision`.

    The requester never decides; nobody decides twice in one request, whatever the stage; only the stage that is
    asked now decides; a request whose time is up is over even if its timer has not run yet.
    """
    if not standing.is_member:
        return Refusal.NO_MEMBER
    if request.state is not ApprovalState.PENDING:
        return Refusal.ENDED
    if now >= request.expires_at:
        return Refusal.OVERDUE
    if standing.person_id == request.requester_id:
        return Refusal.REQUESTER
    if any(vote.person_id == standing.person_id for vote in votes):
        return Refusal.REPEATED
    entitled = entitlement(request.stages[request.stage].approvers, standing)
    if entitled is None:
        return _why_not(request, standing)
    if revision != request.revision:
        return Refusal.STALE
    return entitled


def _why_not(request: Request, standing: Standing) -> Refusal:
    later = request.stages[request.stage + 1 :]
    if any(entitlement(stage.approvers, standing) for stage in later):
        return Refusal.NOT_YET
    earlier = request.stages[: request.stage]
    if any(entitlement(stage.approvers, standing) for stage in earlier):
        return Refusal.PASSED
    return Refusal.NOT_ASKED


class Step(StrEnum):
    """What a verdict leads to."""

    WAITS = "waits"
    NEXT_STAGE = "next_stage"
    APPROVED = "approved"
    REJECTED = "rejected"


def step(request: Request, votes: Sequence[Vote], verdict: Verdict) -> Step:
    """What one more verdict, given now in the stage that is asked, leads to. One rejection ends a request."""
    if verdict is Verdict.REJECT:
        return Step.REJECTED
    given = 1 + sum(
        vote.position == request.stage and vote.verdict is Verdict.APPROVE
        for vote in votes
    )
    if given < request.stages[request.stage].quorum:
        return Step.WAITS
    return (
        Step.APPROVED if request.stage + 1 == len(request.stages) else Step.NEXT_STAGE
    )


@dataclass(frozen=True, slots=True)
class Shortage:
    """A stage that could never pass. `found` people could decide it; `alone` says that already on its own it lacks
    people, else they are also needed in other stages, where nobody may decide twice."""

    position: int
    found: int
    alone: bool


def shortage(
    needs: Sequence[tuple[int, Collection[str]]],
) -> Shortage | None:
    """The first stage, as (quorum, eligible people), for which there are not enough different people; None if all pass.

    Since nobody decides twice, every place of every quorum needs a person of its own: a matching between places and
    people. Augmenting paths (Kuhn) find one whenever there is one.
    """
    for position, (quorum, people) in enumerate(needs):
        if len(set(people)) < quorum:
            return Shortage(position, len(set(people)), alone=True)
    holder: dict[str, tuple[int, int]] = {}
    for position, (quorum, people) in enumerate(needs):
        for place in range(quorum):
            if not _seat((position, place), needs, holder):
                return Shortage(position, len(set(people)), alone=False)
    return None


def _seat(
    place: tuple[int, int],
    needs: Sequence[tuple[int, Collection[str]]],
    holder: dict[str, tuple[int, int]],
) -> bool:
    """Give `place` a person, moving others to people who are free: breadth first, so that depth is no matter."""
    came_from: dict[str, tuple[str | None, tuple[int, int]]] = {}
    queue: list[tuple[str | None, tuple[int, int]]] = [(None, place)]
    for via, wanting in queue:
        for person in sorted(needs[wanting[0]][1]):
            if person in came_from:
                continue
            came_from[person] = (via, wanting)
            if person not in holder:
                free: str | None = person
                while free is not None:
                    before, seat = came_from[free]
                    holder[free] = seat
                    free = before
                return True
            queue.append((person, holder[person]))
    return False
