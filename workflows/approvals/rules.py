"""Who may decide what, and what a verdict leads to: values in, values out."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import combinations, islice, product
from types import MappingProxyType
from typing import Any

from storage.enums import ApprovalState, Verdict
from workflows.approvable import Prepared, Rest
from workflows.approvals.stages import HANDED_OVER, PERSON, Approver, Stage
from workflows.context import Actor
from workflows.errors import NotAllowed, RefusalFact
from workflows.policy import Gate, conditions
from workflows.wording import counted

# --- Separation of duties
#
# who may not decide, and who must be different people. Pure.

_DID = {"requester": "asked for", "developer": "developed", "validator": "validated"}


def list_apart(gate: Gate, prepared: Prepared, actor: Actor) -> dict[str, str]:
    """Who may not decide beside the requester, by person id, each with what they are to the subject.

    Raises NotAllowed when two parts that the gate wants apart are one person.
    """
    parts = {
        part: actor.id if part == "requester" else prepared.people.get(part)
        for part in gate.separate
        if part in _DID
    }
    for (part_, first), (other, second) in combinations(parts.items(), 2):
        if first is not None and first == second:
            raise NotAllowed(_describe_same(part_, other), audit=_build_fact(part_, other))
    apart: dict[str, str] = {person: part for part, person in parts.items() if person}
    for part, people in prepared.also.items():
        if part in gate.separate:
            for person in people:
                apart.setdefault(person, part)
    if prepared.is_apart or "contributors" in gate.separate:
        for person in prepared.contributors:
            apart.setdefault(person, "contributor")
    apart.pop(actor.id, None)
    return apart


def _describe_same(part: str, other: str) -> str:
    if part == "requester":
        return (
            f"You {_DID[other]} this, so the policy wants somebody else to ask for it. Nothing was sent; "
            "ask a colleague to open the request."
        )
    return (
        f"The same person {_DID[part]} and {_DID[other]} this, and the policy wants two. Nothing was sent; "
        "have it validated by somebody else first."
    )


def _build_fact(part: str, other: str) -> RefusalFact:
    return RefusalFact("approval.submit", "bot", "", why="not_separate", parts=[part, other])


# --- Whether there are enough different people for every place of every quorum
#
# values in, values out.

MOST_WAYS = 512
"""Combinations of `any_of` groups that are tried before a request is refused: nine stages of two groups each. Their number
doubles with every stage, and each costs a matching within a click."""

Need = tuple[int, Collection[str]]
"""A quorum, and the people who could fill its places."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """A stage that could never pass. `found` people could decide it; `alone` says that already on its own it lacks
    people, else they are also needed in other stages, where nobody may decide twice."""

    position: int
    found: int
    alone: bool


def shortage(needs: Sequence[tuple[int, Collection[str]]]) -> Shortage | None:
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
            if not _seat_person((position, place), needs, holder):
                return Shortage(position, len(set(people)), alone=False)
    return None


def _seat_person(
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


def seats(needs: Sequence[Need]) -> dict[str, tuple[int, int]]:
    """As many places as possible filled: person → (need, place)."""
    holder: dict[str, tuple[int, int]] = {}
    for position, (quorum, _) in enumerate(needs):
        for place in range(quorum):
            _seat_person((position, place), needs, holder)
    return holder


def shortage_in(stages: Sequence[Sequence[Sequence[Need]]]) -> Shortage | None:
    """The first stage that could never pass; None when all can.

    Each stage has ways to pass (one, or one for each of its `any_of` groups), and a way has needs that must all be
    met. The position of the shortage is the stage's.
    """
    worst: Shortage | None = None
    for ways in islice(product(*stages), MOST_WAYS):
        owners = [stage for stage, needs in enumerate(ways) for _ in needs]
        short = shortage([need for needs in ways for need in needs])
        if short is None:
            return None
        of_stage = Shortage(owners[short.position], short.found, short.alone)
        if worst is None or of_stage.position > worst.position:
            worst = of_stage
    return worst


# --- What a request rests on, then and now
#
# which of it counts at a gate, what got graver, and how it is told. Pure.


def select_counting(rests: Iterable[Rest], gate: Gate | None, name: str) -> tuple[Rest, ...]:
    """Those that count at this gate: what only a condition would ask for counts where one speaks of it."""
    spoken: set[str] = set()
    if gate is not None:
        kind = gate.subject_type(name)
        for _, text in gate.conditions():
            spoken.update(conditions.names_in(text, kind))
    return tuple(one for one in rests if not one.by_condition or one.name in spoken)


def list_graver(before: Iterable[Rest], now: Iterable[Rest]) -> tuple[Rest, ...]:
    """What those who were shown `before` have not been asked about: what weighs more, or is simply not the same."""
    by_name = {one.name: one for one in before}
    return tuple(
        one for one in now if (old := by_name.get(one.name)) is not None and _is_graver(old, one)
    )


def _is_graver(old: Rest, new: Rest) -> bool:
    if old.value == new.value:
        return False
    if old.weight is None or new.weight is None:
        return True
    return new.weight > old.weight


def load_rests(stored: Iterable[Mapping[str, Any]]) -> tuple[Rest, ...]:
    """From what the request's row keeps."""
    return tuple(Rest.of(one) for one in stored)


