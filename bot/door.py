"""An act on a request from outside the database, by a click or through the API: the one way to the door.

What the act rests on is taken from the mirror of Slack; where that is too old, Slack is asked between two transactions
about exactly those whom the door named.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from bot.context import Deps
from bot.interactions import Place, Request
from workflows import clock, decisions
from workflows.actors import Actor
from workflows.approvals.forms import HandOver, OnRequest
from workflows.approvals.handover import Takers
from workflows.approvals.refusals import CardChanged, Overdue, RecordChanged, Unconfirmed
from workflows.errors import GovernanceError, NotFound, Stale
from workflows.subjects import SubjectMoved

CONFIRMED_WITHIN = timedelta(minutes=10)
"""How old the mirror's word on people and groups may be when somebody acts on it."""
GRACE = timedelta(minutes=1)
"""What was read a moment before the limit is not too old because Slack was asked about others meanwhile."""

T = TypeVar("T")
Also = Callable[[Session], None]


def shown_revision(deps: Deps, actor: Actor, request: Request, clicked: Place) -> int:
    """The revision that was shown. Raises the refusal of what an earlier release wrote, which does not say it."""
    if request.revision is None:
        raise unmarked(deps, actor, request.approval_id, clicked)
    return request.revision


def unmarked(deps: Deps, actor: Actor, approval_id: int, clicked: Place) -> GovernanceError:
    """The refusal of a button or window of an earlier release, which does not say what it showed: the card is drawn
    anew. Whoever may not read the request is told what is said of one that is not there, and nothing is drawn."""
    stale = CardChanged(
        "This is from before mlgov was updated, so it doesn't say what it showed you. Nothing was done; "
        "the card shows how it stands now, and `/mlgov approvals` lists what waits for you."
    )
    try:
        with deps.db.read() as session:
            decisions.require_card(
                session,
                actor,
                approval_id,
                policy=deps.policy,
                now=deps.now(session),
                clicked=clicked,
            )
    except NotFound as unknown:
        return unknown
    show_again(deps, approval_id, clicked, stale)
    return stale


@dataclass(frozen=True, slots=True)
class Word:
    """How old Slack's word may be: read since then (real time), and about whom Slack was asked for this act."""

    since: datetime
    now: datetime
    """Governed time, of the same look at the clock."""
    asked: frozenset[str] = frozenset()


def confirmed(deps: Deps, actor: Actor, work: Callable[[Session, Actor, Word], T]) -> T:
    """Do `work` by the mirror of Slack; where that is too old to tell, ask Slack about those named, and repeat.

    `work` gets the person and how old a word of Slack's may be. Slack is asked twice at most: about what an act rests
    on, and about what its answer brings up.
    """
    asked: frozenset[str] = frozenset()
    rounds = 0
    while True:
        limit = CONFIRMED_WITHIN + (GRACE if asked else timedelta())
        try:
            return deps.db.run(functools.partial(_by_word, work, actor, limit, asked))
        except Unconfirmed as unread:
            if unread.named <= asked or rounds == 2:
                raise
            rounds += 1
            actor = deps.directory.confirm(
                actor.slack_id or "",
                unread.approvers,
                others=unread.people,
                max_age=CONFIRMED_WITHIN,
            )
            asked |= unread.named


def _by_word(
    work: Callable[[Session, Actor, Word], T],
    actor: Actor,
    limit: timedelta,
    asked: frozenset[str],
    session: Session,
) -> T:
    real, governed = clock.both(session)
    return work(session, actor, Word(real - limit, governed, asked))


def act(
    deps: Deps, actor: Actor, form: OnRequest, clicked: Place, *, also: Also | None = None
) -> str:
    """Do about a request what the form says; the sentence for whoever did it. `also` is done in its transaction.

    Raises GovernanceError. Where the request is not what was shown, every copy is drawn anew, the clicked one first.
    """

    def work(session: Session, actor: Actor, word: Word) -> str:
        policy, version = deps.in_force
        sentence = decisions.act(
            session,
            actor,
            form,
            policy=policy,
            policy_id=version,
            now=word.now,
            org_key=deps.team.org_key,
            clicked=clicked,
            mirrored_since=word.since,
            asked=word.asked,
        )
        if also is not None:
            also(session)
        return sentence

    try:
        return confirmed(deps, actor, work)
    except Stale as stale:
        show_again(deps, form.approval_id, clicked, stale)
        raise


def require_entitled(deps: Deps, actor: Actor, form: OnRequest, clicked: Place) -> None:
    """Raise what the door would, before somebody is asked to write anything."""

    def work(session: Session, actor: Actor, word: Word) -> None:
        decisions.require_entitled(
            session,
            actor,
            form,
            policy=deps.policy,
            now=word.now,
            org_key=deps.team.org_key,
            clicked=clicked,
            mirrored_since=word.since,
            asked=word.asked,
        )

    try:
        confirmed(deps, actor, work)
    except Stale as stale:
        show_again(deps, form.approval_id, clicked, stale)
        raise


def takers(deps: Deps, actor: Actor, form: HandOver, clicked: Place, *, query: str = "") -> Takers:
    """Who could take the actor's place, by name. Raises what the door would."""

    def work(session: Session, actor: Actor, word: Word) -> Takers:
        return decisions.list_takers(
            session,
            actor,
            form,
            policy=deps.policy,
            now=word.now,
            org_key=deps.team.org_key,
            clicked=clicked,
            mirrored_since=word.since,
            asked=word.asked,
            query=query,
        )

    try:
        return confirmed(deps, actor, work)
    except Stale as stale:
        show_again(deps, form.approval_id, clicked, stale)
        raise


def show_again(deps: Deps, approval_id: int, clicked: Place, stale: Stale) -> None:
    """The card was not what the record is: draw it anew. A request whose time is up ends here and now; one that rests on
    something else by now is looked at again, and who asked for what is no longer the question is asked."""

    def work(session: Session) -> None:
        now = deps.now(session)
        if isinstance(stale, Overdue):
            decisions.expire(
                session,
                approval_id,
                policy=deps.policy,
                now=now,
                org_key=deps.team.org_key,
                clicked=clicked,
            )
            return
        if isinstance(stale, RecordChanged | SubjectMoved):
            decisions.recheck(
                session,
                approval_id,
                policy=deps.policy,
                now=now,
                org_key=deps.team.org_key,
                clicked=clicked,
            )
        if clicked is not None:
            decisions.redraw_card(session, approval_id, now=now, clicked=clicked)

    deps.db.run(work)
