"""A check-in from a leader's word to the result in the channel."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.maturity import messages
from storage import ledger
from storage.maturity.tables import MaturityAnswer, MaturityCycle, MaturityInvitation
from storage.people import queries as people
from tests.conftest import fresh_url
from tests.maturity.company import (
    BOSS,
    POLICY,
    answer_all,
    card_of,
    give_personas,
    open_window,
    staff,
    statements,
    tap,
    warm_up,
    world,
)
from tests.stories.office import Office, opened

PEOPLE = 8


@pytest.fixture(params=["sqlite", "postgres"])
def company(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    warm_up()
    with opened(
        fresh_url(request.param, request, tmp_path),
        tmp_path,
        world=world(PEOPLE),
        policy=POLICY,
        scale=0.2,
    ) as office:
        with office.db.begin(patient=True) as session:
            give_personas(session, leaders=2)
        yield office


def begin(office: Office) -> None:
    """The boss starts a check-in and everybody is invited."""
    boss = office.sandbox.seat(BOSS)
    boss.slash("/mlgov", "maturity start", "C0GOV")
    answer = boss.ephemerals()[-1]
    assert f"This asks {PEOPLE} people" in answer.text
    boss.click(ephemeral_id=answer.id, action_id=messages.START)
    office.private(boss, f"Started: {PEOPLE} people are invited")
    office.settle()
    office.move(timedelta(hours=24))


def test_from_invitation_to_result(company: Office) -> None:
    begin(company)
    seats = [company.sandbox.seat(id_) for id_ in staff(PEOPLE)]
    for seat in seats:
        invitation = card_of(seat)
        assert "Maturity check-in, January 2026: about 6 minutes" in invitation.text
        assert "whoever operates it could read them" in str(invitation.blocks)

    for seat in seats[:5]:
        answer_all(seat, lambda statement: "yes")
    company.settle()
    done = card_of(seats[0])
    assert "done, all 32 answered" in done.text
    assert seats[0].slash("/mlgov", "maturity answers", "C0GOV").ok
    assert "*Yes*" in str(seats[0].ephemerals()[-1].blocks)

    half = seats[5]
    answer_all(half, lambda statement: "partly", parts=2)
    company.settle()
    assert "2 of 6 parts done" in card_of(half).text
    window = open_window(half)
    assert "*Training* · 3 of 6" in str(window.blocks)
    half.close(window.id)

    skipping = seats[6]
    skipping.click(channel_id=skipping.dm().id, ts=card_of(skipping).ts, action_id=messages.SKIP)
    skipping.submit(skipping.modals()[-1].id, {"reason": {"reason": "On leave until March"}})
    company.settle()
    assert "skipped" in card_of(skipping).text

    for _ in range(25 * 3):
        company.move(timedelta(hours=8))
    texts = {
        seat.user_id: [
            message.text
            for message in seat.messages(seat.dm().id)
            if "aturity check-in, " in message.text
        ]
        for seat in seats
    }
    for seat in seats[:5]:
        assert len(texts[seat.user_id]) == 1
    assert len(texts[skipping.user_id]) == 1
    assert len(texts[half.user_id]) == 3
    assert len(texts[seats[7].user_id]) == 3
    assert all("closed, you answered" in t[0] for t in texts.values())

    result = company.last(company.sandbox.seat(BOSS), "C0GOV")
    assert result.text == "Maturity in January 2026: high overall, median high"
    assert "8 people were asked" in str(result.blocks)
    (radar,) = [block for block in result.blocks if block["type"] == "image"]
    assert "Data high" in radar["alt_text"]
    assert company.sandbox.world.files.shows(radar["slack_file"])
    with company.db.read() as session:
        assert ledger.verify(session) is None
        assert session.execute(select(MaturityCycle.state)).scalar_one() == "closed"
        said = session.execute(
            select(MaturityAnswer.answer)
            .join(MaturityInvitation)
            .where(MaturityInvitation.state == "invited")
        ).scalars()
        assert set(said) == {"partly"}


def test_each_tap_is_kept_and_the_window_can_be_left(company: Office) -> None:
    begin(company)
    seat = company.sandbox.seat("U0P003")
    window = open_window(seat)
    first, second, third = statements(window)[:3]
    tap(seat, first, "yes")
    tap(seat, second, "no")
    tap(seat, second, "partly")
    seat.close(window.id)
    company.settle()
    window = open_window(seat)
    chosen = {
        block["block_id"]: (block["element"].get("initial_option") or {}).get("value")
        for block in window.blocks
        if block["type"] == "input"
    }
    assert chosen[first] == "yes"
    assert chosen[second] == "partly"
    assert chosen[third] is None
    refused = seat.submit(window.id)
    assert refused.errors[third]
    rest = statements(window)[2:]
    assert seat.submit(window.id, {one: {messages.ANSWER: "no"} for one in rest}).ok
    seat.click(view_id=seat.modals()[-1].id, action_id=messages.NOTE)
    refused = seat.submit(seat.modals()[-1].id, {"link": {"link": "wiki"}})
    assert "starts with https://" in str(refused.errors)
    seat.submit(
        seat.modals()[-1].id,
        {
            "comment": {"comment": "Only *vision* does <!here>"},
            "link": {"link": "https://wiki.acme.test/data"},
        },
    )
    assert "Only ∗vision∗ does &lt;!here&gt;" in str(seat.modals()[-1].blocks)
    seat.click(view_id=seat.modals()[-1].id, action_id=messages.BACK)
    assert "*Organisational alignment* · 1 of 6" in str(seat.modals()[-1].blocks)


def test_two_devices_and_the_latest_tap_wins(company: Office) -> None:
    begin(company)
    seat = company.sandbox.seat("U0P003")
    old = open_window(seat)
    statement, *rest = statements(old)
    tap(seat, statement, "no")
    seat.close(old.id)
    again = open_window(seat)
    tap(seat, statement, "yes")
    seat.submit(again.id, {one: {messages.ANSWER: "yes"} for one in rest})
    with company.db.read() as session:
        kept = session.execute(select(MaturityAnswer.answer)).scalars().all()
    assert kept == ["yes"] * (1 + len(rest))
    assert again.id == seat.modals()[-1].id


def test_who_may_do_what(company: Office) -> None:
    seat = company.sandbox.seat("U0P003")
    seat.slash("/mlgov", "maturity start", "C0GOV")
    assert "That is for leaders" in seat.ephemerals()[-1].text
    begin(company)
    boss = company.sandbox.seat(BOSS)
    boss.slash("/mlgov", "maturity start", "C0GOV")
    assert "A check-in is open until" in boss.ephemerals()[-1].text
    boss.slash("/mlgov", "maturity", "C0GOV")
    shown = str(boss.ephemerals()[-1].blocks)
    assert "8 people are asked" in shown
    assert "With 8 people asked, how many answered isn't told" in shown
    boss.click(ephemeral_id=boss.ephemerals()[-1].id, action_id=messages.EARLY)
    company.private(boss, "Nothing can be told yet: it takes 5 people")


def test_a_result_is_seen_by_who_was_asked_and_in_its_channel(company: Office) -> None:
    """Every window and word about a result, for somebody who was not asked, reads its channel or doesn't."""
    reader, outsider = (company.sandbox.seat(id_) for id_ in ("U0P004", "U0P007"))
    with company.db.begin(patient=True) as session:
        for seat in (reader, outsider):
            (row,) = people.find_by_slack_ids(session, "T0ACME", [seat.user_id]).values()
            row.persona = None
    boss = company.sandbox.seat(BOSS)
    boss.slash("/mlgov", "maturity start", "C0GOV")
    boss.click(ephemeral_id=boss.ephemerals()[-1].id, action_id=messages.START)
    company.private(boss, "Started: 6 people are invited")
    company.settle()
    company.move(timedelta(hours=24))
    for id_ in (*staff(PEOPLE)[:4], "U0P005"):
        answer_all(company.sandbox.seat(id_), lambda statement: "no")
    boss.slash("/mlgov", "maturity close", "C0GOV")
    assert "6 people are asked" in str(boss.ephemerals()[-1].blocks)
    boss.click(ephemeral_id=boss.ephemerals()[-1].id, action_id=messages.CLOSE)
    company.settle()
    card = company.last(reader, "C0GOV")
    assert "80 % or more agree" in str(card.blocks)
    assert reader.click(channel_id="C0GOV", ts=card.ts, action_id=messages.DETAILS).ok
    assert "No statement is named as seen differently" in str(reader.modals()[-1].blocks)

    reader.slash("/mlgov", "maturity targets", "C0GOV")
    assert "no such targets" in reader.ephemerals()[-1].text
    asked = company.sandbox.seat("U0P001")
    asked.slash("/mlgov", "maturity targets", "C0GOV")
    assert "No targets yet" in str(asked.ephemerals()[-1].blocks)

    outsider.say(outsider.dm().id, "help")
    company.settle()
    for action, value, refusal in (
        (messages.DETAILS, "1", "no such result"),
        (messages.TARGETS, "-", "That is for leaders"),
        (messages.PLAN, "data.owner|", "That is for leaders"),
        (messages.SINGLE, "1", "Single answers are for assessors"),
        (messages.EARLY, "1", "That is for leaders"),
    ):
        message = outsider.messages(outsider.dm().id)[-1]
        button = {
            "type": "button",
            "action_id": action,
            "text": {"type": "plain_text", "text": "x"},
            "value": value,
        }
        row = {"type": "actions", "block_id": "forged", "elements": [button]}
        outsider.click(
            channel_id=outsider.dm().id,
            ts=message.ts,
            action_id=action,
            message=replace(message, blocks=[row]),
        )
        company.private(outsider, refusal)
    assert not outsider.modals()