def describe_changes(before: Sequence[Rest], now: Sequence[Rest]) -> tuple[str, ...]:
    """What changed since, each a clause for people: `tier 3 → 1`, `1 critical finding`."""
    by_name = {one.name: one for one in before}
    return tuple(
        _clause(old, one)
        for one in now
        if (old := by_name.get(one.name)) is not None and old.value != one.value
    )


def _clause(old: Rest, new: Rest) -> str:
    if new.manner == "count":
        before, now = int(old.value), int(new.value)
        if not before:
            return counted(now, new.label)
        if not now:
            return f"no {new.label} any more"
        return f"{counted(now, new.label)} instead of {before:,}"
    return f"{new.label} {describe_value(old)} → {describe_value(new)}"


def describe_value(rest: Rest) -> str:
    """How people read the value."""
    if rest.words:
        return rest.words
    if isinstance(rest.value, bool):
        return "yes" if rest.value else "no"
    return str(rest.value)


# --- Who may decide what, and what a verdict leads to
#
# values in, values out.

__all__ = [
    "PERSON",
    "Approver",
    "Basis",
    "Entitlement",
    "Group",
    "Refusal",
    "Request",
    "Stage",
    "Standing",
    "Standings",
    "Step",
    "Vote",
    "admission",
    "admitted",
    "approvals",
    "counts",
    "digest",
    "entitlement",
    "given",
    "is_counted",
    "is_passed",
    "judge",
    "list_holders",
    "places_used",
    "step",
    "takers",
    "ways",
]


@dataclass(frozen=True, slots=True)
class Group:
    """A user group someone is in, and when that was read from Slack."""

    slack_id: str
    name: str
    read_at: datetime | None
    since: datetime | None = None
    """When mlgov first saw them in it (governed time)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Someone as the mirror of Slack has them at this moment."""

    person_id: str
    slack_id: str | None
    is_member: bool
    read_at: datetime | None
    groups: tuple[Group, ...] = ()
    other_ids: frozenset[str] = frozenset()
    """The other ids by which Slack names them on a Grid."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Somebody whose standing an act rests on, and the group through which it does, if any."""

    standing: Standing
    group: Group | None = None


@dataclass(frozen=True, slots=True)
class Entitlement:
    """Why somebody may decide: the policy's word, the group through which it reached them, and when that was read."""

    rule: str
    group: Group | None
    read_at: datetime | None
    parties: tuple[int, ...] = (0,)
    """Indexes of the stage's groups that they stand for."""
    instead_of: str | None = None
    """The person who is away, in whose place they decide."""
    place: str = field(default="", compare=False)
    """The person whose place in the stage it is: their own, or that of whom they act for. It counts once."""
    basis: tuple[Basis, ...] = field(default=(), compare=False)
    """Everybody whose standing it rests on: theirs, and that of those whose place it is."""


@dataclass(frozen=True, slots=True)
class Vote:
    """A verdict that was given before."""

    person_id: str
    position: int
    verdict: Verdict
    parties: tuple[int, ...] = (0,)
    place: str = ""
    """The person whose place in the stage it used."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a verdict is judged against."""

    requester_id: str
    state: ApprovalState
    stage: int
    revision: int
    expires_at: datetime
    stages: tuple[Stage, ...]
    apart: Mapping[str, str] = field(default_factory=dict)
    """Who may not decide beside the requester: person id → what they are to the subject (`developer`)."""

    @property
    def current(self) -> Stage:
        """The stage that is asked now."""
        return self.stages[self.stage]


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
    APART = "apart"
    TOO_NEW = "too_new"
    PART_DONE = "part_done"
    PLACE_USED = "place_used"


