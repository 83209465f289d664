"""What a check-in found, told only where nobody's answers can be worked out from it.

A result of a closed cycle is fixed and kept as it was told. While the cycle is open a leader can ask for an early one:
it counts people in steps of the minimum group, and what it counted of somebody stays the same in later early results.
Every figure goes through `workflows.disclosure`: it is told when, with all that was told of the dimension before (in
this cycle and as the result of earlier ones), nothing about fewer people follows. Otherwise what was told stays.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from storage.enums import Answer, AskedAs, CycleState, InvitationState, Level
from storage.maturity import queries
from storage.maturity import queries as said
from storage.maturity.tables import MaturityCounted, MaturityCycle, MaturityEarly
from workflows.anonymity import rules as control
from workflows.anonymity import service as disclosure
from workflows.anonymity.rules import TellableGroups
from workflows.audit import service as audit
from workflows.context import Context
from workflows.errors import InvalidInput, NotFound
from workflows.maturity import check_ins, invitations, rules
from workflows.maturity.records import CycleResult, DimensionResult
from workflows.maturity.rules import Dimension, Rubric

# --- What was told of a check-in before, and whether the next figure may follow it
#
# the ledger of disclosures by dimension.

_DIMENSION = TypeAdapter(DimensionResult)

Group = Mapping[int, Mapping[str, Answer]]
"""Answers to every statement of one dimension, by invitation."""
ANSWERED = "answered"
"""The part of a cycle's disclosures that counts who answered everything."""
EARLIER = 8
"""Results of earlier check-ins with which a new one is compared."""
TOGETHER = 12
"""Figures of two check-ins that are looked through together; where there are more, each is compared by itself."""


def scope(cycle_id: int) -> str:
    """Under which name the ledger of disclosures keeps what was told of a cycle."""
    return f"maturity_cycle:{cycle_id}"


@dataclass(frozen=True, slots=True)
class ToldBefore:
    """What was told of one dimension in this cycle: each figure, what it counted of whom, and how it stands."""

    entries: list[disclosure.Entry]
    told: list[control.Group]
    counted: dict[int, dict[str, Answer]]
    """What early results counted, by invitation; who was erased is not in it any more."""

    @property
    def members(self) -> set[int]:
        """Everybody who was counted, also who was erased since."""
        return {one for entry in self.entries for one in entry.members}

    @property
    def last(self) -> DimensionResult | None:
        """As it was told last."""
        if not self.entries:
            return None
        return _DIMENSION.validate_python(dict(self.entries[-1].figures))


def load_pasts(
    session: Session, cycle_id: int, asked: Rubric, who: Mapping[int, str]
) -> dict[str, ToldBefore]:
    """What was told of each dimension while the cycle was open. Answers of who was erased are a piece of their own."""
    parts = disclosure.list_told(session, scope(cycle_id))
    counted = load_counted(session, cycle_id)
    pasts: dict[str, ToldBefore] = {}
    for dimension in asked.dimensions:
        entries = parts.get(dimension.key, [])
        known = counted.get(dimension.key, {})
        counts, so_far = [], set[int]()
        for entry in entries:
            so_far |= set(entry.members)
            gone: dict[int, dict[str, Answer]] = {i: {} for i in so_far if i not in known}
            counts.append(atoms(gone | {i: known[i] for i in so_far & known.keys()}, who))
        pasts[dimension.key] = ToldBefore(entries, counts, known)
    return pasts


@dataclass(frozen=True, slots=True)
class EarlierFigure:
    """What an earlier check-in told of a dimension in the end: whom it counted, and the parts and units beside it."""

    counts: control.Group
    figures: DimensionResult
    beside: dict[str, control.Group]


def load_earlier(
    session: Session, cycle: MaturityCycle, fewest: int
) -> dict[str, list[EarlierFigure]]:
    """What earlier check-ins of the same scope counted and told in the end, by dimension, the newest first."""
    earlier_by_dimension: dict[str, list[EarlierFigure]] = {}
    for other in queries.list_closed_of(
        session, cycle.business_unit, before=cycle.id, most=EARLIER
    ):
        who = list_persons(session, other.id)
        asked = check_ins.load_rubric(session, other)
        answers = load_answers(session, other.id, who)
        counted = load_counted(session, other.id)
        parts = disclosure.list_told(session, scope(other.id))
        for dimension in asked.dimensions:
            entries = parts.get(dimension.key)
            if not entries:
                continue
            last = entries[-1]
            members = {one for entry in entries for one in entry.members}
            known: Group = counted.get(dimension.key, {})
            if last.audience == disclosure.ASKED:
                members = set(last.members)
                known = {
                    i: {
                        one.id: answers[i][one.id]
                        for one in dimension.statements
                        if one.id in answers[i]
                    }
                    for i in members & answers.keys()
                }
            counts = atoms({i: known.get(i, {}) for i in members}, who)
            if control.tells_of_few([counts], fewest=fewest):
                continue
            beside = {
                part.removeprefix(f"{dimension.key}:"): atoms(
                    {i: known.get(i, {}) for i in some[-1].members}, who
                )
                for part, some in parts.items()
                if part.startswith(f"{dimension.key}:")
            }
            figures = _DIMENSION.validate_python(dict(last.figures))
            earlier_by_dimension.setdefault(dimension.key, []).append(
                EarlierFigure(counts, figures, beside)
            )
    return earlier_by_dimension


