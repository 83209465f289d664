"""What the strip above the stand-in leads a newcomer through; every step is ticked by the record, not by the click."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import column, text

from bot import anchor
from bot.demo import organisation as org
from sandbox.page_api import HOME, ActionResult, Go, Step, Strip, StripAction
from storage import triggers
from storage.base import UTCDateTime
from workflows.audit import heads

if TYPE_CHECKING:
    from bot.demo.command import Demo

_APPROVED_AT = text(
    "SELECT max(a.decided_at) AS decided_at FROM approval a JOIN project p ON p.id = a.project_id "
    "WHERE p.key = 'ticket-triage' AND a.state = 'approved'"
).columns(column("decided_at", UTCDateTime()))


class Story:
    """Remembers only what the record cannot tell: which of the strip's own buttons were used."""

    def __init__(self, demo: "Demo") -> None:
        self._demo = demo
        self._verified = False
        self._tampered = False
        self._found = False
        self._opened_at = demo.clock.now()
        self._decided_at: datetime | None = None
        self._done: set[str] = set()

    # --- what is true now

    def step(self, name: str, is_done: Callable[[], bool]) -> Callable[[], bool]:
        """A step that stays done once it was: what follows later un-ticks nothing."""

        def done() -> bool:
            if name not in self._done and is_done():
                self._done.add(name)
            return name in self._done

        return done

    def approved(self) -> bool:
        """Whether Ticket triage's increase is approved."""
        return self._approved_at() is not None

    def _approved_at(self) -> datetime | None:
        if self._decided_at is None:
            with self._demo.running.deps.db.read() as session:
                self._decided_at = session.scalar(_APPROVED_AT)
        return self._decided_at

    def seen(self, user_id: str, channel: str) -> bool:
        """Whether somebody looked at a conversation after the approval."""
        decided = self._approved_at()
        looked = self._demo.sandbox.world.messages.looked.get((user_id, channel))
        return decided is not None and looked is not None and looked > decided

    def moved(self) -> bool:
        """Whether the clock was moved by most of a day since the story opened."""
        return (self._demo.clock.now() - self._opened_at).total_seconds() > 20 * 3600

    # --- the strip's own buttons

    def verify(self) -> ActionResult:
        """Check the ledger against the heads that were kept outside the database."""
        kept = anchor.read_heads(str(self._demo.anchor)) if self._demo.anchor.exists() else []
        with self._demo.running.deps.db.read() as session:
            verdict = heads.verify(session, kept)
        if verdict.holds:
            self._verified = True
            return ActionResult(
                True,
                f"The ledger holds: {verdict.entries} entries, and {verdict.compared} heads kept outside agree.",
            )
        self._found = True
        return ActionResult(False, f"Found it: {verdict.reason}.")

    def tamper(self) -> ActionResult:
        """Change an entry as somebody with all rights on the database could."""
        if self._tampered:
            return ActionResult(
                True, "An entry is changed already. Verify the ledger to see which."
            )
        database = self._demo.running.deps.db
        with database.engine.begin() as connection:
            for name in triggers.list_names(connection):
                table = "audit_head" if "head" in name else "audit_entry"
                connection.execute(
                    text(f"DROP TRIGGER {name}" + ("" if database.is_sqlite else f" ON {table}"))
                )
            seq, body = connection.execute(
                text(
                    "SELECT seq, body FROM audit_entry WHERE action = 'approval.decided' ORDER BY seq LIMIT 1"
                )
            ).one()
            changed = body.replace('"verdict":"approve"', '"verdict":"reject"')
            connection.execute(
                text("UPDATE audit_entry SET body = :body WHERE seq = :seq"),
                {"body": changed, "seq": seq},
            )
        self._tampered = True
        return ActionResult(
            True,
            "Done, behind mlgov's back: one entry now says something else. Which? Verify the ledger.",
        )


def strip(demo: "Demo", *, is_empty: bool) -> Strip:
    """The strip for this demo."""
    story = Story(demo)
    start = Go(org.DANIEL, HOME)
    if is_empty:
        return Strip(
            headline="An empty workspace. Import people, projects, budgets and cost, then look around.",
            steps=[],
            actions=_actions(story),
            start=start,
            settle=demo.settle,
            move=demo.pass_time,
            set_to=demo.pass_until,
        )
    world = demo.sandbox.world
    channel = next(c.id for c in world.channels.values() if c.name == "ticket-triage")
    audit = next(c.id for c in world.channels.values() if c.name == "ml-audit")
    inbox = world.open_im(org.MAYA).id
    asked = world.open_im(org.TOMAS).id
    return Strip(
        headline="You are Maya. Ticket triage is over budget, finance has approved more, and your word is the last.",
        steps=[
            Step(
                "approve",
                "Decide",
                "mlgov asks you, because you own this budget. Read the card and press Approve.",
                story.step("approve", story.approved),
                Go(org.MAYA, inbox),
            ),
            Step(
                "copies",
                "Every copy follows",
                "The same request stands in the project's channel. It has shrunk to one line; the thread tells the story.",
                story.step("copies", lambda: story.seen(org.MAYA, channel)),
                Go(org.MAYA, channel),
            ),
            Step(
                "requester",
                "See it as Tomás, who asked",
                "He was told the moment you decided, with what it means.",
                story.step("requester", lambda: story.seen(org.TOMAS, asked)),
                Go(org.TOMAS, asked),
            ),
            Step(
                "clock",
                "Move the clock by a day",
                "Press +1 day. What falls due happens: cost arrives, a budget speaks up, a request nobody decided expires.",
                story.step("clock", story.moved),
                None,
            ),
            Step(
                "verify",
                "Verify the ledger",
                "Press Verify. Then change an entry behind mlgov's back, and verify again.",
                lambda: story._found,
                Go(org.DANIEL, audit),
            ),
        ],
        actions=_actions(story),
        start=Go(org.MAYA, inbox),
        settle=demo.settle,
        move=demo.pass_time,
        set_to=demo.pass_until,
    )


def _actions(story: Story) -> list[StripAction]:
    return [
        StripAction(
            "verify",
            "Verify the ledger",
            "Checks every entry, and the heads kept outside.",
            story.verify,
        ),
        StripAction(
            "tamper",
            "Change an entry",
            "As somebody with all rights on the database could.",
            story.tamper,
        ),
    ]
