"""Digests: made over what somebody may see, sent once, kept as sent; and what people say about getting them."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from storage.digests import queries
from storage.digests.tables import Digest
from storage.enums import DigestState
from storage.people import queries as people_queries
from storage.people.lookups import find_channel
from workflows import outbox, permissions, rollout, timers
from workflows.anonymity.service import DisclosureBatch
from workflows.approvals import reads
from workflows.approvals.records import Card
from workflows.audit import service as audit
from workflows.calendar import local_instant
from workflows.context import Context
from workflows.digests import recipients, rules, words
from workflows.digests.notices import DigestSent, DigestTroubled
from workflows.digests.records import (
    Content,
    LevelFigure,
    MaturityFigures,
    ShownDigest,
    Standing,
    Trouble,
)
from workflows.errors import InvalidInput, NotFound
from workflows.job_runner import Overtaken
from workflows.maturity import service as maturity
from workflows.outbox import Destination, Subject
from workflows.people import service as people
from workflows.timers import DueTimer

# --- Telling the owner of a digest what went wrong in a week, on one card that follows; readers
#     are told nothing


def trouble_subject(kind: str, week: str) -> Subject:
    """What the card shows."""
    return Subject.of("digest_week", f"{kind}:{week}")


def tell_owners(ctx: Context, kind: str, week: str) -> None:
    """See to it that the owners have the card, and that it shows how things stand now."""
    digest = ctx.policy.digests.named.get(kind)
    owners = recipients.list_owners(ctx, digest) if digest is not None else {}
    notice = DigestTroubled(kind, week)
    for person_id, slack_id in sorted(owners.items(), key=lambda item: item[1]):
        rollout.message_unasked(
            ctx,
            person_id,
            notice,
            to=Destination.person(ctx.org, slack_id),
            dedupe_key=f"digest-trouble:{kind}:{week}:{person_id}",
            subject=trouble_subject(kind, week),
        )
    channel = find_channel(ctx.session, ctx.org, ctx.policy.channels.admin)
    if not owners and channel is not None:
        outbox.post(
            ctx.session,
            notice,
            to=Destination.channel(ctx.org, channel),
            dedupe_key=f"digest-trouble:{kind}:{week}:channel",
            now=ctx.now,
            subject=trouble_subject(kind, week),
        )
    refresh_card(ctx, kind, week)


def refresh_card(ctx: Context, kind: str, week: str) -> None:
    """The card shows how things stand now, where it was posted."""
    outbox.refresh(ctx, trouble_subject(kind, week))


def load_trouble(session: Session, kind: str, week: str) -> Trouble:
    """How the digests of a week stand."""
    counts = queries.count_states(session, kind, week)
    failing = queries.list_failing(session, kind, week)
    previews = queries.list_failing_releases(session, kind, week)
    worst = failing[0] if failing else None
    return Trouble(
        kind=kind,
        week=week,
        failing=len(failing),
        previews=len(previews),
        held=counts.get(DigestState.HELD, 0),
        missed=counts.get(DigestState.MISSED, 0),
        sent=counts.get(DigestState.SENT, 0),
        last_error=worst.last_error if worst else previews[0].last_error if previews else None,
        example=worst.person_id if worst else None,
    )


# --- Making a digest
#
# the figures over what one person may see, and the words of them.


def make_content(
    ctx: Context, *, first_day: date, zone: ZoneInfo, telling: DisclosureBatch | None = None
) -> Content:
    """The digest of seven days for one person, over what they may see.

    Only reads. With `telling` they are going to be told, and what the digest says of people's pace is added to it, to be
    kept by whoever tells them. Without, no pace is told that they were not told before.
    """
    from workflows.digests import (
        aggregates,  # pandas is heavy, and most processes never make a digest
    )

    waiting = reads.list_waiting(ctx)
    midnight = datetime.min.time()
    since = local_instant(first_day, midnight, zone)
    until = local_instant(first_day + rules.WEEK, midnight, zone)
    figures = aggregates.gather_figures(
        ctx,
        permissions.sight(ctx.session, ctx.actor.id, policy=ctx.policy),
        aggregates.Span(
            first_day,
            since,
            until,
            ctx.now,
            max(ctx.now.astimezone(zone).date(), first_day + rules.WEEK),
        ),
        reader=ctx.actor.id,
        telling=telling,
        waiting=len(waiting),
        maturity=_maturity(ctx, since, until),
    )
    return words.compose(figures, tz=zone.key, decisions=tuple(card.id for card in waiting))


def _maturity(ctx: Context, since: datetime, until: datetime) -> MaturityFigures | None:
    """The newest result that this person may see, when it is news; its figures are those that were told."""
    row = people_queries.find_person(ctx.session, ctx.actor.id)
    if row is None:
        return None
    result = maturity.find_visible_result(ctx)
    if result is None or not since <= result.as_of < until:
        return None
    return MaturityFigures(
        label=result.label,
        overall=result.overall,
        before=result.before,
        answered=result.answered,
        invited=result.invited,
        lowest=tuple(dimension.name for dimension in result.weakest),
        dimensions=tuple(
            LevelFigure(dimension.name, dimension.level, dimension.before)
            for dimension in result.dimensions
        ),
    )


# --- Digests
#
# made over what somebody may see, sent once, kept as sent; and what people say about getting
# them.

BUILD, CHECK = "digest.build", "digest.check"
RETRY = timedelta(hours=1)
"""How long a digest rests that could not be built eight times in a row."""


def subject(digest_id: int) -> Subject:
    """What a digest's message is a view of."""
    return Subject.of("digest", digest_id)

    # --- sending