def groups_beside(
    allowed: TellableGroups,
    group: Collection[int],
    people: Mapping[int, tuple[AskedAs, str | None]],
) -> dict[str, set[int]]:
    """The groups that are told beside a total, by name."""
    named: dict[str, set[int]] = {
        f"part:{part}": {i for i in group if people[i][0] is part}
        for part in (AskedAs if allowed.parts else ())
    }
    return named | {
        f"unit:{unit}": {i for i in group if people[i][1] == unit} for unit in allowed.units
    }


def narrow(
    allowed: TellableGroups,
    group: Group,
    people: Mapping[int, tuple[AskedAs, str | None]],
    who: Mapping[int, str],
    earlier: Collection[EarlierFigure],
    fewest: int,
) -> TellableGroups:
    """Without the parts and units from which something about a few would follow, with an earlier check-in's.

    Each is compared with the whole then and now and with itself then; and where they are few, all together.
    """
    named = {
        name: atoms({i: group[i] for i in members}, who)
        for name, members in groups_beside(allowed, group, people).items()
    }
    total = atoms(group, who)
    kept: dict[str, control.Group] = {}
    for name in sorted(
        named, key=lambda part_name: (part_name[:5] != "part:", -len(named[part_name]))
    ):
        if all(_may_stand_beside(past, total, kept, name, named[name], fewest) for past in earlier):
            kept[name] = named[name]
    return TellableGroups(
        allowed.total,
        allowed.parts and all(f"part:{part}" in kept for part in AskedAs),
        tuple(unit for unit in allowed.units if f"unit:{unit}" in kept),
    )


def _may_stand_beside(
    past: EarlierFigure,
    total: control.Group,
    kept: Mapping[str, control.Group],
    name: str,
    counts: control.Group,
    fewest: int,
) -> bool:
    then = [past.beside[name]] if name in past.beside else []
    if not control.may_tell([past.counts, *then, total], counts, fewest=fewest):
        return False
    together = [past.counts, *past.beside.values(), total, *kept.values(), counts]
    return len(together) > TOGETHER or not control.tells_of_few(together, fewest=fewest)


def find_repeated(
    earlier: Iterable[EarlierFigure], past: ToldBefore, counts: control.Group, fewest: int
) -> DimensionResult | None:
    """The earlier check-in's figure from which this one differs by too few people, as it was told then; None for none."""
    return next(
        (
            one.figures
            for one in earlier
            if len(counts) >= fewest
            and not control.may_tell([one.counts, *past.told], counts, fewest=fewest)
        ),
        None,
    )


def keep_figure(
    ctx: Context,
    cycle_id: int,
    past: ToldBefore,
    figures: DimensionResult,
    members: Collection[int],
    audience: str,
) -> None:
    """Keep a figure of one dimension as told; `members` are whom it counts first, or in the end everybody."""
    disclosure.record_told(
        ctx.session,
        scope(cycle_id),
        figures.key,
        after=past.entries,
        audience=audience,
        members=members,
        figures=_DIMENSION.dump_python(figures, mode="json"),
        now=ctx.now,
    )


def count_answered(
    ctx: Context, cycle: MaturityCycle, *, fewest: int, audience: str
) -> tuple[int, int]:
    """How many were asked, and how many of them at least have answered everything, as it may be told; it is kept.

    The cycle is locked where the count goes up.
    """
    invited = queries.list_with_people(ctx.session, cycle.id)
    finished = sum(one.state == InvitationState.FINISHED for one, _ in invited)

    def tellable() -> tuple[list[disclosure.Entry], int, int]:
        entries = disclosure.list_told(ctx.session, scope(cycle.id)).get(ANSWERED, [])
        before = int(entries[-1].figures["at_least"]) if entries else 0
        count = control.at_least(finished, len(invited), fewest=fewest, before=before)
        return entries, before, count

    entries, before, count = tellable()
    if count > before:
        queries.lock_cycle(ctx.session, cycle.id)
        entries, before, count = tellable()
    if count > before:
        disclosure.record_told(
            ctx.session,
            scope(cycle.id),
            ANSWERED,
            after=entries,
            audience=audience,
            members=(),
            figures={"at_least": count},
            now=ctx.now,
        )
    return len(invited), count


