"""What falls due at the front door: Homes that follow the ledger, and the weekly word on what was held back."""

from datetime import datetime

from sqlalchemy.orm import Session

from workflows import rollout
from workflows.due import DueSlot, Occasion, Registry, Watcher
from workflows.status import following


def _report_withheld(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    rollout.report_weekly(
        session, slot.date, policy=occasion.policy, org_key=occasion.org_key, now=occasion.now
    )


def _follow_homes(session: Session, occasion: Occasion, real_now: datetime) -> int:
    return following.follow_ledger(
        session, org_key=occasion.org_key, now=occasion.now, real_now=real_now
    )


PART = Registry(
    schedules={"rollout.report": _report_withheld},
    weekly={"rollout.report": (0, "09:00")},
    watchers={"homes": Watcher(following.has_news, _follow_homes)},
)
"""What jobs take over from here."""