def digest(facts: Mapping[str, Any]) -> str:
    """SHA-256 over what a request asks, in canonical JSON: what an approval is bound to."""
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def entitlement(
    approvers: Sequence[Approver],
    standing: Standing,
    admits: Callable[[Approver, Group], bool] = lambda approver, group: True,
) -> Entitlement | None:
    """The first approver rule that reaches this person, in the policy's order; None when none does.

    `admits` says whether being in a group counts for an approver.
    """
    by_group = {group.slack_id: group for group in standing.groups}
    if any(approver.by == standing.person_id for approver in approvers):
        return None
    own = f"{PERSON}{standing.person_id}"
    themselves = {own, standing.slack_id, *standing.other_ids}
    first: tuple[Approver, Group | None] | None = None
    parties: list[int] = []
    for approver in approvers:
        for who in approver.who:
            group = by_group.get(who)
            if who in themselves or (group is not None and admits(approver, group)):
                if first is None:
                    first = approver, None if who in themselves else group
                if approver.party not in parties:
                    parties.append(approver.party)
                break
    if first is None:
        return None
    approver, group = first
    read_at = group.read_at if group else standing.read_at
    return Entitlement(
        approver.rule,
        group,
        read_at,
        tuple(parties),
        place=standing.person_id,
        basis=(Basis(standing, group),),
    )


Standings = Mapping[str, Standing]
"""People by their id."""


def admission(
    stage: Stage, standing: Standing, now: datetime, givers: Standings = MappingProxyType({})
) -> Entitlement | Refusal | None:
    """How a stage stands to this person at this moment: entitled, too new in their group, or not asked at all.

    `givers` are those who gave their place in the stage away: who took it decides only while they still have it.
    """
    if any(approver.by == standing.person_id for approver in stage.approvers):
        return None
    own = admitted(stage, stage.own, standing, now)
    if isinstance(own, Entitlement):
        return own
    return _find_taken_place(stage, standing, now, givers, len(stage.approvers)) or own


def admitted(
    stage: Stage, approvers: Sequence[Approver], standing: Standing, now: datetime
) -> Entitlement | Refusal | None:
    """How this person stands to these approvers, where being in a group counts as the stage has it."""
    entitled = entitlement(approvers, standing)
    if entitled is None or (stage.pinned is None and stage.member_since is None):
        return entitled

    def admits(approver: Approver, group: Group) -> bool:
        return is_counted(stage, approver, standing.person_id, group.since, now)

    return entitlement(approvers, standing, admits) or Refusal.TOO_NEW


def is_counted(
    stage: Stage, approver: Approver, person_id: str, since: datetime | None, now: datetime
) -> bool:
    """Whether somebody who is in the group of an approver since then counts in the stage: by its pins and its age."""
    if stage.pinned is not None:
        if not approver.is_late:
            return person_id in stage.pinned
        return None not in (since, stage.pinned_at) and since <= stage.pinned_at  # type: ignore[operator]
    if stage.member_since is not None:
        return since is not None and since <= now - stage.member_since
    return True


def takers(stage: Stage, among: Sequence[str]) -> list[Approver]:
    """Who may take a place in the stage: whom it asks, and whom the policy lets take one."""
    return [*stage.own, Approver(HANDED_OVER, tuple(among), is_late=True)]


def _find_taken_place(
    stage: Stage, standing: Standing, now: datetime, givers: Standings, until: int
) -> Entitlement | None:
    """The place that somebody took, by the approvers before `until`: while they may take it, and it is still there."""
    given_by: dict[str, list[tuple[int, Approver]]] = {}
    for index, approver in enumerate(stage.approvers[:until]):
        if approver.by and PERSON + standing.person_id in approver.who:
            given_by.setdefault(approver.by, []).append((index, approver))
    for giver, records in given_by.items():
        first, approver = records[0]
        place = _find_place_to_give(stage, givers.get(giver), now, givers, first)
        if approver.among is None:
            fit: Entitlement | Refusal | None = Entitlement(
                HANDED_OVER, None, standing.read_at, basis=(Basis(standing),)
            )
        else:
            fit = admitted(stage, takers(stage, approver.among), standing, now)
        if place is None or not isinstance(fit, Entitlement):
            continue
        parties = tuple(one.party for _, one in records if one.party in place.parties)
        if parties:
            return Entitlement(
                HANDED_OVER,
                fit.group,
                fit.read_at,
                parties,
                place=place.place,
                basis=(*fit.basis, *place.basis),
            )
    return None


def _find_place_to_give(
    stage: Stage, giver: Standing | None, now: datetime, givers: Standings, until: int
) -> Entitlement | None:
    """The place that somebody gave away, as far as it is still theirs to give: their own, or one that they had taken."""
    if giver is None or not giver.is_member:
        return None
    own = admitted(stage, stage.own, giver, now)
    if isinstance(own, Entitlement):
        return own
    return _find_taken_place(stage, giver, now, givers, until)


