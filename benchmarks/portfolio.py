"""A large organisation in a SQLite file: projects, budgets, daily cost, milestones, requests, and people who read of them."""

import random
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import office
from storage import migrate, runtime
from storage.db import Database

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
FIRST_DAY = date(2026, 1, 19)
"""The digest of Monday 26 January 2026 tells of the week from this day on."""
DAYS = 100
"""Days of cost of each project, the last of them the day before."""
LEADERS = 10
"""Readers who see everything; each of the others sees the projects that they own."""
POLICY = f"""\
version: 1
organisation: {{name: Acme, timezone: UTC}}
roles: {{leader: [{", ".join(f"U0READER{n:04}" for n in range(LEADERS))}], admin: [U0ADMIN]}}
digests: {{weekly: {{audience: role:leader}}}}
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large it is."""

    projects: int
    readers: int
    days: int = DAYS

    @property
    def cost_rows(self) -> int:
        """Rows of daily cost."""
        return self.projects * self.days


def reader(number: int) -> str:
    """The opaque id of a reader; the first ones lead."""
    return f"p-reader-{number:04}"


def write(path: Path, shape: Shape) -> None:
    """Make the file. The same shape makes the same content."""
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    with database.begin() as session:
        runtime.set_facts(session, {"org_key": office.TEAM, "team_id": office.TEAM})
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    luck = random.Random(20260126)
    with sqlite3.connect(path) as record:
        for table, columns, rows in _tables(shape, luck):
            marks = ", ".join("?" for _ in columns.split(","))
            record.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
        record.execute("ANALYZE")
    record.close()


