"""The way of a request: enough people in each stage, a fallback where there are not, and what it looks like beforehand."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from storage.enums import Ask
from storage.people import readings
from workflows.actors import Actor
from workflows.approvals import announcements, people, rules, seating
from workflows.approvals.binding import PolicyWords, bind_stage, list_fallback, pin_members
from workflows.approvals.stages import Approver, Stage
from workflows.errors import GovernanceError
from workflows.handles import Unclear
from workflows.policy import Gate, Policy


class NobodyToDecide(GovernanceError):
    """A stage of the gate could never pass, so the request is refused rather than left to expire."""


def staff_stages(
    session: Session,
    gate: Gate,
    stages: Sequence[Stage],
    words: PolicyWords,
    *,
    barred: Collection[str],
    by: datetime,
    now: datetime,
    org_key: str,
) -> tuple[Stage, ...]:
    """The stages with their members pinned and fallbacks added where too few could decide.

    `barred` may not decide. Raises NobodyToDecide, naming the stage, when it could never pass by `by`, or when a handle
    of the policy that it goes by names nobody: whom that was to mean is not for a request to guess.
    """
    if not stages:
        raise NobodyToDecide(
            "No stage of this gate applies to what you ask for, so nobody would decide it. Nothing was sent; "
            "ask an administrator to add a stage to the gate in governance.yml."
        )
    bound_ = [replace(stage, pinned=None) for stage in stages]
    while True:
        _require_clear(session, bound_, words)
        reached = people.list_reached_parties(session, bound_, org_key, by=by)
        short = _find_shortage(bound_, reached, barred)
        if short is None:
            break
        stage = bound_[short.position]
        spare = list_fallback(gate, stage.name, words)
        if stage.fallback or not spare:
            raise NobodyToDecide(
                _describe_unread(session, stage) or _describe_shortage(stage, short)
            )
        bound_[short.position] = add_fallback(stage, spare)
    return tuple(
        filled if asked.pinned is None else pin_members(filled, parties, now)
        for asked, filled, parties in zip(stages, bound_, reached, strict=True)
    )


def add_fallback(stage: Stage, spare: tuple[Approver, ...]) -> Stage:
    """The stage with those added who decide in place of nobody."""
    return replace(stage, approvers=stage.approvers + spare, fallback=spare)


def _require_clear(session: Session, stages: Sequence[Stage], words: PolicyWords) -> None:
    for stage in stages:
        late = stage.escalation.approvers if stage.escalation is not None else ()
        for word in (each for one in (*stage.approvers, *late) for each in one.written):
            if (unclear := words.meant.unclear.get(word)) is not None:
                raise NobodyToDecide(
                    _describe_unread(session, stage) or _describe_unclear(stage, unclear)
                )


def _describe_unclear(stage: Stage, unclear: Unclear) -> str:
    return (
        f"The stage {stage.name} goes by {unclear.word}, and {unclear.clause}, so it names nobody. Nothing was sent. "
        f"Ask an administrator to {unclear.remedy}."
    )


def _find_shortage(
    stages: Sequence[Stage],
    reached: Sequence[Sequence[Mapping[str, object]]],
    barred: Collection[str],
) -> seating.Shortage | None:
    return seating.shortage_in(
        [
            rules.ways(stage, [party.keys() - set(barred) for party in parties])
            for stage, parties in zip(stages, reached, strict=True)
        ]
    )


def _describe_unread(session: Session, stage: Stage) -> str:
    """Where nobody has read yet who is in Slack's user groups, that is what is wrong; empty where it was read."""
    if not readings.list_unread(session):
        return ""
    words = ", ".join(dict.fromkeys(approver.rule for approver in stage.approvers))
    return (
        f"mlgov hasn't read yet who belongs to the organisation and its user groups, so it can't tell whom the stage {stage.name} "
        f"asks ({words}). Nothing was sent; try again in a few minutes. Where it stays like this, `mlgov doctor` says why."
    )


def _describe_shortage(stage: Stage, short: seating.Shortage) -> str:
    words = ", ".join(dict.fromkeys(approver.rule for approver in stage.approvers))
    needs = f"{stage.quorum} {'person' if stage.quorum == 1 else 'people'}"
    if short.alone:
        why = f"needs {needs} besides you, and {words} {'names nobody' if not short.found else f'names {short.found}'}"
    else:
        why = (
            f"needs {needs} besides you, but those in {words} are needed in other stages too, "
            "and nobody decides twice"
        )
    return (
        f"This could never be approved: the stage {stage.name} {why}. Nothing was sent. "
        f"Ask an administrator to add people to {words}, or to change the stage in governance.yml."
    )


@dataclass(frozen=True, slots=True)
class Leg:
    """One stage of a way, before anybody is asked. `when` is its condition, which decides whether it is asked."""

    name: str
    needs: int
    people: tuple[str, ...]
    """Names of those who could decide."""
    when: str
    notified: int


@dataclass(frozen=True, slots=True)
class Route:
    """Who would be asked, in which order, and how many people would get a message at most."""

    legs: tuple[Leg, ...]
    notified: int
    passes_when: str
    """The condition under which nobody is asked; empty when there is none."""


def preview_route(
    session: Session,
    actor: Actor,
    gate: Gate,
    people_of: Mapping[str, str | None],
    *,
    policy: Policy,
    org_key: str,
) -> Route:
    """The way that a request of this person would take, as far as it can be told before it is written."""
    words = people.resolve_words(session, policy, people_of, actor.id, org_key=org_key)
    stages = [bind_stage(gate, stage, words) for stage in gate.stages]
    notified: set[str] = set()
    legs = []
    reached_by_stage = people.list_reached(
        session, [replace(one, pinned=None) for one in stages], org_key
    )
    for source, stage, reached in zip(gate.stages, stages, reached_by_stage, strict=True):
        reached.pop(actor.id, None)
        asks = stage.ask is Ask.DM or (
            stage.ask is Ask.CHANNEL and len(reached) <= announcements.MOST_DIRECT
        )
        notified |= reached.keys() if asks else set()
        legs.append(
            Leg(
                stage.name,
                stage.quorum,
                tuple(sorted(person.name for person in reached.values())),
                source.when or "",
                len(reached) if asks else 0,
            )
        )
    return Route(
        tuple(legs), len(notified), gate.auto_approve or (f"!({gate.when})" if gate.when else "")
    )
