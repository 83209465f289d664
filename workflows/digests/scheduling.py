"""A person's week has come: their digest is planned, held for its owner to look at, or found to be missed."""

from datetime import date, timedelta

from sqlalchemy.orm import Session

from storage.digests import queries
from storage.digests.tables import Digest
from storage.enums import DigestState
from storage.people import queries as people_queries
from storage.people.tables import Person
from workflows import timers
from workflows.calendar import WorkingCalendar, local_instant
from workflows.context import Context
from workflows.digests import recipients, releases, rules, service
from workflows.digests import service as digests
from workflows.job_runner import DueSlot, Lock, Registry
from workflows.policy.sections import Digest as DigestPolicy


def plan_slot(ctx: Context, slot: DueSlot) -> None:
    """One slot of one person: at most one digest comes of it, and one missed record for each week nobody was there."""
    kind = slot.kind.removeprefix("digest.")
    digest = ctx.policy.digests.named.get(kind)
    word = recipients.word_for(ctx, slot.owner, kind)
    person = people_queries.find_person(ctx.session, slot.owner)
    if digest is None or word is None or person is None:
        timers.unschedule(ctx.session, slot.owner, slot.kind)
        return
    for week in (*slot.skipped, slot.date):
        _plan(ctx, kind, digest, person, word, week)


def _plan(
    ctx: Context, kind: str, digest: DigestPolicy, person: Person, word: str, week: str
) -> None:
    calendar = recipients.calendar_of(person, ctx.policy)
    planned = day_of(week, digest.at.weekday)
    send = rules.send_day(planned, calendar)
    late_at = rules.deadline(local_instant(planned, digest.at.wall, calendar.zone), calendar)
    first = rules.first_day(planned)
    if ctx.now >= late_at:
        state = DigestState.MISSED
    elif word == recipients.SELF:
        state = DigestState.WAITING
    else:
        state = releases.state_for(ctx, kind, word, week, first)
    digest_id = queries.add(
        ctx.session,
        {
            "kind": kind,
            "person_id": person.id,
            "week": week,
            "audience": word,
            "state": state.value,
            "first_day": first,
            "tz": calendar.zone.key,
            "planned_at": local_instant(send, digest.at.wall, calendar.zone),
            "late_at": late_at,
            "failures": 0,
            "created_at": ctx.now,
        },
    )
    added = queries.find(ctx.session, digest_id) if digest_id is not None else None
    if added is None:
        return
    _follow_up(ctx, added, calendar)


def _follow_up(ctx: Context, digest: Digest, calendar: WorkingCalendar) -> None:
    if digest.state == DigestState.MISSED:
        service.record_missed(ctx, digest)
    elif digest.state == DigestState.WAITING:
        at = rules.sent_at(digest.planned_at, digest.late_at, ctx.now, calendar)
        service.start_timers(ctx.session, digest, at)
    elif digest.state == DigestState.HELD:
        service.start_watch(ctx.session, digest)


def day_of(week: str, weekday: int) -> date:
    """The local day of an ISO week (`2026-W05`) on which a digest is planned."""
    year, number = week.split("-W")
    return date.fromisocalendar(int(year), int(number), 1) + timedelta(days=weekday)


# --- What falls due in digests
#
# whose week it is, building, and the first look of an owner.


def _enrol_readers(ctx: Context, slot: DueSlot) -> None:
    recipients.enrol_readers(ctx)


def _lock_digest(session: Session, digest_id: str) -> Lock:
    return Lock(queries.try_lock(session, int(digest_id)))


def _lock_release(session: Session, release_id: str) -> Lock:
    return Lock(queries.try_lock_release(session, int(release_id)))


PART = Registry(
    timers={
        digests.BUILD: digests.hand_to_delivery,
        digests.CHECK: digests.record_if_late,
        releases.PREVIEW: releases.ask_owners,
    },
    prepare={digests.BUILD: digests.make_digest, releases.PREVIEW: releases.make_previews},
    schedules={
        "digests.enrol": _enrol_readers,
        **{recipients.schedule_kind(kind): plan_slot for kind in recipients.KINDS},
    },
    locks={"digest": _lock_digest, "digest_release": _lock_release},
    troubles={digests.BUILD: digests.record_failure, releases.PREVIEW: releases.record_failure},
    daily={"digests.enrol": "00:05"},
)
