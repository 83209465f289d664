"""What the one importer does for every kind of table: any order of columns, faults all at once, batches, dry runs."""

import csv
import io
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from storage.audit.tables import AuditEntry
from storage.budgets.tables import Budget
from storage.db import Database
from storage.milestones.tables import Milestone, MilestoneLink
from storage.people.tables import Person
from storage.projects.tables import Project, ProjectAccount
from tests.contexts import make_context
from tests.imports.conftest import NOW, ORG, POLICY, Desk, fill, said
from tests.imports.test_twice import everything
from workflows import imports
from workflows.context import OPERATOR
from workflows.people.imports import PeopleTable
from workflows.sources.rows import Table

KINDS: dict[str, list[dict[str, str]]] = {
    "people": [
        {"slack_id": "U0ANA", "manager": "U0BO", "business_unit": "Retail", "country": "GB"},
        {"slack_id": "U0CY", "manager": "U0ANA", "business_unit": "Retail", "country": "JP"},
    ],
    "projects": [
        {"key": "triage", "name": "Triage", "owner": "U0ANA", "accounts": "a; b", "status": "live"},
        {"key": "vision", "name": "Vision", "owner": "U0BO", "accounts": "c", "status": "draft"},
    ],
    "budgets": [
        {"project": "triage", "starts": "2026-01-01", "amount": "100", "currency": "EUR"},
        {"project": "vision", "starts": "2026-01-01", "amount": "200", "currency": "EUR"},
    ],
    "models": [
        {"key": "fraud", "name": "Fraud", "owner": "U0ANA", "upstream": ""},
        {"key": "queue", "name": "Queue", "owner": "U0ANA", "upstream": "fraud"},
    ],
    "milestones": [
        {"project": "triage", "title": "Data", "forecast": "2026-05-01", "needs": ""},
        {"project": "triage", "title": "Launch", "forecast": "2026-06-01", "needs": "Data"},
    ],
}
SAME = {
    "people": "line 4: is about the same person as line 2; keep one of them",
    "projects": "line 4, key: triage stands in line 2 already; keep one of them",
    "budgets": "line 4: says the same budget as line 2",
    "models": "line 4, key: fraud stands in line 2 already.",
    "milestones": "line 4, title: stands in line 2 already; keep one of them",
}


def table(rows: list[dict[str, str]], columns: list[str] | None = None) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns or list(rows[0]), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@contextmanager
def fresh(template: Path) -> Iterator[Desk]:
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(template, Path(work) / "mlgov.db")
        database = Database(f"sqlite:///{work}/mlgov.db")
        try:
            fill(database)
            yield Desk(database, Path(work))
        finally:
            database.close()


def stands(database: Database) -> list[Any]:
    """What imports say, without ids and digests of files."""
    with database.read() as session:
        found: list[Any] = []
        for statement in (
            select(Person.slack_id, Person.business_unit, Person.country),
            select(Project.key, Project.name, Project.status),
            select(ProjectAccount.account),
            select(Budget.starts, Budget.currency),
            select(Milestone.title, Milestone.forecast),
        ):
            found += sorted(str(tuple(row)) for row in session.execute(statement))
        return found


@settings(max_examples=10, deadline=None)
@given(
    st.randoms(use_true_random=False), st.lists(st.sampled_from(["Colour", "Zodiac"]), unique=True)
)
def test_any_order_of_columns_and_columns_of_others(
    sqlite_template: Path, chance: random.Random, others: list[str]
) -> None:
    with fresh(sqlite_template) as straight, fresh(sqlite_template) as mixed:
        for kind, rows in KINDS.items():
            straight.bring(kind, table(rows))
            columns = [*rows[0], *others]
            chance.shuffle(columns)
            report = mixed.bring(kind, table(rows, columns))
            assert (report.refused, report.added + report.changed) == (False, 2), said(report)
            left_out = [name for name in columns if name in others]
            expected = [f"Left out, as no field of ours: {', '.join(left_out)}."] if others else []
            assert [note for note in report.notes if "Left out" in note] == expected
        assert stands(straight.db) == stands(mixed.db)


