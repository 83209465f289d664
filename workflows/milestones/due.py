"""What falls due in milestones: a person's working morning, and once a day that nobody is forgotten."""

from sqlalchemy.orm import Session

from storage.milestones import reminding
from workflows.due import DueSlot, Lock, Occasion, Registry
from workflows.milestones import reminders
from workflows.timers import DueTimer


def _run_morning(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    reminders.run_reminders(
        session,
        timer.subject.id,
        policy=occasion.policy,
        now=occasion.now,
        org_key=occasion.org_key,
    )


def _lock_morning(session: Session, person_id: str) -> Lock:
    return Lock(reminding.try_lock(session, person_id))


def _ensure_mornings(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    reminders.ensure_scheduled(session, policy=occasion.policy, now=occasion.now)


PART = Registry(
    timers={reminders.LOOK: _run_morning},
    schedules={"milestones.ensure": _ensure_mornings},
    locks={reminders.SUBJECT: _lock_morning},
    daily={"milestones.ensure": "04:00"},
)