def start_timers(session: Session, digest: Digest, at: datetime) -> None:
    """Let a digest be built at that instant, and be looked after when it would be late."""
    timers.start(session, subject(digest.id), BUILD, at)
    start_watch(session, digest)


def start_watch(session: Session, digest: Digest) -> None:
    """Let somebody look whether the digest was sent, once it would be late."""
    timers.start(session, subject(digest.id), CHECK, digest.late_at)


@dataclass(frozen=True, slots=True)
class PreparedDigest:
    """A digest that was made in a read transaction, for whom, and what of it is to be kept as told."""

    content: Content
    word: str
    telling: DisclosureBatch


def make_digest(ctx: Context, timer: DueTimer) -> PreparedDigest | None:
    """Make a digest that is due, and write nothing: it takes too long to be done where others wait to write."""
    digest = queries.find(ctx.session, int(timer.subject.id))
    if digest is None or digest.state != DigestState.WAITING or ctx.now >= digest.late_at:
        return None
    word = recipients.word_for(ctx, digest.person_id, digest.kind)
    actor = people.actor(ctx.session, digest.person_id)
    if word is None or actor is None or actor.slack_id is None:
        return None
    telling = DisclosureBatch()
    content = make_content(
        replace(ctx, actor=actor),
        first_day=digest.first_day,
        zone=ZoneInfo(digest.tz),
        telling=telling,
    )
    return PreparedDigest(content, word, telling)


def hand_to_delivery(ctx: Context, timer: DueTimer) -> None:
    """Hand a digest that is due, and was made, to delivery, once."""
    digest = queries.lock(ctx.session, int(timer.subject.id))
    if digest is None or digest.state != DigestState.WAITING:
        return
    if ctx.now >= digest.late_at:
        _mark_missed(ctx, digest)
        return
    word = recipients.word_for(ctx, digest.person_id, digest.kind)
    actor = people.actor(ctx.session, digest.person_id)
    if word is None or actor is None or actor.slack_id is None:
        digest.state = DigestState.SKIPPED
        return
    prepared = timer.prepared
    if (
        not isinstance(prepared, PreparedDigest)
        or prepared.word != word
        or not prepared.telling.keep(ctx.session)
    ):
        raise Overtaken
    content = prepared.content
    had_failed = digest.failures > 0
    digest.content, digest.built_at = content.stored(), ctx.now
    digest.failures, digest.last_error = 0, None
    queries.set_decisions(ctx.session, digest.id, content.decisions)
    row = _send(ctx, digest, actor.slack_id)
    digest.outbox_id = row
    digest.state = DigestState.WITHHELD if row is None else DigestState.SENT
    audit.record(
        ctx.as_system(),
        f"digest.{digest.state}",
        ("digest", digest.id),
        digest=digest.kind,
        week=digest.week,
        reader=digest.person_id,
    )
    if had_failed:
        refresh_card(ctx, digest.kind, digest.week)


def _send(ctx: Context, digest: Digest, slack_id: str) -> int | None:
    """Who subscribed has asked for it; anybody else is messaged where the rollout lets them be."""
    notice = DigestSent(digest.id)
    to = Destination.person(ctx.org, slack_id)
    key = f"digest:{digest.person_id}:{digest.kind}:{digest.week}"
    if queries.find_subscription(ctx.session, digest.person_id, digest.kind):
        return outbox.post(
            ctx.session,
            notice,
            to=to,
            dedupe_key=key,
            now=ctx.now,
            subject=subject(digest.id),
            expires_at=digest.late_at,
        )
    return rollout.message_unasked(
        ctx,
        digest.person_id,
        notice,
        to=to,
        dedupe_key=key,
        subject=subject(digest.id),
        expires_at=digest.late_at,
    )


def record_if_late(ctx: Context, timer: DueTimer) -> None:
    """The digest would be late from now on: what was not sent is missed, and its owner is told."""
    digest = queries.lock(ctx.session, int(timer.subject.id))
    if digest is None:
        return
    if digest.state == DigestState.SENT:
        sent = digest.outbox_id is not None and queries.is_on_its_way(ctx.session, digest.outbox_id)
        if not sent:
            _mark_missed(ctx, digest)
    elif digest.state in (DigestState.WAITING, DigestState.HELD):
        _mark_missed(ctx, digest)


def _mark_missed(ctx: Context, digest: Digest) -> None:
    digest.state = DigestState.MISSED
    record_missed(ctx, digest)