@pytest.mark.parametrize("kind", KINDS)
def test_two_rows_about_one_record_name_both_lines(desk: Desk, kind: str) -> None:
    if kind in ("budgets", "milestones"):
        desk.bring("projects", table(KINDS["projects"]))
    before = everything(desk.db)
    rows = KINDS[kind]
    report = desk.bring(kind, table([*rows, rows[0]]))
    assert report.refused
    assert SAME[kind] in said(report)
    assert everything(desk.db) == before
    taken = desk.bring(kind, table([*rows, rows[0]]), skip_bad_rows=True)
    assert "1 row was left out" in said(taken)
    assert len(taken.changes) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_says_what_the_import_does_and_writes_nothing(desk: Desk, kind: str) -> None:
    if kind in ("budgets", "milestones"):
        desk.bring("projects", table(KINDS["projects"]))
    before = everything(desk.db)
    preview = desk.bring(kind, table(KINDS[kind]), dry_run=True)
    assert everything(desk.db) == before
    assert desk.bring(kind, table(KINDS[kind])).changes == preview.changes


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows a transaction."""
    monkeypatch.setattr(Table, "most", 3)


class Killed(BaseException):
    """What a process is when nobody waits for it."""


def kill_after(batches: int) -> Any:
    left = [batches]

    def probe(name: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed(name)

    return probe


def tables(number: int) -> dict[str, str]:
    """Long tables in which early rows name what late ones bring: managers, accounts, milestones that are needed."""
    ids = [f"U0X{n:03}" for n in range(number)]
    return {
        "people": table(
            [
                {"person": f"{one}@acme.test", "manager": f"{other}@acme.test" if other else "-"}
                for one, other in zip(ids, [*ids[1:], ""], strict=True)
            ]
        ),
        "projects": table(
            [{"key": f"p{n}", "name": f"P {n}", "accounts": f"acc{n}"} for n in range(number)]
        ),
        "budgets": table(
            [
                {"project": f"p{n}", "starts": "2026-01-01", "amount": "5", "currency": "EUR"}
                for n in range(number)
            ]
        ),
        "milestones": table(
            [
                {
                    "project": f"p{n % 2}",
                    "title": f"M {n}",
                    "forecast": "2026-05-01",
                    "needs": f"p{(n + 1) % 2}/M {n + 1}" if n + 1 < number else "",
                }
                for n in range(number)
            ]
        ),
    }


def test_a_long_file_killed_between_batches_is_taken_up(desk: Desk, small: None) -> None:
    for kind, text in tables(10).items():
        path = desk.work / f"{kind}.csv"
        path.write_text(text, encoding="utf-8")
        for batches in (1, 1):
            with pytest.raises(Killed):
                imports.run(
                    desk.db,
                    imports.Request(kind, path),
                    policy=POLICY,
                    org_key=ORG,
                    probe=kill_after(batches),
                )
        report = desk.bring(kind, text)
        assert not report.refused, said(report)
        assert 0 < report.added + report.changed < 10
        again = desk.bring(kind, text)
        assert (again.unchanged, again.changes) == (10, ())
        with desk.db.read() as session:
            entries = select(func.count()).where(AuditEntry.action == f"{kind}.imported")
            assert session.execute(entries).scalar_one() == 1
    with desk.db.read() as session:
        assert session.execute(select(func.count(MilestoneLink.needs_id))).scalar_one() == 9
        led = select(func.count(Person.id)).where(Person.manager_id.is_not(None))
        assert session.execute(led).scalar_one() == 9


def test_batches_say_what_one_transaction_says(desk: Desk, small: None) -> None:
    for kind, text in tables(10).items():
        preview = desk.bring(kind, text, dry_run=True)
        done = desk.bring(kind, text)
        assert (done.added, done.unchanged) == (10, 0), said(done)
        assert [change.line for change in done.changes] == [c.line for c in preview.changes]
        assert done.notes == preview.notes


def test_accounts_that_are_swapped_between_batches_change_hands(desk: Desk, small: None) -> None:
    desk.bring("projects", tables(10)["projects"])
    swapped = [{"key": f"p{n}", "accounts": f"acc{9 - n}"} for n in range(10)]
    report = desk.bring("projects", table(swapped))
    assert report.changed == 10, said(report)
    with desk.db.read() as session:
        rows = session.execute(
            select(Project.key, ProjectAccount.account).join(
                ProjectAccount, ProjectAccount.project_id == Project.id
            )
        )
        assert {key: account for key, account in rows} == {
            f"p{n}": f"acc{9 - n}" for n in range(10)
        }


def test_a_fault_in_a_late_batch_means_that_nothing_is_written(desk: Desk, small: None) -> None:
    for kind, bad in (
        ("people", "x@acme.test,twin@acme.test"),
        ("projects", "p99,,acc1"),
        ("budgets", "nowhere,2026-01-01,5,EUR"),
        ("milestones", "p1,Last,2026-05-01,nothing of the sort"),
    ):
        text = tables(10)[kind]
        before = everything(desk.db)
        report = desk.bring(kind, f"{text}{bad}\r\n")
        assert report.refused
        assert {fault.line for fault in report.faults} == {12}
        assert everything(desk.db) == before
        report = desk.bring(kind, f"{text}{bad}\r\n", skip_bad_rows=True)
        assert (report.added, len({fault.line for fault in report.faults})) == (10, 1)


def test_progress_is_told_after_each_transaction(desk: Desk, small: None) -> None:
    path = desk.work / "projects.csv"
    path.write_text(tables(10)["projects"], encoding="utf-8")
    told: list[tuple[int, int]] = []
    imports.run(
        desk.db,
        imports.Request("projects", path),
        policy=POLICY,
        org_key=ORG,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(3, 10), (6, 10), (9, 10), (10, 10)]


def test_a_check_alone_writes_nothing(desk: Desk) -> None:
    """In a transaction in which the database refuses every change."""
    assert PeopleTable.most == 500
    with desk.db.read() as session:
        for word in ("U0NEW", "new@acme.test", "U0ANA"):
            row = PeopleTable.form(person=word, manager="U0OTHER", business_unit="Retail")
            outcome = PeopleTable().take_rows(
                make_context(session, OPERATOR, policy=POLICY, org=ORG, now=NOW),
                [(2, row)],
                writes=False,
            )
            assert outcome.faults == []
