"""Whatever a file holds: importing it twice is importing it once, and what is refused leaves no trace."""

import csv
import io
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from storage.base import Base
from storage.db import Database
from tests.imports.conftest import Desk, fill

pytestmark = pytest.mark.slow

WHO = st.sampled_from(
    ["", "-", "U0ANA", "U0BO", "U0NEW", "ana@acme.test", "cy@acme.test", "nonsense"]
)
TEXT = st.one_of(
    st.sampled_from(["", "-", "Retail", "<!channel>", "=1"]),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
)
PEOPLE = st.lists(st.tuples(WHO, WHO, TEXT), min_size=1, max_size=5)
PROJECTS = st.lists(
    st.tuples(
        st.sampled_from(["one", "two", "THREE", "no key"]),
        TEXT,
        WHO,
        st.sampled_from(["", "-", "a", "a; b", "B;c", "d"]),
        st.sampled_from(["", "live", "Active", "odd"]),
    ),
    min_size=1,
    max_size=5,
)


def table(headings: list[str], rows: list[tuple[str, ...]]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([headings, *rows])
    return out.getvalue().replace("\x00", "")


def everything(database: Database) -> list[str]:
    with database.read() as session:
        return [
            str(tuple(row))
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table)).all()
        ]


@settings(max_examples=40, deadline=None)
@given(PEOPLE, PROJECTS, st.booleans())
def test_twice_is_once(
    sqlite_template: Path,
    people: list[tuple[str, str, str]],
    projects: list[tuple[str, ...]],
    skip: bool,
) -> None:
    with tempfile.TemporaryDirectory() as work:
        shutil.copy(sqlite_template, Path(work) / "mlgov.db")
        database = Database(f"sqlite:///{work}/mlgov.db")
        try:
            fill(database)
            desk = Desk(database, Path(work))
            for kind, text in (
                ("people", table(["person", "manager", "business unit"], people)),
                ("projects", table(["key", "name", "owner", "accounts", "status"], projects)),
            ):
                before = everything(database)
                preview = desk.bring(kind, text, dry_run=True, skip_bad_rows=skip)
                assert everything(database) == before
                first = desk.bring(kind, text, skip_bad_rows=skip)
                assert first.changes == preview.changes
                after = everything(database)
                if first.refused:
                    assert after == before
                second = desk.bring(kind, text, skip_bad_rows=skip)
                assert everything(database) == after
                assert second.faults == first.faults
                assert second.changes == () or second.refused
        finally:
            database.close()


@pytest.mark.parametrize("kind", ["people", "projects", "budgets"])
def test_an_unknown_kind_is_refused(desk: Desk, kind: str) -> None:
    report = desk.bring(f"{kind}s", "a,b\n1,2\n")
    assert report.refused
