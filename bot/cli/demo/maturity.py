"""The demo's check-ins: one of last quarter with its result, and one that is open and asks Maya."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from bot.cli.demo import organisation as org
from workflows.actors import Actor
from workflows.maturity import rubric, service
from workflows.maturity.forms import SetTargets
from workflows.people import service as people

if TYPE_CHECKING:
    from bot.cli.demo.command import Demo

POLICY = """
maturity:
  leaders: [persona:executive, persona:leader, persona:finance]
"""

LIKELY: Mapping[str, tuple[float, float]] = {
    "organisation": (0.95, 0.35),
    "data": (0.6, 0.2),
    "training": (0.95, 0.5),
    "deployment": (0.97, 0.9),
    "operations": (0.93, 0.4),
    "governance": (0.92, 0.45),
}
"""How likely somebody at Halden says yes, to what medium asks and to what high asks."""


def last_quarter(demo: "Demo", opens: datetime) -> None:
    """A check-in in October that everybody answered: its result is told in the channel."""
    deps = demo.running.deps
    began = (opens - timedelta(days=105)).astimezone(UTC)
    with deps.db.begin(patient=True) as session:
        lead = _actor(session, org.GRACE)
        cycle = service.start_check_in(
            session, lead, None, policy=deps.policy, org_key=deps.team.org_key, now=began
        )
        for member in org.MEMBERS:
            _answer(demo, session, member.id, began + timedelta(days=2), better=False)
        service.close_check_in(
            session,
            lead,
            cycle,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=began + timedelta(days=18),
        )
        service.set_targets(
            session,
            lead,
            SetTargets(levels={"data": "medium", "governance": "medium"}),
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=began + timedelta(days=19),
        )


def this_quarter(demo: "Demo") -> None:
    """The one that is open: some have answered, Maya has not yet."""
    deps = demo.running.deps
    now = demo.clock.now()
    with deps.db.begin(patient=True) as session:
        service.start_check_in(
            session,
            _actor(session, org.GRACE),
            None,
            policy=deps.policy,
            org_key=deps.team.org_key,
            now=now,
        )
    demo.settle()
    with deps.db.begin(patient=True) as session:
        for user_id in (org.OMAR, org.ELENA, org.SOFIA, org.DANIEL, org.HENRIK):
            _answer(demo, session, user_id, now, better=True)
    demo.settle()


def _actor(session: Session, slack_id: str) -> Actor:
    actor = people.actor_by_slack_id(session, org.TEAM, slack_id)
    if actor is None:
        raise RuntimeError(f"the demo's story does not hold: nobody is {slack_id}")
    return actor[0]


def _answer(demo: "Demo", session: Session, user_id: str, now: datetime, *, better: bool) -> None:
    """All answers of one person, the same in every run."""
    deps = demo.running.deps
    actor = _actor(session, user_id)
    mine = service.open_invitation(session, actor, policy=deps.policy)
    if mine is None:
        return
    chance = random.Random(f"{user_id} {now:%Y-%m}")  # noqa: S311 - invented answers, not a secret
    answers: dict[str, tuple[str | None, str | None]] = {}
    for dimension in rubric.load().rubric.dimensions:
        for likely, statements in zip(
            LIKELY[dimension.key], (dimension.medium, dimension.high), strict=True
        ):
            for statement in statements:
                roll = chance.random() - (0.15 if better else 0)
                answers[statement.id] = (
                    None,
                    "yes"
                    if roll < likely
                    else "partly"
                    if roll < likely + 0.25
                    else "unknown"
                    if roll > 0.97
                    else "no",
                )
    service.keep_window_answers(session, actor, mine.id, answers, policy=deps.policy, now=now)
