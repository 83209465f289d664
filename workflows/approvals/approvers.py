"""From the policy's gate to the stages of one request: conditions told, words replaced by whom they stand for now."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from storage.approvals import activity, queries
from storage.approvals import queries as approval_queries
from storage.approvals.queries import CardRow, PersonRow, StandingRow
from workflows import handles, outbox, permissions, resting, rollout
from workflows.approvals import rules
from workflows.approvals.notices import AbsenceTold, AwayOffered
from workflows.approvals.records import Handover, Line, Reader
from workflows.approvals.rules import PERSON as approval_PERSON
from workflows.approvals.rules import Approver as approval_Approver
from workflows.approvals.rules import (
    Entitlement,
    Group,
    Refusal,
    Standing,
    Standings,
    admission,
    entitlement,
    given,
)
from workflows.approvals.rules import Stage as approval_Stage
from workflows.approvals.stages import (
    HANDED_OVER,
    PERSON,
    Approver,
    Bound,
    Dropped,
    Escalation,
    Party,
    Stage,
)
from workflows.audit import service as audit
from workflows.calendar import local_instant
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput, InvalidInputs, NotFound
from workflows.handles import ONCALL, Meant
from workflows.outbox import Destination, Subject
from workflows.policy import Gate, Policy, root
from workflows.policy import gates as policy_gates
from workflows.policy.conditions import Facts, holds

SUBJECT = "subject."
ROLE = "role:"
MANAGER = "requester.manager"


@dataclass(frozen=True, slots=True)
class PolicyWords:
    """What the words of a gate stand for in one request."""

    policy: Policy
    people: Mapping[str, str | None]
    """`owner`, `sponsor`, `manager`, `developer`, `validator` of the subject → person id."""
    manager_id: str | None = None
    """The requester's manager."""
    meant: Meant = field(default_factory=Meant)
    """Which user groups the policy's handles mean."""

    def of(self, word: str, party: int = 0) -> Approver:
        """One approver of the policy, with whom it stands for."""
        if word == MANAGER:
            return Approver(word, _person(self.manager_id), party)
        if word.startswith(SUBJECT):
            person = self.people.get(word.removeprefix(SUBJECT))
            return Approver(word, _person(person), party)
        if word.startswith(ROLE):
            return self._find_named(word, self.policy.roles[word.removeprefix(ROLE)], party)
        return self._find_named(word, (word.removeprefix(ONCALL),), party)

    def _find_named(self, word: str, written: tuple[str, ...], party: int) -> Approver:
        who = self.meant.who(written)
        kept = written if who != written else ()
        return Approver(word, who, party, written=kept)


def _person(person_id: str | None) -> tuple[str, ...]:
    return (PERSON + person_id,) if person_id else ()


def find_passing_rule(gate: Gate, name: str, facts: Facts) -> str:
    """The condition by which a request passes this gate without being asked; empty when people decide.

    Raises ConditionFailed.
    """
    subject_type = gate.subject_type(name)
    if gate.when and not holds(gate.when, subject_type, facts):
        return f"!({gate.when})"
    if gate.auto_approve and holds(gate.auto_approve, subject_type, facts):
        return gate.auto_approve
    return ""


def choose_stages(
    gate: Gate, name: str, facts: Facts
) -> tuple[tuple[policy_gates.Stage, ...], tuple[Dropped, ...]]:
    """The stages that hold for these facts, and those that were left out. Raises ConditionFailed."""
    stages, dropped = [], []
    for stage in gate.stages:
        if stage.when and not holds(stage.when, gate.subject_type(name), facts):
            dropped.append(Dropped(stage.name, stage.when))
        else:
            stages.append(stage)
    return tuple(stages), tuple(dropped)


def bind_stages(
    gate: Gate, name: str, words: PolicyWords, facts: Facts
) -> tuple[tuple[Stage, ...], tuple[Dropped, ...]]:
    """The stages that hold for these facts, bound, and those that were left out. Raises ConditionFailed."""
    stages, dropped = choose_stages(gate, name, facts)
    return tuple(bind_stage(gate, stage, words) for stage in stages), dropped


