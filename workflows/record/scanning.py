"""Going through the record and the ledger in slices, each short, so that a look of any size holds nobody up.

A `Look` keeps only how far it came and what it found. Each slice sees one moment: an entry and the rows that it is
about are committed together, so whatever was changed by mlgov agrees in every slice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage import ledger, triggers
from storage.audit import governed
from storage.audit import queries as entries_of
from storage.enums import OutboxState
from workflows.audit.service import Kept
from workflows.record import comparing
from workflows.record.comparing import Entry
from workflows.record.records import Compared, Fault

PAGE = 200
"""Subjects in one slice."""
ENTRIES = 1000
"""Entries in one slice."""
HEAD_EVERY = timedelta(hours=50)
"""After so long without a head outside the database, one is missing: it is published every day."""
ON_ITS_WAY = timedelta(hours=2)
"""How long a head may take from its row to the anchor."""
MOST_FAULTS = 500
"""Faults after which a look stops collecting: whoever changed so much has changed everything."""
NO_ANCHOR = "no anchor is set"
_ONLY_TOLD = ("person", "organisation")


def _nobody_knows(kind: str, id_: str, table: dict[str, Any] | None) -> Fault:
    table = table or {}
    day = str(table.get("decided") or table.get("opened") or table.get("since") or "")
    day = day or str(table.get("created") or table.get("published") or "")
    return Fault("unknown", kind, id_, day=day)


@dataclass(slots=True)
class Look:
    """One look at everything, or at what came after a head that is trusted."""

    kept: Kept | None = None
    """What the anchor keeps; None where there is none."""
    expected: tuple[ledger.Head, ...] = ()
    """Heads that somebody kept themselves."""
    since: ledger.Head | None = None
    at: ledger.Head = field(default_factory=lambda: ledger.Head(0, ledger.GENESIS))
    """The last entry that was checked."""
    pins: tuple[str, ...] = ()
    """Keys that the policy pins; none where it pins none."""
    faults: list[Fault] = field(default_factory=list)
    subjects: int = 0
    unproven: int = 0
    _kinds: list[str] = field(default_factory=lambda: list(governed.KINDS))
    _cursor: str | None = None
    _told: str | None = None
    _text: int = 0
    _aliases: dict[str, str] | None = None
    _work: Callable[[Session, datetime], bool] | None = None

    def __post_init__(self) -> None:
        if self.since is not None:
            self.at = self.since
        self._work = self._begin

    @property
    def is_over(self) -> bool:
        """Whether everything was looked at."""
        return self._work is None

    @property
    def compared(self) -> Compared:
        """How far it came."""
        return Compared(self.subjects, self.unproven, tuple(self.faults))

    def step(self, session: Session, now: datetime) -> None:
        """Look at the next slice. `now` is governed time."""
        work = self._work
        if work is None:
            return
        if work(session, now):
            self._work = self._following(work)
        if len(self.faults) >= MOST_FAULTS:
            self._work = None

    @classmethod
    def faults_of(cls, session: Session, kind: str, id_: str) -> list[Fault]:
        """Where the rows of one subject, and what led to them, are not what its entries say; empty when they are."""
        look = cls()
        look._compare(session, kind, [id_], are_there=True)
        return look.faults

    @classmethod
    def at_one(cls, session: Session, kind: str, id_: str) -> list[Fault]:
        """What is wrong with one subject, and what its approval rests on."""
        look = cls()
        look._compare(session, kind, [id_], are_there=True)
        if not look.faults:
            # The rows are as the entry has them, so what is wrong is an entry, or the policy that it names.
            seqs = [row.seq for row in entries_of.list_about(session, [(kind, id_)])]
            look.faults += [
                Fault("chain", entry=seq, field=f"entry {seq} was changed")
                for seq in seqs
                if not ledger.is_self_consistent(session, seq)
            ]
        if not look.faults:
            look.faults.append(Fault("unproven", kind, id_))
        return look.faults

    def all(self, session: Session, now: datetime) -> "Look":
        """Look at everything within one transaction."""
        while not self.is_over:
            self.step(session, now)
        return self

    def _following(
        self, work: Callable[[Session, datetime], bool]
    ) -> Callable[[Session, datetime], bool] | None:
        order = (self._begin, self._chain, self._rows, self._texts, self._heads)
        place = order.index(work) + 1
        return order[place] if place < len(order) else None

    @property
    def _published(self) -> dict[int, set[str]]:
        known = self.kept.heads if self.kept else ()
        heads = [ledger.Head(seq, digest) for seq, digest in known]
        return ledger.group_by_seq([*heads, *self.expected])

    def _broken(self, broken: ledger.Broken) -> None:
        self.faults.append(Fault("chain", entry=broken.seq, field=broken.reason))

    def _begin(self, session: Session, now: datetime) -> bool:
        wrong = triggers.list_faults(session.connection())
        if wrong:
            self.faults.append(Fault("triggers", field=", ".join(wrong)))
        broken = ledger.check_trusted(session, self.at)
        first = self._published.get(0, {ledger.GENESIS})
        if broken is None and first != {ledger.GENESIS}:
            broken = ledger.Broken(
                0,
                "the published head of the empty ledger is not the one that this ledger started from",
            )
        if broken is not None:
            self._broken(broken)
        return True

    def _chain(self, session: Session, now: datetime) -> bool:
        if any(each.what == "chain" for each in self.faults):
            return True
        further = ledger.walk(session, self.at, self._published, limit=ENTRIES)
        if isinstance(further, ledger.Broken):
            self._broken(further)
            return True
        if further != self.at:
            self.at = further
            return False
        if (broken := ledger.check_end(session, self.at, self._published)) is not None:
            self._broken(broken)
        return True

    def _rows(self, session: Session, now: datetime) -> bool:
        """The next rows against the ledger, then the next subjects of the ledger against the rows."""
        kind = self._kinds[0]
        if self._told is None:
            # People are mirrored from Slack without an entry, and an organisation that never moved has none: only those
            # of whom the ledger tells are looked at.
            ids = (
                []
                if kind in _ONLY_TOLD or self.since is not None
                else governed.list_ids(session, kind, self._cursor, PAGE)
            )
            if ids:
                self._compare(session, kind, ids, are_there=True)
                self._cursor = ids[-1]
                return False
            self._told = ""
        ids = governed.list_told_ids(
            session, kind, self._told, PAGE, after=self.since.seq if self.since else 0
        )
        if ids:
            self._compare(session, kind, ids, are_there=False)
            self._told = ids[-1]
            return False
        self._kinds.pop(0)
        self._cursor = self._told = None
        return not self._kinds

    def _compare(self, session: Session, kind: str, ids: Sequence[str], *, are_there: bool) -> None:
        if governed.KINDS[kind].is_number:
            ids = [id_ for id_ in ids if id_.isdigit()]
        if kind == "person":
            self._people(session, ids)
            return
        are_there = are_there or kind in _ONLY_TOLD
        tables, broken = governed.read_readable(session, kind, ids)
        if are_there or self.since is not None:
            self.faults += [Fault("unreadable", kind, id_) for id_ in broken]
        ids = [id_ for id_ in ids if id_ not in broken]
        if not are_there:
            gone = [id_ for id_ in ids if id_ not in tables]
            self.faults += self._gone(session, kind, gone)
            if self.since is None:
                return  # what is there was compared from its rows
        if kind == "key" and self.pins:
            self.faults += [
                Fault("unpinned", kind, id_, day=str(tables[id_]["published"] or ""))
                for id_ in ids
                if id_ in tables and id_ not in self.pins
            ]
        entries = self._entries(session, kind, ids)
        for id_ in ids:
            table, about = tables.get(id_), entries.get(id_, [])
            if table is None:
                continue
            if not about:
                self.faults.append(_nobody_knows(kind, id_, table))
                continue
            self.subjects += 1
            self.faults += comparing.find_unexplained(
                kind, id_, about, self._people_joined(session)
            )
            if (record := about[-1].record) is not None:
                self.faults += self._sealed(session, kind, id_, about[-1].seq, record, table)
            else:
                self.unproven += 1
                self._older(kind, id_, about, table)

    def _entries(self, session: Session, kind: str, ids: Sequence[str]) -> dict[str, list[Entry]]:
        """The entries about these subjects that changed them, oldest first, of those that are looked at."""
        after = self.since.seq if self.since else 0
        by_subject: dict[str, list[Entry]] = {}
        for row in entries_of.list_about(session, [(kind, id_) for id_ in ids]):
            if row.seq <= after or row.action.endswith(governed.REFUSED):
                continue
            body = governed.parse_body(row.body)
            by_subject.setdefault(row.subject_id, []).append(
                Entry(
                    row.seq,
                    row.at.isoformat(timespec="microseconds"),
                    row.action,
                    row.actor_id,
                    body.get("facts") or {},
                    body.get("record"),
                )
            )
        return by_subject

    def _people_joined(self, session: Session) -> dict[str, str]:
        """Who became one with whom: entries of files and people of Slack."""
        if self._aliases is None:
            self._aliases = governed.find_linked(session)
        return self._aliases

    def _sealed(
        self,
        session: Session,
        kind: str,
        id_: str,
        seq: int,
        record: Mapping[str, Any],
        table: dict[str, Any],
    ) -> list[Fault]:
        """Where rows are not as an entry sealed them."""
        faults = comparing.find_differences(kind, id_, seq, record, table)
        if faults and (joined := self._people_joined(session)):
            # Of entries that both acted, rows stay under the id that is no more: both sides are read as one.
            faults = comparing.find_differences(
                kind, id_, seq, comparing.aliased(record, joined), comparing.aliased(table, joined)
            )
        return faults

    def _people(self, session: Session, ids: Sequence[str]) -> None:
        """Whoever the ledger says was erased has to be."""
        tables, broken = governed.read_readable(session, "person", ids)
        self.faults += [Fault("unreadable", "person", id_) for id_ in broken]
        ids = [id_ for id_ in ids if id_ not in broken]
        for id_, (seq, at) in sorted(governed.find_erasures(session, ids).items()):
            self.subjects += 1
            table = tables.get(id_)
            if table is None or table["known"]:
                self.faults.append(
                    Fault(
                        "unerased",
                        "person",
                        id_,
                        seq,
                        person=id_,
                        day=at.isoformat(timespec="microseconds"),
                    )
                )

    def _older(self, kind: str, id_: str, about: Sequence[Entry], table: dict[str, Any]) -> None:
        history = [(each.action, each.at, each.actor_id, each.facts) for each in about]
        seq = about[-1].seq
        self.faults += comparing.find_differences(
            kind, id_, seq, comparing.older(kind, history), table
        )
        if kind == "approval":
            self.faults += comparing.older_votes(id_, seq, history, table["decisions"])

    def _gone(self, session: Session, kind: str, ids: Sequence[str]) -> list[Fault]:
        """Subjects of the ledger whose rows are gone. Only tokens go, with whom they act as when they are erased."""
        if not ids or kind == "person":
            return []
        faults = []
        for row in entries_of.list_about(session, [(kind, id_) for id_ in ids]):
            facts = governed.parse_body(row.body).get("facts") or {}
            if row.action == "token.created":
                whose = str(facts.get("acts_as", ""))
                if governed.was_erased(session, whose):
                    ids = [id_ for id_ in ids if id_ != row.subject_id]
        bases = governed.find_bases(session, kind, ids)
        for id_ in ids:
            if (basis := bases.get(id_)) is None:
                continue
            record = basis.record or {}
            day = record.get("decided") or basis.at.isoformat(timespec="microseconds")
            faults.append(Fault("gone", kind, id_, basis.seq, "", _state_of(record), day=str(day)))
        return faults

    def _texts(self, session: Session, now: datetime) -> bool:
        if self.since is not None:
            return True
        if not self._text:
            self.faults += [
                Fault("erased_unknown", "person", id_, person=id_, day=at.isoformat())
                for id_, at in governed.list_erased_without_entry(session)
            ]
        reached, rows = governed.list_emptied_texts(session, self._text, 20 * PAGE)
        self.faults += [
            Fault(
                "text_emptied",
                "text",
                str(row.id),
                person=row.author_id,
                day=row.created_at.isoformat(timespec="microseconds"),
            )
            for row in rows
        ]
        is_over, self._text = reached == self._text, reached
        return is_over

    def _heads(self, session: Session, now: datetime) -> bool:
        self.faults += [
            Fault("alarm_cancelled", id=str(id_), day=created_at.isoformat(timespec="microseconds"))
            for id_, created_at in governed.list_cancelled_alarms(session)
            if not governed.was_cancelled_by_somebody(session, id_)
        ]
        rows = governed.list_heads(session)
        has_anchor = self.kept is not None
        places = [":anchor"] if has_anchor else [":channel"]
        for row in rows:
            is_told = row.dedupe_key.endswith(tuple(places))
            if (
                row.state == OutboxState.CANCELLED
                and is_told
                and row.last_error != NO_ANCHOR
                and not governed.was_cancelled_by_somebody(session, row.id)
            ):
                self.faults.append(
                    Fault(
                        "head_cancelled",
                        id=str(row.id),
                        day=row.created_at.isoformat(timespec="microseconds"),
                    )
                )
        mine = [row for row in rows if row.dedupe_key.endswith(tuple(places))]
        if not has_anchor and not mine:
            return True  # there is no place where heads could be
        on_their_way = (OutboxState.PENDING, OutboxState.SENDING)
        if any(row.state in on_their_way and now - row.created_at < ON_ITS_WAY for row in mine):
            return True
        sent = [
            row.settled_at
            for row in mine
            if row.state == OutboxState.SENT and row.settled_at is not None
        ]
        last = self.kept.last_at if self.kept else max(sent, default=None)
        last = last or governed.find_first_at(session)
        if last is not None and now - last > HEAD_EVERY:
            self.faults.append(Fault("heads_late", day=last.isoformat()))
        return True


def _state_of(record: dict[str, Any]) -> str:
    return str(record.get("state") or "")
