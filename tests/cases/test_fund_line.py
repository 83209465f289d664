"""The fund line over the record: what goes on is in, what competes is chosen, and nobody learns of what they don't see."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from storage.projects.tables import Project
from tests.cases.conftest import FIN, LEA, NED, OLA, Board
from workflows.cases import fund_line
from workflows.cases.fund_line import FundLine, FundLineRecord
from workflows.errors import InvalidInput


def ask(board: Board, name: str, amount: str, **more: str) -> FundLineRecord:
    form = FundLine.model_validate({"money": amount, "currency": "EUR", **more})
    with board.db.read() as session:
        return fund_line.load(board.context(session, name), form)


def keys(projects: tuple[fund_line.Fundable, ...]) -> list[str]:
    return [each.key for each in projects]


@pytest.fixture
def four(board: Board) -> Board:
    """Dear costs 48,000, cheap 24,000, pet 24,000 and returns nothing; waits is not decided; each over 24 months."""
    for title, brings, costs in (
        ("Dear", "9,000", "2,000"),
        ("Cheap", "5,000", "1,000"),
        ("Pet", "900", "1,000"),
    ):
        board.approve(
            board.complete(
                title, brings=brings, costs=costs, confidence="100 %", feasibility="100 %"
            )
        )
    waits = board.complete(
        "Waits", brings="6,000", costs="1,500", confidence="100 %", feasibility="100 %"
    )
    board.ask(waits)
    return board


def begin(board: Board, key: str) -> None:
    with board.db.begin() as session:
        session.execute(update(Project).where(Project.key == key).values(status="in_progress"))


def test_what_money_buys_is_the_set_that_is_worth_most(four: Board) -> None:
    answer = ask(four, LEA, "72,000")
    assert keys(answer.funded) == ["dear", "cheap"]
    assert answer.is_proved
    assert (answer.cost, answer.gap) == (Decimal(72_000), 0)
    assert keys(answer.left) == ["waits", "pet"]
    assert keys(answer.comes_in) == ["waits"]
    assert answer.more_worth > 0
    assert "pet" not in keys(ask(four, LEA, "1m").funded)


def test_what_goes_on_is_in_with_what_it_still_costs(four: Board) -> None:
    begin(four, "pet")
    answer = ask(four, LEA, "50k")
    assert "pet" in keys(answer.funded)
    assert keys(answer.funded) == ["cheap", "pet"]
    with pytest.raises(InvalidInput, match=r"is missing\. This concerns Pet"):
        ask(four, LEA, "10,000")
    four.later(timedelta(days=400))
    left = next(each for each in ask(four, LEA, "1m").funded if each.key == "pet")
    assert left.cost == Decimal(12_000)


def test_what_must_go_together_and_of_what_there_is_only_one(four: Board) -> None:
    together = ask(four, LEA, "72,000", together="Cheap + Waits")
    assert keys(together.funded) == ["waits", "cheap"]
    apart = ask(four, LEA, "1m", exclusive="dear / cheap")
    assert "cheap" not in keys(apart.funded)
    for text, says in (
        ("nowhere + dear", "You see no estimate of “nowhere”"),
        ("dear", "at least two"),
    ):
        with pytest.raises(InvalidInput, match=says) as refused:
            ask(four, LEA, "1m", together=text)
        assert refused.value.field == "together"


def test_nobody_learns_of_what_they_do_not_see(four: Board) -> None:
    secret = four.complete("Secret", brings="50,000", costs="1,000", by=NED, owner=NED)
    four.approve(secret)
    assert "secret" in keys(ask(four, LEA, "1m").funded)
    seen = ask(four, OLA, "1m")
    assert "secret" not in keys((*seen.funded, *seen.left))
    with pytest.raises(InvalidInput, match="You see no estimate of “secret”"):
        ask(four, OLA, "1m", together="secret + dear")
    with pytest.raises(InvalidInput, match="You see no estimate in EUR"):
        ask(four, FIN, "1m")


def test_another_currency_is_not_mixed_in(four: Board) -> None:
    dollars = four.complete("Overseas", brings="99,000", costs="1,000", currency="USD")
    four.approve(dollars)
    answer = ask(four, LEA, "1m")
    assert answer.others == ("USD",)
    assert "overseas" not in keys(answer.funded)
    with four.db.read() as session:
        assert fund_line.find_currency(four.context(session, LEA)) == "EUR"


def test_what_is_in_whatever_comes(four: Board) -> None:
    wild = four.complete(
        "Wild",
        brings="100 / 3,000 / 90,000",
        costs="1,000",
        confidence="100 %",
        feasibility="100 %",
    )
    four.approve(wild)
    answer = ask(four, LEA, "96,000")
    assert "wild" in keys(answer.depends)
    assert "dear" in keys(answer.always)
    with pytest.raises(InvalidInput, match="isn't an amount"):
        fund_line.read_form("lots", "EUR")