def judge(
    request: Request,
    votes: Sequence[Vote],
    standing: Standing,
    *,
    revision: int,
    now: datetime,
    givers: Standings = MappingProxyType({}),
) -> Entitlement | Refusal:
    """Whether this person's verdict counts now, on a card that showed `revision`.

    The requester never decides; nobody decides twice in one request, whatever the stage; only the stage that is
    asked now decides; a request whose time is up is over even if its timer has not run yet. Each place in the stage
    is used once, whoever decides with it. `givers` are those who gave theirs away.
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
    entitled = admission(request.current, standing, now, givers)
    if entitled is None:
        return _find_refusal(request, standing)
    if standing.person_id in request.apart:
        return Refusal.APART
    if isinstance(entitled, Refusal):
        return entitled
    if entitled.place in {request.requester_id, *request.apart}:
        return Refusal.APART
    if entitled.place in places_used(votes, request.stage):
        return Refusal.PLACE_USED
    if revision != request.revision:
        return Refusal.STALE
    return entitled


def places_used(votes: Sequence[Vote], position: int) -> set[str]:
    """Whose places in a stage verdicts have used."""
    return {vote.place for vote in votes if vote.position == position and vote.place}


def _find_refusal(request: Request, standing: Standing) -> Refusal:
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


def step(
    request: Request, votes: Sequence[Vote], verdict: Verdict, parties: tuple[int, ...] = (0,)
) -> Step | Refusal:
    """What one more verdict, given now in the stage that is asked, leads to. One rejection ends a request.

    An approval that fills no place of its stage is PART_DONE: their group has approved, others are waited for.
    """
    if verdict is Verdict.REJECT:
        return Step.REJECTED
    before = approvals(votes, request.stage)
    after = [*before, parties]
    if not is_passed(request.current, after):
        filled = given(request.current, after) > given(request.current, before)
        return Step.WAITS if filled else Refusal.PART_DONE
    return Step.APPROVED if request.stage + 1 == len(request.stages) else Step.NEXT_STAGE


def approvals(votes: Sequence[Vote], position: int) -> list[tuple[int, ...]]:
    """The approvals of a stage, each as the groups that the person stood for."""
    return [
        vote.parties
        for vote in votes
        if vote.position == position and vote.verdict is Verdict.APPROVE
    ]


def counts(stage: Stage, voters: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """How many approved of each group, at most its quorum; who is in two groups fills a place in one of them."""
    if len(stage.quorums) == 1:
        return (min(len(voters), stage.quorum),)
    if stage.mode == "any":
        return tuple(
            min(quorum, sum(party in voter for voter in voters))
            for party, quorum in enumerate(stage.quorums)
        )
    holders = seats(
        [
            (quorum, [str(n) for n, voter in enumerate(voters) if party in voter])
            for party, quorum in enumerate(stage.quorums)
        ]
    )
    return tuple(
        sum(place[0] == party for place in holders.values()) for party in range(len(stage.quorums))
    )


def given(stage: Stage, voters: Sequence[tuple[int, ...]]) -> int:
    """How many places of the stage are filled."""
    return sum(counts(stage, voters))


def is_passed(stage: Stage, voters: Sequence[tuple[int, ...]]) -> bool:
    """Whether every group of the stage has approved, or one where one is enough."""
    approved = counts(stage, voters)
    done = [have >= need for have, need in zip(approved, stage.quorums, strict=True)]
    return any(done) if stage.mode == "any" else all(done)


def list_holders(
    request: Request,
    votes: Sequence[Vote],
    parties: Sequence[Mapping[str, object]],
    barred: Collection[str],
) -> list[set[str]]:
    """Of each group of the stage that is asked now, who has approved for it or, of those whom it reaches, still could."""
    gave = [
        vote for vote in votes if vote.position == request.stage and vote.verdict is Verdict.APPROVE
    ]
    return [
        (party.keys() - barred) | {vote.person_id for vote in gave if index in vote.parties}
        for index, party in enumerate(parties)
    ]


def ways(
    stage: Stage, parties: Sequence[Collection[str]]
) -> list[list[tuple[int, Collection[str]]]]:
    """The ways in which a stage can pass, given the people of each of its groups; see `seating.shortage_in`."""
    needs = list(zip(stage.quorums, parties, strict=True))
    return [[need] for need in needs] if stage.mode == "any" else [needs]
