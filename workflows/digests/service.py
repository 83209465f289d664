"""Digests: made over what somebody may see, sent once, kept as sent; and what people say about getting them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from storage.digests import queries
from storage.digests.tables import Digest
from storage.enums import DigestState
from storage.people import queries as people_queries
from storage.people.lookups import find_channel
from workflows import decisions, outbox, permissions, rollout, timers
from workflows.actors import SYSTEM, Actor
from workflows.anonymity.service import DisclosureBatch
from workflows.approvals.records import Card
from workflows.audit import service as audit
from workflows.calendar import local_instant
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
from workflows.job_runner import Occasion, Overtaken
from workflows.maturity import service as maturity
from workflows.outbox import Destination, Subject
from workflows.people import service as people
from workflows.policy import Policy
from workflows.timers import DueTimer

# --- Telling the owner of a digest what went wrong in a week, on one card that follows; readers
#     are told nothing


def trouble_subject(kind: str, week: str) -> Subject:
    """What the card shows."""
    return Subject.of("digest_week", f"{kind}:{week}")


def tell_owners(session: Session, kind: str, week: str, occasion: Occasion) -> None:
    """See to it that the owners have the card, and that it shows how things stand now."""
    policy, now = occasion.policy, occasion.now
    digest = policy.digests.named.get(kind)
    owners = (
        recipients.list_owners(session, digest, policy=policy, org_key=occasion.org_key)
        if digest is not None
        else {}
    )
    notice = DigestTroubled(kind, week)
    for person_id, slack_id in sorted(owners.items(), key=lambda item: item[1]):
        rollout.message_unasked(
            session,
            person_id,
            notice,
            to=Destination.person(occasion.org_key, slack_id),
            dedupe_key=f"digest-trouble:{kind}:{week}:{person_id}",
            policy=policy,
            now=now,
            subject=trouble_subject(kind, week),
        )
    channel = find_channel(session, occasion.org_key, policy.channels.admin)
    if not owners and channel is not None:
        outbox.post(
            session,
            notice,
            to=Destination.channel(occasion.org_key, channel),
            dedupe_key=f"digest-trouble:{kind}:{week}:channel",
            now=now,
            subject=trouble_subject(kind, week),
        )
    refresh_card(session, kind, week, now=now)


def refresh_card(session: Session, kind: str, week: str, *, now: datetime) -> None:
    """The card shows how things stand now, where it was posted."""
    outbox.refresh(session, trouble_subject(kind, week), now=now)


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
    session: Session,
    actor: Actor,
    *,
    first_day: date,
    zone: ZoneInfo,
    policy: Policy,
    now: datetime,
    telling: DisclosureBatch | None = None,
) -> Content:
    """The digest of seven days for one person, over what they may see.

    Only reads. With `telling` they are going to be told, and what the digest says of people's pace is added to it, to be
    kept by whoever tells them. Without, no pace is told that they were not told before.
    """
    from workflows.digests import (
        aggregates,  # pandas is heavy, and most processes never make a digest
    )

    waiting = decisions.list_waiting(session, actor, policy=policy, now=now)
    midnight = datetime.min.time()
    since = local_instant(first_day, midnight, zone)
    until = local_instant(first_day + rules.WEEK, midnight, zone)
    figures = aggregates.gather_figures(
        session,
        permissions.sight(session, actor.id, policy=policy),
        aggregates.Span(
            first_day, since, until, now, max(now.astimezone(zone).date(), first_day + rules.WEEK)
        ),
        reader=actor.id,
        telling=telling,
        policy=policy,
        waiting=len(waiting),
        maturity=_maturity(session, actor, since, until, policy=policy, now=now),
    )
    return words.compose(figures, tz=zone.key, decisions=tuple(card.id for card in waiting))


def _maturity(
    session: Session,
    actor: Actor,
    since: datetime,
    until: datetime,
    *,
    policy: Policy,
    now: datetime,
) -> MaturityFigures | None:
    """The newest result that this person may see, when it is news; its figures are those that were told."""
    row = people_queries.find_person(session, actor.id)
    if row is None:
        return None
    result = maturity.find_visible_result(
        session, actor, policy=policy, org_key=row.org_key, now=now
    )
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


def make_digest(session: Session, timer: DueTimer, occasion: Occasion) -> PreparedDigest | None:
    """Make a digest that is due, and write nothing: it takes too long to be done where others wait to write."""
    digest = queries.find(session, int(timer.subject.id))
    if digest is None or digest.state != DigestState.WAITING or occasion.now >= digest.late_at:
        return None
    word = recipients.word_for(session, digest.person_id, digest.kind, policy=occasion.policy)
    actor = people.actor(session, digest.person_id)
    if word is None or actor is None or actor.slack_id is None:
        return None
    telling = DisclosureBatch()
    content = make_content(
        session,
        actor,
        first_day=digest.first_day,
        zone=ZoneInfo(digest.tz),
        policy=occasion.policy,
        now=occasion.now,
        telling=telling,
    )
    return PreparedDigest(content, word, telling)


def hand_to_delivery(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    """Hand a digest that is due, and was made, to delivery, once."""
    digest = queries.lock(session, int(timer.subject.id))
    if digest is None or digest.state != DigestState.WAITING:
        return
    if occasion.now >= digest.late_at:
        _mark_missed(session, digest, occasion)
        return
    word = recipients.word_for(session, digest.person_id, digest.kind, policy=occasion.policy)
    actor = people.actor(session, digest.person_id)
    if word is None or actor is None or actor.slack_id is None:
        digest.state = DigestState.SKIPPED
        return
    prepared = occasion.prepared
    if (
        not isinstance(prepared, PreparedDigest)
        or prepared.word != word
        or not prepared.telling.keep(session)
    ):
        raise Overtaken
    content = prepared.content
    had_failed = digest.failures > 0
    digest.content, digest.built_at = content.stored(), occasion.now
    digest.failures, digest.last_error = 0, None
    queries.set_decisions(session, digest.id, content.decisions)
    row = _send(session, digest, actor.slack_id, occasion)
    digest.outbox_id = row
    digest.state = DigestState.WITHHELD if row is None else DigestState.SENT
    audit.record(
        session,
        SYSTEM,
        f"digest.{digest.state}",
        ("digest", digest.id),
        now=occasion.now,
        digest=digest.kind,
        week=digest.week,
        reader=digest.person_id,
    )
    if had_failed:
        refresh_card(session, digest.kind, digest.week, now=occasion.now)


def _send(session: Session, digest: Digest, slack_id: str, occasion: Occasion) -> int | None:
    """Who subscribed has asked for it; anybody else is messaged where the rollout lets them be."""
    notice = DigestSent(digest.id)
    to = Destination.person(occasion.org_key, slack_id)
    key = f"digest:{digest.person_id}:{digest.kind}:{digest.week}"
    if queries.find_subscription(session, digest.person_id, digest.kind):
        return outbox.post(
            session,
            notice,
            to=to,
            dedupe_key=key,
            now=occasion.now,
            subject=subject(digest.id),
            expires_at=digest.late_at,
        )
    return rollout.message_unasked(
        session,
        digest.person_id,
        notice,
        to=to,
        dedupe_key=key,
        policy=occasion.policy,
        now=occasion.now,
        subject=subject(digest.id),
        expires_at=digest.late_at,
    )


def record_if_late(session: Session, timer: DueTimer, occasion: Occasion) -> None:
    """The digest would be late from now on: what was not sent is missed, and its owner is told."""
    digest = queries.lock(session, int(timer.subject.id))
    if digest is None:
        return
    if digest.state == DigestState.SENT:
        sent = digest.outbox_id is not None and queries.is_on_its_way(session, digest.outbox_id)
        if not sent:
            _mark_missed(session, digest, occasion)
    elif digest.state in (DigestState.WAITING, DigestState.HELD):
        _mark_missed(session, digest, occasion)


def _mark_missed(session: Session, digest: Digest, occasion: Occasion) -> None:
    digest.state = DigestState.MISSED
    record_missed(session, digest, occasion)


def record_missed(session: Session, digest: Digest, occasion: Occasion) -> None:
    """Put a missed digest on the ledger and tell its owner."""
    session.flush()
    audit.record(
        session,
        SYSTEM,
        "digest.missed",
        ("digest", digest.id),
        now=occasion.now,
        digest=digest.kind,
        week=digest.week,
        reader=digest.person_id,
    )
    tell_owners(session, digest.kind, digest.week, occasion)


def record_failure(
    session: Session, timer: DueTimer, why: str, is_dead: bool, occasion: Occasion
) -> None:
    """A digest could not be built: its owner is told, its reader is not, and it is tried again until it is late."""
    digest = queries.lock(session, int(timer.subject.id))
    if digest is None or digest.state != DigestState.WAITING:
        return
    digest.failures += 1
    digest.last_error = why[:500]
    again = occasion.now + RETRY
    if is_dead and again < digest.late_at:
        timers.start(session, timer.subject, BUILD, again, seq=timer.seq + 1)
    session.flush()
    tell_owners(session, digest.kind, digest.week, occasion)

    # --- reading


def load_shown(
    session: Session, digest_id: int, *, policy: Policy, now: datetime
) -> ShownDigest | None:
    """A digest as its reader sees it: as it was sent, its decisions as they stand now. None for one without content."""
    digest = queries.find(session, digest_id)
    if digest is None or digest.content is None:
        return None
    content = Content.of(digest.content)
    return ShownDigest(
        digest.id, content, _cards(session, content, digest.person_id, policy=policy, now=now)
    )


def _cards(
    session: Session, content: Content, person_id: str, *, policy: Policy, now: datetime
) -> tuple[Card, ...]:
    cards = []
    for approval_id in content.decisions:
        try:
            cards.append(
                decisions.card(session, approval_id, policy=policy, now=now, reader_id=person_id)
            )
        except NotFound:
            continue
    return tuple(cards)


def preview_digest(
    session: Session, actor: Actor, *, policy: Policy, now: datetime, planned: date | None = None
) -> ShownDigest:
    """What this person would read if their digest came now, or on another local day. Writes nothing."""
    permissions.require_member(actor, "digest.preview")
    row = people_queries.find_person(session, actor.id)
    if row is None:
        raise NotFound("mlgov does not know you yet. Try again in a minute.")
    calendar = recipients.calendar_of(row, policy)
    content = make_content(
        session,
        actor,
        first_day=rules.first_day(planned or calendar.day(now)),
        zone=calendar.zone,
        policy=policy,
        now=now,
    )
    cards = _cards(session, content, actor.id, policy=policy, now=now)
    return ShownDigest(None, content, cards)


def load_last(
    session: Session, actor: Actor, kind: str, *, policy: Policy, now: datetime
) -> ShownDigest | None:
    """The newest digest that was sent to this person."""
    permissions.require_member(actor, "digest.read")
    digest = queries.find_last_sent(session, actor.id, kind)
    return None if digest is None else load_shown(session, digest.id, policy=policy, now=now)


def load_of_week(
    session: Session, actor: Actor, kind: str, week: str, *, policy: Policy, now: datetime
) -> ShownDigest | None:
    """The digest of an ISO week as it was sent to this person; None when none was."""
    digest = queries.find_of_week(session, actor.id, kind, week)
    return None if digest is None else load_shown(session, digest.id, policy=policy, now=now)


def load_own(
    session: Session, actor: Actor, digest_id: int, *, policy: Policy, now: datetime
) -> ShownDigest:
    """A digest of this person's own. Raises NotFound for anybody else's, as for one that is not there."""
    permissions.require_member(actor, "digest.read", subject=("digest", digest_id))
    digest = queries.find(session, digest_id)
    digest_shown = (
        load_shown(session, digest_id, policy=policy, now=now)
        if digest is not None and digest.person_id == actor.id
        else None
    )
    if digest_shown is None:
        raise NotFound("This digest is not kept any more.", hint="digests.preview")
    return digest_shown

    # --- what people say about it


def load_standing(session: Session, actor: Actor, kind: str, *, policy: Policy) -> Standing:
    """Whether and when this person gets a digest, and how the latest one stands. Raises InvalidInput for no such one."""
    digest = policy.digests.named.get(kind)
    if digest is None:
        raise InvalidInput(
            "Your organisation sends no digests yet. An administrator can add one under `digests` in governance.yml.",
            hint="digests.sample",
        )
    row = people_queries.find_person(session, actor.id)
    word = recipients.word_for(session, actor.id, kind, policy=policy)
    latest = queries.find_latest(session, actor.id, kind)
    zone = recipients.calendar_of(row, policy).zone if row else policy.organisation.zone
    return Standing(
        kind,
        word,
        digest.at.words,
        zone.key,
        (latest.week, DigestState(latest.state)) if latest else None,
    )


def subscribe(
    session: Session, actor: Actor, kind: str, is_wanted: bool, *, policy: Policy, now: datetime
) -> Standing:
    """Somebody wants a digest, or wants it no more; their own word goes over the policy's audience."""
    permissions.require_member(actor, "digest.subscribe")
    before = load_standing(session, actor, kind, policy=policy)
    queries.set_subscription(session, actor.id, kind, is_wanted, now)
    if is_wanted:
        recipients.enrol_reader(session, actor.id, kind, policy=policy, now=now)
    else:
        timers.unschedule(session, actor.id, recipients.schedule_kind(kind))
    if (before.through is not None) != is_wanted:
        audit.record(
            session,
            actor,
            "digest.subscribed" if is_wanted else "digest.unsubscribed",
            ("person", actor.id),
            now=now,
            digest=kind,
        )
    return load_standing(session, actor, kind, policy=policy)
