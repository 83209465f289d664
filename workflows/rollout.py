"""Who is ever messaged unasked: every reminder, invitation and digest to a person goes through here.

Unasked is what nobody's own deed calls for: reminders, check-ins, digests, alerts to a person. A request that somebody
makes needs its approvers, so cards that ask for a decision, receipts and outcomes go out under every rollout; and a
channel into which somebody invited mlgov has asked for its cards.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from sqlalchemy.orm import Session

from storage.people.lookups import find_channel
from storage.status import queries
from workflows import outbox, permissions
from workflows.context import Context
from workflows.errors import NotAllowed
from workflows.outbox import Destination, Notice, Subject

ADMIN, PILOT = "admin", "pilot"
ALLOWED = {"me": frozenset({ADMIN}), "pilot": frozenset({ADMIN, PILOT})}
"""The roles whose holders a narrow rollout lets be messaged; `all` asks for none."""
OVERSEERS = frozenset({ADMIN, permissions.LEADER})
"""The roles that see what was held back."""
SHOWN_FOR = timedelta(days=7)
"""How far back a report of what was held back looks."""


@dataclass(frozen=True, slots=True)
class Held:
    """A message that was held back. `name` is unescaped."""

    kind: str
    name: str
    slack_id: str | None
    at: datetime
    rollout: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a narrow rollout held back in the last week: by kind, and the newest one by one."""

    rollout: str
    kinds: tuple[tuple[str, int, int], ...]
    """(kind, messages, people), most first."""
    people: int
    newest: tuple[Held, ...]
    now: datetime

    @property
    def messages(self) -> int:
        """How many messages in all."""
        return sum(messages for _, messages, _ in self.kinds)


@dataclass(frozen=True, slots=True)
class WithheldWeek(Notice):
    """What a narrow rollout held back in the last seven days, told in the ISO week `week`."""

    kind: ClassVar[str] = "rollout.withheld"
    week: str


def message_unasked(
    ctx: Context,
    person_id: str,
    notice: Notice,
    *,
    to: Destination,
    dedupe_key: str,
    subject: Subject | None = None,
    due_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> int | None:
    """Message a person who did not ask for it, where the policy's `rollout` lets it; the outbox row or None.

    What the rollout holds back is remembered in the same transaction, and never sent, also when the rollout widens.
    """
    if not reaches(ctx, person_id):
        queries.insert_withheld(
            ctx.session,
            {
                "dedupe_key": dedupe_key,
                "person_id": person_id,
                "kind": notice.kind,
                "subject_type": subject.type if subject else None,
                "subject_id": subject.id if subject else None,
                "rollout": ctx.policy.rollout,
                "withheld_at": ctx.now,
            },
        )
        return None
    if queries.was_withheld(ctx.session, dedupe_key):
        return None
    return outbox.post(
        ctx.session,
        notice,
        to=to,
        dedupe_key=dedupe_key,
        now=ctx.now,
        subject=subject,
        due_at=due_at,
        expires_at=expires_at,
    )


def reaches(ctx: Context, person_id: str) -> bool:
    """Whether the rollout lets this person be messaged unasked now."""
    allowed = ALLOWED.get(ctx.policy.rollout)
    return allowed is None or not allowed.isdisjoint(
        permissions.list_roles(ctx.session, person_id, policy=ctx.policy)
    )


def load_report(ctx: Context, *, most: int = 10) -> Report:
    """What was held back in the last seven days."""
    since = ctx.now - SHOWN_FOR
    kinds, people = queries.count_withheld(ctx.session, since=since)
    newest = queries.list_withheld(ctx.session, since=since, most=most)
    return Report(
        ctx.policy.rollout,
        tuple((kind, messages, reached) for kind, messages, reached in kinds),
        people,
        tuple(
            Held(row.kind, row.name, row.slack_id, row.withheld_at, row.rollout) for row in newest
        ),
        ctx.now,
    )


def report_weekly(ctx: Context, week: str) -> None:
    """One line to the governance channel about the last week; nothing when nothing was held back."""
    channel = find_channel(ctx.session, ctx.org, ctx.policy.channels.governance)
    if channel is None or not queries.count_withheld(ctx.session, since=ctx.now - SHOWN_FOR)[1]:
        return
    outbox.post(
        ctx.session,
        WithheldWeek(week),
        to=Destination.channel(ctx.org, channel),
        dedupe_key=f"rollout:withheld:{week}",
        now=ctx.now,
    )


def require_overseer(ctx: Context) -> None:
    """Refuse everyone who neither administers mlgov nor leads. Raises NotAllowed."""
    roles = permissions.list_roles(ctx.session, ctx.actor.id, policy=ctx.policy)
    if roles.isdisjoint(OVERSEERS):
        raise NotAllowed(
            "What mlgov held back is listed for its administrators and for leaders.", hint="help"
        )


# --- The first time that somebody meets mlgov, it says in three lines what it does for them
#
# once, and recorded. It never stands before an answer: after the first command it follows the
# answer, in the first App Home it stands below what the tab shows, and the first card in a
# direct message is followed by it.

Way = Literal["command", "home", "card"]
SHOWN_IN_HOME = timedelta(days=1)
"""How long a first App Home keeps the three lines, whatever changes in it meanwhile."""


@dataclass(frozen=True, slots=True)
class Introduction(Notice):
    """What mlgov does for somebody who just got their first card."""

    kind: ClassVar[str] = "front.introduction"
    person_id: str


def record_meeting(session: Session, person_id: str, way: Way, *, now: datetime) -> bool:
    """Record that somebody met mlgov; True when it was the first time, so that the three lines are due."""
    return queries.insert_meeting(session, person_id, way, now)


def is_known(session: Session, person_id: str) -> bool:
    """Whether somebody was met before."""
    return queries.find_meeting(session, person_id) is not None


def shows_in_home(ctx: Context, person_id: str) -> bool:
    """Whether App Home is where somebody met mlgov, and not longer ago than a day."""
    meeting = queries.find_meeting(ctx.session, person_id)
    if meeting is None:
        return False
    met_at, way = meeting
    return way == "home" and ctx.now - met_at <= SHOWN_IN_HOME


def introduce_after_card(session: Session, org_key: str, slack_id: str, *, now: datetime) -> None:
    """A card stands in somebody's direct message: when it is their first sight of mlgov, the three lines follow it."""
    person_id = queries.find_unmet(session, org_key, slack_id)
    if person_id is None or not queries.insert_meeting(session, person_id, "card", now):
        return
    outbox.post(
        session,
        Introduction(person_id),
        to=Destination.person(org_key, slack_id),
        dedupe_key=f"front:introduction:{person_id}",
        now=now,
    )
