"""Nothing in anybody's digest that they may not see, whatever the organisation looks like."""

import shutil
import tempfile
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.digests import pages
from storage.db import Database
from tests.digests.conftest import NOW, Firm, founded, told
from workflows import permissions
from workflows.digests import rules
from workflows.digests.records import Content, ShownDigest

NAMES = ("ola", "tim", "max", "fay", "ada", "lea")

_project = st.fixed_dictionaries(
    {
        "owner": st.sampled_from([None, *NAMES]),
        "manager": st.sampled_from([None, *NAMES]),
        "sponsor": st.sampled_from([None, *NAMES]),
        "cost": st.integers(0, 300),
        "currency": st.sampled_from(["EUR", "USD"]),
        "requests": st.lists(st.sampled_from(["pending", "approved", "expired"]), max_size=3),
        "asks": st.sampled_from([None, *NAMES]),
        "deciders": st.lists(st.sampled_from(NAMES), max_size=6),
    }
)


@pytest.fixture(scope="module")
def template(sqlite_template: Path) -> Path:
    """A migrated file to copy for each example."""
    return sqlite_template


def seeded(db: Database, managers: list[str | None], projects: list[dict]) -> Firm:  # type: ignore[type-arg]
    firm = founded(db)
    with db.begin() as session:
        from storage.people.tables import Person

        for name, manager in zip(NAMES, managers, strict=True):
            session.get_one(Person, f"p-{name}").manager_id = (
                f"p-{manager}" if manager and manager != name else None
            )
    for number, one in enumerate(projects):
        parts = {part: one[part] for part in ("owner", "manager", "sponsor") if one[part]}
        project = firm.project(f"Secret {number:03}", **parts)
        firm.budget(project, "100", currency=one["currency"])
        firm.milestone(project, f"Step {number:03}", date(2026, 1, 21))
        firm.cost(
            project, {date(2026, 1, 20): f"{one['cost']}.{number:03}1"}, currency=one["currency"]
        )
        for state in one["requests"]:
            votes = tuple((who, 3.0) for who in dict.fromkeys(one["deciders"]))
            stages = (("Finance", votes),) if votes and state == "approved" else ()
            firm.request(project, state=state, asks=one["asks"], stages=stages)
    return firm


@given(
    managers=st.lists(st.sampled_from([None, *NAMES]), min_size=6, max_size=6),
    projects=st.lists(_project, min_size=1, max_size=7),
)
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@pytest.mark.slow
def test_a_digest_tells_only_of_what_its_reader_may_see(
    template: Path,
    managers: list[str | None],
    projects: list[dict],  # type: ignore[type-arg]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlgov.db"
        shutil.copy(template, path)
        db = Database(f"sqlite:///{path}")
        try:
            firm = seeded(db, managers, projects)
            for name in NAMES:
                look(firm, name, managers, projects)
        finally:
            db.close()


def look(
    firm: Firm,
    name: str,
    managers: list[str | None],
    projects: list[dict],  # type: ignore[type-arg]
) -> None:
    content = firm.digest(name)
    below = {name}
    while (
        more := {
            one
            for one, manager in zip(NAMES, managers, strict=True)
            if manager in below and manager != one
        }
        - below
    ):
        below |= more
    with firm.db.read() as session:
        sight = permissions.sight(session, f"p-{name}", policy=firm.policy)
    assert sight.sees_all == (name == "lea")
    seen = {
        number
        for number, one in enumerate(projects)
        if sight.sees_all or below & {one["owner"], one["manager"], one["sponsor"]}
    }
    text = told(content) + pages.html(ShownDigest(1, content, ()), organisation="Acme", reader=name)
    for number in range(len(projects)):
        assert (f"Secret {number:03}" in text) <= (number in seen)
        assert (f"Step {number:03}" in text) == (number in seen)
    for money in content.figures["money"]:
        total = sum(
            Decimal(f"{one['cost']}.{number:03}1")
            for number, one in enumerate(projects)
            if number in seen and one["currency"] == money["currency"]
        )
        assert Decimal(money["spent"]) == total
    assert content.figures["projects"] == len(seen)
    assert content.figures["delivery"]["overdue"] == len(seen)
    ended = sum(
        state == "approved"
        for number, one in enumerate(projects)
        if number in seen
        for state in one["requests"]
    )
    assert content.figures["approvals"]["approved"] == ended
    deciders = {
        who
        for number, one in enumerate(projects)
        if number in seen and "approved" in one["requests"]
        for who in one["deciders"]
    }
    if len(deciders) < rules.ENOUGH_PEOPLE:
        assert content.figures["approvals"]["median"] is None
        assert content.figures["approvals"]["slowest"] is None
    one_screen(content)


def one_screen(content: Content) -> None:
    """At most 12 lines and 1,500 characters before "more", the decisions counted at their longest."""
    lines = 2 + len(content.lines) + rules.DECISION_LINES * len(content.decisions)
    letters = (
        len(content.headline)
        + len(content.footer)
        + sum(len(line.label) + len(line.text) + 3 for line in content.lines)
        + rules.DECISION_CHARACTERS * len(content.decisions)
    )
    assert lines <= rules.MOST_LINES
    assert letters <= rules.MOST_CHARACTERS
    assert len(content.pictures) <= rules.PICTURES
    assert len(content.headline) <= 150, "a header of Slack holds no more"
    assert content.as_of == NOW + timedelta(0)
