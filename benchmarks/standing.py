"""Nobody stands still: short writes, five a second, from another process's seat, while long work goes on beside them.

The short writes are what a click needs of the database: a write transaction with two seconds in all to wait. The rest of a
click is measured by `clicks`.
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import event, text

from benchmarks import databases, focus_file, office, portfolio
from benchmarks.portfolio import Shape
from benchmarks.report import Ratio, Report, percentile
from bot.background import keep_loaded
from storage import backup
from storage.db import CLICK_WAITS, Database, DatabaseBusy, waiting_until
from tests.contexts import make_context
from workflows import clock, policy
from workflows.anonymity.service import DisclosureBatch
from workflows.audit import service as audit
from workflows.budgets import alerts, cost_loading, imports
from workflows.context import OPERATOR, Occasion
from workflows.delivery import settling
from workflows.digests import service
from workflows.people import mirror
from workflows.people import service as people
from workflows.people.forms import PersonSeen
from workflows.policy import Policy
from workflows.record.scanning import Look
from workflows.sources import focus

PACE = 0.2
"""Seconds from one short write to the next."""


@dataclass(slots=True)
class Seen:
    """What the short writes met during one kind of work."""

    waits: list[float] = field(default_factory=list)
    refused: int = 0
    timings: list[float] = field(default_factory=list)
    """Seconds that each transaction of the work in which something was written took: on SQLite it held the one lock."""
    worked: list[float] = field(default_factory=list)
    """Seconds of processor time that its thread took meanwhile: the rest is the disk's, and other processes'."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything there is."""

    shape: Shape
    cost_rows: int
    outbox_rows: int
    entries: int
    """Entries of the ledger that `verify` walks, besides those of the evaluation."""
    people: int


SMALL = Sizes(Shape(1_000, 20, 40), 20_000, 20_000, 2_000, 400)
FULL = Sizes(Shape(10_000, 1_000), 1_000_000, 1_000_000, 200_000, 20_000)

PAGE = 200
"""People of one page of `users.list`."""
BATCH = 1_000
"""Entries that one transaction puts on the ledger when it is filled."""


def run(*, small: bool) -> Report:
    """Each kind of work in turn, on SQLite, where one writes at a time, and on PostgreSQL."""
    sizes = SMALL if small else FULL
    seen: dict[tuple[str, str], Seen] = {}
    with tempfile.TemporaryDirectory(prefix="mlgov-bench-") as folder:
        place = Path(folder)
        record, bill = place / "record.db", place / "bill.csv"
        portfolio.write(record, sizes.shape)
        focus_file.write(bill, sizes.cost_rows)
        for kind in databases.KINDS:
            own = place / f"{kind}.db"
            shutil.copy(record, own)
            with databases.holding(kind, place, own) as url:
                ours, other = Database(url), Database(url)
                try:
                    _settle_long_ago(ours, sizes.outbox_rows)
                    _fill_ledger(ours, sizes.entries)
                    keep_loaded()  # as `mlgov run` and every command do
                    for name, job in _work(ours, sizes, bill).items():
                        seen[name, kind] = _beside(job, ours, other)
                finally:
                    ours.close()
                    other.close()
    report = Report(
        "standing",
        "Standing: short writes, 5 a second, beside long work",
        ("work", "on", "s", "writes", "refused", "p99 ms", "slowest ms", "held ms", "CPU ms"),
    )
    for (name, kind), each in seen.items():
        report.rows.append(
            (
                name,
                kind,
                each.seconds,
                len(each.waits) + each.refused,
                each.refused,
                percentile(each.waits or [0.0], 0.99) * 1000,
                max(each.waits, default=0.0) * 1000,
                max(each.timings, default=0.0) * 1000,
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
            max(held for each in seen.values() for held in each.timings),
            0.3,
            unit=" s",
        ),
    ]
    report.notes.append(
        "held, CPU: the longest write transaction of the work, and the most processor time that one took."
    )
    return report


def _work(ours: Database, sizes: Sizes, bill: Path) -> dict[str, Callable[[], None]]:
    running = policy.parse(portfolio.POLICY).policy
    projects = sizes.shape.projects
    work = {
        f"evaluation of {projects:,} budgets, newly over": lambda: _evaluate(ours, running),
        f"evaluation of {projects:,} budgets, no news": lambda: _evaluate(ours, running),
        f"import of {sizes.cost_rows:,} rows": lambda: _load(ours, running, bill),
        "the same import again": lambda: _load(ours, running, bill),
        "removal of what was replaced": lambda: cost_loading.remove_for(ours),
        f"digests for {sizes.shape.readers:,} people": lambda: _digests(
            ours, running, sizes.shape.readers
        ),
        f"purge of {sizes.outbox_rows:,} rows": lambda: _purge(ours),
        f"verify, {sizes.entries:,} entries and more": lambda: _verify(ours),
        f"reading of {sizes.people:,} people": lambda: _read_people(ours, sizes.people),
        "the same reading again": lambda: _read_people(ours, sizes.people),
    }
    file = ours.engine.url.database
    if ours.is_sqlite and file is not None:
        work["backup"] = lambda: _back_up(Path(file))
    return work