def bind_stage(gate: Gate, stage: policy_gates.Stage, words: PolicyWords) -> Stage:
    """One stage with every word replaced by whom it stands for now."""
    parties = stage.parties
    rules = gate.rules_of(stage)
    since, escalation = rules.member_since, rules.escalate
    return Stage(
        stage.name,
        tuple(
            words.of(word, index) for index, party in enumerate(parties) for word in party.approvers
        ),
        stage.needs,
        stage.ask or gate.ask,
        stage.mode,
        tuple(Party(party.words, party.quorum) for party in parties) if len(parties) > 1 else (),
        comment=rules.comment == "required",
        confirm=bool(rules.confirm),
        delegate=rules.delegate is not False,
        member_since=None if since == "pinned" else since,
        pinned=frozenset() if since == "pinned" else None,
        remind_after=rules.remind_after or (),
        escalation=Escalation(
            escalation.after,
            escalation.way,
            tuple(
                words.of(word, index)
                for index in range(len(parties))
                for word in escalation.approvers
            ),
        )
        if escalation is not None
        else None,
    )


def pin_members(stage: Stage, people: Sequence[Mapping[str, object]], now: datetime) -> Stage:
    """The stage with its members of now written down."""
    members = frozenset(id_ for party in people for id_ in party)
    return replace(stage, pinned=members, pinned_at=now)


def list_fallback(gate: Gate, name: str, words: PolicyWords) -> tuple[Approver, ...]:
    """Who decides in place of nobody in the stage of this name, for each of its groups."""
    stage = next(one for one in gate.stages if one.name == name)
    nobody = gate.rules_of(stage).nobody
    if not isinstance(nobody, policy_gates.Fallback):
        return ()
    return tuple(
        words.of(word, index) for index in range(len(stage.parties)) for word in nobody.fallback
    )


def list_glass_breakers(policy: Policy, gate: str, meant: Meant) -> tuple[Approver, ...]:
    """Whom the policy lets break the glass at this gate."""
    rules = policy.gates.get(gate)
    if rules is None or rules.break_glass is None:
        return ()
    words = PolicyWords(policy, {}, meant=meant)
    return tuple(words.of(word) for word in rules.break_glass.by)


def find_break_right(
    policy: Policy, gate: str, standing: Standing, meant: Meant
) -> Entitlement | None:
    """By which of the policy's words this person may break the glass at this gate; None when they may not."""
    if not standing.is_member:
        return None
    return entitlement(list_glass_breakers(policy, gate, meant), standing)


# --- Whom approver rules reach, read from the mirror of Slack


@dataclass(frozen=True, slots=True)
class Reached:
    """Somebody whom a stage asks: a full, active member of the organisation with a Slack id."""

    id: str
    slack_id: str
    name: str
    tz: str | None = None
    country: str | None = None
    away_until: datetime | None = None
    """The end of the last absence for which they named a stand-in."""
    status_away_until: datetime | None = None
    """Until when their Slack status says that they are away."""
    status_times: int = 0
    """Which time it is that it says so."""


def build_standing(rows: Sequence[StandingRow]) -> Standing:
    """A person and their groups, from the rows of `queries.list_standing`."""
    first = rows[0]
    return Standing(
        first.id,
        first.slack_id,
        permissions.is_member(first),
        first.refreshed_at,
        tuple(
            Group(row.group_id, row.group_name, row.group_read_at, row.since)
            for row in rows
            if row.group_id is not None and row.group_name is not None
        ),
        first.other_ids,
    )


def list_givers(session: Session, stages: Iterable[approval_Stage]) -> dict[str, Standing]:
    """Those who gave away their places in these stages, by id; nothing is read while nobody did."""
    ids = {
        approver.by for stage in stages for approver in stage.approvers if approver.by is not None
    }
    return list_standings(session, ids) if ids else {}


def list_standings(session: Session, ids: Iterable[str]) -> dict[str, Standing]:
    """People and their groups, by id, in one statement for all; whom nobody knows is left out."""
    rows = queries.list_standings(session, ids)
    return {person_id: build_standing(each) for person_id, each in rows.items()}


def find_person(session: Session, person_id: str) -> Reached | None:
    """Somebody by their id, where they are a member with a Slack id."""
    row = next(iter(queries.list_standing(session, person_id)), None)
    if row is None or not permissions.is_member(row) or not row.slack_id:
        return None
    return Reached(row.id, row.slack_id, row.name, row.tz, row.country)


def resolve_words(
    ctx: Context, people_of: Mapping[str, str | None], requester_id: str | None
) -> PolicyWords:
    """What the words of this policy stand for now, in a request of somebody (None for nobody's) about these people."""
    rows = queries.list_standing(ctx.session, requester_id) if requester_id else ()
    return PolicyWords(
        ctx.policy,
        people_of,
        rows[0].manager_id if rows else None,
        handles.resolve(ctx.session, ctx.org, root.people(ctx.policy)),
    )


