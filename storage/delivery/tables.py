"""Tables of delivery and of what falls due; `docs/delivery.md` explains how they work together."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base


class Lane(Base):
    """One destination: its order, its pace, and the one sender that holds it. Its times are real time.

    `slack:<org>:<id>` is a conversation, or a person's direct message; `home:slack:<org>:<id>` a person's App Home;
    `anchor:` the place outside that keeps the ledger's heads; `webhook:<id>` a system that follows the ledger.
    """

    __tablename__ = "lane"

    key: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str | None]
    """Slack conversation id, resolved once by delivery."""
    not_before: Mapped[datetime]
    """Before this nothing new goes out here: the pace of posting, and back-off."""
    edit_not_before: Mapped[datetime]
    """The same for edits of what stands here already, which do not wait for the pace of posting."""
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    epoch: Mapped[int] = mapped_column(default=0)
    """Rises with each lease: the fence by which a holder whose lease ran out can settle nothing (`claims.give_back`)."""


class Gate(Base):
    """Workspace-wide back-off and pace of one API method, `<org>:<method>`; `<org>:*` is all of them (real time)."""

    __tablename__ = "gate"

    key: Mapped[str] = mapped_column(primary_key=True)
    not_before: Mapped[datetime]
    """When the next call is due at an even pace; a method with a burst may run ahead of it."""


class Outbox(Base):
    """One thing to send, written in the transaction of the change that it announces."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_waiting",
            "lane_key",
            "priority",
            "id",
            postgresql_where=text("state IN ('pending','sending')"),
            sqlite_where=text("state IN ('pending','sending')"),
        ),
        Index(
            # At most one edit waits for a copy; it is rendered when it is sent, so it shows every change until then.
            "uq_outbox_one_update",
            "message_id",
            unique=True,
            postgresql_where=text("state = 'pending' AND message_id IS NOT NULL"),
            sqlite_where=text("state = 'pending' AND message_id IS NOT NULL"),
        ),
        Index(
            "ix_outbox_edits",
            "priority",
            "id",
            postgresql_where=text("state IN ('pending','sending') AND op IN ('update','delete')"),
            sqlite_where=text("state IN ('pending','sending') AND op IN ('update','delete')"),
        ),
        Index("ix_outbox_subject", "subject_type", "subject_id"),
        # No index begins with the state of all rows: SQLite would take it in place of the partial ones above.
        Index(
            "ix_outbox_due",
            "due_at",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
        Index(
            "ix_outbox_settled",
            "settled_at",
            postgresql_where=text("state IN ('sent','cancelled') AND notice_version > 0"),
            sqlite_where=text("state IN ('sent','cancelled') AND notice_version > 0"),
        ),
        Index(
            "ix_outbox_open",
            "state",
            "id",
            postgresql_where=text("state IN ('pending','sending','dead')"),
            sqlite_where=text("state IN ('pending','sending','dead')"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(unique=True)
    """Names the fact that is announced, not the attempt, so that each fact is announced once. Kept for ever."""
    lane_key: Mapped[str] = mapped_column(ForeignKey("lane.key"))
    op: Mapped[str]
    priority: Mapped[int] = mapped_column(default=1)
    """0 goes before 1 in its lane: the card of the person who has just clicked."""
    kind: Mapped[str]
    notice: Mapped[dict[str, Any]]
    notice_version: Mapped[int]
    subject_type: Mapped[str | None]
    subject_id: Mapped[str | None]
    file_id: Mapped[str | None]
    thread_of: Mapped[int | None] = mapped_column(ForeignKey("outbox.id"), index=True)
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"), index=True)
    """The copy that an update or a delete is about."""
    state: Mapped[str]
    stale: Mapped[bool] = mapped_column(default=False)
    """The record changed while this was being sent; settling asks for an update."""
    due_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    attempt_at: Mapped[datetime | None]
    """When the latest attempt began, in real time."""
    attempt_governed_at: Mapped[datetime | None]
    """The same in governed time, by which a stand-in for Slack stamps its messages."""
    lookups: Mapped[int] = mapped_column(default=0)
    """Look-ups that failed in a row while the outcome is unknown."""
    generation: Mapped[int] = mapped_column(default=0)
    """How often a person had it sent again; each generation has a client_msg_id of its own, or Slack might drop it."""
    ts: Mapped[str | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class Message(Base):
    """One copy of a record that stands in Slack, kept as long as its subject can change."""

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("channel", "ts"),
        Index("ix_message_subject", "subject_type", "subject_id"),
        Index(
            "ix_message_ended",
            "shown_at",
            postgresql_where=text("(is_final OR NOT live)"),
            sqlite_where=text("(is_final OR NOT live)"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    outbox_id: Mapped[int | None]
    subject_type: Mapped[str]
    subject_id: Mapped[str]
    kind: Mapped[str]
    notice: Mapped[dict[str, Any]]
    notice_version: Mapped[int]
    lane_key: Mapped[str] = mapped_column(ForeignKey("lane.key"), index=True)
    channel: Mapped[str]
    ts: Mapped[str]
    shown_hash: Mapped[str]
    shown_at: Mapped[datetime]
    """When it was last posted or edited (governed time)."""
    live: Mapped[bool] = mapped_column(default=True)
    """False when it is gone from Slack, so that nothing can be shown there any more."""
    is_final: Mapped[bool] = mapped_column(default=False)
    """The record can no longer change; the copy can still be edited, and is forgotten after a while."""


class Upload(Base):
    """A picture that Slack has as a private file, named by what it shows, so that each is uploaded once."""

    __tablename__ = "upload"
    __table_args__ = (Index("ix_upload_uploaded_at", "uploaded_at"),)

    key: Mapped[str] = mapped_column(primary_key=True)
    """SHA-256 of the kind of chart and every value in it."""
    file_id: Mapped[str]
    state: Mapped[str]
    uploaded_at: Mapped[datetime]
    """Real time."""


class Timer(Base):
    """Something that falls due for a subject (governed time)."""

    __tablename__ = "timer"
    __table_args__ = (
        UniqueConstraint("subject_type", "subject_id", "kind", "seq"),
        Index(
            "ix_timer_due",
            "due_at",
            postgresql_where=text("state = 'due'"),
            sqlite_where=text("state = 'due'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_type: Mapped[str]
    subject_id: Mapped[str]
    kind: Mapped[str]
    seq: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None]
    """Back-off after a failure (real time)."""
    last_error: Mapped[str | None]


class Schedule(Base):
    """Something that recurs at a local wall time in an IANA zone.

    `last_slot`, a local date or of a weekly one the ISO week, makes each run unique.
    """

    __tablename__ = "schedule"
    __table_args__ = (UniqueConstraint("owner", "kind"), Index("ix_schedule_next", "next_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str]
    kind: Mapped[str]
    local_time: Mapped[str]
    """HH:MM"""
    weekday: Mapped[int | None]
    """0 is Monday; none means every day."""
    tz: Mapped[str]
    next_at: Mapped[datetime]
    last_slot: Mapped[str | None]
    is_enabled: Mapped[bool] = mapped_column(default=True)


class Inbox(Base):
    """A Slack request that is being handled, or was; a redelivery of it meets its key here."""

    __tablename__ = "inbox"

    event_key: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime] = mapped_column(index=True)
    """When somebody began to handle it."""
    done_at: Mapped[datetime | None]
    """When it was handled; none while somebody does, or died of it."""


class Hold(Base):
    """A time in which nothing is sent, because what this database says of the world outside may be old.

    It begins when a copy was put in place, when the anchor knows more than the ledger, or when an operator asks for it.
    What mlgov sent between the end of the copy and the hold is unknown here, so that what is sent later is looked for
    there first. Both ends of that span stand in real and in governed time, like an attempt.
    """

    __tablename__ = "hold"

    id: Mapped[int] = mapped_column(primary_key=True)
    why: Mapped[str]
    held_at: Mapped[datetime]
    """Real time."""
    released_at: Mapped[datetime | None]
    looks: Mapped[bool] = mapped_column(default=True)
    """Whether what is sent is looked for first."""
    copy_seq: Mapped[int]
    """How many entries the ledger had."""
    copy_hash: Mapped[str]
    known_seq: Mapped[int | None]
    """The last entry of the ledger that the anchor knows of, where it knows more."""
    look_from: Mapped[datetime]
    look_until: Mapped[datetime]
    governed_from: Mapped[datetime]
    governed_until: Mapped[datetime]
    floors: Mapped[dict[str, Any]]
    """Table → id above which new rows are numbered, so that an id on a button in Slack never means another row."""


class Runtime(Base):
    """One row about this database: the offset of governed time, who made it, and which releases run on it."""

    __tablename__ = "runtime"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    offset_microseconds: Mapped[int] = mapped_column(BigInteger, default=0)
    made_by: Mapped[str]
    """`run` or `demo`; each refuses the other's database."""
    facts: Mapped[dict[str, Any]]
    oldest_revision: Mapped[str] = mapped_column(server_default="0017")
    """The oldest code that runs on this schema, by its newest migration; see `storage.migrate`."""
    lead_microseconds: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """How far real time, which never runs back, is ahead of the clock (see `storage.runtime`)."""
    clock_at: Mapped[datetime | None]
    """The latest real time that was written down."""
    set_back_at: Mapped[datetime | None]
    """When the clock was last seen to run back, as it showed afterwards."""
    set_back_microseconds: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """By how much that was."""
    erasure_check: Mapped[str | None]
    """Derived from the key of tombstones, so that another key is recognised as wrong (`storage.people.erasure`)."""
