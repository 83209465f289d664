"""What falls due in check-ins: cycles that open and close, invitations and reminders."""

from datetime import date

from sqlalchemy.orm import Session

from storage.maturity import queries
from workflows.actors import SYSTEM
from workflows.due import DueSlot, Lock, Occasion, Registry
from workflows.maturity import service as maturity
from workflows.timers import DueTimer


def _open_check_in(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    maturity.open_scheduled(
        session,
        date.fromisoformat(slot.date),
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _invite(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    maturity.invite_some(
        session,
        int(timer.subject.id),
        timer.seq,
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _remind_check_in(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    maturity.remind_person(
        session,
        int(timer.subject.id),
        timer.seq,
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _close_check_in(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    maturity.close_check_in(
        session,
        SYSTEM,
        int(timer.subject.id),
        policy=occasion.policy,
        org_key=occasion.org_key,
        now=occasion.now,
    )


def _farewell(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    maturity.say_farewell(session, int(timer.subject.id), timer.seq, now=occasion.now)


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
