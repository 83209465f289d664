"""Milestones from tables and from GitHub: what is brought in, what stays, and what was overdue already."""

import json
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
from sqlalchemy import text

from storage.enums import MilestoneStatus
from tests.contexts import make_context
from tests.milestones.conftest import Team, actor
from workflows import clock, imports
from workflows.errors import NotFound
from workflows.milestones import lists, service

PLAN = """\
Project,Milestone,Type,Owner,Planned,Due date,Completed,Depends on
lane,Data ready,data,leo@acme.test,2026-01-12,2026-01-20,,
lane,Validation report,validation,U0NORA,2026-02-02,2026-02-02,,Data ready
lane,Launch,go live,,2026-02-16,,,Validation report; Data ready
lane,Prototype,poc,leo@acme.test,2025-12-01,2025-12-10,2025-12-09,
"""
MINIMAL: dict[str, Any] = {
    "number": 1,
    "title": "v1.0",
    "state": "open",
    "html_url": "https://github.com/acme/lane/milestone/1",
    "due_on": "2026-05-23T07:00:00Z",
    "closed_at": None,
    "updated_at": "2026-01-01T00:00:00Z",
}


def said(report: imports.Report) -> str:
    return "\n".join(imports.lines(report))


def listed(team: Team) -> dict[str, Any]:
    with team.db.read() as session:
        found = service.list_for_projects(
            make_context(session, policy=team.policy, now=clock.now(session)), [1]
        )
    return {one.title: one for one in found.get(1, [])}


@pytest.fixture
def lane(team: Team) -> Team:
    team.project("lane")
    return team


def test_a_plan_in_a_table(lane: Team) -> None:
    report = lane.bring(PLAN)
    assert said(report).splitlines()[0] == "Milestones: 4 added, 0 changed, 0 as they were."
    found = listed(lane)
    launch = found["Launch"]
    assert (launch.baseline, launch.forecast) == (date(2026, 2, 16), date(2026, 2, 16))
    # Data ready slipped by eight days; what needs it keeps the days that were planned between the two.
    assert found["Data ready"].slip == 8
    assert found["Validation report"].expected == date(2026, 2, 10)
    assert launch.expected == date(2026, 2, 24)
    assert launch.status is MilestoneStatus.AT_RISK
    assert [one.title for one in found["Data ready"].pushes] == ["Validation report", "Launch"]
    assert found["Prototype"].status is MilestoneStatus.DONE
    assert [one.title for one in launch.needs] == ["Data ready", "Validation report"]


def test_again_changes_nothing_and_a_change_is_told(lane: Team) -> None:
    lane.bring(PLAN)
    with lane.db.read() as session:
        before = session.execute(text("SELECT count(*) FROM audit_entry")).scalar_one()
    assert "0 added, 0 changed, 4 as they were" in said(lane.bring(PLAN))
    with lane.db.read() as session:
        after = session.execute(text("SELECT count(*) FROM audit_entry")).scalar_one()
    assert before == after
    changed = said(lane.bring(PLAN.replace("2026-01-20", "2026-01-27")))
    assert "forecast 2026-01-20 → 2026-01-27" in changed
    assert listed(lane)["Data ready"].forecast == date(2026, 1, 27)


def test_a_dry_run_writes_nothing(lane: Team) -> None:
    report = lane.bring(PLAN, dry_run=True)
    assert "would do this to milestones: 4 added" in said(report)
    assert listed(lane) == {}


def test_a_workbook(lane: Team) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["project", "title", "due"])
    sheet.append(["lane", "Launch", datetime(2026, 3, 2)])  # noqa: DTZ001 - a workbook's days have no zone
    path = lane.work / "plan.xlsx"
    book.save(path)
    report = imports.run(
        lane.db, imports.Request("milestones", path), policy=lane.policy, org_key="T0ACME"
    )
    assert report.added == 1, said(report)
    assert listed(lane)["Launch"].forecast == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("nope,Launch,2026-03-02,", "there is no project 'nope'"),
        ("lame,Launch,2026-03-02,", "did you mean lane?"),
        ("lane,,2026-03-02,", "title"),
        ("lane,Launch,,", "a new milestone needs a day"),
        ("lane,Launch,2.3.2026,", "is no day; write it like 2026-01-31"),
        ("lane,Launch,1026-03-02,", "is the year right?"),
        ("lane,Launch,2026-03-02,Nothing", "there is no milestone 'Nothing' in lane"),
        ("lane,Launch,2026-03-02,Launch", "needs this one itself"),
    ],
)
def test_what_cannot_be_taken_is_said_and_nothing_is_written(
    lane: Team, row: str, sentence: str
) -> None:
    report = lane.bring(f"project,title,due,needs\nlane,Good,2026-03-01,\n{row}\n")
    assert report.refused
    assert sentence in said(report)
    assert listed(lane) == {}