def _evaluate(ours: Database, running: Policy) -> None:
    """All budgets anew: of what is over, only what is recorded already is no news."""
    with ours.begin() as session:
        alerts.begin_evaluation(session)
    alerts.evaluate_all(ours, Occasion(running, office.TEAM, portfolio.NOW), owner="benchmark")


def _load(ours: Database, running: Policy, bill: Path) -> None:
    options = focus.ReadOptions(tag_keys=running.costs.tag_keys)
    with focus.read([bill], options=options) as read:
        imports.take_costs(
            ours, Occasion(running, office.TEAM, portfolio.NOW, actor=OPERATOR), read
        )


def _digests(ours: Database, running: Policy, readers: int) -> None:
    for number in range(readers):
        telling = DisclosureBatch()
        with ours.read() as session:
            actor = people.actor(session, portfolio.reader(number))
            assert actor is not None
            service.make_content(
                make_context(session, actor=actor, policy=running, now=portfolio.NOW),
                first_day=portfolio.FIRST_DAY,
                zone=ZoneInfo("UTC"),
                telling=telling,
            )
        ours.run(telling.keep)


def _purge(ours: Database) -> None:
    while ours.in_turn(lambda session: settling.purge(session, now=portfolio.NOW)):
        pass


def _verify(ours: Database) -> None:
    """The chain, and the record against it."""
    with ours.read() as session:
        Look().all(session, portfolio.NOW)


def _back_up(database: Path) -> None:
    backup.write(database, database.with_suffix(".copy"))


def _read_people(ours: Database, count: int) -> None:
    """What a reading of Slack writes, page by page."""
    for first in range(0, count, PAGE):
        page = [_person(number) for number in range(first, min(first + PAGE, count))]
        ours.in_turn(lambda session, page=page: _write_page(session, page))  # type: ignore[misc]


def _write_page(session: Any, page: list[PersonSeen]) -> None:
    mirror.upsert_people(
        make_context(session, now=portfolio.NOW), page, read_at=clock.real_now(session)
    )


def _person(number: int) -> PersonSeen:
    return PersonSeen(
        org_key=office.TEAM,
        slack_id=f"U1{number:06}",
        team_id=office.TEAM,
        name=f"Person {number}",
        email=f"person-{number}@acme.test",
        title="",
        tz="Europe/London",
        is_bot=False,
        is_guest=False,
        is_stranger=False,
        is_deactivated=False,
    )


def _fill_ledger(database: Database, entries: int) -> None:
    for first in range(0, entries, BATCH):
        with database.begin(patient=True) as session:
            for number in range(first, min(first + BATCH, entries)):
                audit.record(
                    make_context(session, actor=OPERATOR, now=portfolio.NOW),
                    "benchmark.noted",
                    ("benchmark", number),
                    words="somebody did something that has to be kept",
                )


def _settle_long_ago(database: Database, rows: int) -> None:
    if database.is_sqlite:
        numbers, moment = (
            "RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)",
            "i",
        )
        never, no = "0", "0"
    else:
        numbers = "n(i) AS (SELECT generate_series(1, :rows))"
        moment = "to_timestamp(i)"
        never, no = "to_timestamp(0)", "FALSE"
    with database.begin(patient=True) as session:
        session.execute(
            text(
                f"INSERT INTO lane (key, not_before, edit_not_before, epoch) VALUES ('old', {never}, {never}, 0)"
            )
        )
        session.execute(
            text(
                "INSERT INTO outbox (dedupe_key, lane_key, op, priority, kind, notice, notice_version, state, stale, "
                "due_at, attempts, lookups, generation, created_at, settled_at) "
                f"WITH {numbers} SELECT 'old-' || i, 'old', 'post', 1, 'old', '{{}}', 1, 'sent', {no}, {moment}, "
                f"0, 0, 0, {moment}, {moment} FROM n"
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
                    session.execute(text("UPDATE runtime SET clock_at = clock_at WHERE id = 1"))
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
    """Note for how long each transaction in which something is written goes on."""
    begun: dict[int, tuple[float, float]] = {}
    writes: set[int] = set()

    def begin(connection: object) -> None:
        begun[threading.get_ident()] = time.monotonic(), time.thread_time()

    def executed(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.lstrip()[:6].upper() in ("INSERT", "UPDATE", "DELETE"):
            writes.add(threading.get_ident())

    def returned(connection: object, record: object) -> None:
        """The commit itself is over when the connection goes back to the pool."""
        since = begun.pop(threading.get_ident(), None)
        if since is not None and threading.get_ident() in writes:
            writes.discard(threading.get_ident())
            seen.timings.append(time.monotonic() - since[0])
            seen.worked.append(time.thread_time() - since[1])

    event.listen(database.engine, "begin", begin)
    event.listen(database.engine, "after_cursor_execute", executed)
    event.listen(database.engine, "checkin", returned)
    try:
        yield
    finally:
        event.remove(database.engine, "begin", begin)
        event.remove(database.engine, "after_cursor_execute", executed)
        event.remove(database.engine, "checkin", returned)
