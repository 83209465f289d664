"""Stopping, pausing, taking up again and finishing: who may, what follows, and what is kept."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from bot.cases import ending as view
from bot.slack.interactions import EndingRef, EndingWindow
from storage.audit.tables import AuditEntry, PrivateText
from storage.cases.tables import ProjectOutcome
from storage.db import Database
from storage.enums import CostBasis, MilestoneType, Outcome, ProjectStatus
from tests.cases.arriving import Works
from tests.cases.conftest import FIN, LEA, NED, OLA, PIA, SPO
from workflows.cases import ending, portfolio
from workflows.cases.ending import AFTER, EndingRecord, Spent
from workflows.cases.forms import FinishProject, PauseProject, ResumeProject, StopProject
from workflows.errors import InvalidInput, NotAllowed, NotFound, Stale

S = ProjectStatus
VERBS: dict[Outcome, tuple[Any, Any]] = {
    Outcome.STOPPED: (ending.stop_project, StopProject),
    Outcome.PAUSED: (ending.pause_project, PauseProject),
    Outcome.RESUMED: (ending.resume_project, ResumeProject),
    Outcome.FINISHED: (ending.finish_project, FinishProject),
}


@pytest.fixture
def works(database: Database) -> Works:
    return Works(database)


def do(works: Works, kind: Outcome, key: str, who: str = OLA, **more: Any) -> int:
    """As its window does it, on the state that the project has."""
    verb, form = VERBS[kind]
    way = works.ways()[key]
    entered = {"reason": "The vendor does it now.", "learnt": "Ask procurement first."} | more
    known = {"project_id": way.journey.project_id, "status": entered.pop("status", way.status)}
    outcome: int = works.act(who, verb, form(**known, **entered))
    return outcome


def ending_of(works: Works, key: str, who: str = OLA) -> EndingRecord:
    record: EndingRecord = works.see(who, ending.load_ending, key)
    return record


def test_stopping_keeps_why_what_was_spent_and_what_was_learnt(works: Works) -> None:
    case_id, key = works.approved_case()
    works.later(days=100)
    works.spend(key, {date(2026, 3, 1): "4000", date(2026, 4, 1): "5500.25"})
    works.spend(key, {date(2026, 4, 1): "70"}, currency="USD")
    kept = works.promise(key, MilestoneType.DATA_READY)
    works.complete(kept)
    dropped = works.promise(key, MilestoneType.DEPLOYED)
    do(works, Outcome.STOPPED, key, SPO)
    record = ending_of(works, key)
    (outcome,) = record.outcomes
    assert (record.status, record.ways) == (S.CANCELLED, ())
    assert (outcome.kind, outcome.reason, outcome.learnt) == (
        Outcome.STOPPED,
        "The vendor does it now.",
        "Ask procurement first.",
    )
    assert outcome.by is not None
    assert outcome.by.name == "Spo"
    assert outcome.spent == Spent(
        CostBasis.EFFECTIVE,
        date(2026, 4, 30),
        (("EUR", Decimal("9500.25")), ("USD", Decimal("70"))),
    )
    assert works.milestone(dropped).dropped_at == works.now
    assert works.milestone(kept).dropped_at is None
    assert works.see(LEA, portfolio.load).find(works.board.project_of(case_id).id) is None
    assert works.ways()[key].journey.stopped_on == works.now.date()
    with works.db.read() as session:
        entry = session.execute(
            select(AuditEntry.body).where(AuditEntry.action == "project.stopped")
        ).scalar_one()
        # Words are in the ledger as digests alone, amounts as canonical text.
        assert "vendor" not in entry
        assert '"EUR":"9500.25"' in entry
    works.board.ledger_holds()


def test_paused_and_taken_up_again(works: Works) -> None:
    _, key = works.approved_case()
    do(works, Outcome.PAUSED, key, learnt="")
    assert works.ways()[key].status == S.ON_HOLD
    works.later(days=30)
    assert works.ways()[key].journey.stopped_on is None
    do(works, Outcome.RESUMED, key, LEA, learnt="")
    # It goes on from where it was, and not as if somebody had worked on it.
    assert works.ways()[key].status == S.APPROVED
    kinds = [each.kind for each in ending_of(works, key).outcomes]
    assert kinds == [Outcome.RESUMED, Outcome.PAUSED]
    assert ending_of(works, key).outcomes[0].learnt == ""


def test_what_was_imported_as_on_hold_is_in_progress_then(works: Works) -> None:
    works.board.standing("lane", status="on_hold")
    do(works, Outcome.RESUMED, "lane")
    assert works.ways()["lane"].status == S.IN_PROGRESS


def test_finishing_what_is_live_closes_it(works: Works) -> None:
    works.board.standing("lane", status="live")
    do(works, Outcome.FINISHED, "lane")
    assert works.ways()["lane"].status == S.CLOSED
    with pytest.raises(InvalidInput, match="is closed, so it can't be stopped"):
        do(works, Outcome.STOPPED, "lane")


@pytest.mark.parametrize("kind", Outcome)
def test_only_from_the_states_in_the_table(works: Works, kind: Outcome) -> None:
    for status in ProjectStatus:
        works.board.standing(status.value, name=status.value.title(), status=status.value)
        if status in AFTER[kind]:
            assert kind in ending_of(works, status.value).ways
            do(works, kind, status.value)
            assert works.ways()[status.value].status == AFTER[kind][status]
        else:
            with pytest.raises(InvalidInput):
                do(works, kind, status.value)
            assert works.ways()[status.value].status == status


def test_who_may(works: Works) -> None:
    _, key = works.approved_case()
    # Fin sees nothing of it; Pia only proposed it; Ned's report owns it, so he sees it.
    works.board.flag(OLA, manager_id="p-ned")
    for name in (FIN, PIA):
        with pytest.raises(NotFound):
            do(works, Outcome.STOPPED, key, name)
        with pytest.raises(NotFound):
            ending_of(works, key, name)
    with pytest.raises(NotAllowed, match="Only Spo or Ola, or a leader"):
        do(works, Outcome.STOPPED, key, NED)
    assert ending_of(works, key, NED).ways == ()
    assert ending_of(works, key, LEA).ways == (Outcome.STOPPED, Outcome.PAUSED)
    with works.db.read() as session:
        assert session.execute(select(ProjectOutcome)).first() is None
    do(works, Outcome.STOPPED, key, LEA)


def test_on_what_was_shown_and_not_while_its_case_is_decided(works: Works) -> None:
    case_id = works.board.complete()
    request = works.board.ask(case_id)
    key = works.board.project_of(case_id).key
    with pytest.raises(Stale, match=f"Request #{request}"):
        do(works, Outcome.STOPPED, key)
    works.board.decide(SPO, request)
    with pytest.raises(Stale, match="is approved by now"):
        do(works, Outcome.STOPPED, key, status="under_review")


def test_given_up_before_its_case_was_approved_it_can_be_taken_up_anew(works: Works) -> None:
    case_id = works.board.complete()
    works.board.withdraw(PIA, works.board.ask(case_id))
    key = works.board.project_of(case_id).key
    do(works, Outcome.STOPPED, key)
    works.later(days=300)
    works.board.approve(case_id)
    way = works.ways()[key]
    assert (way.status, way.journey.stopped_on) == (S.APPROVED, None)


def test_its_texts_go_with_whoever_wrote_them(works: Works) -> None:
    _, key = works.approved_case()
    do(works, Outcome.PAUSED, key)
    with works.db.begin() as session:
        for text in session.execute(select(PrivateText)).scalars():
            text.text = text.salt = None
    (outcome,) = ending_of(works, key).outcomes
    assert (outcome.reason, outcome.learnt) == ("", "")


def test_its_windows(works: Works) -> None:
    _, key = works.approved_case()
    works.later(days=100)
    works.spend(key, {date(2026, 4, 1): "5500"})
    record = ending_of(works, key)
    text = str(view.overview(record))
    assert "Spent 5,500 EUR by the bills (effective cost, data through Thu 30 Apr 2026)" in text
    assert EndingRef("stopped", key).text in text
    assert "finished" not in text
    window = view.window(record, Outcome.PAUSED)
    assert EndingWindow.read(window["private_metadata"]) == EndingWindow("paused", "approved", key)
    do(works, Outcome.PAUSED, key, reason="Waits for *data*.")
    again = str(view.overview(ending_of(works, key)))
    assert "Waits for ∗data∗." in again
    assert "Take up again" in again
