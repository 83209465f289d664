"""What falls due in milestones: a person's working morning, and once a day that nobody is forgotten."""

from sqlalchemy.orm import Session

from storage.milestones import reminding
from workflows.due import DueSlot, Lock, Occasion, Registry
from workflows.milestones import reminders
from workflows.timers import DueTimer


def _look(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    reminders.look(
        session,
        timer.subject.id,
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _lock_morning(session: Session, person_id: str) -> Lock:
    return Lock(reminding.try_lock(session, person_id))


def _ensure(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    reminders.ensure(session, policy=occasion.policy, now=occasion.now)


PART = Registry(
    timers={reminders.LOOK: _look},
    schedules={"milestones.ensure": _ensure},
    locks={reminders.SUBJECT: _lock_morning},
    daily={"milestones.ensure": "04:00"},
)
