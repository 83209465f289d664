"""Who is told what about a request. Everything here is written in the transaction of the change it tells."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.approvals import activity, queries
from storage.enums import Ask
from workflows import outbox
from workflows.approvals import approvers
from workflows.approvals.approvers import Reached
from workflows.approvals.notices import (
    ApprovalAsked,
    ApprovalCard,
    ApprovalEnded,
    ApprovalNote,
    ApprovalReceipt,
    ApprovalStory,
    ApprovalTold,
)
from workflows.approvals.rules import Stage
from workflows.outbox import Destination, Notice, Subject
from workflows.policy import Policy

MOST_DIRECT = 12
"""A stage asked by channel also sends each approver a card of their own, unless it reaches more people than this:
then the channel's card is enough, and nobody is messaged by the dozen. A card in a channel that outsiders read has
no buttons, and is never enough."""


def subject(approval_id: int) -> Subject:
    """What every copy of a request's card is a view of."""
    return Subject.of("approval", approval_id)


@dataclass(frozen=True, slots=True)
class _Letter:
    to: Destination
    notice: Notice
    dedupe_key: str
    subject: Subject | None = None
    thread_of: int | None = None
    expires_at: datetime | None = None


def _send(session: Session, letters: Iterable[_Letter], *, now: datetime) -> dict[str, int | None]:
    """Post in the order of the lanes, as everyone does, so that two transactions never wait for each other."""
    return {
        letter.dedupe_key: outbox.post(
            session,
            letter.notice,
            to=letter.to,
            dedupe_key=letter.dedupe_key,
            now=now,
            subject=letter.subject,
            thread_of=letter.thread_of,
            expires_at=letter.expires_at,
        )
        for letter in sorted(letters, key=lambda letter: letter.to.key)
    }


def ask_stage(
    session: Session,
    approval_id: int,
    stage: Stage,
    position: int,
    people: Mapping[str, Reached],
    *,
    project_id: int,
    has_card: bool,
    receipt_to: str | None,
    expires_at: datetime,
    policy: Policy,
    org_key: str,
    now: datetime,
    edition: int = 0,
) -> None:
    """Ask a stage that has come: the channel's one card, and a card to each approver, as the stage wants it.

    `receipt_to` is the Slack id of the requester who has not got their receipt yet. A stage that is asked anew, in a
    later `edition` of the request, gets new cards: an edited one notifies nobody.
    """
    if stage.delegate and stage.ask is not Ask.QUIET:
        approvers.offer_stand_ins(
            session, people, expires_at=expires_at, policy=policy, org_key=org_key, now=now
        )
    people = approvers.add_stand_ins(session, people, now=now) if stage.delegate else people
    place = (
        queries.find_channel_of(session, project_id, org_key) if stage.ask is Ask.CHANNEL else None
    )
    channel = place.channel if place is not None and not has_card else None
    letters = []
    card_key = f"approval:{approval_id}:card"
    if channel is not None:
        letters.append(
            _Letter(
                Destination.channel(org_key, channel),
                ApprovalCard(approval_id),
                card_key,
                subject(approval_id),
            )
        )
    if receipt_to is not None:
        letters.append(
            _Letter(
                Destination.person(org_key, receipt_to),
                ApprovalReceipt(approval_id),
                f"approval:{approval_id}:receipt",
                subject(approval_id),
            )
        )
    is_enough = place is not None and place.is_closed and len(people) > MOST_DIRECT
    if stage.ask is Ask.DM or (stage.ask is Ask.CHANNEL and not is_enough):
        letters += _write_asks(approval_id, position, people, org_key, expires_at, edition)
    sent = _send(session, letters, now=now)
    if channel is not None and (card_id := sent[card_key]) is not None:
        queries.set_card(session, approval_id, card_id=card_id, channel=channel)


def ask_newcomer(
    session: Session,
    approval_id: int,
    position: int,
    person: Reached,
    why: str,
    *,
    org_key: str,
    expires_at: datetime,
    now: datetime,
) -> None:
    """A card of their own to somebody who comes into the stage that is asked now; `why` names the occasion."""
    outbox.post(
        session,
        ApprovalAsked(approval_id, person.id, position),
        to=Destination.person(org_key, person.slack_id),
        dedupe_key=f"approval:{approval_id}:ask:{position}:{person.id}:{why}",
        now=now,
        subject=subject(approval_id),
        expires_at=expires_at,
    )


