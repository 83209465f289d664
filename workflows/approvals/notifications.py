"""Who is told what about a request. Everything here is written in the transaction of the change it tells."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

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
from workflows.context import Context
from workflows.outbox import Destination, Notice, Subject

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


def _send(ctx: Context, letters: Iterable[_Letter]) -> dict[str, int | None]:
    """Post in the order of the lanes, as everyone does, so that two transactions never wait for each other."""
    return {
        letter.dedupe_key: outbox.post(
            ctx.session,
            letter.notice,
            to=letter.to,
            dedupe_key=letter.dedupe_key,
            now=ctx.now,
            subject=letter.subject,
            thread_of=letter.thread_of,
            expires_at=letter.expires_at,
        )
        for letter in sorted(letters, key=lambda letter: letter.to.key)
    }


def ask_stage(
    ctx: Context,
    approval_id: int,
    stage: Stage,
    position: int,
    people: Mapping[str, Reached],
    *,
    project_id: int,
    has_card: bool,
    receipt_to: str | None,
    expires_at: datetime,
    edition: int = 0,
) -> None:
    """Ask a stage that has come: the channel's one card, and a card to each approver, as the stage wants it.

    `receipt_to` is the Slack id of the requester who has not got their receipt yet. A stage that is asked anew, in a
    later `edition` of the request, gets new cards: an edited one notifies nobody.
    """
    if stage.delegate and stage.ask is not Ask.QUIET:
        approvers.offer_stand_ins(ctx, people, expires_at=expires_at)
    people = approvers.add_stand_ins(ctx, people) if stage.delegate else people
    place = (
        queries.find_channel_of(ctx.session, project_id, ctx.org)
        if stage.ask is Ask.CHANNEL
        else None
    )
    channel = place.channel if place is not None and not has_card else None
    letters = []
    card_key = f"approval:{approval_id}:card"
    if channel is not None:
        letters.append(
            _Letter(
                Destination.channel(ctx.org, channel),
                ApprovalCard(approval_id),
                card_key,
                subject(approval_id),
            )
        )
    if receipt_to is not None:
        letters.append(
            _Letter(
                Destination.person(ctx.org, receipt_to),
                ApprovalReceipt(approval_id),
                f"approval:{approval_id}:receipt",
                subject(approval_id),
            )
        )
    is_enough = place is not None and place.is_closed and len(people) > MOST_DIRECT
    if stage.ask is Ask.DM or (stage.ask is Ask.CHANNEL and not is_enough):
        letters += _write_asks(approval_id, position, people, ctx.org, expires_at, edition)
    sent = _send(ctx, letters)
    if channel is not None and (card_id := sent[card_key]) is not None:
        queries.set_card(ctx.session, approval_id, card_id=card_id, channel=channel)


def ask_newcomer(
    ctx: Context,
    approval_id: int,
    position: int,
    person: Reached,
    why: str,
    *,
    expires_at: datetime,
) -> None:
    """A card of their own to somebody who comes into the stage that is asked now; `why` names the occasion."""
    outbox.post(
        ctx.session,
        ApprovalAsked(approval_id, person.id, position),
        to=Destination.person(ctx.org, person.slack_id),
        dedupe_key=f"approval:{approval_id}:ask:{position}:{person.id}:{why}",
        now=ctx.now,
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
    ctx: Context,
    approval_id: int,
    position: int,
    people: Mapping[str, Reached],
    *,
    expires_at: datetime,
) -> None:
    """A card of their own to each of these people; who has one already gets no second."""
    _send(ctx, _write_asks(approval_id, position, people, ctx.org, expires_at))


def post_passed_card(ctx: Context, approval_id: int, *, project_id: int) -> None:
    """What passed by rule is shown in the project's channel, where nobody was asked."""
    place = queries.find_channel_of(ctx.session, project_id, ctx.org)
    if place is None:
        return
    outbox.post(
        ctx.session,
        ApprovalCard(approval_id),
        to=Destination.channel(ctx.org, place.channel),
        dedupe_key=f"approval:{approval_id}:card",
        now=ctx.now,
        subject=subject(approval_id),
    )


def post_story(
    ctx: Context, approval_id: int, decision_id: int, *, card_id: int | None, channel: str | None
) -> None:
    """One line in the thread under the channel's card, where there is one; `decision_id` 0 tells how it ended."""
    if card_id is None or channel is None:
        return
    outbox.post(
        ctx.session,
        ApprovalStory(approval_id, decision_id),
        to=Destination.channel(ctx.org, channel),
        dedupe_key=f"approval:{approval_id}:story:{decision_id}",
        now=ctx.now,
        thread_of=card_id,
    )


def post_thread_line(
    ctx: Context,
    approval_id: int,
    what: str,
    item_id: int,
    *,
    card_id: int | None,
    channel: str | None,
    times: int = 0,
) -> None:
    """One line in the thread under the channel's card about what somebody did beside deciding."""
    if card_id is None or channel is None:
        return
    outbox.post(
        ctx.session,
        ApprovalTold(approval_id, what, item_id),
        to=Destination.channel(ctx.org, channel),
        dedupe_key=f"approval:{approval_id}:told:{what}:{item_id}:{times}",
        now=ctx.now,
        thread_of=card_id,
    )


def notify_person(
    ctx: Context,
    approval_id: int,
    person: Reached,
    what: str,
    item_id: int,
    *,
    times: int = 0,
    due_at: datetime | None = None,
) -> int | None:
    """A message of its own to one person whom it concerns, at once or when it is due; it follows the request. Its id, None
    for one that was posted before."""
    return outbox.post(
        ctx.session,
        ApprovalNote(approval_id, person.id, what, item_id),
        to=Destination.person(ctx.org, person.slack_id),
        dedupe_key=f"approval:{approval_id}:note:{what}:{item_id}:{person.id}:{times}",
        now=ctx.now,
        due_at=due_at,
        subject=subject(approval_id),
    )


def notify_requester(ctx: Context, approval_id: int, slack_id: str | None) -> None:
    """News of the end, as a message of its own: an edited receipt notifies nobody."""
    if slack_id is None:
        return
    outbox.post(
        ctx.session,
        ApprovalEnded(approval_id),
        to=Destination.person(ctx.org, slack_id),
        dedupe_key=f"approval:{approval_id}:ended",
        now=ctx.now,
        subject=subject(approval_id),
    )


def refresh_showing(ctx: Context, approval_id: int) -> None:
    """Digests and reminders that show the request tell how it stands now."""
    for type_, id_ in activity.list_showing(ctx.session, approval_id):
        outbox.refresh(ctx, Subject.of(type_, id_))
