"""Check-ins: what a cycle asks, what people say, what is told of it, and what leaders aim for."""

from datetime import datetime

from sqlalchemy.orm import Session

from storage.maturity import queries
from workflows.actors import Actor
from workflows.audit import service as audit
from workflows.maturity.conversation import answer, catch_up, note, skip
from workflows.maturity.cycles import close, farewell, open_cycles, open_due, plan, start
from workflows.maturity.invitees import ASSESSOR, LEADER, has_role, require_leader
from workflows.maturity.inviting import invite, remind
from workflows.maturity.reading import find, get, mine, open_invitation, to_send
from workflows.maturity.results import early, latest, of_cycle
from workflows.maturity.rubric import RubricText
from workflows.maturity.sight import may_see, result, seen_by, shows_single, single_answers, unit
from workflows.maturity.targets import set_targets, targets

__all__ = [
    "ASSESSOR",
    "LEADER",
    "adopt_rubric",
    "answer",
    "catch_up",
    "close",
    "early",
    "farewell",
    "find",
    "get",
    "has_role",
    "invite",
    "latest",
    "may_see",
    "mine",
    "note",
    "of_cycle",
    "open_cycles",
    "open_due",
    "open_invitation",
    "plan",
    "remind",
    "require_leader",
    "result",
    "seen_by",
    "set_targets",
    "shows_single",
    "single_answers",
    "skip",
    "start",
    "targets",
    "to_send",
    "unit",
]


def adopt_rubric(
    session: Session, actor: Actor, rubric: RubricText, *, now: datetime, only_new: bool = False
) -> bool:
    """Put a rubric in force for the next cycle; cycles that are open keep theirs.

    With `only_new` one that another has replaced stays replaced: False, and nothing is changed.
    """
    current = queries.current_rubric(session)
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
