"""Saying something: services announce a change here, in its own transaction; delivery renders and sends it later.

A notice is typed and holds ids and facts, never blocks: what people read is rendered from the record at the moment of
sending, and edited whenever the record changes.
"""

import dataclasses
import types
import typing
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from storage.delivery import claims, outbox
from storage.delivery.tables import Message
from storage.enums import Op, OutboxState
from workflows.context import Context

FIRST, LAST = 0, 1
"""Priorities in a lane: the card that was just clicked, and everything else."""

_LANES = "lanes"
"""Where a session carries the lanes of copies that its transaction has read: a copy's lane is there."""


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
        """A Slack conversation, by its id. Raises ValueError without an organisation or an id."""
        return cls(_slack(org_key, slack_id))

    @classmethod
    def person(cls, org_key: str, slack_id: str) -> "Destination":
        """The direct message of a person, by their Slack id; opened by delivery. Raises ValueError as `channel`."""
        return cls(_slack(org_key, slack_id))

    @classmethod
    def anchor(cls) -> "Destination":
        """The place outside the database where heads of the ledger are kept."""
        return cls("anchor:")


def _slack(org_key: str, slack_id: str) -> str:
    if not org_key or not slack_id:
        raise ValueError(
            f"a message goes to a conversation of an organisation, not to {slack_id!r} of {org_key!r}"
        )
    return f"slack:{org_key}:{slack_id}"


def _build_row(
    notice: Notice, op: Op, lane_key: str, dedupe_key: str, now: datetime, subject: Subject | None
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
        "generation": 0,
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
    if to.key not in session.info.get(_LANES, ()):
        outbox.add_lane(session, to.key)
    row = _build_row(notice, Op.POST, to.key, dedupe_key, now, subject) | {
        "thread_of": thread_of,
        "due_at": due_at or now,
        "expires_at": expires_at,
    }
    session.info["wake"] = True
    return outbox.add_row(session, row)


def refresh(ctx: Context, subject: Subject) -> None:
    """The subject changed: every copy of it is rendered anew and edited where it differs.

    At most one update waits per copy. The card that somebody just clicked (`ctx.card`) goes first. A copy that is being
    sent at this moment is marked, so that settling it asks for the update.
    """
    refresh_copies(ctx.session, subject, now=ctx.now, card=ctx.card)


def refresh_copies(
    session: Session, subject: Subject, *, now: datetime, card: tuple[str, str] | None = None
) -> None:
    """As `refresh`, for delivery itself, which knows of no policy; `card` is the channel and ts of what goes first."""
    copies = outbox.mark_and_list_copies(session, subject.type, subject.id)
    edits = [
        _build_edit(copy, now, FIRST if card == (copy.channel, copy.ts) else LAST)
        for copy in copies
    ]
    session.info.setdefault(_LANES, set()).update(copy.lane_key for copy in copies)
    if edits:
        outbox.add_edits(session, edits)
    session.info["wake"] = True


def refresh_all(ctx: Context, subject_type: str, ids: Collection[str | int]) -> None:
    """`refresh` for several subjects of one type, in a fixed few statements for each five hundred."""
    wanted = sorted(str(id_) for id_ in ids)
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        outbox.mark_all_stale(ctx.session, subject_type, part)
        edits = [
            _build_edit(copy, ctx.now, LAST)
            for copy in outbox.list_copies_of_all(ctx.session, subject_type, part)
        ]
        if edits:
            outbox.add_edits(ctx.session, edits)
        ctx.session.info["wake"] = True


def queue_update(session: Session, copy: Message, *, now: datetime, priority: int = LAST) -> None:
    """Ask for one copy to be rendered anew; when an update of it waits already, that one will do."""
    outbox.add_edits(session, [_build_edit(copy, now, priority)])
    session.info["wake"] = True


def _build_edit(copy: Message | outbox.Copy, now: datetime, priority: int) -> dict[str, Any]:
    return {
        "dedupe_key": f"update:{copy.id}:{uuid.uuid4().hex}",
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
        "generation": 0,
        "created_at": now,
    }


@dataclass(frozen=True, slots=True)
class HomeChanged(Notice):
    """A person's App Home no longer shows what is true."""

    kind: ClassVar[str] = "home"
    person_id: str


def publish_home(session: Session, person_id: str, *, to: Destination, now: datetime) -> None:
    """Publish a person's App Home anew, at once; a publication that waits already is hastened, not doubled."""
    publish_homes(session, [(person_id, to, now)], now=now)


def publish_homes(
    session: Session, whose: Iterable[tuple[str, Destination, datetime]], *, now: datetime
) -> None:
    """Publish the App Homes of several people: (person id, their direct message, when). In a fixed few statements.

    Who has a publication waiting already gets no second one; it goes out at the earlier of the two times.
    """
    wanted = {f"home:{to.key}": (person_id, due) for person_id, to, due in whose}
    if not wanted:
        return
    session.info["wake"] = True
    waiting = outbox.lock_waiting(session, sorted(wanted))
    late = [
        (lane, wanted[lane][1])
        for lane, due_at in sorted(waiting.items())
        if due_at > wanted[lane][1]
    ]
    outbox.bring_forward(session, late)
    fresh = sorted(wanted.keys() - waiting.keys())
    outbox.add_lanes(session, fresh)
    rows = []
    for lane in fresh:
        person_id, due_at = wanted[lane]
        key = f"home:{person_id}:{uuid.uuid4().hex}"
        row = _build_row(HomeChanged(person_id), Op.HOME, lane, key, now, None)
        rows.append(row | {"due_at": due_at})
    outbox.add_rows(session, rows)


def anchor_head(session: Session, notice: Notice, *, dedupe_key: str, now: datetime) -> None:
    """Write the ledger's head to the anchor outside the database, after this transaction commits."""
    lane = Destination.anchor().key
    outbox.add_lane(session, lane)
    outbox.add_row(session, _build_row(notice, Op.ANCHOR, lane, dedupe_key, now, None))
    session.info["wake"] = True


def send_event(
    session: Session, notice: Notice, *, webhook_id: str, dedupe_key: str, now: datetime
) -> None:
    """Tell a system outside, once this transaction commits; in order, and again until it takes it."""
    lane = f"webhook:{webhook_id}"
    outbox.add_lane(session, lane)
    outbox.add_row(session, _build_row(notice, Op.WEBHOOK, lane, dedupe_key, now, None))
    session.info["wake"] = True


def rebuild(notice_type: type[Notice], facts: dict[str, Any]) -> Notice:
    """The typed notice from what the outbox stored; fields that a newer release added take their defaults."""
    hints = _hints(notice_type)
    return notice_type(
        **{name: _typed(value, hints[name]) for name, value in facts.items() if name in hints}
    )


def _hints(notice_type: type[Notice]) -> dict[str, Any]:
    known = _KNOWN_HINTS.get(notice_type)
    if known is None:
        hints = typing.get_type_hints(notice_type)
        fields = dataclasses.fields(notice_type)
        known = {field.name: hints[field.name] for field in fields}
        _KNOWN_HINTS[notice_type] = known
    return known


_KNOWN_HINTS: dict[type[Notice], dict[str, Any]] = {}


def _typed(value: object, hint: object) -> object:
    origin = typing.get_origin(hint)
    if value is None or origin in (types.UnionType, typing.Union):
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(value)
    return hint(value) if isinstance(hint, type) and not isinstance(value, hint) else value


def count_waiting(session: Session, *, now: datetime) -> int:
    """How many rows are due and not settled; zero means that delivery is idle."""
    return claims.count_due(session, due_now=now)
