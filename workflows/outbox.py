"""Saying something: services announce a change here, in its own transaction; delivery renders and sends it later.

A notice is typed and holds ids and facts, never blocks: what people read is rendered from the record at the moment of
sending, and edited whenever the record changes.
"""

import dataclasses
import types
import typing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from storage.delivery.tables import Lane, Message, Outbox
from storage.enums import Op, OutboxState
from storage.types import from_microseconds

NEVER_WAITED = from_microseconds(0)
"""The `not_before` of a lane that was never paced."""

FIRST, LAST = 0, 1
"""Priorities in a lane: the card that was just clicked, and everything else."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What others must be told. Subclasses are frozen dataclasses of ids, numbers and strings, one per kind."""

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1

    def facts(self) -> dict[str, Any]:
        """The fields as JSON."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class Subject:
    """The record that a message shows: its type (`approval`) and its id."""

    type: str
    id: str

    @classmethod
    def of(cls, type_: str, id_: str | int) -> "Subject":
        """A subject, whatever the type of its key."""
        return cls(type_, str(id_))


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a message goes. `key` is its lane: all that goes to one place is sent in order, at that place's pace."""

    key: str

    @classmethod
    def channel(cls, org_key: str, slack_id: str) -> "Destination":
        """A Slack conversation, by its id."""
        return cls(f"slack:{org_key}:{slack_id}")

    @classmethod
    def person(cls, org_key: str, slack_id: str) -> "Destination":
        """The direct message of a person, by their Slack id; opened by delivery."""
        return cls(f"slack:{org_key}:{slack_id}")

    @classmethod
    def anchor(cls) -> "Destination":
        """The place outside the database where heads of the ledger are kept."""
        return cls("anchor:")


_DIALECT_INSERT: dict[str, Any] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
_LANE: dict[str, Any] = {
    name: make(Lane)
    .values(key=bindparam("lane_key"), not_before=NEVER_WAITED, epoch=0)
    .on_conflict_do_nothing(index_elements=["key"])
    for name, make in _DIALECT_INSERT.items()
}
_POST: dict[str, Any] = {
    name: make(Outbox)
    .on_conflict_do_nothing(index_elements=["dedupe_key"])
    .returning(Outbox.id)
    for name, make in _DIALECT_INSERT.items()
}
_UPDATE_ONCE: dict[str, Any] = {
    name: make(Outbox).on_conflict_do_nothing().returning(Outbox.id)
    for name, make in _DIALECT_INSERT.items()
}
_MARK_STALE = (
    update(Outbox)
    .where(
        Outbox.subject_type == bindparam("s_type"),
        Outbox.subject_id == bindparam("s_id"),
        Outbox.state == OutboxState.SENDING,
        Outbox.op == Op.POST,
    )
    .values(stale=True)
    .execution_options(synchronize_session=False)
)
_COPIES = (
    select(Message)
    .where(
        Message.subject_type == bindparam("s_type"),
        Message.subject_id == bindparam("s_id"),
        Message.live.is_(True),
    )
    .order_by(Message.lane_key, Message.id)
)


def _row(
    notice: Notice,
    op: Op,
    lane_key: str,
    dedupe_key: str,
    now: datetime,
    subject: Subject | None,
) -> dict[str, Any]:
    return {
        "dedupe_key": dedupe_key,
        "lane_key": lane_key,
        "op": op.value,
        "priority": LAST,
        "kind": notice.kind,
        "notice": notice.facts(),
        "notice_version": notice.version,
        "subject_type": subject.type if subject else None,
        "subject_id": subject.id if subject else None,
        "state": OutboxState.PENDING.value,
        "stale": False,
        "due_at": now,
        "attempts": 0,
        "lookups": 0,
        "created_at": now,
    }


