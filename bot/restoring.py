"""Telling a database what the anchor knows, before anything in it is served: that it is an old copy, and who was erased."""

import logging
from dataclasses import dataclass
from pathlib import Path

from bot.audit import anchor
from storage import backup
from storage.db import Database
from storage.enums import HoldReason
from workflows import clock, restoring
from workflows.actors import OPERATOR, SYSTEM
from workflows.audit import heads
from workflows.audit.records import Kept
from workflows.delivery import holding
from workflows.delivery.records import HoldRecord
from workflows.errors import GovernanceError

log = logging.getLogger("mlgov")


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was done: how many people were erased once more, and the hold in force."""

    erased: int
    hold: HoldRecord | None


def reconcile(database: Database, place: str | None) -> Reconciled:
    """Compare a database with the anchor at `place` before it is served; nobody else may write to it meanwhile.

    Raises GovernanceError when a restored copy would be served though the anchor, which knows who was erased after it,
    cannot be read. A database that is no copy is served then: the anchor is asked again at the next start.
    """
    with database.read() as session:
        hold = holding.find_current(session)
    if place is None:
        return Reconciled(0, hold)
    try:
        kept = anchor.read(place, may_be_missing=True)
    except GovernanceError as error:
        if hold is not None and hold.why is not HoldReason.ASKED:
            raise GovernanceError(
                f"{error.sentence} A restored copy is not served before that: people may be in it who were erased since."
            ) from None
        log.warning("%s Whether this database is an old copy is not known.", error.sentence)
        return Reconciled(0, hold)
    kept = _note_restorations(database, place, kept)
    with database.begin(patient=True) as session:
        entries = heads.read_current(session, now=clock.now(session)).seq
        if kept.known > entries:
            holding.begin(
                session, SYSTEM, HoldReason.BEHIND, now=clock.now(session), known_seq=kept.known
            )
    kept = _note_restorations(database, place, kept)
    erased = replay(database, kept)
    with database.read() as session:
        unnoted = restoring.list_unnoted_erasures(session, kept)
        hold = holding.find_current(session)
    for noted in unnoted:
        _keep(place, noted)
    return Reconciled(erased, hold)


def mark(database: Database, *, known_seq: int) -> HoldRecord:
    """Say that the database is a copy that came back. `known_seq` is the last entry of the ledger known of elsewhere."""
    with database.begin(patient=True) as session:
        entries = heads.read_current(session, now=clock.now(session)).seq
        return holding.begin(
            session,
            OPERATOR,
            HoldReason.RESTORED,
            now=clock.now(session),
            known_seq=max(known_seq, entries),
        )


def replay(database: Database, kept: Kept) -> int:
    """Erase once more whom the anchor says was erased and this database still knows; how many people that was.

    Each is a transaction of its own. A SQLite file is then written anew, so that nothing of them is left in its pages.
    """
    with database.read() as session:
        again = restoring.list_still_known(session, kept.erasures)
    for noted in again:
        with database.begin(patient=True) as session:
            restoring.replay(session, noted, now=clock.now(session))
        log.warning(
            "%s was erased once more: this database is older than their erasure", noted.person_id
        )
    if again and database.is_sqlite and database.url.database:
        fault = backup.compact(Path(database.url.database))
        if fault is not None:
            log.warning(
                "the database file could not be written anew (%s); run `VACUUM` on it", fault
            )
    return len(again)


def note(database: Database, place: str) -> None:
    """Tell the anchor of copies that were put in place, where it can be told; else the next start tells it."""
    try:
        _note_restorations(database, place, anchor.read(place, may_be_missing=True))
    except GovernanceError as error:
        log.warning("%s It is told at the next start.", error.sentence)


def _note_restorations(database: Database, place: str, kept: Kept) -> Kept:
    with database.read() as session:
        unnoted = restoring.list_unnoted_restorations(session, kept)
    for noted in unnoted:
        _keep(place, noted)
    return anchor.read(place, may_be_missing=True) if unnoted else kept


def _keep(place: str, noted: anchor.Noted) -> None:
    try:
        anchor.keep(place, noted)
    except GovernanceError as error:
        log.warning("%s It is told again at the next start.", error.sentence)
