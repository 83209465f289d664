"""The first digests to an audience: its owner reads their own preview, and sends them with a click."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage.digests import queries
from storage.digests.tables import DigestRelease
from storage.enums import DigestState, ReleaseState
from storage.people import queries as people_queries
from workflows import outbox, permissions, rollout, timers
from workflows.anonymity.service import DisclosureBatch
from workflows.audit import service as audit
from workflows.context import Context
from workflows.digests import recipients, service
from workflows.digests.notices import DigestPreview
from workflows.digests.records import Content, Release
from workflows.errors import NotFound, RefusalFact, Stale
from workflows.job_runner import Overtaken
from workflows.outbox import Destination, Subject
from workflows.people import service as people
from workflows.timers import DueTimer

PREVIEW = "digest.preview"
RETRY = timedelta(hours=1)

NO_RELEASE = "There are no such digests here for you to send. Nothing was changed."
"""Said of digests that are not there, and of those that somebody else sends."""


def subject(release_id: int) -> Subject:
    """What the owner's card shows."""
    return Subject.of("digest_release", release_id)


def state_for(ctx: Context, kind: str, word: str, week: str, first: date) -> DigestState:
    """How a digest of this audience starts: waiting to be built, or held until an owner has sent the first ones."""
    if queries.is_released(ctx.session, kind, word):
        return DigestState.WAITING
    release_id = queries.add_release(
        ctx.session,
        {
            "kind": kind,
            "audience": word,
            "week": week,
            "state": ReleaseState.WAITING.value,
            "first_day": first,
            "contents": {},
            "readers": 0,
            "failures": 0,
            "created_at": ctx.now,
        },
    )
    if release_id is not None:
        timers.start(ctx.session, subject(release_id), PREVIEW, ctx.now)
        return DigestState.HELD
    known = queries.find_release_of(ctx.session, kind, word, week)
    is_skipped = known is not None and known.state == ReleaseState.SKIPPED
    return DigestState.SKIPPED if is_skipped else DigestState.HELD


@dataclass(frozen=True, slots=True)
class Previews:
    """What each owner would read, made in a read transaction: the person's id → content as it is stored."""

    contents: dict[str, dict[str, Any]]
    telling: DisclosureBatch


def make_previews(ctx: Context, timer: DueTimer) -> Previews | None:
    """Make each owner's own preview, and write nothing."""
    release = queries.find_release(ctx.session, int(timer.subject.id))
    if release is None or release.state != ReleaseState.WAITING:
        return None
    previews = Previews({}, DisclosureBatch())
    for person_id in sorted(_owners(ctx, release)):
        actor, row = (
            people.actor(ctx.session, person_id),
            people_queries.find_person(ctx.session, person_id),
        )
        if actor is None or row is None:
            continue
        previews.contents[person_id] = service.make_content(
            replace(ctx, actor=actor),
            first_day=release.first_day,
            zone=recipients.calendar_of(row, ctx.policy).zone,
            telling=previews.telling,
        ).stored()
    return previews


def _owners(ctx: Context, release: DigestRelease) -> dict[str, str]:
    digest = ctx.policy.digests.named.get(release.kind)
    if digest is None:
        return {}
    return recipients.list_owners(ctx, digest)


def ask_owners(ctx: Context, timer: DueTimer) -> None:
    """Ask each owner to send, by the preview that was made; where nobody owns the digest, administrators hear of it."""
    release = queries.lock_release(ctx.session, int(timer.subject.id))
    if release is None or release.state != ReleaseState.WAITING:
        return
    owners = _owners(ctx, release)
    if not owners:
        service.tell_owners(ctx, release.kind, release.week)
        return
    previews = timer.prepared
    if not isinstance(previews, Previews) or not previews.telling.keep(ctx.session):
        raise Overtaken
    contents = {
        person_id: content
        for person_id, content in previews.contents.items()
        if person_id in owners
    }
    release.contents = contents
    release.readers = sum(
        word == release.audience for word in recipients.list_readers(ctx, release.kind).values()
    )
    release.failures, release.last_error = 0, None
    ctx.session.flush()
    for person_id, slack_id in sorted(owners.items(), key=lambda item: item[1]):
        row = people_queries.find_person(ctx.session, person_id)
        if row is None:
            continue
        rollout.message_unasked(
            ctx,
            person_id,
            DigestPreview(release.id, person_id),
            to=Destination.person(ctx.org, slack_id),
            dedupe_key=f"digest-preview:{release.kind}:{release.audience}:{release.week}:{person_id}",
            subject=subject(release.id),
            due_at=recipients.calendar_of(row, ctx.policy).next_open(ctx.now),
        )
    audit.record(
        ctx.as_system(),
        "digest.held",
        ("digest_release", release.id),
        digest=release.kind,
        week=release.week,
        owners=sorted(owners),
    )


