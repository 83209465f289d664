"""What a check-in found, told only where nobody's answers can be worked out from it.

A result of a closed cycle is fixed and kept as it was told. While the cycle is open a leader can ask for an early one:
it counts people in steps of the minimum group, and what it counted of somebody stays the same in later early results.
Every figure goes through `workflows.disclosure`: it is told when, with all that was told of the dimension before (in
this cycle and as the result of earlier ones), nothing about fewer people follows. Otherwise what was told stays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from storage.enums import Answer, AskedAs, CycleState, InvitationState, Level
from storage.maturity import answers as said
from storage.maturity import queries
from storage.maturity.tables import MaturityCounted, MaturityCycle, MaturityEarly
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.disclosure import rules as control
from workflows.disclosure import service as disclosure
from workflows.disclosure.rules import TellableGroups
from workflows.errors import InvalidInput, NotFound
from workflows.maturity import history, invitees, reading, rules
from workflows.maturity.history import Group
from workflows.maturity.records import CycleResult, DimensionResult
from workflows.maturity.rubric import Dimension, Rubric
from workflows.policy import Policy

_JSON = TypeAdapter(CycleResult)


def as_json(result: CycleResult) -> dict[str, Any]:
    """A result as it is kept."""
    stored: dict[str, Any] = _JSON.dump_python(result, mode="json")
    return stored


def from_json(kept: dict[str, Any]) -> CycleResult:
    """A result that was kept. What an earlier release told more exactly than is told now is not shown again."""
    result = _JSON.validate_python(kept)
    return replace(
        result,
        answered=control.at_least(result.answered, result.invited, fewest=result.fewest),
        dimensions=tuple(
            replace(one, agreement=control.agreement(one.agreement))
            if one.agreement is not None
            else one
            for one in result.dimensions
        ),
    )


# --- reading


def find_latest(
    session: Session, *, policy: Policy, now: datetime, business_unit: str | None = None
) -> CycleResult | None:
    """The newest result of the organisation, or of a unit; None before the first check-in was closed."""
    cycle = queries.find_last_closed(session, business_unit)
    return None if cycle is None else find_of_cycle(session, cycle.id)


def find_of_cycle(session: Session, cycle_id: int) -> CycleResult | None:
    """The result of a closed cycle."""
    cycle = queries.find_cycle(session, cycle_id)
    if cycle is None or cycle.result is None:
        return None
    return from_json(cycle.result)


# --- making


def compute_final(
    session: Session, cycle: MaturityCycle, *, policy: Policy, now: datetime
) -> CycleResult:
    """The result of a cycle that is being closed; whoever has left is marked already."""
    asked = reading.load_rubric(session, cycle)
    fewest = reading.terms(cycle, policy).minimum_group
    people, groups = _contributions(session, cycle, asked)
    who = history.list_persons(session, cycle.id)
    pasts = history.load_pasts(session, cycle.id, asked, who)
    before = _before(session, cycle, policy)
    earlier = history.load_earlier(session, cycle, fewest)
    dimensions, held_back, as_before = [], False, False
    for dimension in asked.dimensions:
        group, past = groups[dimension.key], pasts[dimension.key]
        counts = history.atoms(group, who)
        if past.last is not None and (
            len(group) < fewest or not control.may_tell(past.told, counts, fewest=fewest)
        ):
            held_back = True
            dimensions.append(past.last)
            continue
        repeated = history.find_repeated(earlier.get(dimension.key, ()), past, counts, fewest)
        if repeated is not None:
            # Nearly everybody says what they said then, so the difference would tell of the few who don't.
            as_before = True
            dimensions.append(_repeat_dimension(dimension, past.last or repeated, before))
            continue
        allowed = (
            TellableGroups(total=len(group) >= fewest)
            if past.entries
            else history.narrow(
                control.choose_groups({str(i): people[i] for i in group}, fewest=fewest),
                group,
                people,
                who,
                earlier.get(dimension.key, ()),
                fewest,
            )
        )
        figures = _dimension(dimension, group, people, allowed, before)
        dimensions.append(figures)
        if allowed.total:
            history.keep_figure(session, cycle.id, past, figures, group, disclosure.ASKED, now)
            for name, members in history.groups_beside(allowed, group, people).items():
                disclosure.record_told(
                    session,
                    history.scope(cycle.id),
                    f"{dimension.key}:{name}",
                    after=(),
                    audience=disclosure.ASKED,
                    members=members,
                    figures={},
                    now=now,
                )
    return _result(
        session,
        cycle,
        dimensions,
        before,
        policy,
        now,
        fewest,
        held_back=held_back,
        as_before=as_before,
    )


def tell_early(
    session: Session, actor: Actor, cycle_id: int, *, policy: Policy, org_key: str, now: datetime
) -> CycleResult:
    """What an open cycle would find by now, for a leader. Raises NotAllowed, NotFound, InvalidInput when it is too early.

    The same as before until enough people have answered since. A dimension that counted somebody who was erased stays
    as it was told until the cycle is closed.
    """
    invitees.require_leader(session, actor, "maturity.early", policy=policy, org_key=org_key)
    cycle = queries.lock_cycle(session, cycle_id)
    if cycle is None or cycle.state != CycleState.OPEN:
        raise NotFound("This check-in is closed.", hint="maturity.result")
    asked = reading.load_rubric(session, cycle)
    fewest = reading.terms(cycle, policy).minimum_group
    people, groups = _contributions(session, cycle, asked)
    who = history.list_persons(session, cycle.id)
    pasts = history.load_pasts(session, cycle.id, asked, who)
    earlier = history.load_earlier(session, cycle, fewest)
    before = _before(session, cycle, policy)
    issued = said.list_early(session, cycle.id)
    seq = len(issued) + 1
    dimensions, grew = [], False
    for dimension in asked.dimensions:
        past, here = pasts[dimension.key], groups[dimension.key]
        new = control.step(past.members, here, fewest=fewest)
        group = past.counted | {i: here[i] for i in new}
        counts = history.atoms(group, who)
        if (
            not new
            or past.members - past.counted.keys()
            or not control.may_tell(past.told, counts, fewest=fewest)
            or history.find_repeated(earlier.get(dimension.key, ()), past, counts, fewest)
        ):
            dimensions.append(
                past.last or _dimension(dimension, {}, people, TellableGroups(False), before)
            )
            continue
        grew = True
        session.add_all(
            MaturityCounted(
                invitation_id=i,
                dimension=dimension.key,
                answers={one: answer.value for one, answer in here[i].items()},
                seq=seq,
            )
            for i in sorted(new)
        )
        everybody = people | {
            i: part for i, part in _asked_as(session, cycle_id).items() if i in group
        }
        figures = _dimension(dimension, group, everybody, TellableGroups(total=True), before)
        dimensions.append(figures)
        history.keep_figure(session, cycle.id, past, figures, new, disclosure.LEADERS, now)
    if not grew:
        if issued:
            return from_json(issued[-1].result)
        raise InvalidInput(
            f"Nothing can be told yet: it takes {fewest} people who answered a whole dimension."
        )
    result = _result(session, cycle, dimensions, before, policy, now, fewest, is_early=True)
    session.add(MaturityEarly(cycle_id=cycle.id, seq=seq, result=as_json(result), made_at=now))
    session.flush()
    audit.record(
        session,
        actor,
        "maturity.told_early",
        ("maturity_cycle", cycle.id),
        now=now,
        seq=seq,
        answered=result.answered,
    )
    return result


def _repeat_dimension(
    dimension: Dimension, kept: DimensionResult, before: CycleResult | None
) -> DimensionResult:
    """What was told before, once more; its parts and units belong to that time."""
    return replace(
        kept,
        name=dimension.name,
        leaders=None,
        practitioners=None,
        units={},
        before=_level_before(dimension, before),
    )


def _asked_as(session: Session, cycle_id: int) -> dict[int, tuple[AskedAs, str | None]]:
    """Everybody who was asked, also who has left."""
    return {
        invitation.id: (AskedAs(invitation.asked_as), invitation.business_unit)
        for invitation, _ in queries.list_with_people(session, cycle_id)
    }


def _contributions(
    session: Session, cycle: MaturityCycle, asked: Rubric
) -> tuple[dict[int, tuple[AskedAs, str | None]], dict[str, dict[int, dict[str, Answer]]]]:
    """Who may count, and by dimension the answers of those who answered all of it. Who has left counts nowhere."""
    people: dict[int, tuple[AskedAs, str | None]] = {}
    for invitation, person in queries.list_with_people(session, cycle.id):
        if invitation.state != InvitationState.LEFT and person.is_member:
            people[invitation.id] = (AskedAs(invitation.asked_as), invitation.business_unit)
    answers_of = history.load_answers(session, cycle.id, people)
    groups: dict[str, dict[int, dict[str, Answer]]] = {
        dimension.key: {
            i: {one.id: answers[one.id] for one in dimension.statements}
            for i, answers in answers_of.items()
            if all(one.id in answers for one in dimension.statements)
        }
        for dimension in asked.dimensions
    }
    return people, groups


def _before(session: Session, cycle: MaturityCycle, policy: Policy) -> CycleResult | None:
    last = queries.find_last_closed(session, cycle.business_unit, before=cycle.id)
    return None if last is None or last.result is None else from_json(last.result)


def _level_before(dimension: Dimension, before: CycleResult | None) -> Level | None:
    return next(
        (one.level for one in (before.dimensions if before else ()) if one.key == dimension.key),
        None,
    )


def _dimension(
    dimension: Dimension,
    group: Group,
    people: Mapping[int, tuple[AskedAs, str | None]],
    allowed: TellableGroups,
    before: CycleResult | None,
) -> DimensionResult:
    last = _level_before(dimension, before)
    if not allowed.total:
        return DimensionResult(dimension.key, dimension.name, before=last)
    score = rules.score(dimension, list(group.values()))
    words = {one.id: one.text for one in dimension.statements}

    def level_of(members: Iterable[int]) -> Level:
        return rules.score(dimension, [group[i] for i in members]).level

    by_part = {
        part: level_of(i for i in group if people[i][0] is part)
        for part in (AskedAs if allowed.parts else ())
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
            words[id_] for id_ in rules.missing(dimension, score.level, Level.HIGH, score.held)
        ),
        leaders=by_part.get(AskedAs.LEADER),
        practitioners=by_part.get(AskedAs.PRACTITIONER),
        before=last,
        units={unit: level_of(i for i in group if people[i][1] == unit) for unit in allowed.units},
    )


def _result(
    session: Session,
    cycle: MaturityCycle,
    dimensions: list[DimensionResult],
    before: CycleResult | None,
    policy: Policy,
    now: datetime,
    fewest: int,
    *,
    is_early: bool = False,
    held_back: bool = False,
    as_before: bool = False,
) -> CycleResult:
    levels = [one.level for one in dimensions if one.level is not None]
    invited, count = history.count_answered(
        session,
        cycle,
        fewest=fewest,
        audience=disclosure.LEADERS if is_early else disclosure.ASKED,
        now=now,
    )
    return CycleResult(
        cycle_id=cycle.id,
        label=reading.label(cycle, policy),
        business_unit=cycle.business_unit,
        as_of=now,
        is_early=is_early,
        invited=invited,
        answered=count,
        fewest=fewest,
        dimensions=tuple(dimensions),
        overall=rules.overall(levels) if len(levels) == len(dimensions) else None,
        median=rules.median(levels) if levels else None,
        before=before.overall if before else None,
        before_label=before.label if before else None,
        held_back=held_back,
        as_before=as_before,
    )
