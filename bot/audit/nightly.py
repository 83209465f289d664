"""The nightly check: a little of it with each tick, every slice a look of its own that writes nothing."""

import logging
import time
import uuid
from datetime import timedelta

from bot import anchor
from bot.deps import Deps
from storage import leases, runtime
from workflows.audit.service import Kept
from workflows.context import SYSTEM
from workflows.delivery import holding
from workflows.errors import GovernanceError
from workflows.record import telling
from workflows.record.scanning import Look

log = logging.getLogger("mlgov")

LEASE = "record.check"
HOLDS = timedelta(minutes=10)
RENEWED = 120.0
"""Seconds after which the lease is taken for another `HOLDS`."""
BUDGET = 0.25
"""Seconds of a tick."""
KEPT_EVERY = 50_000
"""Entries after which the ledger keeps how far the chain was walked."""


class Nightly:
    """Checks the record once a night, in one process at a time. Called with each tick of the clock hand."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._owner = uuid.uuid4().hex
        self._done = ""
        self._night = ""
        self._look: Look | None = None
        self._kept = 0
        self._renewed = 0.0

    def __call__(self) -> None:
        """Go on with the check of this night, when it is due and nobody else does it."""
        deps = self._deps
        with deps.begin_read() as ctx:
            now = ctx.now
            night, begins = telling.find_night(now, ctx.policy)
            if night == self._done or holding.is_held(ctx.session):
                return
            if night != self._night and not telling.is_due(ctx.session, night, begins):
                self._done = night
                return
        if not self._take():
            return
        if self._look is None or night != self._night:
            self._begin(night)
        look = self._look
        if look is None:
            return
        until = time.monotonic() + BUDGET
        while not look.is_over and time.monotonic() < until:
            with deps.db.read() as session:
                look.step(session, now)
        if look.is_over:
            self._finish(night, look)
        elif look.at.seq >= self._kept + KEPT_EVERY:
            self._kept = look.at.seq
            deps.act(SYSTEM, telling.checkpoint, night, look.at)

    def _take(self) -> bool:
        """The lease, taken anew now and then."""
        if self._look is not None and time.monotonic() - self._renewed < RENEWED:
            return True
        has_it = self._deps.db.run(
            lambda session: leases.take(
                session, LEASE, owner=self._owner, length=HOLDS, real_now=runtime.real_now(session)
            )
        )
        self._renewed = time.monotonic()
        if not has_it:
            self._look = None
        return has_it

    def _begin(self, night: str) -> None:
        kept: Kept | None = None
        if place := self._deps.settings.mlgov_anchor:
            try:
                kept = anchor.read(place, may_be_missing=True)
            except GovernanceError as error:
                log.warning("%s The nightly check goes on without it.", error.sentence)
        with self._deps.begin_read() as ctx:
            at = telling.find_checkpoint(ctx.session, night)
            is_due = telling.is_due(ctx.session, *telling.find_night(ctx.now, ctx.policy))
        if not is_due:
            self._done, self._look = night, None
            return
        self._look = Look(kept=kept, at=at, pins=self._deps.policy.statements.keys)
        self._night, self._kept = night, at.seq

    def _finish(self, night: str, look: Look) -> None:
        deps = self._deps
        outcome = deps.act(SYSTEM, telling.finish_night, night, look)
        self._done, self._look = night, None
        if outcome:
            log.error(
                "the nightly check of the record found %d faults; `mlgov audit verify` lists those that there still are",
                outcome,
            )
