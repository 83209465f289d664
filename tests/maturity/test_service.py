"""Cycles, answers and results on both databases."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from storage import ledger
from storage.delivery.tables import Outbox, Timer
from storage.enums import InvitationState
from storage.maturity.tables import MaturityAnswer, MaturityCycle
from storage.people.tables import Person
from tests.contexts import make_context
from tests.maturity.conftest import ORG, House
from workflows.context import OPERATOR
from workflows.errors import InvalidInput, NotAllowed, NotFound
from workflows.maturity import cycles, invitations, service
from workflows.maturity.check_ins import Closed
from workflows.maturity.forms import Skip, WriteNote
from workflows.people import service as people


def test_whom_it_asks(house: House) -> None:
    house.crowd(2, 4)
    house.person("gus", "leader", "Care", is_guest=True)
    house.person("fay", "finance", "Care")
    house.person("out", "leader", "Supply")
    house.person("gone", "leader", "Care", is_deactivated=True)
    with house.db.read() as session:
        found = service.plan_check_in(
            make_context(
                session, actor=house.actor("b0"), policy=house.policy, org=ORG, now=house.now
            ),
            None,
        )
        assert (found.leaders, found.practitioners) == (3, 4)
        with pytest.raises(InvalidInput, match="Only 1 people in Supply"):
            service.plan_check_in(
                make_context(
                    session, actor=house.actor("b0"), policy=house.policy, org=ORG, now=house.now
                ),
                "supply",
            )
        with pytest.raises(NotFound, match="There are: “Care”, “Supply”"):
            service.plan_check_in(
                make_context(
                    session, actor=house.actor("b0"), policy=house.policy, org=ORG, now=house.now
                ),
                "Suply",
            )
        with pytest.raises(NotAllowed, match="That is for leaders"):
            service.plan_check_in(
                make_context(
                    session, actor=house.actor("d0"), policy=house.policy, org=ORG, now=house.now
                ),
                None,
            )


def test_nobody_is_asked_by_two_at_once(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start("care")
    with pytest.raises(InvalidInput, match="A check-in of Care is open until"):
        house.start()
    with pytest.raises(InvalidInput, match="is open until"):
        house.start("Care")
    house.close(cycle)
    house.start()


def test_answers_can_be_changed_until_it_closes(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    house.say("d0", "yes")
    assert house.states()["d0"] == "finished"
    house.say("d0", {"data.owner": "no"})
    with house.db.read() as session:
        said = session.execute(
            select(MaturityAnswer.answer).where(MaturityAnswer.statement == "data.owner")
        ).scalar_one()
    assert said == "no"
    house.close(cycle)
    with pytest.raises(Closed, match="closed, so nothing was changed"):
        house.say("d0", {"data.owner": "yes"})
    with pytest.raises(Closed):
        house.say("d1", {"data.owner": "yes"})


def test_an_older_tap_changes_nothing(house: House) -> None:
    house.crowd(2, 4)
    house.start()
    house.say("d0", {"data.owner": "no"})
    house.now -= timedelta(minutes=1)
    house.say("d0", {"data.owner": "yes"})
    assert house.mine("d0").dimensions[1].statements[0].answer == "no"


def test_a_window_keeps_what_no_tap_told_and_takes_nothing_back(house: House) -> None:
    house.crowd(2, 4)
    house.start()
    house.say("d0", {"data.owner": "no", "data.rules": "no"})
    shown = {
        "data.owner": ("yes", "yes"),
        "data.shared": (None, "partly"),
        "data.rules": ("no", "yes"),
        "data.value": (None, None),
        "data.strategy": ("yes", "no"),
        "gone.statement": (None, "yes"),
    }
    with house.db.begin() as session:
        mine = service.keep_window_answers(
            make_context(session, actor=house.actor("d0"), policy=house.policy, now=house.now),
            house.mine("d0").id,
            shown,
        )
    said = {one.id: one.answer for one in mine.dimensions[1].statements}
    assert said == {
        "data.owner": "no",
        "data.shared": "partly",
        "data.rules": "yes",
        "data.executive": None,
        "data.strategy": None,
        "data.value": None,
    }


def test_nobody_reaches_the_check_in_of_another(house: House) -> None:
    house.crowd(2, 4)
    house.start()
    theirs = house.mine("d1").id
    with house.db.begin() as session, pytest.raises(NotFound, match="not yours"):
        service.load_own(
            make_context(session, actor=house.actor("d0"), policy=house.policy), theirs
        )
    with house.db.begin() as session, pytest.raises(NotFound, match="not yours"):
        service.skip_check_in(
            make_context(session, actor=house.actor("d0"), policy=house.policy, now=house.now),
            Skip(invitation_id=theirs, reason="no time"),
        )


def test_skipping_ends_reminders_and_can_be_taken_back(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    invite(house, cycle)
    mine = house.mine("d0")
    with house.db.begin() as session:
        service.skip_check_in(
            make_context(session, actor=house.actor("d0"), policy=house.policy, now=house.now),
            Skip(invitation_id=mine.id, reason="On leave"),
        )
    assert house.mine("d0").skip_reason == "On leave"
    assert waiting_reminders(house) == 2 * 5
    house.say("d0", {"data.owner": "yes"})
    assert house.states()["d0"] == "invited"
    assert waiting_reminders(house) == 2 * 5


def test_finishing_ends_reminders(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    invite(house, cycle)
    house.say("d0", "yes")
    assert waiting_reminders(house) == 2 * 5
    with house.db.begin() as session:
        service.remind_person(
            make_context(session, policy=house.policy, org=ORG, now=house.now),
            house.mine("d0").id,
            1,
        )
    assert kinds(house).count("maturity.reminder") == 0


def test_an_invitation_that_waits_is_not_sent_to_who_has_finished(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    invite(house, cycle)
    mine = house.say("d0", "yes")
    with house.db.read() as session:
        assert (
            service.find_to_send(session, mine.id, "maturity.asked", 0, policy=house.policy) is None
        )
        other = house.mine("d1").id
        assert service.find_to_send(session, other, "maturity.asked", 0, policy=house.policy)


def test_who_leaves_is_counted_nowhere(house: House) -> None:
    house.crowd(2, 6)
    cycle = house.start()
    invite(house, cycle)
    for n in range(6):
        house.say(f"d{n}", "yes")
    with house.db.begin() as session:
        session.get_one(Person, "p_d0").is_deactivated = True
    with house.db.begin() as session:
        service.remind_person(
            make_context(session, policy=house.policy, org=ORG, now=house.now),
            house.mine("b1").id,
            1,
        )
    found = house.close(cycle)
    assert (found.invited, found.answered) == (8, 0)
    assert found.dimensions[0].people == 5
    assert found.dimensions[0].people == 5
    assert house.states()["d0"] == "left"


def test_who_joins_later_is_not_asked(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    house.person("new", "leader", "Care")
    invite(house, cycle)
    assert "new" not in house.states()
    assert kinds(house).count("maturity.asked") == 6


def test_comments_and_proof(house: House) -> None:
    house.crowd(2, 4)
    house.start()
    mine = house.mine("d0")
    form = WriteNote(
        invitation_id=mine.id, dimension="data", comment=" Only vision ", link="https://w.test/x"
    )
    with house.db.begin() as session:
        service.keep_note(
            make_context(session, actor=house.actor("d0"), policy=house.policy, now=house.now), form
        )
    part = house.mine("d0").dimensions[1]
    assert (part.comment, part.link) == ("Only vision", "https://w.test/x")
    empty = WriteNote(invitation_id=mine.id, dimension="data")
    with house.db.begin() as session:
        service.keep_note(
            make_context(session, actor=house.actor("d0"), policy=house.policy, now=house.now),
            empty,
        )
    part = house.mine("d0").dimensions[1]
    assert (part.comment, part.link) == ("", "")


def test_the_ledger_holds_no_answer(house: House) -> None:
    house.crowd(2, 4)
    house.start()
    house.say("d0", {"data.owner": "partly", "data.rules": "no"})
    mine = house.mine("d0")
    with house.db.begin() as session:
        service.keep_note(
            make_context(session, actor=house.actor("d0"), policy=house.policy, now=house.now),
            WriteNote(invitation_id=mine.id, dimension="data", comment="Only vision"),
        )
    with house.db.read() as session:
        (body,) = [row.body for row in ledger_rows(session) if row.action == "maturity.answered"]
        assert ledger.verify(session) is None
    assert json.loads(body)["facts"] == {}


def test_an_erased_person_said_nothing(house: House) -> None:
    house.crowd(2, 6)
    cycle = house.start()
    for n in range(6):
        house.say(f"d{n}", "yes")
    with house.db.read() as session:
        told = people.export(session, "p_d0")
    assert len(told["check_in_answers"]) == 32
    assert told["check_ins"][0]["state"] == "finished"
    with house.db.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=house.now), "p_d0")
    with house.db.read() as session:
        assert people.export(session, "p_d0")["check_in_answers"] == []
        assert ledger.verify(session) is None
    found = house.close(cycle)
    assert (found.invited, found.answered) == (8, 0)
    assert found.dimensions[0].people == 5
    with house.db.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=house.now), "p_d1")
        kept = service.find_of_cycle(session, cycle)
    assert kept is not None
    assert kept.dimensions[0].people == 5


@pytest.mark.parametrize(
    ("today", "months", "first", "expected"),
    [
        (date(2026, 1, 5), 3, 1, date(2026, 1, 1)),
        (date(2026, 3, 31), 3, 1, date(2026, 1, 1)),
        (date(2026, 4, 1), 3, 1, date(2026, 4, 1)),
        (date(2026, 1, 5), 3, 2, date(2025, 11, 1)),
        (date(2026, 1, 5), 6, 4, date(2025, 10, 1)),
        (date(2026, 3, 31), 12, 4, date(2025, 4, 1)),
        (date(2026, 4, 1), 12, 4, date(2026, 4, 1)),
    ],
)
def test_periods_follow_the_fiscal_year(
    today: date, months: int, first: int, expected: date
) -> None:
    assert cycles.period(today, months, first) == expected


def open_due(house: House, day: date) -> int | None:
    with house.db.begin() as session:
        return service.open_scheduled(
            make_context(
                session,
                policy=house.policy,
                org=ORG,
                now=datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
            ),
            day,
        )


def test_the_schedule_opens_one_on_the_first_working_day(house: House) -> None:
    house.crowd(2, 4)
    assert open_due(house, date(2025, 12, 31)) is None
    assert open_due(house, date(2026, 1, 1)) is None
    cycle = open_due(house, date(2026, 1, 2))
    assert cycle is not None
    assert open_due(house, date(2026, 1, 2)) is None
    house.now = datetime(2026, 1, 20, tzinfo=UTC)
    house.close(cycle)
    assert open_due(house, date(2026, 1, 21)) is None
    house.rules(cycle="off")
    assert open_due(house, date(2026, 4, 1)) is None
    house.rules(cycle="quarterly")
    assert open_due(house, date(2026, 4, 7)) is not None


def test_the_schedule_waits_for_one_that_is_open(house: House) -> None:
    house.crowd(2, 4)
    house.now = datetime(2025, 12, 29, 9, tzinfo=UTC)
    other = house.start("Care")
    assert open_due(house, date(2026, 1, 2)) is None
    house.now = datetime(2026, 1, 15, tzinfo=UTC)
    house.close(other)
    assert open_due(house, date(2026, 1, 16)) is not None


def test_reminders_fall_into_work_and_before_the_end(house: House) -> None:
    from workflows.calendar import calendar_for

    for zone in ("Europe/London", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"):
        calendar = calendar_for(house.policy, tz=zone)
        closes = datetime(2026, 2, 16, 17, 30, tzinfo=UTC)
        found = invitations.reminder_moments(calendar, house.now, closes)
        assert len(found) == 2
        assert all(calendar.is_open(one) for one in found)
        assert house.now < found[0] < found[1] < closes


def test_the_first_message_waits_for_working_hours(house: House) -> None:
    house.crowd(2, 4)
    with house.db.begin() as session:
        session.get_one(Person, "p_d0").tz = "Asia/Tokyo"
    cycle = house.start()
    invite(house, cycle)
    with house.db.read() as session:
        due = set(
            session.execute(select(Outbox.due_at).where(Outbox.kind == "maturity.asked")).scalars()
        )
    assert due == {house.now, datetime(2026, 1, 27, 0, tzinfo=UTC)}


def test_a_finished_cycle_frees_its_scope(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    house.close(cycle)
    with house.db.read() as session:
        row = session.get_one(MaturityCycle, cycle)
        assert (row.state, row.open_scope) == ("closed", None)
    assert InvitationState.LEFT == "left"


# --- helpers


def invite(house: House, cycle: int) -> None:
    with house.db.begin() as session:
        service.invite_some(
            make_context(session, policy=house.policy, org=ORG, now=house.now), cycle, 0
        )


def waiting_reminders(house: House) -> int:
    with house.db.read() as session:
        return len(
            session.execute(
                select(Timer.id).where(Timer.kind == "maturity.remind", Timer.state == "due")
            ).all()
        )


def kinds(house: House) -> list[str]:
    with house.db.read() as session:
        return list(session.execute(select(Outbox.kind)).scalars())


def ledger_rows(session: object) -> list[object]:
    from storage.audit.tables import AuditEntry

    return list(session.execute(select(AuditEntry)).scalars())  # type: ignore[attr-defined]