def test_a_circle_through_several_is_refused(lane: Team) -> None:
    report = lane.bring(
        "project,title,due,needs\nlane,A,2026-03-01,C\nlane,B,2026-03-02,A\nlane,C,2026-03-03,B\n"
    )
    assert report.refused
    assert "needs this one itself, directly or through others" in said(report)


def test_what_was_overdue_comes_as_one_list_and_bothers_nobody_else(lane: Team) -> None:
    report = lane.bring(
        "project,title,owner,due\nlane,Old,leo@acme.test,2025-11-03\nlane,Older,leo@acme.test,2025-10-01\n"
        "lane,New,leo@acme.test,2026-03-02\n"
    )
    assert "Overdue already: 2. Nora gets one list of them" in said(report)
    lane.live(datetime.fromisoformat("2026-01-15T00:00+00:00"))
    assert list(lane.arrived) == ["milestones-overdue:1"]
    assert lane.arrived["milestones-overdue:1"].hour == 14  # nine in New York
    with lane.db.read() as session:
        card = lists.load_list(make_context(session, policy=lane.policy, now=clock.now(session)), 1)
    assert card is not None
    assert [one.title for one in card.milestones] == ["Older", "Old"]
    with lane.db.begin() as session:
        for _ in range(2):
            lists.start_reminding(
                make_context(
                    session, actor=actor("nora"), policy=lane.policy, now=clock.now(session)
                ),
                1,
            )
    lane.live(datetime.fromisoformat("2026-02-01T00:00+00:00"))
    # Once to the owner, then one more person with each week, as every chain goes; days count from the forecast.
    assert [(one.person, f"{one.at:%m-%d}", len(one.told)) for one in lane.sent] == [
        ("leo", "01-15", 2),
        ("leo", "01-22", 2),
        ("nora", "01-22", 2),
        ("kiran", "01-28", 2),  # 29 January 2026 is a holiday in Nepal
        ("leo", "01-29", 2),
        ("nora", "01-29", 2),
    ]


def test_only_whose_list_it_is_starts_its_reminders(lane: Team) -> None:
    lane.bring("project,title,due\nlane,Old,2025-11-03\n")
    with pytest.raises(NotFound), lane.db.begin() as session:
        lists.start_reminding(
            make_context(session, actor=actor("leo"), policy=lane.policy, now=clock.now(session)), 1
        )


def test_the_list_goes_to_whom_the_import_names(lane: Team) -> None:
    report = lane.bring("project,title,due\nlane,Old,2025-11-03\n", list_to="apa@acme.test")
    assert "Apa gets one list" in said(report)


# --- GitHub


def github(team: Team, *payloads: dict[str, Any], **options: Any) -> imports.Report:
    content = payloads[0] if len(payloads) == 1 else list(payloads)
    return team.bring(json.dumps(content), "github.json", **options)


@pytest.mark.parametrize(
    ("due_on", "day"),
    [
        ("2026-05-23T07:00:00Z", date(2026, 5, 23)),  # midnight in California, summer
        ("2026-12-23T08:00:00Z", date(2026, 12, 23)),  # and winter
        ("2026-05-23T00:00:00Z", date(2026, 5, 23)),  # a day written by a program
        ("2026-05-23T06:59:00Z", date(2026, 5, 22)),
        ("2026-10-09T23:39:01Z", date(2026, 10, 9)),
    ],
)
def test_the_day_a_github_milestone_is_due(lane: Team, due_on: str, day: date) -> None:
    assert github(lane, MINIMAL | {"due_on": due_on}).added == 1
    assert listed(lane)["v1.0"].forecast == day


