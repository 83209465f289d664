"""Check-ins: what a cycle asks, what people say, what is told of it, and what leaders aim for."""

from datetime import date, datetime

from sqlalchemy.orm import Session

from storage.maturity import queries
from workflows.actors import SYSTEM, Actor
from workflows.audit import service as audit
from workflows.job_runner import DueSlot, Lock, Occasion, Registry
from workflows.maturity.check_ins import (
    find_check_in,
    find_own,
    find_to_send,
    give_answer,
    keep_note,
    keep_window_answers,
    load_own,
    open_invitation,
    skip_check_in,
)
from workflows.maturity.cycles import (
    close_check_in,
    find_visible_result,
    list_open_cycles,
    list_single_answers,
    load_result,
    may_see,
    open_scheduled,
    plan_check_in,
    resolve_unit,
    say_farewell,
    shows_single,
    start_check_in,
)
from workflows.maturity.invitations import (
    ASSESSOR,
    LEADER,
    has_role,
    invite_some,
    remind_person,
    require_leader,
)
from workflows.maturity.results import find_latest, find_of_cycle, tell_early
from workflows.maturity.rules import RubricText
from workflows.maturity.targets import load_targets, set_targets
from workflows.timers import DueTimer

__all__ = [
    "ASSESSOR",
    "LEADER",
    "adopt_rubric",
    "close_check_in",
    "find_check_in",
    "find_latest",
    "find_of_cycle",
    "find_own",
    "find_to_send",
    "find_visible_result",
    "give_answer",
    "has_role",
    "invite_some",
    "keep_note",
    "keep_window_answers",
    "list_open_cycles",
    "list_single_answers",
    "load_own",
    "load_result",
    "load_targets",
    "may_see",
    "open_invitation",
    "open_scheduled",
    "plan_check_in",
    "remind_person",
    "require_leader",
    "resolve_unit",
    "say_farewell",
    "set_targets",
    "shows_single",
    "skip_check_in",
    "start_check_in",
    "tell_early",
]


def adopt_rubric(
    session: Session, actor: Actor, rubric: RubricText, *, now: datetime, only_new: bool = False
) -> bool:
    """Put a rubric in force for the next cycle; cycles that are open keep theirs.

    With `only_new` one that another has replaced stays replaced: False, and nothing is changed.
    """
    current = queries.find_current_rubric(session)
    is_other = current is not None and current.sha256 != rubric.sha256
    if only_new and is_other and queries.has_had_rubric(session, rubric.sha256):
        return False
    if queries.adopt_rubric(session, rubric.sha256, rubric.text, now):
        audit.record(
            session,
            actor,
            "maturity.rubric_adopted",
            ("maturity_rubric", rubric.sha256[:12]),
            now=now,
            sha256=rubric.sha256,
        )
    return True


# --- What falls due in check-ins
#
# cycles that open and close, invitations and reminders.


def _open_check_in(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    open_scheduled(
        session,
        date.fromisoformat(slot.date),
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _invite(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    invite_some(
        session,
        int(timer.subject.id),
        timer.seq,
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _remind_check_in(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    remind_person(
        session,
        int(timer.subject.id),
        timer.seq,
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _close_check_in(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    close_check_in(
        session,
        SYSTEM,
        int(timer.subject.id),
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _farewell(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    say_farewell(session, int(timer.subject.id), timer.seq, now=occasion.now)


def _lock_cycle(session: Session, cycle_id: str) -> Lock:
    return Lock(queries.try_lock_cycle(session, int(cycle_id)))


def _lock_invitation(session: Session, invitation_id: str) -> Lock:
    return Lock(queries.try_lock_invitation(session, int(invitation_id)))


PART = Registry(
    timers={
        "maturity.invite": _invite,
        "maturity.remind": _remind_check_in,
        "maturity.close": _close_check_in,
        "maturity.farewell": _farewell,
    },
    schedules={"maturity.open": _open_check_in},
    locks={"maturity_cycle": _lock_cycle, "maturity_invitation": _lock_invitation},
    daily={"maturity.open": "09:00"},
)
