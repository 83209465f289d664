"""Writing a case: each step is kept, by those who may, without overwriting what somebody else wrote."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from storage.enums import CaseState, Driver, ProjectCategory
from tests.cases.conftest import FIN, LEA, NED, OLA, PIA, SPO, Board
from tests.contexts import make_context
from workflows.cases import reads, rules, service
from workflows.cases.forms import (
    DropCase,
    KeepCertainty,
    KeepFrame,
    KeepIdea,
    KeepMeasure,
    KeepPeople,
    Propose,
)
from workflows.cases.service import StepChanged
from workflows.errors import InvalidInput, InvalidInputs, NotAllowed, NotFound, Stale


def test_an_idea_is_kept_from_its_first_words_on(board: Board) -> None:
    case_id = board.propose(title="Ticket routing", problem="Tickets wait.")
    record = board.record(case_id)
    assert (record.title, record.content.problem) == ("Ticket routing", "Tickets wait.")
    assert (record.state, record.step) == (CaseState.DRAFT, 0)
    assert record.owner is not None
    assert record.owner.name == "Pia"
    assert record.business_unit == "Care"
    assert record.content.currency == "EUR"
    board.ledger_holds()


def test_the_same_submission_begins_one_case(board: Board) -> None:
    first = board.propose(request_key="view:V1")
    assert board.propose(request_key="view:V1") == first


def test_a_message_becomes_one_case_and_only_for_those_who_may_see_it(board: Board) -> None:
    first = board.propose(promise="C1:1.2")
    assert board.propose(promise="C1:1.2") == first
    with pytest.raises(NotFound):
        board.propose(NED, promise="C1:1.2")


def test_a_guest_proposes_nothing(board: Board) -> None:
    guest = board.actor("gus", is_guest=True)
    form = Propose(title="Ticket routing", request_key="key")
    with pytest.raises(NotAllowed):
        board.db.run(
            lambda session: service.propose(make_context(session, actor=guest, now=board.now), form)
        )


def test_what_was_kept_is_there_after_days(board: Board) -> None:
    case_id = board.complete()
    board.later(timedelta(days=40))
    record = board.record(case_id)
    assert record.step == 7
    assert record.content.metric == "Minutes a ticket"
    assert record.content.starts == date(2026, 3, 1)
    assert record.content.confidence == Decimal("0.8")
    assert record.category is ProjectCategory.OPTIMIZATION
    assert [figure.line.name for figure in record.benefits] == ["Fewer misrouted tickets"]
    assert record.outlook is not None
    assert record.outlook.likely.benefits == 24 * 20_000
    assert record.outlook.likely.costs == 24 * 5_000
    board.ledger_holds()


def test_keeping_what_stands_there_changes_nothing(board: Board) -> None:
    case_id = board.propose()
    board.keep(case_id, KeepIdea, title="Ticket routing", problem="Tickets wait.")
    before = board.revision(case_id)
    assert (
        board.keep(case_id, KeepIdea, at=1, title="Ticket routing", problem="Tickets wait.")
        == before
    )


def test_two_people_write_different_steps_at_once(board: Board) -> None:
    case_id = board.complete()
    latest = board.revision(case_id)
    board.keep(case_id, KeepMeasure, at=latest, metric="Hours", baseline=3, target=1)
    board.keep(
        case_id, KeepIdea, OLA, at=latest, title="Ticket routing", problem="It takes too long."
    )
    record = board.record(case_id)
    assert record.content.metric == "Hours"
    assert record.content.problem == "It takes too long."


def test_the_same_step_is_not_overwritten_unseen(board: Board) -> None:
    case_id = board.complete()
    latest = board.revision(case_id)
    board.keep(case_id, KeepIdea, OLA, at=latest, title="Ticket routing", problem="Ola's words.")
    with pytest.raises(StepChanged, match="Ola has changed this step"):
        board.keep(case_id, KeepIdea, at=latest, title="Ticket routing", problem="Pia's words.")
    assert board.record(case_id).content.problem == "Ola's words."
    # Having seen it, she may.
    board.keep(case_id, KeepIdea, title="Ticket routing", problem="Pia's words.")
    assert board.record(case_id).content.problem == "Pia's words."


def test_lines_of_two_people_do_not_get_in_each_others_way(board: Board) -> None:
    case_id = board.complete()
    latest = board.revision(case_id)
    board.line(case_id, Driver.REVENUE, at=latest, amount="100")
    board.line(case_id, Driver.MARGIN, OLA, at=latest, amount="200")
    record = board.record(case_id)
    assert [figure.line.driver for figure in record.benefits] == [
        Driver.COST_SAVED,
        Driver.REVENUE,
        Driver.MARGIN,
    ]
    revenue = record.benefits[1].line.id
    board.line(case_id, Driver.REVENUE, OLA, at=record.revision, line_id=revenue, amount="300")
    with pytest.raises(StepChanged):
        board.line(case_id, Driver.REVENUE, at=record.revision, line_id=revenue, amount="400")
    with pytest.raises(StepChanged):
        board.remove(case_id, revenue, at=record.revision)
    board.remove(case_id, revenue)
    with pytest.raises(Stale, match="taken out"):
        board.line(case_id, Driver.REVENUE, line_id=revenue, amount="400")


def test_time_saved_is_asked_for_by_its_parts(board: Board) -> None:
    case_id = board.complete()
    board.line(
        case_id,
        Driver.TIME_SAVED,
        uses="6,000 / 8,000 / 9,000",
        minutes="3",
        acceptance="40 % / 60 % / 70 %",
        rate="45",
    )
    (saved,) = [f for f in board.record(case_id).benefits if f.line.driver is Driver.TIME_SAVED]
    assert [flow[0][1] for flow in saved.estimate.flows] == [
        Decimal("5400.00"),
        Decimal("10800.00"),
        Decimal("14175.00"),
    ]


def test_what_is_wrong_in_a_line_is_said_under_its_field(board: Board) -> None:
    case_id = board.complete()
    with pytest.raises(InvalidInputs) as wrong:
        board.line(case_id, Driver.TIME_SAVED, uses="8,000", minutes="3", acceptance="", rate=" ")
    assert set(wrong.value.faults) == {"acceptance", "rate"}
    with pytest.raises(InvalidInputs) as wrong:
        board.line(
            case_id, Driver.TIME_SAVED, uses="8,000", minutes="3", acceptance="150 %", rate="4"
        )
    assert "no share" in wrong.value.faults["acceptance"]
    with pytest.raises(InvalidInputs) as wrong:
        board.line(case_id, Driver.REVENUE, amount="about a million")
    assert "isn't an amount" in wrong.value.faults["amount"]
    with pytest.raises(InvalidInputs, match="comes to nothing"):
        board.line(case_id, Driver.REVENUE, amount="0")


def test_lines_need_a_time_and_a_time_has_to_hold_them(board: Board) -> None:
    case_id = board.propose()
    with pytest.raises(InvalidInput, match="over which time"):
        board.line(case_id, Driver.REVENUE, amount="100")
    board.keep(case_id, KeepFrame, starts=date(2026, 3, 15), months=12, currency="eur")
    assert board.record(case_id).content.starts == date(2026, 3, 1)
    board.line(case_id, Driver.REVENUE, name="Fees", amount="2027-01\t100\n2027-02\t100")
    with pytest.raises(InvalidInput, match="“Fees” doesn't fit then"):
        board.keep(case_id, KeepFrame, starts=date(2026, 3, 1), months=6, currency="EUR")


def test_only_those_who_answer_for_a_case_write_it(board: Board) -> None:
    case_id = board.complete()
    with pytest.raises(NotAllowed, match="Only Ola or Pia can change this case"):
        board.keep(case_id, KeepMeasure, SPO, metric="Mine")
    # Before it is asked about, it is nobody's but theirs.
    for name in (FIN, NED, LEA):
        with pytest.raises(NotFound):
            board.keep(case_id, KeepMeasure, name, metric="Mine")
        with pytest.raises(NotFound):
            board.record(case_id, name)
    assert board.record(case_id, SPO).title == "Ticket routing"


def test_a_case_can_be_about_a_project_that_goes_on(board: Board) -> None:
    board.standing("lane-vision", owner=PIA)
    board.standing("secret", owner=NED)
    board.standing("old", owner=PIA, status="closed")
    case_id = board.propose()
    for key, says in (
        ("secret", "can see no project"),
        ("old", "is closed"),
        ("nix", "can see no"),
    ):
        with pytest.raises(InvalidInput, match=says):
            board.keep(case_id, KeepIdea, title="Ticket routing", project=key)
    board.keep(case_id, KeepIdea, title="Ticket routing", project="Lane-Vision")
    assert board.record(case_id).project_key == "lane-vision"
    other = board.propose(title="Another")
    with pytest.raises(InvalidInput, match="has a business case already"):
        board.keep(other, KeepIdea, title="Another", project="lane-vision")
    board.keep(case_id, KeepIdea, title="Ticket routing")
    assert board.record(case_id).project_key is None


def test_who_left_can_neither_own_nor_sponsor(board: Board) -> None:
    case_id = board.propose()
    board.flag(OLA, is_deactivated=True)
    with pytest.raises(InvalidInput, match="no active member") as refused:
        board.keep(case_id, KeepPeople, owner_id="p-ola", sponsor_id="p-spo")
    assert refused.value.field == "owner_id"


def test_a_list_of_ones_own_holds_what_one_has_to_do_with(board: Board) -> None:
    first = board.complete("First")
    board.later(timedelta(hours=1))
    second = board.propose(OLA, "Second")
    with board.db.read() as session:
        assert [each.id for each in reads.list_own(board.context(session, OLA))] == [second, first]
        assert [each.id for each in reads.list_own(board.context(session, SPO))] == [first]
        assert reads.list_own(board.context(session, NED)) == []


def test_projects_that_may_be_about_the_same_are_only_those_in_sight(board: Board) -> None:
    board.standing("routing", owner=PIA, name="Routing of support tickets", business_unit="Care")
    board.standing("hidden", owner=NED, name="Ticket routing by hand", business_unit="Care")
    board.standing("vans", owner=PIA, name="Delivery vans", business_unit="Care")
    case_id = board.complete()
    with board.db.read() as session:
        context = board.context(session, PIA)
        alike = reads.list_alike(context, reads.load_record(context, case_id))
        leader = board.context(session, LEA)
        wider = reads.list_alike(leader, reads.load_record(context, case_id))
    assert [each.key for each in alike] == ["routing"]
    assert alike[0].owner is not None
    assert alike[0].owner.name == "Pia"
    assert {each.key for each in wider} == {"routing", "hidden"}


def test_dropping_leaves_every_list(board: Board) -> None:
    case_id = board.complete()
    form = DropCase(case_id=case_id, revision=board.revision(case_id))
    stale = DropCase(case_id=case_id, revision=1)
    with pytest.raises(Stale):
        board.db.run(lambda session: service.drop(board.context(session, PIA), stale))
    board.db.run(lambda session: service.drop(board.context(session, PIA), form))
    with board.db.read() as session:
        assert reads.list_own(board.context(session, PIA)) == []
    with pytest.raises(Stale, match="was dropped"):
        board.keep(case_id, KeepCertainty, confidence="50 %")
    board.ledger_holds()


def test_every_driver_stands_on_one_side() -> None:
    assert set(rules.NAMES) == set(Driver)
    assert set(rules.BENEFITS).isdisjoint(rules.COSTS)
