"""What a check-in found, told only where nobody's answers can be worked out from it.

A result of a closed cycle is fixed and kept as it was told. While the cycle is open a leader can ask for an early one:
it counts people in steps of the minimum group, and what it counted of somebody stays the same in later early results,
so that two of them differ by a whole step and never by one person. After an early result the final one tells no parts
and no units, and counts what came or changed since only when it came from enough people.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from storage.enums import Answer, AskedAs, CycleState, InvitationState, Level
from storage.maturity import answers as said
from storage.maturity import queries
from storage.maturity.tables import (
    MaturityCounted,
    MaturityCycle,
    MaturityEarly,
    MaturityInvitation,
)
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.errors import InvalidInput, NotFound
from workflows.maturity import disclosure, invitees, reading, rules
from workflows.maturity.disclosure import Told
from workflows.maturity.records import CycleResult, DimensionResult
from workflows.maturity.rubric import Dimension, Rubric
from workflows.policy import Policy

_JSON = TypeAdapter(CycleResult)

Group = Mapping[int, Mapping[str, Answer]]
"""Answers to every statement of one dimension, by invitation."""


def as_json(result: CycleResult) -> dict[str, Any]:
    """A result as it is kept."""
    made: dict[str, Any] = _JSON.dump_python(result, mode="json")
    return made


def from_json(kept: dict[str, Any]) -> CycleResult:
    """A result that was kept."""
    return _JSON.validate_python(kept)


# --- reading


def latest(
    session: Session, *, policy: Policy, now: datetime, business_unit: str | None = None
) -> CycleResult | None:
    """The newest result of the organisation, or of a unit; None before the first check-in was closed."""
    cycle = queries.last_closed(session, business_unit)
    return None if cycle is None else of_cycle(session, cycle.id)


def of_cycle(session: Session, cycle_id: int) -> CycleResult | None:
    """The result of a closed cycle."""
    cycle = queries.find_cycle(session, cycle_id)
    if cycle is None or cycle.result is None:
        return None
    return from_json(cycle.result)


# --- making


def final(
    session: Session, cycle: MaturityCycle, *, policy: Policy, now: datetime
) -> CycleResult:
    """The result of a cycle that is being closed; whoever has left is marked already."""
    asked = reading.rubric_of(session, cycle)
    fewest = reading.terms(cycle, policy).minimum_group
    people, groups = _contributions(session, cycle, asked)
    early = said.list_early(session, cycle.id)
    last = from_json(early[-1].result) if early else None
    counted = _counted(session, cycle.id)
    before = _before(session, cycle, policy)
    made, held_back = [], False
    for dimension in asked.dimensions:
        group, old = groups[dimension.key], counted.get(dimension.key, {})
        if last is None:
            told = disclosure.tell({str(i): people[i] for i in group}, fewest=fewest)
        else:
            told = Told(total=len(group) >= fewest)
            kept = next(one for one in last.dimensions if one.key == dimension.key)
            changed = sum(group.get(i) != old.get(i) for i in {*group, *old})
            erased = max(0, kept.people - len(old))
            if kept.level and not disclosure.may_follow(
                changed + erased, fewest=fewest
            ):
                held_back = True
                made.append(kept)
                continue
        made.append(_dimension(dimension, group, people, told, before))
    return _result(
        session, cycle, made, before, policy, now, fewest, held_back=held_back
    )


def early(
    session: Session,
    actor: Actor,
    cycle_id: int,
    *,
    policy: Policy,
    org_key: str,
    now: datetime,
) -> CycleResult:
    """What an open cycle would find by now, for a leader. Raises NotAllowed, NotFound, InvalidInput when it is too early.

    The same as before until enough people have answered since.
    """
    invitees.require_leader(
        session, actor, "maturity.early", policy=policy, org_key=org_key
    )
    cycle = queries.lock_cycle(session, cycle_id)
    if cycle is None or cycle.state != CycleState.OPEN:
        raise NotFound("This check-in is closed. `/mlgov maturity` shows its result.")
    asked = reading.rubric_of(session, cycle)
    fewest = reading.terms(cycle, policy).minimum_group
    people, groups = _contributions(session, cycle, asked)
    counted = _counted(session, cycle.id)
    past = said.list_early(session, cycle.id)
    seq = len(past) + 1
    grew = False
    for dimension in asked.dimensions:
        old = counted.setdefault(dimension.key, {})
        here = groups[dimension.key]
        new = {i: here[i] for i in disclosure.step(old, here, fewest=fewest)}
        if not new:
            continue
        grew = True
        old.update(new)
        session.add_all(
            MaturityCounted(
                invitation_id=i,
                dimension=dimension.key,
                answers={statement: answer.value for statement, answer in said.items()},
                seq=seq,
            )
            for i, said in new.items()
        )
    if not grew:
        if past:
            return from_json(past[-1].result)
        raise InvalidInput(
            f"Nothing can be told yet: it takes {fewest} people who answered a whole dimension."
        )
    before = _before(session, cycle, policy)
    made = [
        _dimension(
            dimension,
            counted[dimension.key],
            people,
            Told(total=len(counted[dimension.key]) >= fewest),
            before,
        )
        for dimension in asked.dimensions
    ]
    found = _result(session, cycle, made, before, policy, now, fewest, is_early=True)
    session.add(
        MaturityEarly(cycle_id=cycle.id, seq=seq, result=as_json(found), made_at=now)
    )
    session.flush()
    audit.record(
        session,
        actor,
        "maturity.told_early",
        ("maturity_cycle", cycle.id),
        now=now,
        seq=seq,
        answered=found.answered,
    )
    return found


def _contributions(
    session: Session, cycle: MaturityCycle, asked: Rubric
) -> tuple[
    dict[int, tuple[AskedAs, str | None]], dict[str, dict[int, dict[str, Answer]]]
]:
    """Who may count, and by dimension the answers of those who answered all of it. Who has left counts nowhere."""
    people: dict[int, tuple[AskedAs, str | None]] = {}
    for invitation, person in queries.list_with_people(session, cycle.id):
        if invitation.state != InvitationState.LEFT and invitees.is_here(person):
            people[invitation.id] = (
                AskedAs(invitation.asked_as),
                invitation.business_unit,
            )
    answers_of: dict[int, dict[str, Answer]] = {}
    for i, statement, answer in said.list_cycle_answers(session, cycle.id):
        if i in people:
            answers_of.setdefault(i, {})[statement] = Answer(answer)
    groups: dict[str, dict[int, dict[str, Answer]]] = {
        dimension.key: {
            i: {one.id: answers[one.id] for one in dimension.statements}
            for i, answers in answers_of.items()
            if all(one.id in answers for one in dimension.statements)
        }
        for dimension in asked.dimensions
    }
    return people, groups


def _counted(
    session: Session, cycle_id: int
) -> dict[str, dict[int, dict[str, Answer]]]:
    found: dict[str, dict[int, dict[str, Answer]]] = {}
    for i, dimension, answers, _ in said.list_counted(session, cycle_id):
        found.setdefault(dimension, {})[i] = {
            statement: Answer(answer) for statement, answer in answers.items()
        }
    return found


def _before(
    session: Session, cycle: MaturityCycle, policy: Policy
) -> CycleResult | None:
    last = queries.last_closed(session, cycle.business_unit, before=cycle.id)
    return None if last is None or last.result is None else from_json(last.result)


def _dimension(
    dimension: Dimension,
    group: Group,
    people: Mapping[int, tuple[AskedAs, str | None]],
    told: Told,
    before: CycleResult | None,
) -> DimensionResult:
    last = next(
        (
            one.level
            for one in (before.dimensions if before else ())
            if one.key == dimension.key
        ),
        None,
    )
    if not told.total:
        return DimensionResult(dimension.key, dimension.name, before=last)
    score = rules.score(dimension, list(group.values()))
    words = {one.id: one.text for one in dimension.statements}

    def level_of(members: Iterable[int]) -> Level:
        return rules.score(dimension, [group[i] for i in members]).level

    by_part = {
        part: level_of(i for i in group if people[i][0] is part)
        for part in (AskedAs if told.parts else ())
    }
    return DimensionResult(
        key=dimension.key,
        name=dimension.name,
        level=score.level,
        people=score.people,
        agreement=score.agreement,
        differs=words[score.differs] if score.differs else None,
        toward=rules.toward(dimension, score.level, score.held),
        missing=tuple(
            words[id_]
            for id_ in rules.missing(dimension, score.level, Level.HIGH, score.held)
        ),
        leaders=by_part.get(AskedAs.LEADER),
        practitioners=by_part.get(AskedAs.PRACTITIONER),
        before=last,
        units={
            unit: level_of(i for i in group if people[i][1] == unit)
            for unit in told.units
        },
    )


def _result(
    session: Session,
    cycle: MaturityCycle,
    made: list[DimensionResult],
    before: CycleResult | None,
    policy: Policy,
    now: datetime,
    fewest: int,
    *,
    is_early: bool = False,
    held_back: bool = False,
) -> CycleResult:
    levels = [one.level for one in made if one.level is not None]
    here: list[MaturityInvitation] = [
        invitation
        for invitation, person in queries.list_with_people(session, cycle.id)
        if invitation.state != InvitationState.LEFT and invitees.is_here(person)
    ]
    return CycleResult(
        cycle_id=cycle.id,
        label=reading.label(cycle, policy),
        business_unit=cycle.business_unit,
        as_of=now,
        is_early=is_early,
        invited=len(here),
        answered=sum(one.state == InvitationState.FINISHED for one in here),
        fewest=fewest,
        dimensions=tuple(made),
        overall=rules.overall(levels) if len(levels) == len(made) else None,
        median=rules.median(levels) if levels else None,
        before=before.overall if before else None,
        before_label=before.label if before else None,
        held_back=held_back,
    )