def test_a_github_milestone_is_closed_opened_and_deleted(lane: Team) -> None:
    github(lane, MINIMAL, MINIMAL | {"number": 2, "title": "v2.0"})
    repository = {"full_name": "acme/lane"}
    closed = MINIMAL | {
        "state": "closed",
        "closed_at": "2026-01-04T23:30:00Z",
        "updated_at": "2026-01-04T23:30:00Z",
    }
    github(lane, {"action": "closed", "milestone": closed, "repository": repository})
    assert listed(lane)["v1.0"].actual == date(2026, 1, 4)
    github(lane, {"action": "opened", "milestone": MINIMAL, "repository": repository})
    assert listed(lane)["v1.0"].actual == date(2026, 1, 4), "an older tale counted"
    opened = MINIMAL | {"updated_at": "2026-01-05T00:00:00Z"}
    github(lane, {"action": "opened", "milestone": opened, "repository": repository})
    assert listed(lane)["v1.0"].actual is None
    github(lane, {"action": "deleted", "milestone": opened, "repository": repository})
    assert list(listed(lane)) == ["v2.0"]


def test_what_a_person_said_is_done_stays_done(lane: Team) -> None:
    github(lane, MINIMAL)
    lane.act(service.complete, "nora", 1, proof="seen")
    github(lane, MINIMAL | {"updated_at": "2026-01-06T00:00:00Z"})
    assert listed(lane)["v1.0"].status is MilestoneStatus.DONE


def test_a_list_keeps_the_newest_and_says_what_has_no_day(lane: Team) -> None:
    report = github(
        lane,
        MINIMAL | {"title": "newer", "updated_at": "2026-02-01T00:00:00Z"},
        MINIMAL,
        MINIMAL | {"number": 2, "due_on": None},
    )
    assert list(listed(lane)) == ["newer"]
    assert "Left out, as GitHub gives them no due date: 1." in said(report)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is no JSON that can be read"),
        ("[1]", "entry 1 is no GitHub milestone"),
        ('[{"title": "x"}]', "number: field required"),
        ('[{"title": "x", "number": 1}]', "does not say which repository"),
        ("[]", "holds no milestone with a due date"),
        ("[" * 100_000, "is no JSON that can be read"),
    ],
)
def test_a_file_that_is_no_github_milestone(lane: Team, content: str, sentence: str) -> None:
    report = lane.bring(content, "github.json")
    assert report.refused
    assert sentence in said(report)


def test_a_repository_that_is_no_project_is_mended_by_the_option(lane: Team) -> None:
    other = MINIMAL | {"html_url": "https://github.com/acme/other/milestone/1"}
    assert "there is no project 'other'" in said(github(lane, other))
    assert github(lane, other, project="lane").added == 1


def test_a_renamed_repository_doubles_no_milestone(lane: Team) -> None:
    known = MINIMAL | {"id": 9001}
    github(lane, MINIMAL)  # read before ids were kept
    assert github(lane, known).added == 0
    moved = known | {
        "html_url": "https://github.com/acme/lane-new/milestone/1",
        "due_on": "2026-06-20T07:00:00Z",
        "updated_at": "2026-01-20T00:00:00Z",
    }
    report = github(lane, moved, project="lane")
    assert (report.added, report.changed) == (0, 1)
    assert {one.forecast for one in listed(lane).values()} == {date(2026, 6, 20)}
    # Another repository takes the old name: its first milestone is another one.
    other = MINIMAL | {"id": 9002, "title": "Other"}
    assert github(lane, other).added == 1
    assert len(listed(lane)) == 2
    both = github(lane, moved, known, project="lane")
    assert (both.added, both.changed) == (0, 0)


def test_milestones_as_graphql_gives_them(lane: Team) -> None:
    node = {
        "id": "MI_x",
        "databaseId": 9001,
        "number": 1,
        "title": "Data ready",
        "state": "CLOSED",
        "dueOn": "2026-12-15T08:00:00Z",
        "closedAt": "2026-01-05T08:00:00Z",
        "updatedAt": None,
        "url": "https://github.com/acme/lane/milestone/1",
    }
    whole = {"data": {"repository": {"milestones": {"nodes": [node]}}}}
    assert lane.bring(json.dumps(whole), "gh.json").added == 1
    assert listed(lane)["Data ready"].actual == date(2026, 1, 5)
    for again in ([node], [[node]], {"milestones": [node]}):
        assert lane.bring(json.dumps(again), "gh.json").unchanged == 1
    pages = (
        f"{json.dumps([node])}\n{json.dumps([node | {'number': 2, 'databaseId': 7, 'title': 'B'}])}"
    )
    assert lane.bring(pages, "pages.json").added == 1


def test_json_without_due_dates_says_which_field_to_ask_for(lane: Team) -> None:
    undated = {name: value for name, value in MINIMAL.items() if name != "due_on"}
    assert "`dueOn` from GraphQL" in said(github(lane, undated))