def record_missed(ctx: Context, digest: Digest) -> None:
    """Put a missed digest on the ledger and tell its owner."""
    ctx.session.flush()
    audit.record(
        ctx.as_system(),
        "digest.missed",
        ("digest", digest.id),
        digest=digest.kind,
        week=digest.week,
        reader=digest.person_id,
    )
    tell_owners(ctx, digest.kind, digest.week)


def record_failure(ctx: Context, timer: DueTimer, why: str, is_dead: bool) -> None:
    """A digest could not be built: its owner is told, its reader is not, and it is tried again until it is late."""
    digest = queries.lock(ctx.session, int(timer.subject.id))
    if digest is None or digest.state != DigestState.WAITING:
        return
    digest.failures += 1
    digest.last_error = why[:500]
    again = ctx.now + RETRY
    if is_dead and again < digest.late_at:
        timers.start(ctx.session, timer.subject, BUILD, again, seq=timer.seq + 1)
    ctx.session.flush()
    tell_owners(ctx, digest.kind, digest.week)

    # --- reading


def load_shown(ctx: Context, digest_id: int) -> ShownDigest | None:
    """A digest as its reader sees it: as it was sent, its decisions as they stand now. None for one without content."""
    digest = queries.find(ctx.session, digest_id)
    if digest is None or digest.content is None:
        return None
    content = Content.of(digest.content)
    return ShownDigest(digest.id, content, _cards(ctx, content, digest.person_id))


def _cards(ctx: Context, content: Content, person_id: str) -> tuple[Card, ...]:
    cards = []
    for approval_id in content.decisions:
        try:
            cards.append(reads.card(ctx, approval_id, reader_id=person_id))
        except NotFound:
            continue
    return tuple(cards)


def preview_digest(ctx: Context, *, planned: date | None = None) -> ShownDigest:
    """What this person would read if their digest came now, or on another local day. Writes nothing."""
    permissions.require_member(ctx.actor, "digest.preview")
    row = people_queries.find_person(ctx.session, ctx.actor.id)
    if row is None:
        raise NotFound("mlgov does not know you yet. Try again in a minute.")
    calendar = recipients.calendar_of(row, ctx.policy)
    content = make_content(
        ctx, first_day=rules.first_day(planned or calendar.day(ctx.now)), zone=calendar.zone
    )
    cards = _cards(ctx, content, ctx.actor.id)
    return ShownDigest(None, content, cards)


def load_last(ctx: Context, kind: str) -> ShownDigest | None:
    """The newest digest that was sent to this person."""
    permissions.require_member(ctx.actor, "digest.read")
    digest = queries.find_last_sent(ctx.session, ctx.actor.id, kind)
    return None if digest is None else load_shown(ctx, digest.id)


def load_of_week(ctx: Context, kind: str, week: str) -> ShownDigest | None:
    """The digest of an ISO week as it was sent to this person; None when none was."""
    digest = queries.find_of_week(ctx.session, ctx.actor.id, kind, week)
    return None if digest is None else load_shown(ctx, digest.id)


def load_own(ctx: Context, digest_id: int) -> ShownDigest:
    """A digest of this person's own. Raises NotFound for anybody else's, as for one that is not there."""
    permissions.require_member(ctx.actor, "digest.read", subject=("digest", digest_id))
    digest = queries.find(ctx.session, digest_id)
    digest_shown = (
        load_shown(ctx, digest_id)
        if digest is not None and digest.person_id == ctx.actor.id
        else None
    )
    if digest_shown is None:
        raise NotFound("This digest is not kept any more.", hint="digests.preview")
    return digest_shown

    # --- what people say about it


def load_standing(ctx: Context, kind: str) -> Standing:
    """Whether and when this person gets a digest, and how the latest one stands. Raises InvalidInput for no such one."""
    digest = ctx.policy.digests.named.get(kind)
    if digest is None:
        raise InvalidInput(
            "Your organisation sends no digests yet. An administrator can add one under `digests` in governance.yml.",
            hint="digests.sample",
        )
    row = people_queries.find_person(ctx.session, ctx.actor.id)
    word = recipients.word_for(ctx, ctx.actor.id, kind)
    latest = queries.find_latest(ctx.session, ctx.actor.id, kind)
    zone = recipients.calendar_of(row, ctx.policy).zone if row else ctx.policy.organisation.zone
    return Standing(
        kind,
        word,
        digest.at.words,
        zone.key,
        (latest.week, DigestState(latest.state)) if latest else None,
    )


def subscribe(ctx: Context, kind: str, is_wanted: bool) -> Standing:
    """Somebody wants a digest, or wants it no more; their own word goes over the policy's audience."""
    permissions.require_member(ctx.actor, "digest.subscribe")
    before = load_standing(ctx, kind)
    queries.set_subscription(ctx.session, ctx.actor.id, kind, is_wanted, ctx.now)
    if is_wanted:
        recipients.enrol_reader(ctx, ctx.actor.id, kind)
    else:
        timers.unschedule(ctx.session, ctx.actor.id, recipients.schedule_kind(kind))
    if (before.through is not None) != is_wanted:
        audit.record(
            ctx,
            "digest.subscribed" if is_wanted else "digest.unsubscribed",
            ("person", ctx.actor.id),
            digest=kind,
        )
    return load_standing(ctx, kind)