def list_persons(session: Session, cycle_id: int) -> dict[int, str]:
    """Whose invitation is which; opaque ids, which outlast an erasure."""
    return {
        invitation.id: invitation.person_id
        for invitation, _ in queries.list_with_people(session, cycle_id)
    }


def load_answers(
    session: Session, cycle_id: int, within: Collection[int]
) -> dict[int, dict[str, Answer]]:
    """What each of these invitations' people say about each statement, by invitation."""
    answers: dict[int, dict[str, Answer]] = {}
    for i, statement, answer in said.list_cycle_answers(session, cycle_id):
        if i in within:
            answers.setdefault(i, {})[statement] = Answer(answer)
    return answers


def atoms(group: Group, who: Mapping[int, str]) -> control.Group:
    """What a figure counts: somebody's answers are the same piece wherever they say the same.

    Who was erased before mlgov kept what it told has a number of their own in place of an invitation.
    """
    return {
        (who.get(i, str(i)), tuple(sorted(answers.items()))): (who.get(i, str(i)),)
        for i, answers in group.items()
    }


def load_counted(session: Session, cycle_id: int) -> dict[str, dict[int, dict[str, Answer]]]:
    """What early results of a cycle counted, by dimension and invitation."""
    counted: dict[str, dict[int, dict[str, Answer]]] = {}
    for i, dimension, answers, _ in said.list_counted(session, cycle_id):
        counted.setdefault(dimension, {})[i] = {
            statement: Answer(answer) for statement, answer in answers.items()
        }
    return counted


# --- What a check-in found, told only where nobody's answers can be worked out from it
#
# A result of a closed cycle is fixed and kept as it was told. While the cycle is open a leader
# can ask for an early one: it counts people in steps of the minimum group, and what it counted
# of somebody stays the same in later early results. Every figure goes through
# `workflows.disclosure`: it is told when, with all that was told of the dimension before (in
# this cycle and as the result of earlier ones), nothing about fewer people follows. Otherwise
# what was told stays.

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


def find_latest(ctx: Context, *, business_unit: str | None = None) -> CycleResult | None:
    """The newest result of the organisation, or of a unit; None before the first check-in was closed."""
    cycle = queries.find_last_closed(ctx.session, business_unit)
    return None if cycle is None else find_of_cycle(ctx.session, cycle.id)


def find_of_cycle(session: Session, cycle_id: int) -> CycleResult | None:
    """The result of a closed cycle."""
    cycle = queries.find_cycle(session, cycle_id)
    if cycle is None or cycle.result is None:
        return None
    return from_json(cycle.result)


# --- making