def find_by_slack_id(ctx: Context, slack_id: str) -> Reached | None:
    """Somebody by their Slack id, where they are a member."""
    for row, _ in queries.list_named(ctx.session, ctx.org, slack_ids=[slack_id], ids=[]):
        if permissions.is_member(row) and row.slack_id:
            return Reached(row.id, row.slack_id, row.name)
    return None


def list_reached(
    session: Session, stages: Sequence[approval_Stage], org_key: str
) -> list[dict[str, Reached]]:
    """For each stage, everyone whom its approvers reach now, by person id, with at most two statements for all."""
    return [
        {id_: person for party in parties for id_, person in party.items()}
        for parties in list_reached_parties(session, stages, org_key)
    ]


def list_reached_parties(
    session: Session, stages: Sequence[approval_Stage], org_key: str, *, by: datetime | None = None
) -> list[list[dict[str, Reached]]]:
    """For each group of each stage, everyone whom it reaches now.

    Who joined a group after its members were pinned is left out; with `by`, so is who will not have been in it long
    enough by then. Who took somebody's place is there while that somebody would be.
    """
    words = {
        who
        for stage in stages
        for approver in stage.approvers
        for who in (*approver.who, *(approver.among or ()))
    }
    reach = _Reach.read(session, org_key, words, by)
    return [
        [reach.list_party(stage, index) for index in range(len(stage.quorums))] for stage in stages
    ]


@dataclass(frozen=True, slots=True)
class _Reach:
    """Whom the words of some stages reach, as the mirror has it."""

    named: Mapping[str, dict[str, Reached]]
    """Word → the person whom it names, by id."""
    members: Mapping[str, dict[str, tuple[Reached, datetime]]]
    """Slack id of a user group → its members by id, and since when each is in it."""
    by: datetime | None

    @classmethod
    def read(
        cls, session: Session, org_key: str, words: Collection[str], by: datetime | None
    ) -> "_Reach":
        """In two statements, however many words there are."""
        ids = {
            word.removeprefix(approval_PERSON) for word in words if word.startswith(approval_PERSON)
        }
        slack_ids = {word for word in words if word[0] in "UWS" and approval_PERSON not in word}
        named: dict[str, dict[str, Reached]] = {}
        members: dict[str, dict[str, tuple[Reached, datetime]]] = {}
        for row, named_as in queries.list_named(session, org_key, slack_ids=slack_ids, ids=ids):
            if (person := _reached(row)) is not None:
                for word in (approval_PERSON + row.id, *([named_as] if named_as else [])):
                    named.setdefault(word, {})[row.id] = person
        for row, group_id, since in queries.list_members(session, org_key, slack_ids=slack_ids):
            if (person := _reached(row)) is not None:
                members.setdefault(group_id, {})[row.id] = (person, since)
        return cls(named, members, by)

    def list_party(self, stage: approval_Stage, index: int) -> dict[str, Reached]:
        """Whom one group of a stage reaches, by id: those whom it asks, and in their place those who took it."""
        people: dict[str, Reached] = {}
        for approver in stage.own:
            if approver.party == index:
                people |= self._list_meant(stage, approver)
        for approver in stage.approvers:
            if approver.by is None or approver.party != index:
                continue
            if people.pop(approver.by, None) is not None:
                may = self._list_takers(stage, approver)
                people |= {
                    id_: person
                    for id_, person in self._list_meant(stage, approver).items()
                    if may is None or id_ in may
                }
        gave_away = {approver.by for approver in stage.approvers if approver.by}
        return {id_: person for id_, person in people.items() if id_ not in gave_away}

    def _list_takers(self, stage: approval_Stage, approver: approval_Approver) -> set[str] | None:
        """Who may take the place that this approver took; None where an earlier release did not keep it."""
        if approver.among is None:
            return None
        takers = rules.takers(stage, approver.among)
        return {id_ for taker in takers for id_ in self._list_meant(stage, taker)}

    def _list_meant(self, stage: approval_Stage, approver: approval_Approver) -> dict[str, Reached]:
        people: dict[str, Reached] = {}
        for who in approver.who:
            people |= self.named.get(who, {})
            people |= {
                id_: person
                for id_, (person, since) in self.members.get(who, {}).items()
                if self._admits(stage, approver, id_, since)
            }
        return people

    def _admits(
        self, stage: approval_Stage, approver: approval_Approver, id_: str, since: datetime
    ) -> bool:
        if stage.pinned is None and self.by is None:
            return True
        # In time is also who will have been in it long enough a moment before.
        moment = (self.by or since) - timedelta(microseconds=1)
        return rules.is_counted(stage, approver, id_, since, moment)


