"""A policy is in force whole and everywhere: in each replica without a restart, and no file left behind undoes it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from bot import app
from bot.doctor import Record
from storage.audit.tables import AuditEntry
from storage.budgets import costs
from storage.db import Database
from storage.delivery.tables import Schedule
from storage.maturity import queries as maturity
from tests.budgets.conftest import Charge
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.mistakes.typed import Ended, typed
from tests.stories.office import POLICY, Office, opened
from workflows import jobs
from workflows import policy as policies_text
from workflows.context import OPERATOR
from workflows.maturity import rules
from workflows.policy import PolicyText

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
ORG = "T0ACME"
FIRST = policies_text.parse("version: 1\norganisation: {name: Acme}\n")
SECOND = policies_text.parse("version: 1\norganisation: {name: Acme, timezone: Europe/Paris}\n")
OURS = rules.load()
OTHERS = replace(OURS, text=OURS.text + "\n# ours\n", sha256="f" * 64)


def begin(database: Database, text: PolicyText, own: rules.RubricText = OURS) -> jobs.InForce:
    with database.begin() as session:
        return jobs.begin_policy(
            make_context(session, org=ORG, now=NOW), text, own, place="governance.yml"
        )


def apply(database: Database, text: PolicyText, own: rules.RubricText = OURS) -> int:
    with database.begin() as session:
        return jobs.put_in_force(make_context(session, actor=OPERATOR, org=ORG, now=NOW), text, own)


def adopted(database: Database) -> int:
    with database.read() as session:
        return session.execute(
            select(func.count()).where(AuditEntry.action == "policy.adopted")
        ).scalar_one()


def asked(database: Database) -> str:
    """The rubric of the next check-in."""
    with database.read() as session:
        current = maturity.find_current_rubric(session)
        assert current is not None
        return current.text


def zone(database: Database) -> str:
    with database.read() as session:
        return session.execute(
            select(Schedule.tz).where(Schedule.kind == "ledger.head")
        ).scalar_one()


def test_a_start_with_a_file_that_was_left_behind_changes_nothing(database: Database) -> None:
    first = begin(database, FIRST)
    assert (first.version, first.remarks) == (1, ())
    assert apply(database, SECOND) == 2
    again = begin(database, FIRST)
    assert (again.version, again.text.sha256) == (2, SECOND.sha256)
    assert again.remarks == (
        "governance.yml is version 1 of the policy, which version 2 has replaced; version 2 stays in force. "
        "To go back to it, run `mlgov policy apply governance.yml --again`; "
        "`mlgov policy show > governance.yml` writes down what is in force.",
    )
    assert (adopted(database), zone(database)) == (2, "Europe/Paris")


def test_replicas_with_different_files_do_not_take_turns(database: Database) -> None:
    begin(database, FIRST)
    begin(database, SECOND)
    for text in (FIRST, SECOND, FIRST, SECOND):
        assert begin(database, text).version == 2
    assert adopted(database) == 2


def test_going_back_is_said_and_stands_on_the_ledger(database: Database) -> None:
    begin(database, FIRST)
    apply(database, SECOND)
    assert apply(database, FIRST) == 1
    assert begin(database, FIRST).remarks == ()
    assert begin(database, SECOND).version == 1
    assert (adopted(database), zone(database)) == (3, "UTC")


def test_an_earlier_rubric_stays_replaced(database: Database) -> None:
    begin(database, FIRST)
    apply(database, FIRST, OTHERS)
    (remark,) = begin(database, FIRST).remarks
    assert remark.startswith("The rubric beside the policy is an earlier one")
    assert asked(database) == OTHERS.text


# --- two replicas on one database

APPLIED = (
    POLICY.replace("Europe/London", "America/New_York")
    + """\
costs:
  allocate:
    - {sub_account: somewhere else, project: triage}
maturity: {rubric: ours.yml}
digests:
  weekly: {audience: "@mlgov-admins", owner: "role:admin", at: "Tue 10:00"}
"""
)


@contextmanager
def another(office: Office, policy: str) -> Iterator[app.Bot]:
    """A second replica on the same database, with a policy file of its own."""
    place = office.work / "elsewhere"
    place.mkdir(exist_ok=True)
    (place / "governance.yml").write_text(policy, encoding="utf-8")
    settings = office.bot.deps.settings.model_copy(
        update={"mlgov_policy": place / "governance.yml"}
    )
    bot = app.create(settings, made_by="demo")
    try:
        bot.start()
        yield bot
    finally:
        bot.stop()


def run(office: Office, *words: str) -> Ended:
    settings = office.bot.deps.settings
    return typed(
        {
            "MLGOV_DATABASE_URL": settings.mlgov_database_url.get_secret_value(),
            "MLGOV_POLICY": str(settings.mlgov_policy),
        },
        office.work,
        *words,
    )


def allocated(office: Office) -> list[Any]:
    with office.db.read() as session:
        return [project for *_, project in costs.list_allocation_keys(session)]


@pytest.mark.slow
def test_what_is_applied_is_in_force_in_every_replica_without_a_restart(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = fresh_url("postgres", request, tmp_path)
    with opened(url, tmp_path) as office, another(office, POLICY) as second:
        office.project("triage", "Ticket triage")
        office.costs([Charge(date(2026, 1, 5), "45", account="Somewhere else")])
        assert allocated(office) == [None]
        (tmp_path / "ours.yml").write_text(
            OURS.text + "\n# with a word of ours\n", encoding="utf-8"
        )
        new = office.file("new.yml", APPLIED)
        said = run(office, "policy", "apply", str(new))
        assert said.code == 0, said
        assert "version 2 is in force" in said.out
        assert "an earlier version, which the next start of mlgov leaves alone" in said.out
        assert allocated(office) == [1]
        with office.db.read() as session:
            schedules = session.execute(
                select(Schedule.kind, Schedule.tz, Schedule.local_time, Schedule.weekday)
            ).all()
        assert "a word of ours" in asked(office.db)
        assert ("ledger.head", "America/New_York", "09:00", None) in schedules
        assert ("digest.weekly", "Europe/London", "10:00", 1) in schedules
        for bot in (office.bot, second):
            bot.scheduler.hurry()
            assert bot.deps.holder.version_id == 2
            assert bot.deps.policy.organisation.timezone == "America/New_York"

        # A replica that starts with the file of before goes by what is in force, and says so.
        with caplog.at_level(logging.WARNING, "bot.app"), another(office, POLICY) as third:
            assert third.deps.holder.version_id == 2
            left = Record(third.deps.settings)
            left.database()
            check = left.policy()
        assert "is version 1 of the policy, which version 2 has replaced" in caplog.text
        assert check is not None
        assert "--again" in check.words
        assert allocated(office) == [1]

        # So does a command whose settings name it.
        assert run(office, "import", "costs", "bill.csv").code == 0
        assert allocated(office) == [1]
        refused = run(office, "policy", "apply")
        assert refused.code == 1
        assert "version 2 stays in force" in refused.err
        assert run(office, "policy", "show").out.strip() == APPLIED.strip()
        assert run(office, "policy", "apply", "--again").code == 0
        office.settle()
        assert (office.bot.deps.holder.version_id, allocated(office)) == (1, [None])
        assert run(office, "audit", "verify").code == 0
