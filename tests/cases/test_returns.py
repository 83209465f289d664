"""What came of a project: who says it, who attests it, who sees it, and how it stands beside what was planned."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from storage.budgets.tables import AllocationKey, CostEntry, CostLoad, CostMonth
from storage.cases.tables import CaseReturn
from storage.db import Database
from storage.projects.tables import Project
from tests.cases.conftest import FIN, LEA, NED, OLA, PIA, POLICY, SPO
from tests.cases.returning import BOSS, MAX, Works, begin
from workflows.cases import realised, returns
from workflows.cases.realisation import Span, Spread
from workflows.cases.return_forms import AttestReturn, ReportReturn
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound, Stale

MARCH, MAY = date(2026, 3, 1), date(2026, 5, 31)
AUTUMN = date(2026, 10, 15)


@pytest.fixture
def works(database: Database) -> Works:
    return begin(database)


def at(works: Works, day: date) -> None:
    works.later(day - works.now.date())


# --- Reporting


def test_what_came_stands_beside_what_was_planned(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    works.report(project, "48,000", MARCH, MAY, note="From the ticket system.")
    record = works.returns_of(project)
    assert (record.realised, record.attested, record.unattested) == (48_000, 0, 48_000)
    # 20,000 a month are planned for March to May, and for June to September.
    assert (record.planned, record.currency) == (60_000, "EUR")
    assert record.missing == (Span(date(2026, 6, 1), date(2026, 9, 30)),)
    assert record.missing_planned == 80_000
    (line,) = record.lines
    assert (line.note, line.planned, line.attested_by) == ("From the ticket system.", 60_000, None)
    assert line.reported_by is not None
    assert line.reported_by.name == "Ola"
    works.ledger_holds()


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", "0"), ("-1,500.50", "-1500.5"), ("−2k", "-2000"), ("EUR 4,000", "4000")],
)
def test_nothing_and_a_loss_are_returns_too(text: str, amount: str) -> None:
    form = ReportReturn(project_id=1, starts=MARCH, ends=MAY, amount=text, request_key="k")  # type: ignore[arg-type]
    assert form.amount == Decimal(amount)


@pytest.mark.parametrize("text", ["", "much", "40.000", "1e9", "--5", "nan"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        ReportReturn(project_id=1, starts=MARCH, ends=MAY, amount=text, request_key="k")  # type: ignore[arg-type]


@pytest.mark.parametrize("who", [OLA, MAX, PIA])
def test_owner_manager_and_writer_report(works: Works, who: str) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    assert works.report(project, "1", MARCH, MAY, who)


@pytest.mark.parametrize(("who", "refusal"), [(SPO, NotAllowed), (FIN, NotFound), (NED, NotFound)])
def test_nobody_else_reports(works: Works, who: str, refusal: type[GovernanceError]) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    with pytest.raises(refusal):
        works.report(project, "1", MARCH, MAY, who)
    assert works.returns_of(project).lines == ()


def test_no_day_is_reported_twice(works: Works) -> None:
    project, other = works.in_use(), works.in_use("Lane vision")
    at(works, AUTUMN)
    first = works.report(project, "48,000", MARCH, MAY)
    for starts, ends in (
        (MAY, AUTUMN),
        (date(2026, 1, 1), MARCH),
        (MARCH, MAY),
        (date(2026, 1, 1), AUTUMN),
    ):
        with pytest.raises(InvalidInput, match="48,000 EUR was reported for Mar to May 2026"):
            works.report(project, "1", starts, ends)
    works.report(other, "1", MARCH, MAY)
    works.report(project, "1", MAY + timedelta(days=1), AUTUMN)
    works.take_back(first)
    works.report(project, "2", MARCH, MAY)
    assert works.returns_of(project).realised == 3
    works.ledger_holds()


def test_nothing_is_reported_of_days_to_come(works: Works) -> None:
    project = works.in_use()
    at(works, MAY)
    with pytest.raises(InvalidInput, match="still to come"):
        works.report(project, "1", MARCH, MAY + timedelta(days=1))
    with pytest.raises(ValueError, match="before the first"):
        works.report(project, "1", MAY, MARCH)


def test_the_same_submission_reports_once(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    first = works.report(project, "48,000", MARCH, MAY, key="view:V1")
    assert works.report(project, "48,000", MARCH, MAY, key="view:V1") == first
    assert len(works.returns_of(project).lines) == 1


# --- Attesting


def test_the_sponsor_attests_and_is_asked_to(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    return_id = works.report(project, "48,000", MARCH, MAY)
    assert works.told("returns.reported") == ["U0SPO"]
    assert works.returns_of(project, SPO).to_attest == {return_id}
    works.attest(return_id)
    works.attest(return_id)
    record = works.returns_of(project)
    assert (record.attested, record.unattested) == (48_000, 0)
    assert record.lines[0].attested_by is not None
    assert record.lines[0].attested_by.name == "Spo"
    works.ledger_holds()


@pytest.mark.parametrize("who", [SPO, BOSS, FIN])
def test_the_sponsors_side_and_finance_attest(works: Works, who: str) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    works.attest(works.report(project, "48,000", MARCH, MAY), who)
    assert works.returns_of(project).attested == 48_000


@pytest.mark.parametrize("who", [OLA, MAX, PIA])
@pytest.mark.parametrize("reporter", [OLA, MAX, PIA])
def test_owner_manager_and_writer_never_attest(database: Database, who: str, reporter: str) -> None:
    """Also where the policy names them, and whatever they are besides."""
    everybody = (
        "cases: {discount_rate: 0.10, currency: EUR, attest: [role:finance, U0OLA, U0MAX, U0PIA]}"
    )
    works = begin(
        database, POLICY.replace("cases: {discount_rate: 0.10, currency: EUR}", everybody)
    )
    works.group("all", OLA, MAX, PIA)
    project = works.in_use()
    with works.db.begin() as session:
        session.get_one(Project, project).sponsor_id = f"p-{who}"
    at(works, AUTUMN)
    return_id = works.report(project, "48,000", MARCH, MAY, reporter)
    with pytest.raises(NotAllowed, match="somebody else has to attest"):
        works.attest(return_id, who)
    assert works.returns_of(project, who).to_attest == frozenset()
    assert works.returns_of(project).attested == 0


def test_whoever_reported_it_does_not_attest_it_after_their_part_ended(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    return_id = works.report(project, "48,000", MARCH, MAY, MAX)
    with works.db.begin() as session:
        row = session.get_one(Project, project)
        row.manager_id, row.sponsor_id = None, f"p-{MAX}"
    with pytest.raises(NotAllowed, match="somebody else"):
        works.attest(return_id, MAX)


@pytest.mark.parametrize(("who", "refusal"), [(LEA, NotAllowed), (NED, NotFound)])
def test_others_do_not_attest(works: Works, who: str, refusal: type[GovernanceError]) -> None:
    """Leaders see all, and attest nothing by that; who may not see it learns nothing."""
    project = works.in_use()
    at(works, AUTUMN)
    return_id = works.report(project, "48,000", MARCH, MAY)
    with pytest.raises(refusal):
        works.attest(return_id, who)


def test_a_guest_attests_nothing(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    form = AttestReturn(return_id=works.report(project, "48,000", MARCH, MAY))
    works.joins("finance", "gus")
    with works.db.read() as session:
        ctx = replace(works.context(session, "gus"), actor=works.actor("gus", is_guest=True))
        with pytest.raises(NotAllowed, match="guest"):
            returns.attest(ctx, form)


def test_no_program_attests(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    return_id = works.report(project, "48,000", MARCH, MAY)
    with pytest.raises(NotAllowed):
        works.db.run(
            lambda session: returns.attest(
                works.context(session, OLA).as_system(), AttestReturn(return_id=return_id)
            )
        )
    assert works.return_row(return_id).attested_at is None


def test_an_owner_who_sponsors_has_it_attested_above(works: Works) -> None:
    project = works.in_use(owner=SPO)
    at(works, AUTUMN)
    return_id = works.report(project, "48,000", MARCH, MAY, SPO)
    assert works.told("returns.reported") == ["U0BOSS"]
    works.attest(return_id, BOSS)
    assert works.returns_of(project, SPO).attested == 48_000


def test_finance_sees_what_it_attests_and_nothing_after(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    assert works.overview(FIN).projects == ()
    return_id = works.report(project, "48,000", MARCH, MAY)
    (record,) = works.overview(FIN).projects
    assert record.to_attest == {return_id}
    assert works.overview(NED).projects == ()
    works.attest(return_id, FIN)
    assert works.overview(FIN).projects == ()
    assert [each.name for each in works.overview(LEA).projects] == ["Ticket routing"]


# --- Corrections


def test_a_correction_takes_the_place_and_loses_its_attestation(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    first = works.report(project, "48,000", MARCH, MAY)
    works.attest(first)
    second = works.report(project, "30,000", MARCH, date(2026, 6, 30), replaces=first)
    record = works.returns_of(project)
    assert [line.id for line in record.lines] == [second]
    assert (record.realised, record.attested) == (30_000, 0)
    assert works.told("returns.reported") == ["U0SPO", "U0SPO"]
    # What was corrected stands as it was.
    old = works.return_row(first)
    assert (old.amount, old.attested_by, old.withdrawn_at) == (48_000, "p-spo", works.now)
    with pytest.raises(Stale, match="corrected or taken back"):
        works.attest(first, FIN)
    with pytest.raises(Stale, match="counts no more"):
        works.report(project, "1", MARCH, MAY, replaces=first)
    with pytest.raises(Stale, match="counts no more"):
        works.take_back(first)
    assert works.returns_of(project).realised == 30_000
    works.ledger_holds()


def test_a_correction_may_not_reach_into_another_return(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    first = works.report(project, "48,000", MARCH, MAY)
    works.report(project, "1", date(2026, 6, 1), date(2026, 6, 30))
    with pytest.raises(InvalidInput, match="Jun 2026"):
        works.report(project, "50,000", MARCH, date(2026, 6, 1), replaces=first)
    assert works.returns_of(project).realised == 48_001


def test_a_return_of_another_project_is_not_corrected(works: Works) -> None:
    project, other = works.in_use(), works.in_use("Lane vision")
    at(works, AUTUMN)
    first = works.report(project, "48,000", MARCH, MAY)
    with pytest.raises(Stale):
        works.report(other, "1", MARCH, MAY, replaces=first)
    assert works.returns_of(project).realised == 48_000


def test_only_the_owners_side_takes_back(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    return_id = works.report(project, "48,000", MARCH, MAY)
    for who, refusal in ((SPO, NotAllowed), (NED, NotFound)):
        with pytest.raises(refusal):
            works.take_back(return_id, who)
    works.take_back(return_id, MAX)
    assert works.returns_of(project).lines == ()


# --- Sight


def test_who_may_not_see_a_project_learns_nothing(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    return_id = works.report(project, "48,000", MARCH, MAY)
    key = works.key_of(project)
    with works.db.read() as session:
        ctx = works.context(session, NED)
        refusals = []
        for word in (key, "nothing-here"):
            with pytest.raises(NotFound) as refused:
                realised.load_project(ctx, word)
            refusals.append(str(refused.value).replace(word, "…"))
        assert refusals[0] == refusals[1]
        assert realised.load_overview(ctx).projects == ()
    for number in (return_id, 9999):
        with pytest.raises(NotFound, match="There is no such project or return here"):
            works.attest(number, NED)
        with pytest.raises(NotFound, match="There is no such project or return here"):
            works.take_back(number, NED)
    for number in (project, 9999):
        with pytest.raises(NotFound, match="There is no such project or return here"):
            works.report(number, "1", MARCH, MAY, NED)


# --- Several currencies, and money spent


def test_currencies_are_never_added(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    dollars = works.report(project, "7,000", MARCH, MAY)
    with works.db.begin() as session:
        session.get_one(CaseReturn, dollars).currency = "USD"
    works.report(project, "9,000", date(2026, 6, 1), date(2026, 6, 30))
    record = works.returns_of(project)
    assert (record.realised, record.planned) == (9_000, 20_000)
    assert record.apart == ((Decimal(7_000), "USD"),)


def test_a_project_without_a_case_has_returns_too(works: Works) -> None:
    project = works.standing("lane-vision", status="live", live_on=MARCH)
    at(works, AUTUMN)
    works.report(project, "9,000", MARCH, MAY)
    record = works.returns_of(project)
    assert (record.realised, record.currency, record.planned) == (9_000, "EUR", None)


def spend(works: Works, project_id: int, month: date, amount: str, currency: str = "EUR") -> None:
    """Cost of a project on record."""
    with works.db.begin() as session:
        source = f"{project_id}-{month}-{currency}"
        key = AllocationKey(
            sub_account_id=source, sub_account_name="", tags="{}", project_id=project_id
        )
        load = CostLoad(
            source=source,
            billing_period=month,
            charges_through=month,
            loaded_at=works.now,
            sha256="0" * 64,
            rows=1,
        )
        session.add_all([key, load])
        session.flush()
        values = {"load_id": load.id, "allocation_key_id": key.id, "currency": currency}
        paid = Decimal(amount)
        session.add(CostMonth(**values, month=month, billed=paid, effective=paid))
        session.add(
            CostEntry(
                **values,
                charge_date=month,
                service="GPU",
                category="Usage",
                billed=paid,
                effective=paid,
                rows=1,
            )
        )


def test_what_was_spent_stands_beside_it(works: Works) -> None:
    project = works.in_use()
    at(works, AUTUMN)
    spend(works, project, MARCH, "4,000.25".replace(",", ""))
    spend(works, project, date(2026, 9, 1), "1000")
    spend(works, project, MARCH, "10", "USD")
    spend(works, works.in_use("Lane vision"), MARCH, "999")
    record = works.returns_of(project)
    assert record.spent == ((Decimal("5000.25"), "EUR"), (Decimal(10), "USD"))
    assert record.spent_through == date(2026, 9, 1)


# --- Priors against results

YEAR_ENDS = date(2027, 2, 28)


def attested_year(works: Works, number: int, amount: str, **more: str) -> int:
    """A project with an attested full year."""
    project = works.in_use(f"Project {number}", **more)
    now, works.now = works.now, datetime(2027, 4, 1, 9, tzinfo=UTC)
    works.attest(works.report(project, amount, MARCH, YEAR_ENDS, OLA), SPO)
    works.now = now
    return project


def test_priors_stand_beside_the_benchmark_from_five_projects_on(works: Works) -> None:
    """Planned cost up to the last attested day is 60,000 EUR; where bills are on record, they count."""
    projects = [
        attested_year(works, number, amount)
        for number, amount in enumerate(("60,000", "120,000", "180,000", "240,000"), 1)
    ]
    almost = works.in_use("Almost")
    works.now = datetime(2027, 4, 1, 9, tzinfo=UTC)
    unattested = works.report(almost, "900,000", MARCH, YEAR_ENDS)
    with works.db.read() as session:
        priors = realised.list_priors(works.context(session, LEA))
        assert [(each.benchmark, each.results) for each in priors] == [
            (2, None),
            (10, None),
            (100, None),
        ]
    works.attest(unattested)
    spend(works, projects[0], MARCH, "30000")
    with works.db.read() as session:
        prior, *others = realised.list_priors(works.context(session, LEA))
        assert prior.results is not None
        # 2, 2, 3, 4 and 15 times their cost.
        assert prior.results == Spread(5, Decimal(2), Decimal(3), Decimal(4))
        assert [each.results for each in others] == [None, None]
        # Ned sees none of them, and learns only what is about five at least.
        assert realised.list_priors(works.context(session, NED))[0].results == prior.results
    with works.db.begin() as session:
        session.get_one(Project, projects[0]).manager_id = "p-ned"
    with works.db.read() as session:
        assert realised.list_priors(works.context(session, NED))[0].results is None


def test_estimates_are_held_against_results_from_five_people_on(works: Works) -> None:
    """240,000 EUR are planned for the year; each estimator counts once, however many projects are theirs."""
    cast = (PIA, OLA, MAX, LEA, NED)
    amounts = ("120,000", "240,000", "192,000", "168,000", "360,000")
    for number, (who, amount) in enumerate(zip(cast, amounts, strict=True), 1):
        if number == 5:
            attested_year(works, 6, "24,000", by=PIA)
            with works.db.read() as session:
                ctx = works.context(session, LEA)
                assert realised.find_estimate_error(ctx) is None
                assert realised.offer_correction(ctx, Decimal(100_000), "EUR") == ""
        attested_year(works, number, amount, by=who)
    with works.db.read() as session:
        ctx = works.context(session, LEA)
        # Pia's median is 30 %; the others are at 70, 80, 100 and 150 %.
        assert realised.find_estimate_error(ctx) == Spread(
            5, Decimal("0.7"), Decimal("0.8"), Decimal(1)
        )
        assert realised.offer_correction(ctx, Decimal(100_000), "EUR") == (
            "Of what was estimated, 80 % came in the middle case of 5 people's estimates; for half of them 70 % to 100 %. "
            "At that rate this would bring 80,000 EUR; your estimate stays as you wrote it."
        )