def _reached(row: PersonRow) -> Reached | None:
    if not permissions.is_member(row) or not row.slack_id:
        return None
    return Reached(
        row.id,
        row.slack_id,
        row.name,
        row.tz,
        row.country,
        row.away_until,
        row.status_away_until,
        row.status_times,
    )


# --- Being away
#
# for dated days somebody else may decide in one's place, in one's name, never before and never
# after.

AbsenceRecord = activity.AbsenceRow
"""An absence with names, unescaped."""
NO_ABSENCE = "There is no such absence of yours any more."
OVERLAPS = (
    "You have named somebody for some of these days. End that absence first, or choose others."
)
LONGEST = timedelta(days=180)
_MOMENT = timedelta(microseconds=1)


class Away(BaseModel):
    """Somebody names who decides for them, by Slack id, from one day through another."""

    model_config = ConfigDict(frozen=True)

    stand_in: str
    since: date
    until: date


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who is away now, in whose place the reader may decide."""

    name: str
    standing: Standing


def record_absence(ctx: Context, form: Away) -> int:
    """Let somebody decide in this person's place for these days, in this person's zone; the absence's id.

    It never reaches back, and no chain of absences may lead back to who is away. Raises GovernanceError.
    """
    permissions.require_member(ctx.actor, "absence.plan", subject=("person", ctx.actor.id))
    zone = ZoneInfo(ctx.actor.tz) if ctx.actor.tz else ctx.policy.organisation.zone
    today = ctx.now.astimezone(zone).date()
    faults = {}
    if form.since < today:
        faults["since"] = "An absence can't begin before today: nobody decides for you in the past."
    if not form.since <= form.until <= form.since + LONGEST:
        faults["until"] = "Choose a last day after the first, within half a year."
    stand_in = find_by_slack_id(ctx, form.stand_in)
    if stand_in is None or stand_in.id == ctx.actor.id:
        faults["stand_in"] = "Choose somebody else of this organisation, no guest and no bot."
    if faults or stand_in is None:
        raise InvalidInputs(faults)
    # Before absences are read, so that of two that name each other at one moment the second sees the first.
    activity.lock_people(ctx.session, sorted([ctx.actor.id, stand_in.id]))
    since = max(ctx.now, local_instant(form.since, time(0), zone))
    until = local_instant(form.until + timedelta(days=1), time(0), zone)
    overlapping = activity.list_absences(ctx.session, since=since, until=until)
    stand_ins = dict(overlapping)
    if ctx.actor.id in stand_ins:
        raise InvalidInput(OVERLAPS, field="since", hint="absences.overlapping")
    # Followed to its end, since a chain of absences that came back here would let nobody decide.
    at: str | None = stand_in.id
    while at is not None and at != ctx.actor.id:
        at = stand_ins.pop(at, None)
    if at == ctx.actor.id:
        raise InvalidInput(
            f"{stand_in.name} is away in those days too, and their place comes back to you. Choose somebody else.",
            field="stand_in",
        )
    absence_id = activity.insert_absence(
        ctx.session,
        person_id=ctx.actor.id,
        stand_in_id=stand_in.id,
        since=since,
        until=until,
        created_at=ctx.now,
        ended_at=None,
    )
    activity.set_away_until(ctx.session, ctx.actor.id, stand_in.id)
    audit.record(
        ctx,
        "absence.planned",
        ("person", ctx.actor.id),
        absence=absence_id,
        stand_in=stand_in.id,
        since=since.isoformat(timespec="microseconds"),
        until=until.isoformat(timespec="microseconds"),
    )
    outbox.refresh(ctx, away_offer(ctx.actor.id))
    resting.recheck_all(ctx.session, at=ctx.now)
    outbox.post(
        ctx.session,
        AbsenceTold(absence_id),
        to=Destination.person(ctx.org, stand_in.slack_id),
        dedupe_key=f"absence:{absence_id}",
        now=ctx.now,
        subject=Subject.of("absence", absence_id),
    )
    return absence_id


def away_offer(person_id: str) -> Subject:
    """What the offer to name a stand-in is a view of: this person's being away."""
    return Subject.of("away", person_id)