def _write_asks(
    approval_id: int,
    position: int,
    people: Mapping[str, Reached],
    org_key: str,
    expires_at: datetime,
    edition: int = 0,
) -> list[_Letter]:
    return [
        _Letter(
            Destination.person(org_key, person.slack_id),
            ApprovalAsked(approval_id, person.id, position),
            f"approval:{approval_id}:ask:{position}:{person.id}"
            + (f":{edition}" if edition else ""),
            subject(approval_id),
            expires_at=expires_at,
        )
        for person in people.values()
    ]


def ask_people(
    session: Session,
    approval_id: int,
    position: int,
    people: Mapping[str, Reached],
    *,
    expires_at: datetime,
    org_key: str,
    now: datetime,
) -> None:
    """A card of their own to each of these people; who has one already gets no second."""
    _send(session, _write_asks(approval_id, position, people, org_key, expires_at), now=now)


def post_passed_card(
    session: Session, approval_id: int, *, project_id: int, org_key: str, now: datetime
) -> None:
    """What passed by rule is shown in the project's channel, where nobody was asked."""
    place = queries.find_channel_of(session, project_id, org_key)
    if place is None:
        return
    outbox.post(
        session,
        ApprovalCard(approval_id),
        to=Destination.channel(org_key, place.channel),
        dedupe_key=f"approval:{approval_id}:card",
        now=now,
        subject=subject(approval_id),
    )


def post_story(
    session: Session,
    approval_id: int,
    decision_id: int,
    *,
    card_id: int | None,
    channel: str | None,
    org_key: str,
    now: datetime,
) -> None:
    """One line in the thread under the channel's card, where there is one; `decision_id` 0 tells how it ended."""
    if card_id is None or channel is None:
        return
    outbox.post(
        session,
        ApprovalStory(approval_id, decision_id),
        to=Destination.channel(org_key, channel),
        dedupe_key=f"approval:{approval_id}:story:{decision_id}",
        now=now,
        thread_of=card_id,
    )


def post_thread_line(
    session: Session,
    approval_id: int,
    what: str,
    item_id: int,
    *,
    card_id: int | None,
    channel: str | None,
    org_key: str,
    now: datetime,
    times: int = 0,
) -> None:
    """One line in the thread under the channel's card about what somebody did beside deciding."""
    if card_id is None or channel is None:
        return
    outbox.post(
        session,
        ApprovalTold(approval_id, what, item_id),
        to=Destination.channel(org_key, channel),
        dedupe_key=f"approval:{approval_id}:told:{what}:{item_id}:{times}",
        now=now,
        thread_of=card_id,
    )


def notify_person(
    session: Session,
    approval_id: int,
    person: Reached,
    what: str,
    item_id: int,
    *,
    org_key: str,
    now: datetime,
    times: int = 0,
    due_at: datetime | None = None,
) -> int | None:
    """A message of its own to one person whom it concerns, at once or when it is due; it follows the request. Its id, None
    for one that was posted before."""
    return outbox.post(
        session,
        ApprovalNote(approval_id, person.id, what, item_id),
        to=Destination.person(org_key, person.slack_id),
        dedupe_key=f"approval:{approval_id}:note:{what}:{item_id}:{person.id}:{times}",
        now=now,
        due_at=due_at,
        subject=subject(approval_id),
    )


def notify_requester(
    session: Session, approval_id: int, slack_id: str | None, *, org_key: str, now: datetime
) -> None:
    """News of the end, as a message of its own: an edited receipt notifies nobody."""
    if slack_id is None:
        return
    outbox.post(
        session,
        ApprovalEnded(approval_id),
        to=Destination.person(org_key, slack_id),
        dedupe_key=f"approval:{approval_id}:ended",
        now=now,
        subject=subject(approval_id),
    )


def refresh_showing(
    session: Session, approval_id: int, *, now: datetime, clicked: tuple[str, str] | None
) -> None:
    """Digests and reminders that show the request tell how it stands now."""
    for type_, id_ in activity.list_showing(session, approval_id):
        outbox.refresh(session, Subject.of(type_, id_), now=now, clicked=clicked)
