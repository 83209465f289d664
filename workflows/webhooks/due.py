"""What is looked at with every tick: whether the ledger says something that somebody outside follows."""

from datetime import datetime

from sqlalchemy.orm import Session

from workflows.due import Occasion, Registry, Watcher
from workflows.webhooks import service


def _announce(session: Session, occasion: Occasion, real_now: datetime) -> int:
    return service.announce(session, now=occasion.now)


PART = Registry(watchers={"webhooks": Watcher(service.are_behind, _announce)})
"""What jobs take over from here."""
