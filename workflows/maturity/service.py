"""Check-ins: what a cycle asks, what people say, what is told of it, and what leaders aim for."""

from datetime import date

from sqlalchemy.orm import Session

from storage.maturity import queries
from workflows.audit import service as audit
from workflows.context import Context
from workflows.job_runner import DueSlot, Lock, Registry
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


def adopt_rubric(ctx: Context, rubric: RubricText, *, only_new: bool = False) -> bool:
    """Put a rubric in force for the next cycle; cycles that are open keep theirs.

    With `only_new` one that another has replaced stays replaced: False, and nothing is changed.
    """
    current = queries.find_current_rubric(ctx.session)
    is_other = current is not None and current.sha256 != rubric.sha256
    if only_new and is_other and queries.has_had_rubric(ctx.session, rubric.sha256):
        return False
    if queries.adopt_rubric(ctx.session, rubric.sha256, rubric.text, ctx.now):
        audit.record(
            ctx,
            "maturity.rubric_adopted",
            ("maturity_rubric", rubric.sha256[:12]),
            sha256=rubric.sha256,
        )
    return True


# --- What falls due in check-ins
#
# cycles that open and close, invitations and reminders.


def _open_check_in(ctx: Context, slot: DueSlot) -> None:
    open_scheduled(ctx, date.fromisoformat(slot.date))


def _invite(ctx: Context, timer: DueTimer) -> None:
    invite_some(ctx, int(timer.subject.id), timer.seq)


def _remind_check_in(ctx: Context, timer: DueTimer) -> None:
    remind_person(ctx, int(timer.subject.id), timer.seq)


def _close_check_in(ctx: Context, timer: DueTimer) -> None:
    close_check_in(ctx.as_system(), int(timer.subject.id))


def _farewell(ctx: Context, timer: DueTimer) -> None:
    say_farewell(ctx, int(timer.subject.id), timer.seq)


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
