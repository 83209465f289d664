"""Where an alert is read, and posting it there."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.projects.tables import Project
from workflows import outbox, rollout
from workflows.budgets.notices import ChannelNotClosed, ThresholdCrossed
from workflows.outbox import Destination, Notice, Subject
from workflows.policy import Policy


@dataclass(frozen=True, slots=True)
class Places:
    """Where an alert is read: the project's channel, and its owner where there is none or outsiders read it."""

    channel: Destination | None
    owner: Destination | None
    owner_id: str
    is_open: bool

    def __bool__(self) -> bool:
        return self.channel is not None or self.owner is not None

    @property
    def lane(self) -> str:
        """The first place, in the order of the lanes."""
        return min((place.key for place in (self.channel, self.owner) if place), default="")


def post_alert(
    session: Session,
    alert_id: int,
    key: str,
    project: Project,
    places: Places,
    *,
    policy: Policy,
    now: datetime,
    spared: Collection[str] = (),
) -> None:
    """Post to the project's channel; to the budget's owner where there is none, or where outsiders read along, unless
    they are `spared`.

    The channel invited mlgov; the owner did not, so the rollout decides about them.
    """

    def tell_owner(notice: Notice, dedupe_key: str, about: Subject | None) -> None:
        if places.owner is not None and places.owner_id not in spared:
            rollout.message_unasked(
                session,
                places.owner_id,
                notice,
                to=places.owner,
                dedupe_key=dedupe_key,
                policy=policy,
                now=now,
                subject=about,
            )

    if places.is_open:
        where = f"channel-not-closed:{project.id}:{project.channel}"
        tell_owner(ChannelNotClosed(project.id), where, None)
    crossed, subject = ThresholdCrossed(alert_id), Subject.of("budget_alert", alert_id)

    def tell_channel() -> None:
        if places.channel is not None:
            outbox.post(
                session, crossed, to=places.channel, dedupe_key=key, subject=subject, now=now
            )

    # In the order of the lanes, as everyone does, so that two transactions never wait for each other.
    if places.channel is None:
        tell_owner(crossed, f"{key}:owner", subject)
    elif not places.is_open or places.owner is None:
        tell_channel()
    elif places.channel.key < places.owner.key:
        tell_channel()
        tell_owner(crossed, f"{key}:owner", subject)
    else:
        tell_owner(crossed, f"{key}:owner", subject)
        tell_channel()
