"""A few reminders, one by one: when they come, to whom, what silences them, and what follows."""

from datetime import date, datetime

import pytest

from tests.contexts import make_context
from tests.milestones.conftest import Team, actor
from workflows.milestones import service
from workflows.milestones.forms import Reschedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def through(team: Team, first: str, last: str) -> list[tuple[str, str, list[int]]]:
    """Live from one moment to another; what arrived: who, when in UTC, and which steps."""
    before = len(team.sent)
    team.at(at(first))
    team.live(at(last))
    return [
        (one.person, f"{one.at:%m-%d %H}", sorted(step for _, _, step in one.told))
        for one in team.sent[before:]
    ]


@pytest.mark.slow
def test_before_on_and_after_the_day_one_more_person_each_time(team: Team) -> None:
    team.project("lane")
    team.add("leo", "lane", "Data sheet", date(2026, 1, 21))
    assert through(team, "2026-01-05T06:00+00:00", "2026-02-06T00:00+00:00") == [
        ("leo", "01-07 09", [-14]),
        ("leo", "01-14 09", [-7]),
        ("leo", "01-20 09", [-1]),
        ("leo", "01-21 09", [0]),
        ("leo", "01-28 09", [7]),
        ("nora", "01-28 14", [7]),
        ("kiran", "02-04 03", [14]),
        ("leo", "02-04 09", [14]),
        ("nora", "02-04 14", [14]),
    ]


def test_a_reminder_on_a_day_off_comes_on_the_last_working_day_before(team: Team) -> None:
    team.project("lane")
    team.add("nora", "lane", "Model card", date(2026, 1, 26), owner="nora")
    # 19 January is a holiday in New York, 25 January a Sunday.
    found = through(team, "2026-01-05T06:00+00:00", "2026-01-27T00:00+00:00")
    assert found == [
        ("nora", "01-12 14", [-14]),
        ("nora", "01-16 14", [-7]),
        ("nora", "01-23 14", [-1]),
        ("nora", "01-26 14", [0]),
    ]


def test_several_at_once_come_in_one_message(team: Team) -> None:
    team.project("lane")
    for title, day in (("B", 21), ("A", 14), ("C", 8)):
        team.add("leo", "lane", title, date(2026, 1, day))
    found = through(team, "2026-01-07T06:00+00:00", "2026-01-07T20:00+00:00")
    assert found == [("leo", "01-07 09", [-14, -7, -1])]


def test_what_is_done_or_moved_is_not_reminded_of(team: Team) -> None:
    team.project("lane")
    done = team.add("leo", "lane", "Done", date(2026, 1, 14))
    moved = team.add("leo", "lane", "Moved", date(2026, 1, 14))
    team.act(service.complete, "leo", done, proof="https://example.test/report")
    with team.db.begin() as session:
        service.reschedule(
            make_context(
                session, actor=actor("leo"), policy=team.policy, now=at("2026-01-05T07:00+00:00")
            ),
            Reschedule(milestone_id=moved, revision=1, new=date(2026, 1, 13)),
            reason="sooner",
        )
    found = through(team, "2026-01-05T08:00+00:00", "2026-01-16T00:00+00:00")
    assert found == [("leo", "01-06 09", [-7]), ("leo", "01-12 09", [-1]), ("leo", "01-13 09", [0])]


def test_a_message_that_did_not_arrive_in_time_is_said_the_next_morning(team: Team) -> None:
    team.project("lane")
    team.add("leo", "lane", "Data sheet", date(2026, 1, 9))
    team.add("leo", "lane", "Model card", date(2026, 1, 10))
    team.at(at("2026-01-08T09:00+00:00"))
    team.run_due()  # and the process ends before anything is sent, until the next night
    found = through(team, "2026-01-08T23:00+00:00", "2026-01-12T00:00+00:00")
    # What is due on Saturday has its last two reminders on Friday.
    assert found == [("leo", "01-09 09", [-1, -1, 0, 0])]


def test_whoever_gets_a_milestone_reads_its_card_in_their_working_hours(team: Team) -> None:
    team.project("lane")
    lane = team.add("leo", "lane", "Data sheet", date(2026, 1, 9))
    team.at(at("2026-01-08T10:00+00:00"))
    team.act(service.hand_over, "leo", lane, to="p_apa")
    found = through(team, "2026-01-08T10:00+00:00", "2026-01-09T23:00+00:00")
    assert {key: f"{when:%m-%d %H}" for key, when in team.arrived.items()}[
        f"milestone:{lane}:handed:p_apa:2"
    ] == "01-08 20"
    assert found == [("apa", "01-08 20", [0])]


def test_reminders_of_somebody_who_travels_come_where_they_are(team: Team) -> None:
    team.project("lane")
    team.add("leo", "lane", "Data sheet", date(2026, 1, 21))
    found = through(team, "2026-01-13T06:00+00:00", "2026-01-14T06:00+00:00")
    team.travels("leo", "America/New_York")
    found += through(team, "2026-01-14T06:00+00:00", "2026-01-15T06:00+00:00")
    team.travels("leo", "Pacific/Apia")
    found += through(team, "2026-01-19T06:00+00:00", "2026-01-22T06:00+00:00")
    assert found == [
        ("leo", "01-13 09", [-14]),
        ("leo", "01-14 14", [-7]),
        ("leo", "01-19 20", [-1]),
        ("leo", "01-20 20", [0]),
    ]
