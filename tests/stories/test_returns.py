"""What came of a project, through Slack: asked for, entered, attested, corrected, and from a program."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.cases import return_messages as words
from sandbox.seat import Seat
from storage.cases.tables import CaseReturn
from storage.projects.tables import Project
from tests.conftest import fresh_url
from tests.stories.office import ADA, FAY, OLA, POLICY, TIM, Office, opened
from tests.stories.test_cases import press, said, send, top
from workflows.people import service as people

ASKS = datetime(2026, 4, 1, 10, tzinfo=UTC)
"""Ninety days after it came into use."""


@pytest.fixture(params=["sqlite-http", "postgres-socket"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Ola owns a project in use, Tim manages it, Ada sponsors it, Fay is finance."""
    backend, over = request.param.split("-")
    with opened(
        fresh_url(backend, request, tmp_path), tmp_path, over=over, policy=POLICY
    ) as running:
        running.project("triage", "Ticket triage")
        with running.db.begin(patient=True) as session:
            ada = people.actor_by_slack_id(session, running.bot.deps.team.org_key, ADA)
            assert ada is not None
            (project,) = session.execute(select(Project)).scalars()
            project.sponsor_id, project.live_on = ada[0].id, date(2026, 1, 1)
        yield running
        running.record_holds()


def asked(office: Office) -> Seat:
    """Ola, who was asked on the morning of 1 April."""
    office.move(ASKS - office.now())
    return office.sandbox.seat(OLA)


def click(office: Office, seat: Seat, action_id: str) -> None:
    message = office.card(seat, seat.dm().id, action_id)
    assert seat.click(channel_id=seat.dm().id, ts=message.ts, action_id=action_id).ok


def shows(office: Office, seat: Seat, text: str) -> bool:
    office.settle()
    return any(text in str(each.blocks) for each in seat.messages(seat.dm().id))


def test_asked_entered_attested_and_corrected(office: Office) -> None:
    ola = asked(office)
    message = office.card(ola, ola.dm().id, words.ENTER)
    assert message.text == "Ticket triage: what came in Jan to Mar 2026?"
    click(office, ola, words.ENTER)
    assert "what came in" not in said(ola)
    wrong = send(ola, starts="2026-01-01", ends="2026-03-31", amount="lots").errors
    assert set(wrong) == {"amount"}
    assert send(ola, starts="2026-01-01", ends="2026-03-31", amount="48,000", note="Counted.").ok
    assert shows(office, ola, "48,000 EUR")
    assert shows(office, ola, "not attested")
    assert not shows(office, ola, words.ENTER)

    ada = office.sandbox.seat(ADA)
    assert shows(office, ada, "“Counted.”")
    click(office, ada, words.ATTEST)
    assert shows(office, ada, "attested by")
    assert shows(office, ola, "attested by")

    ola.slash("/mlgov", "portfolio returns", "C0TRIAGE")
    answer = ola.ephemerals()[-1]
    assert answer.text == "1 project in use"
    assert "48,000 EUR for Jan to Mar 2026" in str(answer.blocks)
    ola.click(ephemeral_id=answer.id, action_id=words.SHOW)
    press(ola, words.CORRECT)
    assert "it has to be attested anew" in said(ola)
    send(ola, starts="2026-01-01", ends="2026-03-31", amount="-2,500", note="Counted again.")
    office.settle()
    with office.db.read() as session:
        first, second = session.execute(select(CaseReturn).order_by(CaseReturn.id)).scalars()
        assert (first.attested_by is not None, first.withdrawn_at is not None) == (True, True)
        assert (second.amount, second.attested_by, second.replaces_id) == (-2500, None, first.id)

    fay = office.sandbox.seat(FAY)
    fay.slash("/mlgov", "portfolio returns", "C0GOV")
    answer = fay.ephemerals()[-1]
    assert "1 figure waits for you to attest" in answer.text
    fay.click(ephemeral_id=answer.id, action_id=words.SHOW)
    press(fay, words.ATTEST)
    assert "attested by" in said(fay)
    assert words.ATTEST not in said(fay)


def test_the_manager_skips_with_a_reason(office: Office) -> None:
    ola = asked(office)
    click(office, ola, words.SKIP)
    assert set(send(ola, reason="").errors) == {"reason"}
    assert send(ola, reason="The counters broke.").ok
    assert shows(office, ola, "Skipped by <@U0OLA>: “The counters broke.”")
    assert not shows(office, ola, words.SKIP)


def test_what_was_no_return_is_withdrawn(office: Office) -> None:
    ola = asked(office)
    click(office, ola, words.ENTER)
    assert send(ola, amount="48,000", note="From the tickets.").ok
    ola.slash("/mlgov", "portfolio returns", "C0TRIAGE")
    ola.click(ephemeral_id=ola.ephemerals()[-1].id, action_id=words.SHOW)
    press(ola, words.WITHDRAW)
    assert "won't count any more" in said(ola)
    assert set(send(ola, reason="").errors) == {"reason"}
    assert send(ola, reason="It was another project.").ok
    ola.slash("/mlgov", "portfolio returns", "C0TRIAGE")
    assert "48,000" not in str(ola.ephemerals()[-1].blocks)
    with office.db.read() as session:
        assert session.scalars(select(CaseReturn)).one().withdrawn_at is not None


def test_who_may_not_see_it_gets_nothing(office: Office) -> None:
    ola = asked(office)
    fay = office.sandbox.seat(FAY)
    fay.slash("/mlgov", "portfolio returns", "C0GOV")
    assert "so nothing has come back yet" in fay.ephemerals()[-1].text
    tim = office.sandbox.seat(TIM)
    tim.slash("/mlgov", "portfolio returns", "C0TRIAGE")
    tim.click(ephemeral_id=tim.ephemerals()[-1].id, action_id=words.SHOW)
    press(tim, words.REPORT)
    assert top(tim).body["callback_id"] == words.SUBMIT_REPORT
    assert send(tim, starts="2026-01-01", ends="2026-03-31", amount="0").ok
    assert shows(office, ola, "Reported by <@U0TIM>")