def post(
    session: Session,
    notice: Notice,
    *,
    to: Destination,
    dedupe_key: str,
    now: datetime,
    subject: Subject | None = None,
    thread_of: int | None = None,
    due_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> int | None:
    """Send a new message once this transaction commits; None when this fact was announced before.

    `dedupe_key` names the fact (`budget:17:rev3:2026-11:80:actual`), not the attempt. A message with a `subject` is
    a view of that record: it follows every `refresh` of the subject. `thread_of` is the outbox row of the card whose
    thread this joins. What is not sent by `expires_at` is dropped.
    """
    dialect = session.get_bind().dialect.name
    session.execute(_LANE[dialect], {"lane_key": to.key})
    row = _row(notice, Op.POST, to.key, dedupe_key, now, subject) | {
        "thread_of": thread_of,
        "due_at": due_at or now,
        "expires_at": expires_at,
    }
    session.info["wake"] = True
    return session.execute(_POST[dialect], row).scalar_one_or_none()


def refresh(
    session: Session,
    subject: Subject,
    *,
    now: datetime,
    clicked: tuple[str, str] | None = None,
) -> None:
    """The subject changed: every copy of it is rendered anew and edited where it differs.

    At most one update waits per copy. `clicked` is the channel and ts of the card that somebody just clicked: it goes
    first. A copy that is being sent at this moment is marked, so that settling it asks for the update.
    """
    dialect = session.get_bind().dialect.name
    where = {"s_type": subject.type, "s_id": subject.id}
    session.execute(_MARK_STALE, where)
    copies = session.execute(_COPIES, where).scalars().all()
    for copy in copies:
        queue_update(
            session,
            dialect,
            copy,
            now=now,
            priority=FIRST if clicked == (copy.channel, copy.ts) else LAST,
        )
    session.info["wake"] = True


def queue_update(
    session: Session,
    dialect: str,
    copy: Message,
    *,
    now: datetime,
    priority: int = LAST,
) -> None:
    """Ask for one copy to be rendered anew; nothing when an update of it waits already."""
    stamp = now.isoformat(timespec="microseconds")
    row = {
        "dedupe_key": f"update:{copy.id}:{stamp}",
        "lane_key": copy.lane_key,
        "op": Op.UPDATE.value,
        "priority": priority,
        "kind": copy.kind,
        "notice": copy.notice,
        "notice_version": copy.notice_version,
        "subject_type": copy.subject_type,
        "subject_id": copy.subject_id,
        "message_id": copy.id,
        "state": OutboxState.PENDING.value,
        "stale": False,
        "due_at": now,
        "attempts": 0,
        "lookups": 0,
        "created_at": now,
    }
    if (
        session.execute(_UPDATE_ONCE[dialect], row).scalar_one_or_none() is None
        and priority == FIRST
    ):
        session.execute(
            update(Outbox)
            .where(Outbox.message_id == copy.id, Outbox.state == OutboxState.PENDING)
            .values(priority=FIRST)
            .execution_options(synchronize_session=False)
        )


@dataclass(frozen=True, slots=True)
class HomeChanged(Notice):
    """A person's App Home no longer shows what is true."""

    kind: ClassVar[str] = "home"
    person_id: str


def publish_home(
    session: Session, person_id: str, *, to: Destination, now: datetime
) -> None:
    """Publish a person's App Home anew; publications that wait already are not doubled."""
    dialect = session.get_bind().dialect.name
    waiting = session.execute(
        select(Outbox.id).where(
            Outbox.lane_key == f"home:{to.key}",
            Outbox.state == OutboxState.PENDING,
        )
    ).first()
    if waiting is not None:
        return
    lane = f"home:{to.key}"
    session.execute(_LANE[dialect], {"lane_key": lane})
    notice = HomeChanged(person_id)
    key = f"home:{person_id}:{now.isoformat(timespec='microseconds')}"
    session.execute(_POST[dialect], _row(notice, Op.HOME, lane, key, now, None))
    session.info["wake"] = True


def anchor_head(
    session: Session, notice: Notice, *, dedupe_key: str, now: datetime
) -> None:
    """Write the ledger's head to the anchor outside the database, after this transaction commits."""
    dialect = session.get_bind().dialect.name
    lane = Destination.anchor().key
    session.execute(_LANE[dialect], {"lane_key": lane})
    session.execute(
        _POST[dialect], _row(notice, Op.ANCHOR, lane, dedupe_key, now, None)
    )
    session.info["wake"] = True


def rebuild(notice_type: type[Notice], facts: dict[str, Any]) -> Notice:
    """The typed notice from what the outbox stored; fields that a newer release added take their defaults."""
    names = {field.name for field in dataclasses.fields(notice_type)}
    hints = typing.get_type_hints(notice_type)
    return notice_type(
        **{
            name: _typed(value, hints[name])
            for name, value in facts.items()
            if name in names
        }
    )


def _typed(value: Any, hint: Any) -> Any:
    origin = typing.get_origin(hint)
    if value is None or origin in (types.UnionType, typing.Union):
        return value
    if origin is tuple:
        return tuple(value)
    return (
        hint(value) if isinstance(hint, type) and not isinstance(value, hint) else value
    )


def waits(session: Session) -> int:
    """How many rows wait to be sent or have an unknown outcome; zero means that delivery is idle."""
    return len(
        session.execute(
            select(Outbox.id).where(
                Outbox.state.in_([OutboxState.PENDING, OutboxState.SENDING])
            )
        ).all()
    )
