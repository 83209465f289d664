"""Check-ins: what a cycle asks, what people say, what is told of it, and what leaders aim for."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.maturity import queries
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.maturity.conversation import (
    give_answer,
    keep_note,
    keep_window_answers,
    skip_check_in,
)
from workflows.maturity.cycles import (
    close_check_in,
    list_open_cycles,
    open_scheduled,
    plan_check_in,
    say_farewell,
    start_check_in,
)
from workflows.maturity.invitees import ASSESSOR, LEADER, has_role, require_leader
from workflows.maturity.inviting import invite_some, remind_person
from workflows.maturity.reading import (
    find_check_in,
    find_own,
    find_to_send,
    load_own,
    open_invitation,
)
from workflows.maturity.results import find_latest, find_of_cycle, tell_early
from workflows.maturity.rubric import RubricText
from workflows.maturity.sight import (
    find_visible_result,
    list_single_answers,
    load_result,
    may_see,
    resolve_unit,
    shows_single,
)
from workflows.maturity.targets import load_targets, set_targets

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
