"""The way of projects by the record: dates of each stage, and what is shown of the pace of many."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from bot.cases import arrival as view
from storage.db import Database
from storage.enums import MilestoneType, ProjectStatus
from storage.projects import queries as project_queries
from storage.projects.tables import Project
from tests.anonymity.oracle import few_told
from tests.approvals.conftest import START
from tests.cases.arriving import Works
from tests.cases.conftest import LEA, NED, OLA, SPO, Board
from tests.contexts import make_context
from workflows.anonymity import service as disclosure
from workflows.cases import ending, journeys
from workflows.cases.arrival import IDEA_TO_USE, ArrivalCurve, Share, Stage, Withheld
from workflows.cases.forms import KeepIdea, StopProject
from workflows.cases.journeys import SCOPE, TIMES, ShownTimes
from workflows.errors import NotAllowed

T = MilestoneType


@pytest.fixture
def works(database: Database) -> Works:
    return Works(database)


def test_a_way_is_dated_by_what_was_done(works: Works) -> None:
    days = {Stage.PROPOSED: works.now.date()}
    case_id = works.board.complete()
    days[Stage.APPROVED] = works.later(days=20)
    works.board.approve(case_id)
    key = works.board.project_of(case_id).key
    data = works.promise(key, T.DATA_READY)
    days[Stage.DATA_READY] = works.later(days=30)
    works.complete(data)
    works.later(days=10)
    model = works.yard.model("router", project=key)
    days[Stage.FIRST_VERSION] = works.later(days=25)
    version = works.yard.in_validation(model)
    works.yard.complete(version, "approval")
    works.yard.accept_all("val", version)
    days[Stage.VALIDATED] = works.later(days=40)
    request = works.yard.ask("val", version)
    days[Stage.APPROVED_FOR_USE] = works.later(days=3)
    works.yard.decide("risk", request)
    works.yard.complete(version, "implementation")
    works.yard.step("ops", version, "implement")
    days[Stage.IN_USE] = works.later(days=14)
    works.yard.step("ops", version, "deploy", "It runs.")
    works.yard.step("ola", version, "deploy", "It answers.")
    value = works.promise(key, T.FIRST_VALUE)
    days[Stage.FIRST_VALUE] = works.later(days=60)
    works.complete(value)
    # A second version passes the same stages; the first days stay.
    works.later(days=90)
    works.yard.in_use(model, "2")

    way = works.ways()[key]
    assert way.journey.reached == days
    assert way.journey.people == {"p-ola", "p-dev", "p-val"}
    assert way.journey.stopped_on is None
    assert (way.proposed_on, way.in_use_on) == (days[Stage.PROPOSED], days[Stage.IN_USE])
    works.board.ledger_holds()


def test_what_went_on_already_was_never_an_idea_here(works: Works, tmp_path: Path) -> None:
    works.bring(tmp_path, "key,name,owner,status\nold,Old,U0OLA,in progress\nnew,New,U0OLA,draft\n")
    proposed = works.now.date()
    # A case that is written about it later doesn't say when it was an idea.
    works.later(days=5)
    case_id = works.board.complete("About the old one", by=OLA)
    works.board.keep(case_id, KeepIdea, OLA, title="Old", problem="It is.", project="old")
    request = works.board.ask(case_id, OLA)
    works.board.decide(SPO, request)
    assert works.reached("old") == {Stage.APPROVED: works.now.date()}
    assert works.reached("new") == {Stage.PROPOSED: proposed}
    went_live = works.later(days=100)
    works.bring(tmp_path, "key,status\nold,live\nnew,live\n")
    assert works.reached("new") == {Stage.PROPOSED: proposed, Stage.IN_USE: went_live}
    works.later(days=1)
    works.bring(tmp_path, "key,name,owner,status\nlate,Late,U0OLA,live\n")
    assert works.reached("late") == {}


def test_an_estimate_from_a_file_was_approved_nobody_knows_when(
    works: Works, tmp_path: Path
) -> None:
    works.board.standing("lane-vision", category="optimization")
    columns = "project,start,horizon,currency,monthly benefit,monthly cost,probability"
    row = "lane-vision,2026-03-01,24,EUR,4000,1000,70 %"
    works.bring(tmp_path, f"{columns}\n{row}\n", "cases")
    assert works.board.row(1).agreed == 1
    assert works.reached("lane-vision") == {}


def test_stopped_and_taken_up_anew(works: Works, tmp_path: Path) -> None:
    works.bring(tmp_path, "key,name,owner,status\nnew,New,U0OLA,draft\n")
    stopped = works.later(days=30)
    works.bring(tmp_path, "key,status\nnew,cancelled\n")
    works.later(days=30)
    works.bring(tmp_path, "key,name\nnew,New name\n")
    assert works.ways()["new"].journey.stopped_on == stopped
    works.bring(tmp_path, "key,status\nnew,in progress\n")
    assert works.ways()["new"].journey.stopped_on is None


def test_a_rejected_case_stops_its_project_until_it_is_asked_anew(works: Works) -> None:
    case_id = works.board.complete()
    request = works.board.ask(case_id)
    rejected = works.later(days=3)
    works.board.decide(SPO, request, "reject")
    key = works.board.project_of(case_id).key
    assert works.ways()[key].journey.stopped_on == rejected
    works.later(days=200)
    works.board.ask(case_id)
    way = works.ways()[key].journey
    assert way.stopped_on is None
    assert way.reached[Stage.PROPOSED] == START.date()


# --- Of many


PEOPLE = ("pia", "ola", "spo", "fin", "ned", "dev", "val")


def add_ways(board: Board, number: int, *, first: int = 0, stopped: int = 0) -> None:
    """Projects that came into use, or were stopped, at the end of a time of their own; two people each."""
    with board.db.begin() as session:
        for each in range(first, first + number):
            project = Project(
                key=f"way-{each}",
                name=f"Way {each}",
                owner_id=f"p-{PEOPLE[each % len(PEOPLE)]}",
                manager_id=f"p-{PEOPLE[(each + 3) % len(PEOPLE)]}",
                status=ProjectStatus.DRAFT.value,
                created_at=START,
            )
            session.add(project)
            project_queries.add_move(session, project, None, START)
            is_stopped = each - first < stopped
            project.status = (ProjectStatus.CANCELLED if is_stopped else ProjectStatus.LIVE).value
            at = START + timedelta(days=100 + 10 * each)
            project_queries.add_move(session, project, ProjectStatus.DRAFT.value, at)


def test_leaders_see_figures_over_all_and_others_their_own_dates(works: Works) -> None:
    add_ways(works.board, 14, stopped=4)
    works.later(days=800)
    leader = works.look(LEA)
    assert leader.own == ()
    assert isinstance(leader.times, ShownTimes)
    assert (leader.times.overall.projects, leader.times.overall.median) == (10, 185)
    assert isinstance(leader.curve, ArrivalCurve)
    assert (leader.curve.arrived, leader.curve.stopped, leader.curve.open) == (10, 4, 0)
    share = leader.curve.shares[12]
    assert isinstance(share, Share)
    assert share.share * 14 == 10
    other = works.look(NED)
    assert (other.times, other.curve) == (None, None)
    # Way 4 and 11 are Ned's, and Way 1 and 8 he manages.
    assert {way.name for way in other.own} == {"Way 1", "Way 4", "Way 8", "Way 11"}
    guest = works.board.actor("gus", is_guest=True)
    with works.db.read() as session, pytest.raises(NotAllowed):
        journeys.load_arrival(make_context(session, actor=guest, policy=works.board.policy))


def test_no_figures_from_few(works: Works) -> None:
    add_ways(works.board, 4)
    works.later(days=800)
    record = works.look(LEA)
    assert isinstance(record.times, Withheld)
    assert isinstance(record.curve, Withheld)
    with works.db.read() as session:
        assert disclosure.list_told(session, SCOPE) == {}


def test_what_was_shown_is_kept_and_no_change_of_a_few_is(works: Works) -> None:
    add_ways(works.board, 8)
    works.later(days=800)
    first = works.look(LEA)
    assert isinstance(first.times, ShownTimes)
    shown = first.times.as_of
    works.later(days=10)
    # The same again is nothing new, and tells nothing.
    assert works.look(LEA).times == first.times
    add_ways(works.board, 1, first=8)
    works.later(days=10)
    # One project's days would follow from both figures: the earlier one stays, with its day.
    assert works.look(LEA).times == first.times
    add_ways(works.board, 8, first=9)
    now = works.later(days=10)
    third = works.look(LEA).times
    assert isinstance(third, ShownTimes)
    assert (third.as_of, third.overall.projects) == (now, 17)
    assert shown < now
    with works.db.read() as session:
        entries = disclosure.list_told(session, SCOPE)[TIMES]
    assert [len(entry.members) for entry in entries] == [8, 9]
    counted = [journeys._read_counts(entry)[IDEA_TO_USE] for entry in entries]
    assert few_told(counted, 5) is None


def test_of_two_leaders_at_once_one_looks_again(works: Works) -> None:
    add_ways(works.board, 8)
    works.later(days=800)
    _, first = works.see(LEA, journeys.load_arrival)
    _, second = works.see(LEA, journeys.load_arrival)
    assert works.act(LEA, journeys.keep_told, first)
    assert not works.act(LEA, journeys.keep_told, second)
    record, third = works.see(LEA, journeys.load_arrival)
    assert third is None
    assert isinstance(record.times, ShownTimes)


def test_more_projects_need_no_more_statements(works: Works) -> None:
    counts: list[int] = []
    for first in (0, 20):
        add_ways(works.board, 20, first=first)
        with works.db.read() as session:
            counts.append(0)

            def note(*args: object) -> None:
                counts[-1] += 1

            connection = session.connection()
            event.listen(connection, "before_cursor_execute", note)
            journeys.load_journeys(works.context(session, LEA), None)
            event.remove(connection, "before_cursor_execute", note)
    assert counts[0] == counts[1] <= 12


def test_as_people_read_it(works: Works) -> None:
    add_ways(works.board, 14, stopped=4)
    _, key = works.approved_case(sponsor=SPO)
    works.later(days=30)
    works.act(
        SPO,
        ending.stop_project,
        StopProject(
            project_id=works.ways()[key].journey.project_id,
            status=ProjectStatus.APPROVED,
            reason="It was bought.",
            learnt="Ask procurement first.",
        ),
    )
    works.later(days=770)
    reply = view.render(works.look(LEA))
    text = str(reply.blocks)
    assert reply.text == "From idea to use it takes 185 days, the median of 10 projects"
    assert "67 % in use after 12 months (of 15 projects; 5 stopped)" in text
    assert "Gartner" in text
    assert "isn't a figure of this organisation" in text
    mine = view.render(works.look(OLA))
    text = str(mine.blocks)
    assert "Gartner" not in text
    assert (
        "*Ticket routing*: proposed Mon 26 Jan 2026, stopped Wed 25 Feb 2026 before it was in use"
        in text
    )
    assert "*Way 8*: proposed Mon 26 Jan 2026 → in use Sat 25 Jul 2026, 180 days" in text
    nobody = view.render(works.look("otto"))
    assert nobody.text.startswith("You own, sponsor or manage no project yet")


def test_a_latest_stage_is_said(works: Works) -> None:
    works.approved_case()
    works.later(days=1)
    text = str(view.render(works.look(OLA)).blocks)
    assert "not in use yet" in text
    assert date(2026, 1, 26) == works.now.date() - timedelta(days=1)
