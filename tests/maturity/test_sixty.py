"""Sixty people answer a check-in over signed HTTP while mlgov is killed twice: what was kept stays, nobody is bothered."""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from bot import installed
from bot.maturity import messages as maturity_messages
from sandbox.seat import Seat
from sandbox.server import Sandbox
from sandbox.world import GovernedClock, World
from storage import ledger, migrate, runtime
from storage.db import Database
from storage.delivery.tables import Timer
from storage.maturity.tables import MaturityAnswer, MaturityCycle, MaturityInvitation
from storage.people.tables import Person
from tests.conftest import fresh_url
from tests.maturity.company import (
    BOSS,
    POLICY,
    RUBRIC,
    card_of,
    give_personas,
    staff,
    statements,
    world,
)
from tests.maturity.replica import Replica, replica
from tests.stories.office import eventually
from workflows import clock, outbox

pytestmark = [pytest.mark.slow, pytest.mark.crash]

PEOPLE = 60
OPENS = datetime(2026, 1, 26, 10, tzinfo=UTC)
LEAVER = "U0P007"
SCALE = 0.01


class Company:
    """The sandbox, mlgov in its own process, and what people believe to have said."""

    def __init__(self, url: str, work: Path, slack: Sandbox, bot: Replica) -> None:
        self.db = Database(url)
        self.slack = slack
        self.bot = bot
        self.said: dict[str, dict[str, str]] = {id_: {} for id_ in staff(PEOPLE)}
        """What was acknowledged, by person and statement."""
        self.doubt: dict[str, dict[str, set[str]]] = {}
        """What was tapped without an answer: kept or not."""

    def start(self) -> None:
        self.slack.deliver_to(f"{self.bot.start()}/slack/events")

    def kill(self) -> None:
        self.bot.kill()

    def move(self, by: timedelta) -> None:
        with self.db.begin() as session:
            clock.move(session, by)
        self.slack.clock.advance(by)
        self.settle()

    def settle(self) -> None:
        """Until nothing that is due waits, neither to happen nor to be sent."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with self.db.read() as session:
                now = clock.now(session)
                due = session.execute(
                    select(Timer.id).where(Timer.state == "due", Timer.due_at <= now)
                ).first()
                if due is None and not outbox.count_waiting(session, now=now):
                    return
            time.sleep(0.05)
        raise AssertionError("mlgov does not come to rest")

    def tap(self, seat: Seat, statement: str, answer: str) -> bool:
        """Whether mlgov acknowledged the tap."""
        outcome = seat.click(
            view_id=seat.modals()[-1].id,
            action_id=maturity_messages.ANSWER,
            block_id=statement,
            selected=answer,
        )
        if outcome.ok:
            self.said[seat.user_id][statement] = answer
            self.doubt.get(seat.user_id, {}).pop(statement, None)
        else:
            maybe = self.doubt.setdefault(seat.user_id, {})
            maybe.setdefault(statement, set()).add(answer)
        return outcome.ok

    def answer(self, user_id: str, parts: int, *, tapping: bool) -> None:
        """Answer so many parts from where the card goes on; gives up, as people do, when mlgov does not answer."""
        seat = self.slack.seat(user_id)
        chance = random.Random(user_id)
        card = card_of(seat)
        if card is None or "done, all" in card.text:
            return
        opened = seat.click(channel_id=seat.dm().id, ts=card.ts, action_id=maturity_messages.OPEN)
        if not opened.ok or not seat.modals():
            return
        for _ in range(parts):
            view = seat.modals()[-1]
            asked = statements(view)
            if not asked:
                break
            chosen = {
                one: chance.choice(["yes", "yes", "yes", "partly", "no", "unknown"])
                for one in asked
            }
            if tapping:
                if not all(self.tap(seat, one, chosen[one]) for one in asked):
                    break
                values: dict[str, Any] = {}
            else:
                values = {one: {maturity_messages.ANSWER: chosen[one]} for one in asked}
            outcome = seat.submit(view.id, values)
            if not outcome.ok:
                for one in asked if values else ():
                    maybe = self.doubt.setdefault(user_id, {})
                    maybe.setdefault(one, set()).add(chosen[one])
                break
            self.said[user_id] |= chosen
            for one in chosen:
                self.doubt.get(user_id, {}).pop(one, None)
        while seat.modals():
            seat.close(seat.modals()[-1].id, clear=True)

    def all_of(self, ids: list[str], parts: int, during: Callable[[], None] | None = None) -> None:
        """Many at once; some tap, some fill in a window and press Next."""
        with ThreadPoolExecutor(6) as pool:
            work = [
                pool.submit(self.answer, id_, parts, tapping=number % 3 == 0)
                for number, id_ in enumerate(ids)
            ]
            if during is not None:
                during()
            for one in work:
                one.result()

    def messages(self, user_id: str) -> list[Any]:
        """What they were told about the check-in."""
        seat = self.slack.seat(user_id)
        return [
            message
            for message in seat.messages(seat.dm().id)
            if "aturity check-in, " in message.text
        ]


def kept(company: Company) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {id_: {} for id_ in staff(PEOPLE)}
    with company.db.read() as session:
        for slack_id, statement, answer in session.execute(
            select(Person.slack_id, MaturityAnswer.statement, MaturityAnswer.answer)
            .join(MaturityInvitation, MaturityInvitation.person_id == Person.id)
            .join(MaturityAnswer, MaturityAnswer.invitation_id == MaturityInvitation.id)
        ):
            found[str(slack_id)][statement] = answer
    return found


def check_kept(company: Company) -> None:
    """Every answer that was acknowledged is there as it was given; nothing is there that nobody gave."""
    for user_id, answers in kept(company).items():
        maybe = company.doubt.get(user_id, {})
        for statement, answer in company.said[user_id].items():
            assert answers.get(statement) in {answer, *maybe.get(statement, ())}
        for statement in answers.keys() - company.said[user_id].keys():
            assert answers[statement] in maybe[statement]


def test_every_answer_is_kept_and_nobody_is_asked_twice(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = fresh_url("sqlite", request, tmp_path)
    governed = GovernedClock(OPENS)
    database = Database(url)
    migrate.upgrade(database)
    with database.begin() as session:
        runtime.set_made_by(session, "demo")
        runtime.set_offset(session, governed.offset)
    database.close()
    policy_file = tmp_path / "governance.yml"
    policy_file.write_text(POLICY, encoding="utf-8")
    with Sandbox(
        World.from_dict(world(PEOPLE), governed), installed.load_manifest(), limits=False
    ) as slack:
        given = {
            "slack_bot_token": slack.bot_token,
            "slack_app_token": slack.app_token,
            "slack_signing_secret": slack.signing_secret,
            "slack_api_url": slack.api_url,
            "mlgov_database_url": url,
            "mlgov_policy": policy_file,
            "mlgov_time_scale": SCALE,
            "mlgov_http_timeout_seconds": 1 / SCALE,
            "mlgov_lease_seconds": 2.5 / SCALE,
            "mlgov_tick_seconds": 0.1,
        }
        with replica(given) as bot:
            walk(Company(url, tmp_path, slack, bot))


def walk(company: Company) -> None:
    everybody = staff(PEOPLE)
    company.start()
    boss = company.slack.seat(BOSS)
    company.settle()
    with company.db.begin() as session:
        give_personas(session, leaders=6)
    boss.slash("/mlgov", "maturity start", "C0GOV")
    assert f"This asks {PEOPLE} people" in boss.ephemerals()[-1].text
    assert boss.click(ephemeral_id=boss.ephemerals()[-1].id, action_id=maturity_messages.START).ok
    company.settle()
    company.move(timedelta(hours=23))

    quick, slow, half = everybody[:25], everybody[25:40], everybody[40:50]
    quick.remove(LEAVER)

    def kill_and_start() -> None:
        time.sleep(0.4)
        company.kill()
        time.sleep(0.1)
        company.start()

    company.all_of(quick, 6, during=kill_and_start)
    for _ in range(4):
        company.settle()
        company.all_of(quick, 6)
    check_kept(company)
    company.all_of(slow, 2)
    company.all_of(half, 3)
    company.answer(LEAVER, 6, tapping=False)
    company.settle()
    done = {
        user_id
        for user_id, answers in kept(company).items()
        if len(answers) == len(RUBRIC.statements)
    }
    assert done >= set(quick)
    assert all(len(company.messages(id_)) == 1 for id_ in everybody)
    leave(company, LEAVER)

    for _ in range(4):
        company.move(timedelta(days=2))
    company.move(timedelta(days=2, hours=8))
    company.all_of(slow, 2, during=kill_and_start)
    company.settle()
    company.all_of(slow, 2)
    for _ in range(4):
        company.move(timedelta(days=1))
    for _ in range(14):
        company.move(timedelta(hours=12))
    check_kept(company)
    after(company, everybody, done)


def leave(company: Company, user_id: str) -> None:
    """Slack deactivates somebody and says so; mlgov has heard of it."""
    company.slack.world.update_user(user_id, deleted=True)

    def is_known() -> bool:
        with company.db.read() as session:
            return bool(
                session.execute(
                    select(Person.is_deactivated).where(Person.slack_id == user_id)
                ).scalar_one()
            )

    eventually(is_known, f"{user_id} has left")


def after(company: Company, everybody: list[str], done: set[str]) -> None:
    with company.db.read() as session:
        cycle = session.execute(select(MaturityCycle)).scalar_one()
        assert cycle.state == "closed"
        result = cycle.result
        states = Counter(session.execute(select(MaturityInvitation.state)).scalars())
        assert ledger.verify(session) is None
    assert result is not None
    assert states["left"] == 1
    assert result["invited"] == PEOPLE
    assert result["answered"] == min(states["finished"], PEOPLE - 5) // 5 * 5
    for user_id in everybody:
        texts = [message.text for message in company.messages(user_id)]
        assert len(texts) <= 3, texts
        if user_id in done or user_id == LEAVER:
            assert len(texts) == 1, (user_id, texts)
    silent = everybody[50:]
    assert {len(company.messages(id_)) for id_ in silent} == {3}
    channel = company.slack.seat(BOSS).messages("C0GOV")
    assert sum("Maturity in January 2026" in m.text for m in channel) == 1
