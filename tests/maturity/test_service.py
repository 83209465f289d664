"""Cycles, answers and results on both databases."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from storage import ledger
from storage.delivery.tables import Outbox, Timer
from storage.enums import InvitationState, Level, SeenBy
from storage.maturity.tables import MaturityAnswer, MaturityCycle
from storage.people.tables import Person
from tests.maturity.conftest import ORG, House
from workflows.actors import OPERATOR
from workflows.errors import InvalidInput, NotAllowed, NotFound
from workflows.maturity import cycles, inviting, service
from workflows.maturity.conversation import Closed
from workflows.maturity.forms import SetTargets, Skip, WriteNote
from workflows.people import service as people


def test_whom_it_asks(house: House) -> None:
    house.crowd(2, 4)
    house.person("gus", "leader", "Care", is_guest=True)
    house.person("fay", "finance", "Care")
    house.person("out", "leader", "Supply")
    house.person("gone", "leader", "Care", is_deactivated=True)
    with house.db.read() as session:
        found = service.plan(
            session, house.actor("b0"), None,
            policy=house.policy, org_key=ORG, now=house.now,
        )  # fmt: skip
        assert (found.leaders, found.practitioners) == (3, 4)
        with pytest.raises(InvalidInput, match="Only 1 people in Supply"):
            service.plan(
                session, house.actor("b0"), "supply",
                policy=house.policy, org_key=ORG, now=house.now,
            )  # fmt: skip
        with pytest.raises(NotFound, match="There are: “Care”, “Supply”"):
            service.plan(
                session, house.actor("b0"), "Suply",
                policy=house.policy, org_key=ORG, now=house.now,
            )  # fmt: skip
        with pytest.raises(NotAllowed, match="role `leader`"):
            service.plan(
                session, house.actor("d0"), None,
                policy=house.policy, org_key=ORG, now=house.now,
            )  # fmt: skip


def test_nobody_is_asked_by_two_at_once(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start("care")
    with pytest.raises(InvalidInput, match="A check-in of Care is open until"):
        house.start()
    with pytest.raises(InvalidInput, match="is open until"):
        house.start("Care")
    house.close(cycle)
    house.start()


def test_the_result(house: House) -> None:
    house.crowd(5, 6)
    cycle = house.start()
    for n in range(5):
        house.say(f"b{n}", "yes")
    for n in range(5):
        house.say(f"d{n}", "no")
    house.say("d5", "no", parts=2)
    found = house.close(cycle)
    assert (found.invited, found.answered) == (11, 10)
    assert found.overall is Level.LOW
    data = found.dimensions[1]
    assert (data.level, data.people) == (Level.LOW, 11)
    assert (data.leaders, data.practitioners) == (Level.HIGH, Level.LOW)
    assert found.dimensions[5].people == 10
    assert data.agreement == 55
    assert data.units == {"Care": Level.LOW}


def test_too_few_answers_tell_nothing(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    for n in range(4):
        house.say(f"d{n}", "yes")
    found = house.close(cycle)
    assert found.told == ()
    assert (found.overall, found.median) == (None, None)
    assert all(one.people == 0 and one.agreement is None for one in found.dimensions)


def test_change_since_last_time(house: House) -> None:
    house.crowd(0, 0)
    house.crowd(2, 4)
    first = house.start()
    for name in house.states():
        house.say(name, "no")
    house.close(first)
    house.now += timedelta(days=90)
    second = house.start()
    for n in range(4):
        house.say(f"d{n}", "yes")
    house.say("b0", "yes")
    found = house.close(second)
    assert found.before is Level.LOW
    assert found.before_label == "January 2026"
    assert {one.before for one in found.dimensions} == {Level.LOW}
    assert found.overall is Level.HIGH


def test_answers_can_be_changed_until_it_closes(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    house.say("d0", "yes")
    assert house.states()["d0"] == "finished"
    house.say("d0", {"data.owner": "no"})
    with house.db.read() as session:
        said = session.execute(
            select(MaturityAnswer.answer).where(
                MaturityAnswer.statement == "data.owner"
            )
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
        mine = service.catch_up(
            session, house.actor("d0"), house.mine("d0").id, shown,
            policy=house.policy, now=house.now,
        )  # fmt: skip
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
        service.get(session, house.actor("d0"), theirs, policy=house.policy)
    with house.db.begin() as session, pytest.raises(NotFound, match="not yours"):
        service.skip(
            session, house.actor("d0"), Skip(invitation_id=theirs, reason="no time"),
            policy=house.policy, now=house.now,
        )  # fmt: skip


def test_skipping_ends_reminders_and_can_be_taken_back(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    invite(house, cycle)
    mine = house.mine("d0")
    with house.db.begin() as session:
        service.skip(
            session, house.actor("d0"), Skip(invitation_id=mine.id, reason="On leave"),
            policy=house.policy, now=house.now,
        )  # fmt: skip
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
        service.remind(
            session, house.mine("d0").id, 1, policy=house.policy, org_key=ORG, now=house.now
        )  # fmt: skip
    assert kinds(house).count("maturity.reminder") == 0


def test_an_invitation_that_waits_is_not_sent_to_who_has_finished(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    invite(house, cycle)
    mine = house.say("d0", "yes")
    with house.db.read() as session:
        assert service.to_send(session, mine.id, "maturity.asked", 0, policy=house.policy) is None  # fmt: skip
        other = house.mine("d1").id
        assert service.to_send(session, other, "maturity.asked", 0, policy=house.policy)


def test_who_leaves_is_counted_nowhere(house: House) -> None:
    house.crowd(2, 6)
    cycle = house.start()
    invite(house, cycle)
    for n in range(6):
        house.say(f"d{n}", "yes")
    with house.db.begin() as session:
        session.get_one(Person, "p_d0").is_deactivated = True
    with house.db.begin() as session:
        service.remind(
            session, house.mine("b1").id, 1, policy=house.policy, org_key=ORG, now=house.now
        )  # fmt: skip
    found = house.close(cycle)
    assert (found.invited, found.answered) == (7, 5)
    assert found.dimensions[0].people == 5
    assert house.states()["d0"] == "left"


def test_who_joins_later_is_not_asked(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    house.person("new", "leader", "Care")
    invite(house, cycle)
    assert "new" not in house.states()
    assert kinds(house).count("maturity.asked") == 6


def test_what_the_first_message_promised_holds(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    for name in house.states():
        house.say(name, "yes")
    house.rules(answers_seen_by=SeenBy.ASSESSOR_BY_NAME)
    house.close(cycle)
    with house.db.read() as session, pytest.raises(NotAllowed, match="promised"):
        service.single_answers(
            session, house.actor("b1"), cycle, policy=house.policy, org_key=ORG
        )
    second = house.start()
    house.say("d0", "yes")
    house.say("d1", "no")
    house.close(second)
    with house.db.read() as session:
        found = service.single_answers(
            session, house.actor("b1"), second, policy=house.policy, org_key=ORG
        )
        assert [one.who for one in found] == ["d0", "d1"]
        with pytest.raises(NotAllowed, match="role `assessor`"):
            service.single_answers(
                session, house.actor("b0"), second, policy=house.policy, org_key=ORG
            )
    house.rules(answers_seen_by=SeenBy.NOBODY)
    with house.db.read() as session, pytest.raises(NotAllowed):
        service.single_answers(
            session, house.actor("b1"), second, policy=house.policy, org_key=ORG
        )


def test_single_answers_without_names_need_enough_people(house: House) -> None:
    house.crowd(2, 4)
    house.rules(answers_seen_by=SeenBy.ASSESSOR)
    cycle = house.start()
    for n in range(4):
        house.say(f"d{n}", "yes", parts=1)
    house.close(cycle)
    with house.db.read() as session, pytest.raises(NotAllowed, match="Fewer than 5"):
        service.single_answers(
            session, house.actor("b1"), cycle, policy=house.policy, org_key=ORG
        )


def test_comments_and_proof(house: House) -> None:
    house.crowd(2, 4)
    house.start()
    mine = house.mine("d0")
    form = WriteNote(
        invitation_id=mine.id, dimension="data", comment=" Only vision ", link="https://w.test/x"
    )  # fmt: skip
    with house.db.begin() as session:
        service.note(session, house.actor("d0"), form, policy=house.policy, now=house.now)  # fmt: skip
    part = house.mine("d0").dimensions[1]
    assert (part.comment, part.link) == ("Only vision", "https://w.test/x")
    empty = WriteNote(invitation_id=mine.id, dimension="data")
    with house.db.begin() as session:
        service.note(session, house.actor("d0"), empty, policy=house.policy, now=house.now)  # fmt: skip
    part = house.mine("d0").dimensions[1]
    assert (part.comment, part.link) == ("", "")


def test_an_early_result_counts_in_steps(house: House) -> None:
    house.crowd(4, 10)
    cycle = house.start()
    for n in range(4):
        house.say(f"d{n}", "yes")
    with pytest.raises(InvalidInput, match="Nothing can be told yet"):
        house.early(cycle)
    house.say("d4", "yes")
    first = house.early(cycle)
    assert (first.overall, first.dimensions[0].people) == (Level.HIGH, 5)
    house.say("d5", "no")
    house.say("d0", "no")
    again = house.early(cycle)
    assert again == first
    for n in range(6, 10):
        house.say(f"d{n}", "no")
    second = house.early(cycle)
    assert (second.overall, second.dimensions[0].people) == (Level.LOW, 10)
    assert second.is_early


def test_late_answers_of_a_few_stay_unseen_after_an_early_result(house: House) -> None:
    house.crowd(4, 10)
    cycle = house.start()
    for n in range(5):
        house.say(f"d{n}", "yes")
    early = house.early(cycle)
    for n in range(5, 8):
        house.say(f"d{n}", "no")
    found = house.close(cycle)
    assert found.held_back
    assert found.dimensions == early.dimensions
    assert found.answered == 8


def test_an_erased_person_cannot_be_told_from_an_early_result(house: House) -> None:
    house.crowd(4, 10)
    cycle = house.start()
    for n in range(6):
        house.say(f"d{n}", "yes")
    early = house.early(cycle)
    with house.db.begin() as session:
        people.erase(session, OPERATOR, "p_d0", now=house.now)
    found = house.close(cycle)
    assert found.held_back
    assert found.dimensions == early.dimensions


def test_after_an_early_result_the_final_one_tells_no_parts(house: House) -> None:
    house.crowd(5, 5)
    cycle = house.start()
    for n in range(5):
        house.say(f"d{n}", "yes")
    house.early(cycle)
    for n in range(5):
        house.say(f"b{n}", "no")
    found = house.close(cycle)
    assert not found.held_back
    assert found.dimensions[0].people == 10
    assert all(one.leaders is None and not one.units for one in found.dimensions)


def test_the_ledger_holds_no_answer(house: House) -> None:
    house.crowd(2, 4)
    house.start()
    house.say("d0", {"data.owner": "partly"})
    with house.db.read() as session:
        (body,) = [
            row.body
            for row in ledger_rows(session)
            if row.action == "maturity.answered"
        ]
        assert ledger.verify(session) is None
    assert set(json.loads(body)["facts"]) == {"statement", "sha256"}


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
        people.erase(session, OPERATOR, "p_d0", now=house.now)
    with house.db.read() as session:
        assert people.export(session, "p_d0")["check_in_answers"] == []
        assert ledger.verify(session) is None
    found = house.close(cycle)
    assert (found.invited, found.answered) == (7, 5)
    with house.db.begin() as session:
        people.erase(session, OPERATOR, "p_d1", now=house.now)
        kept = service.of_cycle(session, cycle)
    assert kept is not None
    assert kept.dimensions[0].people == 5


def test_targets_and_what_is_missing(house: House) -> None:
    house.crowd(2, 4)
    cycle = house.start()
    for name in house.states():
        house.say(name, "yes")
        house.say(name, {"data.rules": "no", "data.value": "no", "gov.it": "no"})
    house.close(cycle)
    form = SetTargets(levels={"data": Level.HIGH, "governance": Level.MEDIUM})
    with house.db.begin() as session, pytest.raises(NotAllowed):
        service.set_targets(
            session, house.actor("d0"), form, policy=house.policy, org_key=ORG, now=house.now
        )  # fmt: skip
    with house.db.begin() as session:
        found = service.set_targets(
            session, house.actor("b0"), form, policy=house.policy, org_key=ORG, now=house.now
        )  # fmt: skip
    (gap,) = found.gaps
    assert (gap.dimension, gap.level, gap.target) == ("data", Level.LOW, Level.HIGH)
    assert gap.missing == (
        "Written rules say who may use which data and for what.",
        "We can say what our most used data sets cost and what they bring.",
    )
    with house.db.begin() as session:
        found = service.set_targets(
            session, house.actor("b0"), SetTargets(levels={}), policy=house.policy, org_key=ORG, now=house.now
        )  # fmt: skip
    assert found.levels == {}


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
        return service.open_due(
            session, day, policy=house.policy, org_key=ORG,
            now=datetime(day.year, day.month, day.day, 9, tzinfo=UTC),
        )  # fmt: skip


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
        found = inviting.reminders(calendar, house.now, closes)
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
            session.execute(
                select(Outbox.due_at).where(Outbox.kind == "maturity.asked")
            ).scalars()
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
        service.invite(
            session, cycle, 0, policy=house.policy, org_key=ORG, now=house.now
        )


def waiting_reminders(house: House) -> int:
    with house.db.read() as session:
        return len(
            session.execute(
                select(Timer.id).where(
                    Timer.kind == "maturity.remind", Timer.state == "due"
                )
            ).all()
        )


def kinds(house: House) -> list[str]:
    with house.db.read() as session:
        return list(session.execute(select(Outbox.kind)).scalars())


def ledger_rows(session: object) -> list[object]:
    from storage.audit.tables import AuditEntry

    return list(session.execute(select(AuditEntry)).scalars())  # type: ignore[attr-defined]
