"""What was told of a check-in before, and whether the next figure may follow it: the ledger of disclosures by dimension."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from storage.enums import Answer, AskedAs, InvitationState
from storage.maturity import answers as said
from storage.maturity import queries
from storage.maturity.tables import MaturityCycle
from workflows.disclosure import rules as control
from workflows.disclosure import service as disclosure
from workflows.disclosure.rules import TellableGroups
from workflows.maturity import reading
from workflows.maturity.records import DimensionResult
from workflows.maturity.rubric import Rubric

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
        asked = reading.load_rubric(session, other)
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
    session: Session,
    cycle_id: int,
    past: ToldBefore,
    figures: DimensionResult,
    members: Collection[int],
    audience: str,
    now: datetime,
) -> None:
    """Keep a figure of one dimension as told; `members` are whom it counts first, or in the end everybody."""
    disclosure.record_told(
        session,
        scope(cycle_id),
        figures.key,
        after=past.entries,
        audience=audience,
        members=members,
        figures=_DIMENSION.dump_python(figures, mode="json"),
        now=now,
    )


def count_answered(
    session: Session, cycle: MaturityCycle, *, fewest: int, audience: str, now: datetime
) -> tuple[int, int]:
    """How many were asked, and how many of them at least have answered everything, as it may be told; it is kept.

    The cycle is locked where the count goes up.
    """
    invited = queries.list_with_people(session, cycle.id)
    finished = sum(one.state == InvitationState.FINISHED for one, _ in invited)

    def tellable() -> tuple[list[disclosure.Entry], int, int]:
        entries = disclosure.list_told(session, scope(cycle.id)).get(ANSWERED, [])
        before = int(entries[-1].figures["at_least"]) if entries else 0
        count = control.at_least(finished, len(invited), fewest=fewest, before=before)
        return entries, before, count

    entries, before, count = tellable()
    if count > before:
        queries.lock_cycle(session, cycle.id)
        entries, before, count = tellable()
    if count > before:
        disclosure.record_told(
            session,
            scope(cycle.id),
            ANSWERED,
            after=entries,
            audience=audience,
            members=(),
            figures={"at_least": count},
            now=now,
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
