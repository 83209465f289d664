"""The portfolio: the order of worth, what its reader sees of it, and places that leaders choose."""

import itertools
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.enums import Driver, ProjectCategory
from tests.cases.conftest import FIN, LEA, NED, OLA, PIA, SPO, Board
from workflows.approvals import reads
from workflows.cases import portfolio, ranking
from workflows.cases.forms import PutAtPlace
from workflows.cases.portfolio import Portfolio
from workflows.cases.ranking import Override, Valued
from workflows.cases.rules import Worth
from workflows.errors import InvalidInput, NotAllowed, NotFound


def valued(number: int, benefits: int, costs: int, **more: object) -> Valued:
    worth = Worth(Decimal(benefits), Decimal(costs), Decimal(benefits), Decimal(costs), ((), ()))
    known: dict[str, object] = {
        "project_id": number,
        "key": f"p{number}",
        "name": f"Project {number}",
        "status": "in_progress",
        "owner": None,
        "business_unit": None,
        "category": None,
        "tier": None,
        "currency": "EUR",
        "worth": worth,
        "confidence": Decimal(1),
        "feasibility": Decimal(1),
        "agreed_on": date(2026, 1, 1),
        "is_worked_on": True,
    }
    return Valued(**{**known, **more})  # type: ignore[arg-type]


def until(place: int) -> Override:
    return Override(place, "Law.", date(2026, 12, 31), None)


amounts = st.integers(0, 50)
projects = st.lists(st.tuples(amounts, amounts), min_size=1, max_size=12).map(
    lambda pairs: [valued(number, *pair) for number, pair in enumerate(pairs, 1)]
)


@given(projects)
def test_the_order_is_by_worth_then_by_what_each_cost_brings(some: list[Valued]) -> None:
    ranked = ranking.rank(some)
    assert [each.place for each in ranked] == list(range(1, len(some) + 1))
    assert sorted(each.project.project_id for each in ranked) == [each.project_id for each in some]
    for better, worse in itertools.pairwise(ranked):
        assert better.project.adjusted >= worse.project.adjusted
        if better.project.adjusted == worse.project.adjusted:
            indexes = [each.project.worth.profitability or 0 for each in (better, worse)]
            assert indexes[0] >= indexes[1]


@given(projects, st.integers(1, 50), st.data())
def test_more_benefit_never_lowers_a_place(
    some: list[Valued], more: int, data: st.DataObject
) -> None:
    chosen = data.draw(st.sampled_from(some))
    raised = valued(chosen.project_id, int(chosen.worth.benefits) + more, int(chosen.worth.costs))

    def place(among: list[Valued]) -> int:
        return next(
            each.place
            for each in ranking.rank(among)
            if each.project.project_id == chosen.project_id
        )

    others = [each for each in some if each is not chosen]
    assert place([*others, raised]) <= place(some)


@given(projects, st.dictionaries(st.integers(1, 12), st.integers(1, 14), max_size=4))
def test_who_was_put_at_a_place_stands_there_and_others_keep_their_order(
    some: list[Valued], put: dict[int, int]
) -> None:
    moved = [
        valued(
            each.project_id,
            int(each.worth.benefits),
            int(each.worth.costs),
            override=until(put[each.project_id]) if each.project_id in put else None,
        )
        for each in some
    ]
    ranked = ranking.rank(moved)
    free = [each.project.project_id for each in ranked if not each.is_moved]
    by_worth = [each.project.project_id for each in ranking.rank(some)]
    assert free == [id_ for id_ in by_worth if id_ in free]
    places = {each.project.project_id: each for each in ranked}
    alone = len({*put.values()}) == len(put)
    for id_, place in put.items():
        if id_ in places and alone:
            assert places[id_].place == min(place, len(ranked)) or len(put) > 1
    assert {id_: each.by_worth for id_, each in places.items()} == {
        id_: number for number, id_ in enumerate(by_worth, 1)
    }


def test_the_best_on_which_nobody_works_are_named() -> None:
    best, second, third = (
        valued(1, 50, 1, is_worked_on=False),
        valued(2, 40, 1),
        valued(3, 30, 1, is_worked_on=False),
    )
    unworked = ranking.list_unworked(ranking.rank([best, second, third]))
    assert [each.project.project_id for each in unworked] == [1]
    assert ranking.list_unworked(ranking.rank([best, third])) == []


def test_shares_count_only_what_has_a_category() -> None:
    some = [ProjectCategory.OPTIMIZATION] * 3 + [ProjectCategory.INNOVATION, None]
    assert [
        (each.category.value, each.projects, each.percent)
        for each in ranking.share_by_category(some)
    ] == [("optimization", 3, 75), ("innovation", 1, 25)]


# --- On record


def load(board: Board, name: str, unit: str | None = None) -> Portfolio:
    with board.db.read() as session:
        return portfolio.load(board.context(session, name), unit)


def names(board: Board, name: str) -> list[str]:
    return [each.project.name for group in load(board, name).groups for each in group.ranked]


def three(board: Board) -> list[int]:
    """A dull one that is worth most, a middling one of Ned's, and a pet project."""
    dull = board.complete("Invoice matching", brings="30,000", costs="2,000")
    secret = board.complete("Secret plan", brings="20,000", costs="2,000", by=NED, owner=NED)
    pet = board.complete("Talking robot", brings="2,100", costs="2,000", confidence="30 %")
    for case_id in (dull, secret, pet):
        board.approve(case_id)
    return [board.project_of(case_id).id for case_id in (dull, secret, pet)]


