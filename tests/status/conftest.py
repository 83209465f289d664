"""An organisation whose Homes can be looked at."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from bot.status import windows
from storage.delivery.tables import Outbox
from tests.approvals.conftest import ORG, START, House, house, launch
from tests.contexts import make_context
from workflows import status
from workflows.status import following

__all__ = ["house", "launch"]


def opened(house: House, *names: str, ago: timedelta = timedelta(0)) -> None:
    """These people opened their Home."""
    for name in names:
        house.flag(name, home_opened_at=START - ago)


def follow(house: House) -> set[str]:
    """Let Homes follow what changed; whose were asked to be published, and are now."""
    house.db.run(
        lambda session: following.follow_ledger(
            make_context(session, org=ORG, now=house.now), real_now=START
        )
    )
    waiting = homes(house)
    house.deliver()
    return {row.lane_key.rsplit(":", 1)[-1] for row in waiting}


def homes(house: House) -> list[Outbox]:
    """Publications that wait."""
    with house.db.read() as session:
        found = session.execute(
            select(Outbox)
            .where(Outbox.op == "home", Outbox.state == "pending")
            .order_by(Outbox.due_at, Outbox.id)
        )
        rows = list(found.scalars())
        session.expunge_all()
    return rows


def home(house: House, name: str, *, at: datetime | None = None) -> dict[str, Any]:
    """The Home of somebody, as Slack gets it."""
    with house.db.read() as session:
        return windows.home(
            status.load_home(
                make_context(
                    session,
                    actor=house.actor(name),
                    policy=house.policy,
                    org=ORG,
                    now=at or house.now,
                ),
                pages=following.find_pages(session, f"p-{name}"),
            )
        )