def compute_final(ctx: Context, cycle: MaturityCycle) -> CycleResult:
    """The result of a cycle that is being closed; whoever has left is marked already."""
    asked = check_ins.load_rubric(ctx.session, cycle)
    fewest = check_ins.terms(cycle, ctx.policy).minimum_group
    people, groups = _contributions(ctx.session, cycle, asked)
    who = list_persons(ctx.session, cycle.id)
    pasts = load_pasts(ctx.session, cycle.id, asked, who)
    before = _before(ctx, cycle)
    earlier = load_earlier(ctx.session, cycle, fewest)
    dimensions, held_back, as_before = [], False, False
    for dimension in asked.dimensions:
        group, past = groups[dimension.key], pasts[dimension.key]
        counts = atoms(group, who)
        if past.last is not None and (
            len(group) < fewest or not control.may_tell(past.told, counts, fewest=fewest)
        ):
            held_back = True
            dimensions.append(past.last)
            continue
        repeated = find_repeated(earlier.get(dimension.key, ()), past, counts, fewest)
        if repeated is not None:
            # Nearly everybody says what they said then, so the difference would tell of the few who don't.
            as_before = True
            dimensions.append(_repeat_dimension(dimension, past.last or repeated, before))
            continue
        allowed = (
            TellableGroups(total=len(group) >= fewest)
            if past.entries
            else narrow(
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
            keep_figure(ctx, cycle.id, past, figures, group, disclosure.ASKED)
            for name, members in groups_beside(allowed, group, people).items():
                disclosure.record_told(
                    ctx.session,
                    scope(cycle.id),
                    f"{dimension.key}:{name}",
                    after=(),
                    audience=disclosure.ASKED,
                    members=members,
                    figures={},
                    now=ctx.now,
                )
    return _result(ctx, cycle, dimensions, before, fewest, held_back=held_back, as_before=as_before)


def tell_early(ctx: Context, cycle_id: int) -> CycleResult:
    """What an open cycle would find by now, for a leader. Raises NotAllowed, NotFound, InvalidInput when it is too early.

    The same as before until enough people have answered since. A dimension that counted somebody who was erased stays
    as it was told until the cycle is closed.
    """
    invitations.require_leader(ctx, "maturity.early")
    cycle = queries.lock_cycle(ctx.session, cycle_id)
    if cycle is None or cycle.state != CycleState.OPEN:
        raise NotFound("This check-in is closed.", hint="maturity.result")
    asked = check_ins.load_rubric(ctx.session, cycle)
    fewest = check_ins.terms(cycle, ctx.policy).minimum_group
    people, groups = _contributions(ctx.session, cycle, asked)
    who = list_persons(ctx.session, cycle.id)
    pasts = load_pasts(ctx.session, cycle.id, asked, who)
    earlier = load_earlier(ctx.session, cycle, fewest)
    before = _before(ctx, cycle)
    issued = said.list_early(ctx.session, cycle.id)
    seq = len(issued) + 1
    dimensions, grew = [], False
    for dimension in asked.dimensions:
        past, here = pasts[dimension.key], groups[dimension.key]
        new = control.step(past.members, here, fewest=fewest)
        group = past.counted | {i: here[i] for i in new}
        counts = atoms(group, who)
        if (
            not new
            or past.members - past.counted.keys()
            or not control.may_tell(past.told, counts, fewest=fewest)
            or find_repeated(earlier.get(dimension.key, ()), past, counts, fewest)
        ):
            dimensions.append(
                past.last or _dimension(dimension, {}, people, TellableGroups(False), before)
            )
            continue
        grew = True
        ctx.session.add_all(
            MaturityCounted(
                invitation_id=i,
                dimension=dimension.key,
                answers={one: answer.value for one, answer in here[i].items()},
                seq=seq,
            )
            for i in sorted(new)
        )
        everybody = people | {
            i: part for i, part in _asked_as(ctx.session, cycle_id).items() if i in group
        }
        figures = _dimension(dimension, group, everybody, TellableGroups(total=True), before)
        dimensions.append(figures)
        keep_figure(ctx, cycle.id, past, figures, new, disclosure.LEADERS)
    if not grew:
        if issued:
            return from_json(issued[-1].result)
        raise InvalidInput(
            f"Nothing can be told yet: it takes {fewest} people who answered a whole dimension."
        )
    result = _result(ctx, cycle, dimensions, before, fewest, is_early=True)
    ctx.session.add(
        MaturityEarly(cycle_id=cycle.id, seq=seq, result=as_json(result), made_at=ctx.now)
    )
    ctx.session.flush()
    audit.record(
        ctx, "maturity.told_early", ("maturity_cycle", cycle.id), seq=seq, answered=result.answered
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
    answers_of = load_answers(session, cycle.id, people)
    groups: dict[str, dict[int, dict[str, Answer]]] = {
        dimension.key: {
            i: {one.id: answers[one.id] for one in dimension.statements}
            for i, answers in answers_of.items()
            if all(one.id in answers for one in dimension.statements)
        }
        for dimension in asked.dimensions
    }
    return people, groups


def _before(ctx: Context, cycle: MaturityCycle) -> CycleResult | None:
    last = queries.find_last_closed(ctx.session, cycle.business_unit, before=cycle.id)
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
    ctx: Context,
    cycle: MaturityCycle,
    dimensions: list[DimensionResult],
    before: CycleResult | None,
    fewest: int,
    *,
    is_early: bool = False,
    held_back: bool = False,
    as_before: bool = False,
) -> CycleResult:
    levels = [one.level for one in dimensions if one.level is not None]
    invited, count = count_answered(
        ctx, cycle, fewest=fewest, audience=disclosure.LEADERS if is_early else disclosure.ASKED
    )
    return CycleResult(
        cycle_id=cycle.id,
        label=check_ins.label(cycle, ctx.policy),
        business_unit=cycle.business_unit,
        as_of=ctx.now,
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
