"""The three lines that follow somebody's first answer."""

import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bot.context import Deps
from bot.front import messages
from bot.replies import Private
from storage.db import DatabaseBusy
from workflows import meeting, status
from workflows.actors import Actor
from workflows.status.records import Part

log = logging.getLogger("mlgov")

Greeter = Callable[[Actor, Private], Private]
"""From somebody and the answer to their command, to the answer with the three lines after it when it is their first."""


def greeter(deps: Deps) -> Greeter:
    """Adds the three lines once for each person. Whoever is known to this process costs nothing."""
    known: set[str] = set()

    def greet(actor: Actor, answer: Private) -> Private:
        if actor.id in known or not (answer.text or answer.blocks):
            return answer
        try:
            part = _part(deps, actor)
        except (DatabaseBusy, SQLAlchemyError) as error:
            # They asked something, and have their answer; they are greeted another time.
            log.warning("somebody was not greeted: %s", type(error).__name__)
            return answer
        known.add(actor.id)
        return answer if part is None else messages.introduced(answer, part)

    return greet


def _part(deps: Deps, actor: Actor) -> Part | None:
    """What the person is, when this is the first time that they meet mlgov."""
    with deps.db.read() as session:
        if meeting.is_known(session, actor.id):
            return None

    def work(session: Session) -> Part | None:
        if not meeting.record_meeting(session, actor.id, "command", now=deps.now(session)):
            return None
        return status.load_part(session, actor, policy=deps.policy)

    return deps.db.run(work)