def test_everybody_sees_the_order_of_what_they_see(board: Board) -> None:
    three(board)
    board.standing("old-one", owner=OLA, name="Old one")
    assert names(board, LEA) == ["Invoice matching", "Secret plan", "Talking robot"]
    seen = load(board, OLA)
    assert [(each.place, each.project.name) for each in seen.groups[0].ranked] == [
        (1, "Invoice matching"),
        (2, "Talking robot"),
    ]
    assert [each.name for each in seen.unestimated] == ["Old one"]
    assert load(board, FIN).total == 0
    assert names(board, SPO) == ["Invoice matching", "Secret plan", "Talking robot"]


@pytest.mark.parametrize("reader", [OLA, NED, PIA, FIN])
def test_nothing_out_of_sight_changes_what_is_read(board: Board, reader: str) -> None:
    three(board)
    before = load(board, reader)
    hidden = board.complete(
        "Hidden", brings="90,000", costs="1,000", by=LEA, owner=LEA, sponsor=FIN
    )
    approval_id = board.ask(hidden, LEA)
    board.decide(FIN, approval_id)
    if reader != FIN:
        assert load(board, reader) == before
    with board.db.read() as session, pytest.raises(NotFound):
        portfolio.load_why(board.context(session, PIA), "hidden")


def test_currencies_stand_side_by_side(board: Board) -> None:
    three(board)
    dollars = board.complete("Overseas", brings="99,000", costs="1,000", currency="USD")
    board.approve(dollars)
    groups = load(board, LEA).groups
    assert [(group.currency, len(group.ranked)) for group in groups] == [("EUR", 3), ("USD", 1)]


def test_one_unit_alone(board: Board) -> None:
    three(board)
    assert load(board, LEA, "care").unit == "Care"
    with pytest.raises(InvalidInput, match=r"You see no project of that unit\. There are Care\."):
        load(board, LEA, "nowhere")


def put(board: Board, name: str, project_id: int, place: int, until_: date | None = None) -> None:
    form = PutAtPlace(
        project_id=project_id,
        place=place,
        until=until_ or date(2026, 6, 30),
        reason="The law asks for it.",
    )
    board.db.run(lambda session: portfolio.put_at_place(board.context(session, name), form))


def test_a_leader_puts_a_project_at_a_place_until_a_day(board: Board) -> None:
    _, _, pet = three(board)
    put(board, LEA, pet, 1)
    assert names(board, LEA) == ["Talking robot", "Invoice matching", "Secret plan"]
    seen = load(board, OLA).groups[0].ranked[0]
    assert (seen.place, seen.by_worth, seen.is_moved) == (1, 2, True)
    with board.db.read() as session:
        _, lines = portfolio.load_why(board.context(session, OLA), "talking-robot")
    assert "“The law asks for it.”" in dict(lines)["Put at this place"]
    put(board, LEA, pet, 2)
    assert names(board, LEA) == ["Invoice matching", "Talking robot", "Secret plan"]
    board.later(timedelta(days=200))
    assert names(board, LEA) == ["Invoice matching", "Secret plan", "Talking robot"]
    board.ledger_holds()


def test_a_place_is_taken_back(board: Board) -> None:
    _, _, pet = three(board)
    put(board, LEA, pet, 1)
    board.db.run(lambda session: portfolio.put_back(board.context(session, LEA), pet))
    assert names(board, LEA)[-1] == "Talking robot"


def test_only_leaders_put_and_only_what_was_estimated(board: Board) -> None:
    _, _, pet = three(board)
    for name in (OLA, SPO, PIA, NED):
        with pytest.raises(NotAllowed):
            put(board, name, pet, 1)
    with pytest.raises(InvalidInput, match="today on"):
        put(board, LEA, pet, 1, date(2025, 1, 1))
    with pytest.raises(InvalidInput, match="not estimated"):
        put(board, LEA, board.standing("bare"), 1)


def test_a_case_knows_where_it_would_stand(board: Board) -> None:
    three(board)
    case_id = board.complete("Another", brings="10,000", costs="1,000")
    with board.db.read() as session:
        context = board.context(session, PIA)
        assert portfolio.find_place_of(context, board.record(case_id)) is not None
    approval_id = board.ask(case_id)
    with board.db.read() as session:
        card = reads.card(board.context(session, OLA), approval_id)
    assert dict(card.words.facts)["Would rank"] == "2 of the 3 projects that you see"
    assert "Would rank" not in dict(board.card(approval_id).words.facts)


def test_why_tells_every_number(board: Board) -> None:
    three(board)
    with board.db.read() as session:
        ranked, lines = portfolio.load_why(board.context(session, LEA), "invoice-matching")
    facts_by_name = dict(lines)
    assert ranked.place == 1
    assert facts_by_name["Confidence"] == "80 %"
    assert facts_by_name["Feasibility"] == "90 %"
    assert facts_by_name["Discount rate"] == "10.0 % a year"
    assert facts_by_name["Ranked by"].startswith("80 % × 90 % × 652,")
    assert facts_by_name["Estimate of"] == "26 Jan 2026"


def test_a_change_of_cost_moves_a_project_once_it_is_agreed(board: Board) -> None:
    dull, _, _ = three(board)
    case_id = next(each for each in (1, 2, 3) if board.row(each).project_id == dull)
    line = board.record(case_id).costs[0].line.id
    board.line(case_id, Driver.COMPUTE, line_id=line, amount="29,000")
    assert names(board, LEA)[0] == "Invoice matching"
    board.approve(case_id)
    assert names(board, LEA)[0] == "Secret plan"
