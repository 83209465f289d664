"""A decision from outside the database, by a click or through the API: by the mirror of Slack, else by asking Slack."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from bot.context import Deps
from workflows import clock, decisions
from workflows.actors import Actor
from workflows.approvals.forms import Decide
from workflows.approvals.refusals import Overdue, Unconfirmed
from workflows.errors import Stale

CONFIRMED_WITHIN = timedelta(minutes=10)
"""How old the mirror's word on somebody's groups may be when they decide."""

T = TypeVar("T")
Clicked = tuple[str, str] | None
Also = Callable[[Session], None]


def confirmed(
    deps: Deps,
    actor: Actor,
    approval_id: int,
    work: Callable[[Session, Actor, timedelta | None], T],
) -> T:
    """Do `work` by the mirror of Slack; where that is too old to tell, ask Slack between two transactions and repeat.

    `work` gets the person and how old a word of Slack's may be, None once Slack was asked.
    """
    try:
        return deps.db.run(lambda session: work(session, actor, CONFIRMED_WITHIN))
    except Unconfirmed:
        with deps.db.read() as session:
            asked = decisions.groups_asked(session, approval_id)
        sure = deps.directory.confirm(
            actor.slack_id or "", asked, max_age=CONFIRMED_WITHIN
        )
        return deps.db.run(lambda session: work(session, sure, None))


def decide(
    deps: Deps,
    actor: Actor,
    form: Decide,
    clicked: Clicked,
    *,
    also: Also | None = None,
) -> None:
    """Count a verdict, asking Slack first where needed; `also` is done in its transaction. Raises GovernanceError."""

    def work(session: Session, actor: Actor, max_age: timedelta | None) -> None:
        real, now = clock.both(session)
        decisions.decide(
            session,
            actor,
            form,
            policy=deps.policy,
            now=now,
            org_key=deps.team.org_key,
            clicked=clicked,
            mirrored_since=real - max_age if max_age else None,
        )
        if also is not None:
            also(session)

    try:
        confirmed(deps, actor, form.approval_id, work)
    except Stale as stale:
        show_again(deps, form.approval_id, clicked, stale)
        raise


def show_again(deps: Deps, approval_id: int, clicked: Clicked, stale: Stale) -> None:
    """The card was not what the record is: draw it anew; a request whose time is up ends here and now."""

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
        elif clicked is not None:
            decisions.show_again(session, approval_id, now=now, clicked=clicked)

    deps.db.run(work)