def _micro(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def _tables(
    shape: Shape, luck: random.Random
) -> Iterator[tuple[str, str, Iterable[tuple[Any, ...]]]]:
    now = _micro(NOW)
    owners = [reader(LEADERS + n % max(1, shape.readers - LEADERS)) for n in range(shape.projects)]
    yield (
        "person",
        "id, org_key, slack_id, name, title, tz, is_bot, is_guest, is_stranger, is_deactivated",
        [
            (reader(n), office.TEAM, f"U0READER{n:04}", f"Reader {n}", "", "UTC", 0, 0, 0, 0)
            for n in range(shape.readers)
        ],
    )
    yield "policy_version", "id, sha256, text, applied_at", [(1, "0", POLICY, now)]
    yield (
        "project",
        "id, key, name, owner_id, status, created_at",
        [
            (n, f"project-{n:05}", f"Project {n:05}", owners[n - 1], "live", now)
            for n in range(1, shape.projects + 1)
        ],
    )
    yield (
        "budget",
        "id, project_id, period, starts, currency, basis, thresholds, revision, created_at",
        [
            (
                n,
                n,
                "month",
                "2025-01-01",
                "EUR" if n % 10 else "USD",
                "effective",
                "[50, 80, 100]",
                1,
                now,
            )
            for n in range(1, shape.projects + 1)
        ],
    )
    yield (
        "budget_revision",
        "budget_id, revision, amount, valid_from, created_at",
        [
            (n, 1, str(luck.randrange(500, 4000)), "2025-01-01", now)
            for n in range(1, shape.projects + 1)
        ],
    )
    yield from _cost(shape, luck, now)
    yield from _milestones(shape, luck, now)
    yield from _requests(shape, luck, owners)


def _cost(
    shape: Shape, luck: random.Random, now: int
) -> Iterator[tuple[str, str, Iterable[tuple[Any, ...]]]]:
    days = [FIRST_DAY + timedelta(days=6 - back) for back in range(shape.days - 1, -1, -1)]
    months = sorted({day.replace(day=1) for day in days})
    load_of = {month: n for n, month in enumerate(months, 1)}
    yield (
        "cost_load",
        "id, source, billing_period, sha256, rows, charges_through, loaded_at",
        [
            (
                load_of[m],
                "cloud",
                m.isoformat(),
                str(load_of[m]),
                1,
                max(d for d in days if d.replace(day=1) == m).isoformat(),
                now,
            )
            for m in months
        ],
    )
    yield (
        "allocation_key",
        "id, sub_account_id, sub_account_name, tags, project_id",
        [(n, f"a{n}", "", "{}", n) for n in range(1, shape.projects + 1)],
    )
    cents = [luck.randrange(100, 9000) for _ in range(shape.projects)]
    texts = [(day.isoformat(), load_of[day.replace(day=1)], day.day) for day in days]
    yield (
        "cost_entry",
        "load_id, charge_date, allocation_key_id, service, category, currency, billed, effective, rows",
        (
            (
                load,
                text,
                n,
                "GPU",
                "Usage",
                "EUR" if n % 10 else "USD",
                _amount(cents[n - 1], number),
                _amount(cents[n - 1], number),
                1,
            )
            for n in range(1, shape.projects + 1)
            for text, load, number in texts
        ),
    )
    numbers = {m: [d.day for d in days if d.replace(day=1) == m] for m in months}
    yield (
        "cost_month",
        "load_id, allocation_key_id, month, currency, billed, effective",
        (
            (load_of[m], n, m.isoformat(), "EUR" if n % 10 else "USD", total, total)
            for n in range(1, shape.projects + 1)
            for m in months
            for total in (_total(cents[n - 1], numbers[m]),)
        ),
    )


def _amount(cents: int, day: int) -> str:
    return f"{(cents * (90 + day)) // 100}.{(cents * day) % 97 + 1:02}1"


def _total(cents: int, days: list[int]) -> str:
    thousandths = sum(int(_amount(cents, day).replace(".", "")) for day in days)
    return f"{thousandths // 1000}.{thousandths % 1000:03}".rstrip("0").rstrip(".")


def _milestones(
    shape: Shape, luck: random.Random, now: int
) -> Iterator[tuple[str, str, Iterable[tuple[Any, ...]]]]:
    rows = []
    for n in range(1, 2 * shape.projects + 1):
        due = FIRST_DAY + timedelta(days=luck.randrange(-200, 200))
        met = due.isoformat() if due < FIRST_DAY + timedelta(days=3) else None
        rows.append(
            (
                n,
                (n - 1) % shape.projects + 1,
                f"Milestone {n}",
                "other",
                due.isoformat(),
                due.isoformat(),
                met,
                1,
                now,
            )
        )
    yield (
        "milestone",
        "id, project_id, title, type, baseline, forecast, actual, revision, created_at",
        rows,
    )
    moved = _micro(NOW - timedelta(days=3))
    yield (
        "milestone_move",
        "milestone_id, old, new, created_at",
        [(n, "2026-02-01", "2026-03-01", moved) for n in range(1, 2 * shape.projects + 1, 40)],
    )


def _requests(
    shape: Shape, luck: random.Random, owners: list[str]
) -> Iterator[tuple[str, str, Iterable[tuple[Any, ...]]]]:
    requests, stages, decisions = [], [], []
    for n in range(1, max(2, shape.projects // 5) + 1):
        project = (n * 7) % shape.projects + 1
        asked = NOW - timedelta(days=luck.randrange(1, 60), hours=luck.randrange(24))
        ended = asked + timedelta(hours=luck.randrange(1, 90))
        is_open = n % 10 == 0 or ended >= NOW
        state = "pending" if is_open else ("approved", "rejected", "expired")[n % 3]
        asks = owners[(project + 3) % shape.projects]
        requests.append(
            (
                n,
                f"r{n}",
                "budget_increase",
                "budget",
                project,
                project,
                '{"budget_id": 1, "from_revision": 1, "old": "1", "new": "2", "currency": "EUR", "basis": "effective", "scope": "period", "period": "January", "period_start": "2026-01-01", "period_end": "2026-01-31"}',
                owners[project - 1],
                1,
                state,
                0,
                1,
                _micro(asked),
                _micro(NOW + timedelta(days=3)),
                None if is_open else _micro(ended),
            )
        )
        stages.append(
            (n, 0, "Finance", f'[{{"rule": "subject.owner", "who": ["person:{asks}"]}}]', 1, "dm")
        )
        if state in ("approved", "rejected"):
            decisions.append((n, asks, 0, "approve", "subject.owner", _micro(ended)))
    yield (
        "approval",
        "id, request_key, gate, subject_type, subject_id, project_id, facts, requester_id, policy_id, state, stage, revision, created_at, expires_at, decided_at",
        requests,
    )
    yield ("approval_stage", "approval_id, position, name, approvers, quorum, ask", stages)
    yield ("decision", "approval_id, person_id, position, verdict, rule, decided_at", decisions)