def offer_stand_ins(ctx: Context, asked: Mapping[str, Reached], *, expires_at: datetime) -> None:
    """Offer those whose Slack status says that they are away to name a stand-in, once for each such time.

    A status counts that covers more than a quarter of the time there is to decide. Nothing is delegated by itself.
    """
    for person in asked.values():
        until = person.status_away_until
        # Whoever is back within a quarter of the time has time enough to decide themselves.
        if until is None or min(until, expires_at) - ctx.now <= (expires_at - ctx.now) / 4:
            continue
        if person.away_until is not None and person.away_until > ctx.now:
            continue
        rollout.message_unasked(
            ctx,
            person.id,
            AwayOffered(person.id),
            to=Destination.person(ctx.org, person.slack_id),
            dedupe_key=f"away-offer:{person.id}:{person.status_times}",
            subject=away_offer(person.id),
            expires_at=expires_at,
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """How somebody stands whose status says that they are away."""

    until: datetime | None
    """The end of what their status says; none once it says so no more."""
    is_planned: bool
    """Whether somebody decides for them now."""


def find_offer(session: Session, person_id: str, *, now: datetime) -> Offer | None:
    """How an offer stands; None for somebody who is nobody any more."""
    rows = approval_queries.list_standing(session, person_id)
    if not rows:
        return None
    row = rows[0]
    until = row.status_away_until
    return Offer(
        until if until is not None and until > now else None,
        row.away_until is not None and row.away_until > now,
    )


def end_absence(ctx: Context, absence_id: int) -> AbsenceRecord:
    """Nobody decides in this person's place any more. Raises NotFound for who is not that person."""
    absence = activity.find_absence(ctx.session, absence_id)
    if absence is None or absence.person_id != ctx.actor.id:
        raise NotFound(NO_ABSENCE, hint="absences.own")
    if absence.ended_at is not None or absence.until <= ctx.now:
        raise GovernanceError("This absence is over already.")
    activity.end_absence(ctx.session, absence_id, now=ctx.now)
    activity.set_away_until(ctx.session, ctx.actor.id, absence.stand_in_id)
    audit.record(ctx, "absence.ended", ("person", ctx.actor.id), absence=absence_id)
    outbox.refresh(ctx, Subject.of("absence", absence_id))
    outbox.refresh(ctx, away_offer(ctx.actor.id))
    resting.recheck_all(ctx.session, at=ctx.now)
    return absence


def find_absence(session: Session, absence_id: int) -> AbsenceRecord | None:
    """An absence as it stands; None where there is none of this id."""
    return activity.find_absence(session, absence_id)


def list_absences(session: Session, person_id: str, *, now: datetime) -> list[AbsenceRecord]:
    """A person's own absences that are not over, the next one first."""
    return activity.list_absences_of(session, person_id, now=now)


def list_principals(
    ctx: Context, rows: Sequence[StandingRow], person_id: str
) -> tuple[Principal, ...]:
    """Who is away now and has this person in their place, through others who are away too; nearly always nobody.

    `rows` are the person's own rows of `list_standing`: they tell whether there is anything to look for.
    """
    until = rows[0].stands_in_until if rows else None
    if until is None or until <= ctx.now:
        return ()
    by_stand_in: dict[str, list[str]] = {}
    for absent_id, stand_in_id in activity.list_absences(
        ctx.session, since=ctx.now, until=ctx.now + _MOMENT
    ):
        by_stand_in.setdefault(stand_in_id, []).append(absent_id)
    absent: list[str] = []
    waiting = [person_id]
    while waiting:
        for absent_id in by_stand_in.pop(waiting.pop(), ()):
            if absent_id not in absent and absent_id != person_id:
                absent.append(absent_id)
                waiting.append(absent_id)
    theirs = [approval_queries.list_standing(ctx.session, absent_id) for absent_id in absent]
    return tuple(Principal(each[0].name, build_standing(each)) for each in theirs if each)


def add_stand_ins(ctx: Context, asked: Mapping[str, Reached]) -> dict[str, Reached]:
    """Those who are asked, and who stands in for those of them who are away; nothing is read while nobody is."""
    with_them = dict(asked)
    if not any(person.away_until and person.away_until > ctx.now for person in asked.values()):
        return with_them
    stand_ins = dict(activity.list_absences(ctx.session, since=ctx.now, until=ctx.now + _MOMENT))
    for person_id in asked:
        seen = {person_id}
        at = stand_ins.get(person_id)
        while at is not None and at not in seen:
            seen.add(at)
            if (stand_in := find_person(ctx.session, at)) is not None:
                with_them.setdefault(at, stand_in)
            at = stand_ins.get(at)
    return with_them


# --- How somebody stands to a request
#
# why they are asked, what they did, what they may do.

_BY_WORD = {
    "subject.sponsor": "you sponsor this project",
    "subject.manager": "you manage this project",
    "subject.developer": "you developed this",
    "subject.validator": "you validated this",
    MANAGER: "the person who asks reports to you",
}


def describe_reader(
    head: CardRow,
    bound: Bound,
    stage: Stage,
    lines: Sequence[Line],
    voters: Sequence[tuple[int, ...]],
    standing: Standing | None,
    now: datetime,
    handovers: Sequence[Handover],
    away: Sequence[Principal],
    givers: Standings,
    used: Collection[str],
    may_break_glass: bool,
) -> Reader | None:
    """How the reader stands to a request; `givers` gave their places in the stage away, `used` are those decided with."""
    if standing is None:
        return None
    entitled = entitlement(stage.approvers, standing)
    admitted = admission(stage, standing, now, givers)
    apart = bound.apart.get(standing.person_id, "")
    why, is_done = "", False
    if (
        isinstance(admitted, Entitlement)
        and standing.is_member
        and not apart
        and _is_free(admitted, used, bound)
    ):
        with_theirs = [*voters, admitted.parties]
        is_done = given(stage, with_theirs) == given(stage, voters)
        why = (
            ""
            if is_done
            else _describe_entitlement(
                admitted, head.subject_type, _find_giver(handovers, standing.person_id, head.stage)
            )
        )
    stands_in_for = ""
    gave = any(one.by == standing.person_id for one in stage.approvers)
    if admitted is None and not gave and not apart and stage.delegate and standing.is_member:
        stands_in_for = _stands_in_for(head, bound, stage, lines, away, givers, used, now)
        why = f"you stand in for {stands_in_for}, who is away" if stands_in_for else why
    group = entitled.group if entitled is not None else None
    return Reader(
        standing.person_id,
        why,
        next((line for line in lines if line.person.id == standing.person_id), None),
        standing.person_id == head.requester_id,
        apart,
        group.name if group is not None else None,
        group.since + stage.member_since
        if group is not None
        and group.since is not None
        and stage.member_since is not None
        and admitted is Refusal.TOO_NEW
        else None,
        is_done,
        stands_in_for=stands_in_for,
        may_break_glass=may_break_glass,
        handed_to=next(
            (
                one.taker.name
                for one in handovers
                if one.holder.id == standing.person_id and one.position == head.stage
            ),
            "",
        ),
    )


def _is_free(entitled: Entitlement, used: Collection[str], bound: Bound) -> bool:
    """Whether nobody has decided with this place in the stage, and who had it may decide."""
    return entitled.place not in used and entitled.place not in bound.apart


def _stands_in_for(
    head: CardRow,
    bound: Bound,
    stage: Stage,
    lines: Sequence[Line],
    away: Sequence[Principal],
    givers: Standings,
    used: Collection[str],
    now: datetime,
) -> str:
    decided = {line.person.id for line in lines} | {head.requester_id}
    return next(
        (
            one.name
            for one in away
            if one.standing.person_id not in decided
            and one.standing.person_id not in bound.apart
            and isinstance(place := admission(stage, one.standing, now, givers), Entitlement)
            and _is_free(place, used, bound)
        ),
        "",
    )


def _find_giver(handovers: Sequence[Handover], person_id: str, position: int) -> str:
    return next(
        (
            one.holder.name
            for one in handovers
            if one.taker.id == person_id and one.position == position
        ),
        "somebody",
    )


def _describe_entitlement(entitled: Entitlement, subject_type: str, giver: str) -> str:
    if entitled.rule == HANDED_OVER:
        return f"{giver} handed this over to you"
    if entitled.rule.startswith(ONCALL) and entitled.group is not None:
        return f"you are on call in {entitled.group.name}"
    if entitled.group is not None:
        return f"you are in {entitled.group.name}"
    if entitled.rule == "subject.owner":
        return f"you own this {subject_type}"
    if entitled.rule.startswith(ROLE):
        return f"you hold the role {entitled.rule.removeprefix(ROLE)}"
    return _BY_WORD.get(entitled.rule, "the policy names you")
