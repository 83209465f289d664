"""A clock that was set back: everything goes on, and administrators are told."""

import logging
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage import runtime
from storage.delivery.queries import overtaken
from storage.people.channels import find_channel
from workflows import outbox
from workflows.actors import SYSTEM
from workflows.audit.service import record
from workflows.delivery.notices import ClockSetBack
from workflows.due import Occasion, Registry, Watcher
from workflows.outbox import Destination

log = logging.getLogger(__name__)

JUST_DUE = timedelta(minutes=1)
"""What fell due in the last minute of the clock before, and had not run, stays due."""


def _keep(session: Session, occasion: Occasion, real_now: datetime) -> bool:
    """Write down how late it is; whether the clock was set back since the last time."""
    kept = runtime.keep_clock(session)
    if kept is None:
        return False
    now = occasion.now
    overtaken.stay_due(session, now=now, was=now + kept.by, within=JUST_DUE)
    seconds = round(kept.by.total_seconds())
    log.warning(
        "the clock went back by %s s; leases, pace and back-off go on as if it had not. Check its time synchronisation",
        seconds,
    )
    record(session, SYSTEM, "clock.set_back", ("runtime", 1), now=now, seconds=seconds)
    admin = find_channel(session, occasion.org_key, occasion.policy.channels.admin)
    if admin is not None:
        outbox.post(
            session,
            ClockSetBack(now.isoformat(), seconds),
            to=Destination.channel(occasion.org_key, admin),
            dedupe_key=f"clock:{now.isoformat()}",
            now=now,
        )
    return True


PART = Registry(watchers={"clock": Watcher(runtime.should_keep_clock, _keep)})
"""What jobs take over from here."""
