"""Bringing the demo to where its story opens, by the very doors that people use: imports, clicks and windows."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.approvals.words import APPROVE
from bot.budgets import views as budget_views
from bot.budgets import words as budget_buttons
from bot.cli.demo import maturity, milestones, models, spend, tables
from bot.cli.demo import organisation as org
from bot.digests import words as digest_buttons
from sandbox.channels import Message
from sandbox.seat import Seat
from workflows import clock
from workflows.actors import OPERATOR
from workflows.budgets import intake
from workflows.sources import focus

if TYPE_CHECKING:
    from bot.cli.demo.command import Demo

BEFORE = timedelta(days=8)
"""How long before the story opens mlgov was installed."""


def tell(demo: "Demo", work: Path, opens: datetime) -> None:
    """Play what happened since it was installed, with governed time moving along."""
    _bring_in(demo, work, opens)
    maturity.last_quarter(demo, opens)
    world = demo.sandbox.world
    channels = {channel.name: channel.id for channel in world.channels.values()}
    models.tell(demo)
    _send_first_digests(demo, opens)
    for back in (6, 4, 3):
        _until(demo, opens.replace(hour=7, minute=5) - timedelta(days=back))
    maturity.this_quarter(demo)
    _until(demo, opens.replace(hour=7, minute=40) - timedelta(days=2))
    _ask(
        demo,
        org.AIKO,
        "lane-vision",
        "105000",
        "Night driving needs a second labelled set before the winter tests end.",
    )
    world.archive(channels["battery-health"])
    for back in (0,):
        _until(demo, opens.replace(hour=7, minute=5) - timedelta(days=back))
    _until(demo, opens - timedelta(minutes=38))
    _ask(
        demo,
        org.TOMAS,
        "ticket-triage",
        "52000",
        "Labelling backlog doubled after the recall; two more weeks of GPU.",
    )
    _until(demo, opens - timedelta(minutes=19))
    # What lies behind them is read, so that their conversations open at what is new.
    for user_id in (org.MAYA, org.TOMAS):
        demo.sandbox.seat(user_id).mark_read(demo.sandbox.seat(user_id).dm().id)
    priya = demo.sandbox.seat(org.PRIYA)
    card = _newest(priya, priya.dm().id, APPROVE, holding="Ticket triage")
    priya.click(channel_id=priya.dm().id, ts=card.ts, action_id=APPROVE)
    demo.sandbox.seat(org.LUCAS).slash("/mlgov", "status", channels["warranty-fraud"])
    _until(demo, opens)
    for user_id in org.EVERYONE:
        seat = demo.sandbox.seat(user_id)
        for channel in seat.channels():
            if (user_id, channel.name) not in {
                (org.MAYA, ""),
                (org.MAYA, "ticket-triage"),
            } and not _is_news(user_id, channel):
                seat.mark_read(channel.id)


def _is_news(user_id: str, channel: Any) -> bool:
    """Maya's own conversation with mlgov, and Tomás's, stay unread: the story begins there."""
    return user_id in {org.MAYA, org.TOMAS} and channel.id.startswith("D")


def _bring_in(demo: "Demo", work: Path, opens: datetime) -> None:
    for kind, text in (
        ("people", org.people_csv()),
        ("projects", org.projects_csv()),
        ("budgets", org.budgets_csv(opens.date().replace(day=1).isoformat())),
        ("milestones", milestones.csv(opens.date())),
    ):
        path = work / f"{kind}.csv"
        path.write_text(text, encoding="utf-8")
        tables.bring_in(demo.running.deps, kind, path)
    bill = work / "focus.csv"
    spend.write(bill, opens.date())
    deps = demo.running.deps
    options = focus.ReadOptions(tag_keys=deps.policy.costs.tag_keys)
    with deps.db.read() as session:
        now = clock.now(session)
    with focus.read([bill], options=options) as read:
        intake.take_costs(
            deps.db, OPERATOR, read, policy=deps.policy, org_key=deps.team.org_key, now=now
        )
    demo.settle()


def _until(demo: "Demo", moment: datetime) -> None:
    """Let time pass, and what falls due happen."""
    if moment.astimezone(UTC) > demo.clock.now():
        demo.move_to(moment.astimezone(UTC))
    demo.settle()


def _send_first_digests(demo: "Demo", opens: datetime) -> None:
    """A week before the story opens the leaders' first digests are due, and Daniel, who owns them, sends them."""
    week_before = opens - timedelta(days=7)
    _until(demo, week_before.replace(hour=0, minute=10))
    _until(demo, week_before + timedelta(minutes=30))
    daniel = demo.sandbox.seat(org.DANIEL)
    card = _newest(daniel, daniel.dm().id, digest_buttons.SEND, holding="leader")
    daniel.click(channel_id=daniel.dm().id, ts=card.ts, action_id=digest_buttons.SEND)
    demo.settle()
    _until(demo, week_before + timedelta(hours=7))


def _ask(demo: "Demo", user_id: str, key: str, amount: str, reason: str) -> None:
    """Somebody asks for more from what `/mlgov budget` shows them, as they would in Slack."""
    seat = demo.sandbox.seat(user_id)
    channel = next(c.id for c in demo.sandbox.world.channels.values() if c.name == key)
    seat.slash("/mlgov", f"budget {key}", channel)
    answer = seat.ephemerals()[-1]
    seat.click(ephemeral_id=answer.id, action_id=budget_buttons.INCREASE)
    _wait(lambda: bool(seat.modals()), f"{user_id} sees the window")
    choice = {
        "text": {"type": "plain_text", "text": f"{_month(demo)} only", "emoji": True},
        "value": "period",
    }
    outcome = seat.submit(
        seat.modals()[-1].id,
        {
            budget_views.AMOUNT: {budget_views.AMOUNT: amount},
            budget_views.SCOPE: {
                budget_views.SCOPE: {"type": "radio_buttons", "selected_option": choice}
            },
            budget_views.REASON: {budget_views.REASON: reason},
        },
    )
    if not outcome.ok:
        raise RuntimeError(f"the demo's story does not hold: {outcome.errors or outcome.error}")
    demo.sandbox.world.messages.dismiss_ephemeral(answer.id)
    demo.settle()


def _month(demo: "Demo") -> str:
    return f"{demo.clock.now():%B}"


def _newest(seat: Seat, channel_id: str, action_id: str, *, holding: str) -> Message:
    for message in reversed(seat.messages(channel_id)):
        if action_id in str(message.blocks) and holding in str(message.blocks):
            return message
    raise RuntimeError(f"the demo's story does not hold: {seat.user_id} sees no {action_id}")


def _wait(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 5
    while not true():
        if time.monotonic() > end:
            raise RuntimeError(f"the demo's story does not hold: {what}")
        time.sleep(0.01)
