"""Asking for approval of a case: what is asked, what follows, and what a new estimate needs."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from storage.budgets.tables import Budget, BudgetRevision
from storage.enums import CaseState, Driver, Level, ProjectCategory
from storage.inventory.tables import Model
from storage.maturity.tables import MaturityCycle, MaturityRubric
from tests.cases.conftest import FIN, LEA, NED, OLA, PIA, SPO, Board
from workflows.approvals.forms import Terms
from workflows.cases import approval, reads
from workflows.cases.approval import Incomplete
from workflows.cases.forms import AskCase, KeepCertainty, KeepIdea, KeepPeople
from workflows.errors import GovernanceError, InvalidInput, Stale
from workflows.maturity.records import CycleResult, DimensionResult
from workflows.maturity.results import as_json


def test_a_case_says_what_it_still_needs(board: Board) -> None:
    case_id = board.propose()
    with pytest.raises(Incomplete) as refused:
        board.ask(case_id)
    assert [each.step for each in refused.value.missing] == [1, 2, 4, 5, 6, 7]
    assert "Say who sponsors it and what kind of value it seeks." in str(refused.value)
    assert board.row(case_id).project_id is None


def test_asking_makes_the_project_and_tells_both_sides(board: Board) -> None:
    case_id = board.complete(brings="20,000", costs="5,000")
    approval_id = board.ask(case_id)
    card = board.card(approval_id)
    assert card.words.asks == (
        "begin: it costs 120,000 EUR and brings 480,000 EUR in 24 months (4.0x)"
    )
    facts = dict(card.words.facts)
    assert facts["Worth today"].startswith("326,469 EUR")
    assert facts["Payback"] == "pays for itself from the start"
    assert facts["How sure"] == "benefits 80 %, buildable 90 %"
    assert facts["Measured by"] == "Minutes a ticket: 12 → 4"
    assert facts["First budget"] == "60,000 EUR, all costs but people"
    project = board.project_of(case_id)
    assert (project.key, project.name, project.status) == (
        "ticket-routing",
        "Ticket routing",
        "under_review",
    )
    assert (project.owner_id, project.sponsor_id, project.business_unit) == (
        "p-ola",
        "p-spo",
        "Care",
    )
    board.ledger_holds()


def test_approval_begins_the_project_with_its_first_budget(board: Board) -> None:
    case_id = board.complete()
    board.line(case_id, Driver.PEOPLE, amount="9,000")
    board.approve(case_id)
    assert board.row(case_id).state == CaseState.APPROVED
    assert board.project_of(case_id).status == "approved"
    with board.db.read() as session:
        (budget,) = session.execute(select(Budget)).scalars()
        (revision,) = session.execute(select(BudgetRevision)).scalars()
        # Twelve months of what is billed; people are on no bill.
        assert revision.amount == Decimal(60_000)
        assert (budget.starts, budget.ends) == (date(2026, 3, 1), date(2027, 2, 28))
        assert (budget.currency, budget.period) == ("EUR", "fixed")
    board.ledger_holds()


def test_small_cases_ask_fewer_people(board: Board) -> None:
    case_id = board.complete(brings="2,000", costs="100")
    approval_id = board.ask(case_id)
    board.decide(SPO, approval_id)
    assert board.state(approval_id) == "approved"


def test_while_a_request_waits_nobody_changes_the_case(board: Board) -> None:
    case_id = board.complete()
    approval_id = board.ask(case_id)
    with pytest.raises(Stale, match="waits for a decision"):
        board.keep(case_id, KeepCertainty, confidence="10 %")
    with pytest.raises(GovernanceError):
        board.ask(case_id)
    board.withdraw(PIA, approval_id)
    assert board.row(case_id).state == CaseState.DRAFT
    assert board.project_of(case_id).status == "draft"
    board.keep(case_id, KeepCertainty, confidence="10 %", feasibility="90 %", tier=2)
    again = board.ask(case_id)
    assert dict(board.card(again).words.facts)["How sure"].startswith("benefits 10 %")
    # What was asked first is told as it was asked.
    assert dict(board.card(approval_id).words.facts)["How sure"].startswith("benefits 80 %")
    board.ledger_holds()


def test_asking_twice_by_the_same_key_asks_once(board: Board) -> None:
    case_id = board.complete()
    at = board.revision(case_id)
    first = board.ask(case_id, at=at, key="view:V9")
    assert board.ask(case_id, at=at, key="view:V9") == first
    with board.db.read() as session:
        assert len(reads.list_revisions(board.context(session, PIA), case_id)) == 1


def test_a_rejected_case_is_taken_up_a_year_later(board: Board) -> None:
    case_id = board.complete()
    approval_id = board.ask(case_id)
    board.decide(SPO, approval_id, "reject")
    assert board.row(case_id).state == CaseState.REJECTED
    assert board.project_of(case_id).status == "rejected"
    board.later(timedelta(days=370))
    board.keep(case_id, KeepIdea, title="Ticket routing, smaller", problem="Now it's worse.")
    assert board.row(case_id).state == CaseState.DRAFT
    board.approve(case_id)
    project = board.project_of(case_id)
    assert (project.status, project.name) == ("approved", "Ticket routing, smaller")
    assert project.key == "ticket-routing"
    board.ledger_holds()


def test_a_request_that_nobody_decides_leaves_a_draft(board: Board) -> None:
    case_id = board.complete()
    approval_id = board.ask(case_id)
    board.until(board.now + timedelta(days=15))
    assert board.state(approval_id) == "expired"
    assert board.row(case_id).state == CaseState.DRAFT
    assert board.project_of(case_id).status == "draft"


def test_a_case_of_a_project_that_goes_on_leaves_its_state(board: Board) -> None:
    board.standing("lane-vision", owner=PIA)
    case_id = board.complete()
    board.keep(case_id, KeepIdea, title="Ticket routing", problem="By hand.", project="lane-vision")
    board.approve(case_id)
    project = board.project_of(case_id)
    assert (project.key, project.status, project.name) == (
        "lane-vision",
        "in_progress",
        "Lane vision",
    )


def test_a_key_is_free_and_can_be_typed(board: Board) -> None:
    board.standing("ticket-routing")
    first = board.complete()
    board.ask(first)
    assert board.project_of(first).key == "ticket-routing-2"
    odd = board.complete(
        "Über-Prüfung: Qualität & Größe von Bauteilen in der Endabnahme, dritte Linie"
    )
    board.ask(odd)
    assert board.project_of(odd).key == "uber-prufung-qualitat-groe-von-bauteilen-in-der"
    wordless = board.complete("検査")
    board.ask(wordless)
    assert board.project_of(wordless).key == "project"


def test_a_stale_case_is_not_asked_about(board: Board) -> None:
    case_id = board.complete()
    latest = board.revision(case_id)
    board.keep(case_id, KeepIdea, OLA, title="Ticket routing", problem="Other words.")
    with pytest.raises(Stale, match="changed since it was shown"):
        board.ask(case_id, at=latest)


def test_who_does_not_write_a_case_does_not_ask_for_it(board: Board) -> None:
    case_id = board.complete()
    for name in (SPO, FIN, NED, LEA):
        with pytest.raises(GovernanceError):
            board.ask(case_id, name)


# --- New estimates


def record(board: Board, case_id: int, reason: str = "Prices fell.") -> int:
    form = AskCase(case_id=case_id, revision=board.revision(case_id))
    return board.db.run(
        lambda session: approval.record_reestimate(board.context(session, PIA), form, reason=reason)
    )


def change_costs(board: Board, case_id: int, amount: str) -> None:
    line = board.record(case_id).costs[0].line.id
    board.line(case_id, Driver.COMPUTE, line_id=line, amount=amount)


def test_a_small_change_is_recorded_and_nobody_is_asked(board: Board) -> None:
    case_id = board.complete(costs="5,000")
    board.approve(case_id)
    change_costs(board, case_id, "5,400")
    with pytest.raises(InvalidInput, match="small"):
        board.ask(case_id)
    assert record(board, case_id) == 2
    with board.db.read() as session:
        revisions = reads.list_revisions(board.context(session, PIA), case_id)
    assert [each.number for each in revisions] == [2, 1]
    assert revisions[0].changes == (
        ("Costs", "120,000 EUR", "129,600 EUR"),
        ("Compute", "120,000 EUR", "129,600 EUR"),
    )
    with pytest.raises(InvalidInput, match="Nothing differs"):
        record(board, case_id)
    board.ledger_holds()


def test_a_material_change_is_approved_anew(board: Board) -> None:
    case_id = board.complete(costs="5,000")
    board.approve(case_id)
    change_costs(board, case_id, "5,500")
    with board.db.read() as session:
        assert approval.describe_reestimate(board.context(session, PIA), case_id) == [
            "costs are +10 %"
        ]
    with pytest.raises(InvalidInput, match="approved anew: costs are"):
        record(board, case_id)
    approval_id = board.ask(case_id)
    assert board.card(approval_id).words.asks.startswith("change its estimate: it costs 132,000")
    assert board.card(approval_id).words.stays == "the estimate that was approved before holds on"
    # Until it is decided, what was agreed holds.
    assert board.row(case_id).agreed == 1
    assert board.row(case_id).state == CaseState.APPROVED
    board.decide(SPO, approval_id)
    board.decide(FIN, approval_id)
    assert board.row(case_id).agreed == 2
    with board.db.read() as session:
        assert len(session.execute(select(Budget)).scalars().all()) == 1
    board.ledger_holds()


def test_a_rejected_estimate_changes_nothing(board: Board) -> None:
    case_id = board.complete(costs="5,000")
    board.approve(case_id)
    change_costs(board, case_id, "9,000")
    approval_id = board.ask(case_id)
    board.decide(SPO, approval_id, "reject")
    assert (board.row(case_id).agreed, board.row(case_id).state) == (1, CaseState.APPROVED)
    assert board.project_of(case_id).status == "approved"


def test_an_approval_that_lapses_puts_the_project_on_hold(board: Board) -> None:
    case_id = board.complete(brings="2,000", costs="100")
    approval_id = board.ask(case_id)
    due = (board.now + timedelta(days=10)).date()
    terms = (Terms(text="A data protection check.", owner="U0OLA", due=due),)
    board.decide(SPO, approval_id, conditions=terms)
    assert board.project_of(case_id).status == "approved"
    board.until(board.now + timedelta(days=20))
    assert board.state(approval_id) == "lapsed"
    assert board.project_of(case_id).status == "on_hold"
    assert board.row(case_id).agreed is None
    board.ledger_holds()


# --- Maturity


def test_innovation_is_not_assessed_where_nothing_was(board: Board) -> None:
    case_id = board.complete(category=ProjectCategory.INNOVATION)
    with board.db.read() as session:
        guard = approval.find_guard(board.context(session, PIA), ProjectCategory.INNOVATION)
        other = approval.find_guard(board.context(session, PIA), ProjectCategory.DECISION)
    assert guard.is_unknown
    assert "not assessed" in guard.sentence
    assert not guard.needs_waiver
    assert other.sentence == ""
    board.ask(case_id)


def test_innovation_needs_a_reason_while_maturity_is_low(board: Board) -> None:
    low(board)
    case_id = board.complete(category=ProjectCategory.INNOVATION)
    with pytest.raises(Incomplete, match="although maturity is low"):
        board.ask(case_id)
    board.keep(
        case_id,
        KeepCertainty,
        confidence="40 %",
        feasibility="50 %",
        tier=2,
        waiver="The market opens once.",
    )
    approval_id = board.ask(case_id)
    facts = dict(board.card(approval_id).words.facts)
    assert facts["Although maturity is low"] == "The market opens once."
    # Another category needs none.
    other = board.complete("Another")
    board.ask(other)


def low(board: Board) -> None:
    """A check-in that was closed with a low result."""
    result = CycleResult(
        cycle_id=1,
        label="October 2025",
        business_unit=None,
        as_of=board.now,
        is_early=False,
        invited=6,
        answered=6,
        fewest=5,
        overall=Level.LOW,
        median=Level.MEDIUM,
        before=None,
        before_label=None,
        dimensions=(DimensionResult("data", "Data", Level.LOW, 6),),
    )
    with board.db.begin() as session:
        session.add(MaturityRubric(id=1, sha256="x", text="", adopted_at=board.now))
        session.flush()
        session.add(
            MaturityCycle(
                rubric_id=1,
                state="closed",
                seen_by="nobody",
                minimum_group=5,
                opened_at=board.now,
                closes_at=board.now,
                result=as_json(result),
            )
        )


def test_the_gravest_model_of_the_project_counts_for_its_tier(board: Board) -> None:
    case_id = board.complete(tier=3)
    board.ask(case_id)
    project = board.project_of(case_id)

    def tier() -> int | None:
        with board.db.read() as session:
            return approval.find_tier(board.context(session, PIA), project.id, 3)

    assert tier() == 3
    with board.db.begin() as session:
        session.add_all(
            Model(
                key=f"m{number}",
                name="M",
                kind="internal",
                project_id=project.id,
                tier=number,
                data_sources=[],
                state="inventoried",
                created_at=board.now,
            )
            for number in (2, 1)
        )
    assert tier() == 1


def test_people_of_the_case_are_those_of_its_request(board: Board) -> None:
    case_id = board.complete()
    board.keep(
        case_id,
        KeepPeople,
        owner_id="p-pia",
        sponsor_id="p-lea",
        category=ProjectCategory.OPTIMIZATION,
    )
    approval_id = board.ask(case_id)
    with pytest.raises(GovernanceError):
        board.decide(SPO, approval_id)
    board.decide(LEA, approval_id)
    with board.db.read() as session:
        assert approval.CASE_APPROVAL.people(session, case_id) == {
            "owner": "p-pia",
            "sponsor": "p-lea",
            "manager": None,
        }
