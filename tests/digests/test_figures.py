"""A quiet, a busy and a terrible week: every figure is what plain SQL says, and the words say what matters."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.digests.conftest import FIRST_DAY, NOW, Firm, told
from workflows.digests.records import Content

JANUARY = {date(2026, 1, 1) + timedelta(days=n): "10" for n in range(25)}
SPENT = (
    "SELECT SUM(e.effective) FROM cost_entry e JOIN allocation_key k ON k.id = e.allocation_key_id "
    "WHERE k.project_id = :project AND e.currency = :currency AND e.charge_date >= '2026-01-01' AND e.charge_date <= '2026-01-31'"
)


def number(value: str) -> Decimal:
    return Decimal(value).normalize()


def group(content: Content, currency: str = "EUR") -> Any:
    (found,) = [one for one in content.figures["money"] if one["currency"] == currency]
    return found


def lines(content: Content) -> list[str]:
    return [f"{line.label}: {line.text}" for line in content.lines]


def test_a_quiet_week(firm: Firm) -> None:
    project = firm.project("Ticket triage", owner="ola")
    firm.budget(project, "1000")
    firm.cost(project, JANUARY)
    found = firm.digest()
    assert found.is_quiet
    assert found.headline == ("Week 4 was quiet: spend is on plan and nothing waits for you.")
    money = group(found)
    assert number(money["spent"]) == firm.money(SPENT, project=project, currency="EUR")
    assert lines(found) == [
        "Money: 250 of 1,000 EUR effective cost in January (25 %), 1 budget, data through Sun 25 Jan",
        "Change: 70 EUR effective cost in the 7 days to Sun 25 Jan, as much as in the 7 before",
    ]
    assert found.footer == "Mon 19 Jan to Sun 25 Jan, over the 1 project you may see"


def test_data_of_another_year_names_the_year(firm: Firm) -> None:
    project = firm.project("Ticket triage", owner="ola")
    firm.budget(project, "1000")
    firm.cost(project, {date(2024, 9, 30): "10"})
    assert lines(firm.digest())[0].endswith("data through Mon 30 Sep 2024")


def test_a_busy_week(firm: Firm) -> None:
    """Two currencies that are never added, a request that waits, others that ended, and a budget that runs ahead."""
    triage = firm.project("Ticket triage", owner="ola")
    lane = firm.project("Lane vision", owner="tim")
    firm.budget(triage, "1000")
    firm.budget(lane, "300", currency="USD", basis="billed")
    firm.cost(triage, JANUARY)
    firm.cost(lane, {date(2026, 1, 10): "280"}, currency="USD")
    firm.request(
        triage,
        state="approved",
        asked=NOW - timedelta(days=4),
        stages=(("Finance", (("fay", 5),)),),
    )
    firm.request(
        triage,
        state="rejected",
        asked=NOW - timedelta(days=10),
        stages=(("Finance", (("fay", 5),)),),
    )
    waits = firm.request(lane, asks="lea")
    found = firm.digest()
    assert found.headline == (
        "Week 4: Lane vision spends faster than planned, one request was approved, and one decision waits for you."
    )
    assert found.decisions == (waits,)
    for project, currency, column in ((triage, "EUR", "effective"), (lane, "USD", "billed")):
        money = group(found, currency)
        assert number(money["spent"]) == firm.money(
            SPENT.replace("e.effective", f"e.{column}"), project=project, currency=currency
        )
    assert found.figures["approvals"]["approved"] == firm.sql(
        "SELECT count(*) FROM approval WHERE state = 'approved' AND decided_at >= :since AND decided_at < :until",
        since=datetime(2026, 1, 19, tzinfo=UTC),
        until=datetime(2026, 1, 26, tzinfo=UTC),
    )
    assert found.figures["approvals"]["rejected"] == 0
    assert found.figures["approvals"]["waiting"] == firm.sql(
        "SELECT count(*) FROM approval WHERE state = 'pending' AND expires_at > :now", now=NOW
    )
    assert not any("EUR" in line and "USD" in line for line in lines(found))
    assert found.figures["approvals"]["median"] is None


def test_a_terrible_week(firm: Firm) -> None:
    """Everything at once still fits on one screen, and the figures are those of the record."""
    crossed = []
    for n in range(14):
        project = firm.project(f"Project {n:02} with a name that goes on and on", owner="ola")
        budget = firm.budget(project, "100")
        firm.cost(project, {day: str(1 + n) + ".123456789" for day in JANUARY})
        if (1 + n) * 25 > 100:
            firm.crossed(budget, 80, NOW - timedelta(days=20))
            firm.crossed(budget, 100, NOW - timedelta(days=2))
            crossed.append(budget)
        firm.request(project, state="expired", asked=NOW - timedelta(days=5))
        firm.request(project, asks="lea")
    found = firm.digest()
    assert found.headline == (
        "Week 4: 11 budgets are overspent, 14 requests expired undecided, and 14 decisions wait for you."
    )
    money = group(found)
    assert number(money["spent"]) == firm.money("SELECT SUM(effective) FROM cost_entry")
    assert number(money["amount"]) == firm.money("SELECT SUM(amount) FROM budget_revision")
    assert len(money["over"]) == firm.sql(
        "SELECT count(*) FROM (SELECT k.project_id FROM cost_entry e JOIN allocation_key k ON k.id = e.allocation_key_id"
        " GROUP BY k.project_id HAVING SUM(e.effective) > 100) AS over_budget"
        if not firm.db.is_sqlite
        else "SELECT count(*) FROM (SELECT CAST(SUM(e.effective) AS REAL) AS total FROM cost_entry e "
        "JOIN allocation_key k ON k.id = e.allocation_key_id GROUP BY k.project_id) WHERE total > 100"
    )
    assert found.figures["crossed"] == sorted(crossed)
    assert found.figures["approvals"]["expired"] == firm.sql(
        "SELECT count(*) FROM approval WHERE state = 'expired' AND decided_at >= :since",
        since=datetime(2026, 1, 19, tzinfo=UTC),
    )
    (movement,) = found.figures["movements"]
    week = (
        "SELECT SUM(effective) FROM cost_entry WHERE charge_date >= :first AND charge_date <= :last"
    )
    assert number(movement["cost"]) == firm.money(week, first="2026-01-19", last="2026-01-25")
    assert number(movement["before"]) == firm.money(week, first="2026-01-12", last="2026-01-18")
    assert found.decisions == tuple(sorted(found.decisions))[:2]
    assert found.more_decisions == 12
    assert found.footer.startswith("12 more decisions wait for you")


def test_rounds_and_revisions_are_those_that_are_open(firm: Firm) -> None:
    """Only the newest revision that covers the round counts; budgets that are over or have not begun do not."""
    project = firm.project("Ticket triage", owner="ola")
    budget = firm.budget(project, "1000")
    firm.revision(budget, 2, "1500", date(2026, 1, 1), date(2026, 1, 31))
    firm.revision(budget, 3, "9000", date(2026, 2, 1))
    firm.budget(project, "7", starts=date(2026, 2, 1), ends=None, basis="billed")
    firm.budget(project, "8", period="fixed", starts=date(2026, 1, 2), ends=date(2026, 1, 20))
    firm.budget(project, "40", period="fixed", starts=date(2026, 1, 20), ends=date(2026, 3, 1))
    firm.budget(project, "90", period="quarter", starts=date(2025, 1, 1))
    firm.cost(project, JANUARY)
    found = {one["words"]: one for one in firm.digest().figures["money"]}
    assert {words: one["amount"] for words, one in found.items()} == {
        "January": "1500",
        "20 Jan to 1 Mar 2026": "40",
        "the quarter from January 2026": "90",
    }
    assert {words: one["spent"] for words, one in found.items()} == {
        "January": "250",
        "20 Jan to 1 Mar 2026": "60",
        "the quarter from January 2026": "250",
    }


def test_cost_of_days_to_come_does_not_count(firm: Firm) -> None:
    project = firm.project("Ticket triage", owner="ola")
    firm.budget(project, "1000")
    firm.cost(project, JANUARY | {date(2026, 1, 30): "700"})
    money = group(firm.digest())
    assert (money["spent"], money["through"]) == ("250", "2026-01-25")


def test_older_data_of_some_projects_is_said(firm: Firm) -> None:
    for name, source, last in (("A", "cloud", 25), ("B", "other", 20)):
        project = firm.project(name, owner="ola")
        firm.budget(project, "1000")
        firm.cost(project, {date(2026, 1, last): "1"}, source=source)
    found = firm.digest()
    assert group(found)["through"] == "2026-01-25"
    assert "data through Sun 25 Jan (1 project with older data)" in lines(found)[0]


def test_how_long_decisions_take_needs_five_people(firm: Firm) -> None:
    project = firm.project("Ticket triage", owner="ola")
    names = [firm.person(f"x{n}").removeprefix("p-") for n in range(5)]
    for n, name in enumerate(names[:4]):
        firm.request(
            project,
            state="approved",
            stages=(("Owner", (("ola", 1),)), ("Finance", ((name, 9 + n),))),
        )
    found = firm.digest().figures["approvals"]
    assert found["median"] is None, "five decided, and the owner had a part in each"
    firm.request(
        project, state="approved", stages=(("Owner", (("ola", 1),)), ("Finance", ((names[4], 13),)))
    )
    found = firm.digest().figures["approvals"]
    assert found["median"] is None, "six decided, and it is still the owner's pace"
    for n, name in enumerate(names):
        firm.request(
            project,
            state="approved",
            stages=(("Owner", ((name, 2),)), ("Finance", ((names[n - 1], 30),))),
        )
    digest = firm.digest()
    assert digest.figures["approvals"]["median"] == 21.5 * 3600
    assert digest.figures["approvals"]["slowest"] == ["Finance", 20 * 3600]
    assert "slowest stage: Finance, 20 h" in told(digest)


def test_fewer_than_five_people_are_told_nothing_of_their_pace(firm: Firm) -> None:
    project = firm.project("Ticket triage", owner="ola")
    firm.request(project, state="approved", stages=(("Finance", (("fay", 77),)),))
    found = firm.digest()
    assert "77" not in told(found)
    assert "3 d 5 h" not in told(found)


def test_whoever_sees_nothing_reads_so(firm: Firm) -> None:
    firm.project("Ticket triage", owner="ola")
    found = firm.digest("fay")
    assert found.headline == "Week 4 was quiet: nothing waits for you."
    assert "you own, sponsor or manage no project yet" in found.footer
    assert "Ticket triage" not in told(found)
    assert found.first_day == FIRST_DAY