def record_failure(ctx: Context, timer: DueTimer, why: str, is_dead: bool) -> None:
    """A preview could not be built: the owner is told, and it is tried again, hourly in the end."""
    release = queries.lock_release(ctx.session, int(timer.subject.id))
    if release is None or release.state != ReleaseState.WAITING:
        return
    release.failures += 1
    release.last_error = why[:500]
    is_young = ctx.now - release.created_at < timedelta(days=5)
    if is_dead and is_young:
        timers.start(ctx.session, timer.subject, PREVIEW, ctx.now + RETRY, seq=timer.seq + 1)
    ctx.session.flush()
    service.tell_owners(ctx, release.kind, release.week)


def decide_release(ctx: Context, release_id: int, *, send: bool) -> None:
    """An owner sends the first digests of a week, or leaves that week out. The first click counts.

    Raises NotFound for who does not own the digest, Stale when it is decided already.
    """
    permissions.require_member(ctx.actor, "digest.release", subject=("digest_release", release_id))
    release = queries.lock_release(ctx.session, release_id)
    if release is None:
        raise NotFound(NO_RELEASE)
    _require_owner(ctx, release)
    if release.state != ReleaseState.WAITING:
        done = "sent" if release.state == ReleaseState.SENT else "left out"
        raise Stale(f"They were {done} already. Nothing was changed.", hint="digests.decided")
    release.state = ReleaseState.SENT if send else ReleaseState.SKIPPED
    release.decided_by, release.decided_at = ctx.actor.id, ctx.now
    digests = queries.lock_held(ctx.session, release.kind, release.audience, release.week)
    for digest in digests:
        if not send:
            digest.state = DigestState.SKIPPED
        elif ctx.now < digest.late_at:
            digest.state = DigestState.WAITING
            timers.start(
                ctx.session,
                service.subject(digest.id),
                service.BUILD,
                max(ctx.now, digest.planned_at),
            )
    ctx.session.flush()
    audit.record(
        ctx,
        "digest.released" if send else "digest.skipped",
        ("digest_release", release.id),
        digest=release.kind,
        week=release.week,
        readers=len(digests),
    )
    outbox.refresh(ctx, subject(release.id))


def refresh_release(ctx: Context, release_id: int) -> None:
    """Somebody clicked on a card that is not what it was: draw it, and all others, as they are now."""
    outbox.refresh(ctx, subject(release_id))


def _require_owner(ctx: Context, release: DigestRelease) -> None:
    digest = ctx.policy.digests.named.get(release.kind)
    if digest is not None and ctx.actor.id in permissions.list_members(ctx, digest.owner):
        return
    raise NotFound(
        NO_RELEASE,
        audit=RefusalFact("digest.release", "digest_release", str(release.id), why="not_owner"),
    )


def load_release(session: Session, release_id: int, person_id: str) -> Release | None:
    """The first digests to an audience as one owner's card shows them; None when there are none."""
    release = queries.find_release(session, release_id)
    if release is None:
        return None
    stored = release.contents.get(person_id)
    by = people_queries.find_person(session, release.decided_by) if release.decided_by else None
    return Release(
        id=release.id,
        kind=release.kind,
        audience=release.audience,
        week=release.week,
        state=ReleaseState(release.state),
        readers=release.readers,
        content=Content.of(stored) if stored else None,
        decided_by=(by.slack_id, by.name) if by else None,
        decided_at=release.decided_at,
    )
