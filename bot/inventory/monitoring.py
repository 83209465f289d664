"""Reading what is watched in use from Prometheus, in a thread of its own."""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from bot.background import Repeating
from bot.deps import Deps
from bot.settings import Settings
from bot.web import metrics
from workflows.context import SYSTEM
from workflows.delivery import holding
from workflows.errors import GovernanceError
from workflows.inventory import monitoring
from workflows.inventory.monitoring import Asked
from workflows.sources.prometheus import Prometheus, PrometheusTrouble

log = logging.getLogger("mlgov")

READER = "prometheus"
PAUSE = 10.0
"""Seconds between questions whether a reading is due."""
AGAIN = timedelta(minutes=5)
"""After which time a query that gave nothing is tried again."""
MOST = 500
"""Measures asked for in one round; the rest in the next."""
BATCH = 50
"""Readings kept in one transaction, so that no click waits for many."""


def make_client(settings: Settings) -> Prometheus | None:
    """The Prometheus that the settings name; None when they name none."""
    if settings.mlgov_prometheus_url is None:
        return None
    token = settings.mlgov_prometheus_token
    return Prometheus(
        settings.mlgov_prometheus_url, token=token.get_secret_value() if token else None
    )


class Watch:
    """Asks for the readings that are due. Several processes may: each keeps the same reading of the same instant once.

    A value that does not come is no reading; the plan's own time says when that becomes a finding.
    """

    def __init__(self, deps: Deps, prometheus: Prometheus) -> None:
        self._deps = deps
        self._prometheus = prometheus
        self._waits: dict[int, float] = {}
        """Measure → monotonic time before which it is not asked for again."""
        self._answered: float | None = None
        metrics.expect_reader(READER)
        self._rounds = Repeating("the reading of measures", self.read_due, PAUSE)

    def start(self) -> None:
        """Begin to ask."""
        self._rounds.start()

    def stop(self) -> None:
        """End, after what is under way."""
        self._rounds.stop()
        self._prometheus.close()

    def age(self) -> float | None:
        """Seconds since it last answered this process; None before it did."""
        return None if self._answered is None else time.monotonic() - self._answered

    def read_due(self) -> int:
        """Ask for what is due; how many readings were kept."""
        deps = self._deps
        with deps.begin_read() as ctx:
            if holding.is_held(ctx.session):
                return 0
            wanted = monitoring.list_due_measures(ctx)
        clock = time.monotonic()
        wanted = [one for one in wanted if self._waits.get(one.metric_id, 0.0) <= clock]
        kept, trouble = 0, ""
        for start in range(0, min(len(wanted), MOST), BATCH):
            values, missed, trouble = self._ask(wanted[start : start + BATCH])
            if trouble:
                missed |= dict.fromkeys(wanted[start + BATCH :], trouble)
            self._miss(missed)
            if values:
                deps.act(SYSTEM, monitoring.keep_readings, values)
            kept += len(values)
            if trouble or self._rounds.is_stopping:
                break
        return kept

    def _ask(self, some: Sequence[Asked]) -> tuple[dict[Asked, Decimal], dict[Asked, str], str]:
        """Values, why others have none, and what is wrong with the server, if anything."""
        values: dict[Asked, Decimal] = {}
        missed: dict[Asked, str] = {}
        for place, measure in enumerate(some):
            if self._rounds.is_stopping:
                break
            try:
                values[measure] = self._prometheus.value(measure.query, measure.at)
                self._answered = time.monotonic()
            except PrometheusTrouble as error:
                metrics.READS.labels(READER, "failed").inc()
                return (
                    values,
                    missed | dict.fromkeys(some[place:], error.sentence),
                    error.sentence,
                )
            except GovernanceError as error:
                self._answered = time.monotonic()
                missed[measure] = error.sentence
        metrics.READS.labels(READER, "ok").inc()
        return values, missed, ""

    def _miss(self, why: Mapping[Asked, str]) -> None:
        """Try these again later, and say why meanwhile."""
        if not why:
            return
        until = time.monotonic() + AGAIN.total_seconds()
        self._waits |= {one.metric_id: until for one in why}
        first = next(iter(why))
        log.warning("%s measures were not read; %s: %s", len(why), first.words, why[first])
        self._deps.db.run(lambda session: monitoring.keep_failures(session, why))
