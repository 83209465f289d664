"""Nobody stands still: short writes, five a second, from another process's seat, while long work goes on beside them.

The short writes are what a click needs of the database: a write transaction with two seconds in all to wait. The rest of a
click is measured by `clicks`.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import event, text

from benchmarks import focus_file, office, portfolio
from benchmarks.portfolio import Shape
from benchmarks.report import Ratio, Report, percentile
from storage.db import CLICK_WAITS, Database, DatabaseBusy, waiting_until
from workflows import policy
from workflows.actors import OPERATOR
from workflows.budgets import alerts, intake, loading
from workflows.delivery import settling
from workflows.digests import making
from workflows.disclosure.service import Telling
from workflows.people import service as people
from workflows.sources import focus

PACE = 0.2
"""Seconds from one short write to the next."""


@dataclass(slots=True)
class Seen:
    """What the short writes met during one kind of work."""

    waits: list[float] = field(default_factory=list)
    refused: int = 0
    held: list[float] = field(default_factory=list)
    """Seconds for which each write transaction of the work held SQLite's lock."""
    worked: list[float] = field(default_factory=list)
    """Seconds of processor time that its thread took meanwhile: the rest is the disk's, and other processes'."""
    seconds: float = 0.0


def run(*, small: bool) -> Report:
    """Each kind of work in turn, on SQLite, where one writes at a time."""
    shape = Shape(1_000, 20, 40) if small else Shape(10_000, 1_000)
    rows = 20_000 if small else 1_000_000
    outbox = 20_000 if small else 1_000_000
    found = policy.parse(portfolio.POLICY).policy
    seen: dict[str, Seen] = {}
    with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
        place = Path(folder)
        portfolio.write(place / "record.db", shape)
        bill = place / "bill.csv"
        focus_file.write(bill, rows)
        url = f"sqlite:///{place / 'record.db'}"
        ours, other = Database(url), Database(url)
        _settle_long_ago(ours, outbox)

        def load() -> None:
            options = focus.ReadOptions(tag_keys=found.costs.tag_keys)
            with focus.read([bill], options=options) as read:
                intake.take_costs(
                    ours,
                    OPERATOR,
                    read,
                    policy=found,
                    org_key=office.TEAM,
                    now=portfolio.NOW,
                )

        def evaluate() -> None:
            """All budgets anew: nothing is recorded of them."""
            with ours.begin() as session:
                alerts.begin(session)
            alerts.evaluate_all(
                ours,
                policy=found,
                org_key=office.TEAM,
                now=portfolio.NOW,
                owner="benchmark",
            )

        def digest() -> None:
            for number in range(shape.readers):
                telling = Telling()
                with ours.read() as session:
                    actor = people.actor(session, portfolio.reader(number))
                    assert actor is not None
                    making.make(
                        session,
                        actor,
                        first_day=portfolio.FIRST_DAY,
                        zone=ZoneInfo("UTC"),
                        policy=found,
                        now=portfolio.NOW,
                        telling=telling,
                    )
                ours.run(telling.keep)

        def purge() -> None:
            while ours.in_turn(
                lambda session: settling.purge(session, now=portfolio.NOW)
            ):
                pass

        work: dict[str, Callable[[], None]] = {
            f"evaluation of {shape.projects:,} budgets, newly over": evaluate,
            f"evaluation of {shape.projects:,} budgets, no news": evaluate,
            f"import of {rows:,} rows": load,
            "the same import again": load,
            "removal of what was replaced": lambda: loading.remove_for(ours),
            f"digests for {shape.readers:,} people": digest,
            f"purge of {outbox:,} rows": purge,
        }
        try:
            for name, job in work.items():
                seen[name] = _beside(job, ours, other)
        finally:
            ours.close()
            other.close()
    report = Report(
        "standing",
        "Standing: short writes, 5 a second, beside long work on SQLite",
        ("work", "s", "writes", "refused", "p99 ms", "slowest ms", "held ms", "CPU ms"),
    )
    for name, each in seen.items():
        report.rows.append(
            (
                name,
                each.seconds,
                len(each.waits) + each.refused,
                each.refused,
                percentile(each.waits or [0.0], 0.99) * 1000,
                max(each.waits, default=0.0) * 1000,
                max(each.held, default=0.0) * 1000,
                max(each.worked, default=0.0) * 1000,
            )
        )
    waits = [wait for each in seen.values() for wait in each.waits]
    report.ratios = [
        Ratio("refused", sum(each.refused for each in seen.values()), 0),
        Ratio("p99 of all", percentile(waits, 0.99), 1.0, unit=" s"),
        Ratio("slowest", max(waits), CLICK_WAITS, unit=" s"),
        Ratio(
            "longest write transaction",
            max(held for each in seen.values() for held in each.held),
            0.3,
            unit=" s",
        ),
    ]
    report.notes.append(
        "held, CPU: the longest write transaction of the work, and the most processor time that one took."
    )
    return report


def _settle_long_ago(database: Database, rows: int) -> None:
    with database.begin(patient=True) as session:
        session.execute(
            text(
                "INSERT INTO lane (key, not_before, edit_not_before, epoch) VALUES ('old', 0, 0, 0)"
            )
        )
        session.execute(
            text(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows) "
                "INSERT INTO outbox (dedupe_key, lane_key, op, priority, kind, notice, notice_version, state, stale, "
                "due_at, attempts, lookups, generation, created_at, settled_at) "
                "SELECT 'old-' || i, 'old', 'post', 1, 'old', '{}', 1, 'sent', 0, i, 0, 0, 0, i, i FROM n"
            ),
            {"rows": rows},
        )


def _beside(job: Callable[[], None], ours: Database, other: Database) -> Seen:
    seen = Seen()
    is_over = threading.Event()

    def click() -> None:
        while not is_over.wait(PACE):
            began = time.monotonic()
            try:
                with waiting_until(began + CLICK_WAITS), other.begin() as session:
                    session.execute(
                        text("UPDATE runtime SET clock_at = clock_at WHERE id = 1")
                    )
            except DatabaseBusy:
                seen.refused += 1
            else:
                seen.waits.append(time.monotonic() - began)

    clicker = threading.Thread(target=click)
    clicker.start()
    began = time.monotonic()
    try:
        with _held(ours, seen):
            job()
    finally:
        seen.seconds = time.monotonic() - began
        is_over.set()
        clicker.join()
    return seen


@contextmanager
def _held(database: Database, seen: Seen) -> Iterator[None]:
    """Note for how long each write transaction holds the lock."""
    begun: dict[int, tuple[float, float]] = {}

    def begin(connection: object) -> None:
        begun[threading.get_ident()] = time.monotonic(), time.thread_time()

    def returned(connection: object, record: object) -> None:
        """The commit itself is over when the connection goes back to the pool."""
        since = begun.pop(threading.get_ident(), None)
        if since is not None:
            seen.held.append(time.monotonic() - since[0])
            seen.worked.append(time.thread_time() - since[1])

    event.listen(database.engine, "begin", begin)
    event.listen(database.engine, "checkin", returned)
    try:
        yield
    finally:
        event.remove(database.engine, "begin", begin)
        event.remove(database.engine, "checkin", returned)
