"""Making a digest: the figures over what one person may see, and the words of them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from storage.people import queries as people_queries
from workflows import decisions, visibility
from workflows.actors import Actor
from workflows.calendar import local_instant
from workflows.digests import rules, words
from workflows.digests.records import Content, LevelFigure, MaturityFigures
from workflows.disclosure.service import DisclosureBatch
from workflows.maturity import service as maturity
from workflows.policy import Policy


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
    from workflows.digests import frames  # pandas is heavy, and most processes never make a digest

    waiting = decisions.list_waiting(session, actor, policy=policy, now=now)
    midnight = datetime.min.time()
    since = local_instant(first_day, midnight, zone)
    until = local_instant(first_day + rules.WEEK, midnight, zone)
    figures = frames.gather_figures(
        session,
        visibility.sight(session, actor.id, policy=policy),
        frames.Span(
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
