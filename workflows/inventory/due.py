"""What falls due in the inventory, every day: reviews, readings that did not come, acceptances that are over, files that nobody handed in."""

from sqlalchemy.orm import Session

from workflows.due import DueSlot, Occasion, Registry
from workflows.evidence import sharing
from workflows.inventory import findings, monitoring, reviews


def _run_daily(session: Session, slot: DueSlot, occasion: Occasion) -> None:
    policy, org_key, now = occasion.policy, occasion.org_key, occasion.now
    findings.reopen_accepted(session, policy=policy, org_key=org_key, now=now)
    monitoring.detect_silence(session, policy=policy, org_key=org_key, now=now)
    reviews.ask_for_due_reviews(session, policy=policy, org_key=org_key, now=now)
    sharing.forget_files(session, now=now)


PART = Registry(schedules={"inventory.look": _run_daily}, daily={"inventory.look": "08:30"})
