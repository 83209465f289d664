"""Importing projects."""

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import select

from storage.budgets.tables import AllocationKey, CostEntry, CostLoad
from storage.enums import Level
from storage.maturity.tables import MaturityCycle, MaturityRubric
from storage.people.tables import Person
from storage.projects.tables import Project, ProjectAccount
from tests.imports.conftest import NOW, Desk, said
from workflows.maturity.records import CycleResult, DimensionResult
from workflows.maturity.results import as_json

FILE = """\
key,name,owner,sponsor,manager,business unit,category,status,channel,accounts
Ticket-Triage,Ticket triage,U0ANA,bo@acme.test,U0BO,Retail,10x,Active,#triage,Atlas Orion; 1234
lane-vision,Lane vision,ana@acme.test,,,Retail,innovation,on hold,C0OUT,5678
"""


def project(desk: Desk, key: str) -> Project:
    with desk.db.read() as session:
        row = session.execute(select(Project).where(Project.key == key)).scalar_one()
        session.expunge(row)
    return row


def accounts(desk: Desk) -> dict[str, str]:
    with desk.db.read() as session:
        rows = session.execute(select(ProjectAccount.account, Project.key).join(Project)).all()
    return dict(tuple(row) for row in rows)


def test_projects_are_added(desk: Desk) -> None:
    report = desk.bring("projects", FILE)
    assert (report.added, report.changed, report.unchanged) == (2, 0, 0)
    triage = project(desk, "ticket-triage")
    with desk.db.read() as session:
        names = {row.id: row.name for row in session.execute(select(Person)).scalars()}
    assert (names[triage.owner_id], names[triage.sponsor_id]) == ("Ana", "Bo")
    assert (triage.category, triage.status, triage.channel) == ("decision", "in_progress", "C0IN")
    assert project(desk, "lane-vision").status == "on_hold"
    assert accounts(desk) == {
        "atlas orion": "ticket-triage",
        "1234": "ticket-triage",
        "5678": "lane-vision",
    }


def test_importing_again_changes_nothing(desk: Desk) -> None:
    desk.bring("projects", FILE)
    report = desk.bring("projects", FILE.replace("; 1234", ";1234;ATLAS orion"))
    assert (report.added, report.changed, report.unchanged) == (0, 0, 2)


def test_what_changed_is_said_field_by_field(desk: Desk) -> None:
    desk.bring("projects", FILE)
    report = desk.bring(
        "projects", "key,owner,channel,accounts,status\nticket-triage,U0BO,-,1234;99,live\n"
    )
    text = said(report)
    for part in (
        "owner Ana → Bo",
        "status in_progress → live",
        "channel C0IN → (none)",
        "accounts 1234; atlas orion → 1234; 99",
    ):
        assert part in text
    assert project(desk, "ticket-triage").name == "Ticket triage"
    # From the day on which it is live, its returns are asked for.
    assert project(desk, "ticket-triage").live_on is not None
    assert project(desk, "lane-vision").live_on is None
    assert accounts(desk)["99"] == "ticket-triage"


def test_channels_without_the_bot_are_listed_with_how_to_invite_it(desk: Desk) -> None:
    extra = "third,Third,,,,,,,#secret,\n"
    text = said(desk.bring("projects", FILE + extra))
    assert "/invite @mlgov" in text
    assert "  C0OUT\n  #secret" in text
    assert "#triage" not in text
    assert project(desk, "lane-vision").channel == "C0OUT"
    assert project(desk, "third").channel is None


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a b,x,", "line 2, key: 'a b' is no key"),
        ("one,,", "line 2, name: a new project needs a name"),
        ("one,x,\nONE,y,", "line 3, key: one stands in line 2 already"),
        ("one,x,77\ntwo,y,77", "line 3, accounts: '77' belongs to one in line 2"),
        ("one,x,5678", "line 2, accounts: '5678' belongs to lane-vision already"),
        (",x,", "line 2, key: is empty; every row needs it"),
    ],
)
def test_rows_that_cannot_be_are_named(desk: Desk, rows: str, words: str) -> None:
    desk.bring("projects", FILE)
    report = desk.bring("projects", f"key,name,accounts\n{rows}\n")
    assert report.refused
    assert words in said(report)
    assert len(accounts(desk)) == 3


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("status", "actve", "did you mean in_progress?"),
        ("category", "inovation", "did you mean innovation?"),
        ("owner", "Ana Costa", "neither a member id nor an e-mail address"),
        ("owner", "zed@acme.test", "nobody is known by the address"),
        ("channel", "#a b", "is no channel"),
        ("accounts", "x" * 201, "separate accounts by ;"),
    ],
)
def test_cells_that_cannot_be_say_what_to_write(
    desk: Desk, field: str, value: str, words: str
) -> None:
    report = desk.bring("projects", f"key,name,{field}\none,One,{value}\n")
    assert report.refused
    assert f"line 2, {field}: " in said(report)
    assert words in said(report)


@pytest.mark.parametrize(
    "order",
    [("lane-vision,1234", "ticket-triage,5678"), ("ticket-triage,5678", "lane-vision,1234")],
)
def test_an_account_can_move_when_the_other_project_gives_it_up(
    desk: Desk, order: tuple[str, str]
) -> None:
    desk.bring("projects", FILE)
    report = desk.bring("projects", "key,accounts\n" + "\n".join(order))
    assert not report.refused
    assert accounts(desk) == {"1234": "lane-vision", "5678": "ticket-triage"}


def test_an_account_stays_when_the_row_that_gives_it_up_is_left_out(desk: Desk) -> None:
    desk.bring("projects", FILE)
    report = desk.bring(
        "projects",
        "key,status,accounts\nticket-triage,nonsense,-\nlane-vision,live,1234\n",
        skip_bad_rows=True,
    )
    assert "belongs to ticket-triage already" in said(report)
    assert accounts(desk)["1234"] == "ticket-triage"
    assert project(desk, "lane-vision").status == "on_hold"


def test_cost_that_is_there_goes_to_its_project(desk: Desk) -> None:
    with desk.db.begin() as session:
        load = CostLoad(
            source="bill",
            billing_period=date(2026, 1, 1),
            sha256="x",
            rows=1,
            charges_through=date(2026, 1, 25),
            loaded_at=NOW,
        )
        key = AllocationKey(sub_account_id="1234", sub_account_name="Orion", tags="{}")
        session.add_all([load, key])
        session.flush()
        session.add(
            CostEntry(
                load_id=load.id,
                charge_date=date(2026, 1, 2),
                allocation_key_id=key.id,
                service="EC2",
                category="Usage",
                currency="USD",
                billed=Decimal(1),
                effective=Decimal(1),
                rows=1,
            )
        )
    preview = desk.bring("projects", FILE, dry_run=True)
    assert "1 group of cost would belong" in said(preview)
    report = desk.bring("projects", FILE)
    assert "1 group of cost belong" in said(report)
    with desk.db.read() as session:
        owner = session.execute(select(AllocationKey.project_id)).scalar_one()
    assert owner == project(desk, "ticket-triage").id


def test_hostile_names_are_only_text(desk: Desk) -> None:
    name = "<!channel> <https://x|y> *b* \u202e😀"
    desk.bring("projects", f"key,name\none,{name}\n")
    assert project(desk, "one").name == name.replace("\u202e", "")


def test_a_low_maturity_is_said_beside_planned_innovation(desk: Desk) -> None:
    told = CycleResult(
        cycle_id=1,
        label="October 2025",
        business_unit=None,
        as_of=NOW,
        is_early=False,
        invited=6,
        answered=6,
        fewest=5,
        overall=Level.LOW,
        median=Level.MEDIUM,
        before=None,
        before_label=None,
        dimensions=(
            DimensionResult("data", "Data", Level.LOW, 6),
            DimensionResult("training", "Training", Level.HIGH, 6),
        ),
    )
    with desk.db.begin() as session:
        session.add(MaturityRubric(id=1, sha256="x", text="", adopted_at=NOW))
        session.flush()
        session.add(
            MaturityCycle(
                rubric_id=1,
                state="closed",
                seen_by="nobody",
                minimum_group=5,
                opened_at=NOW,
                closes_at=NOW,
                result=as_json(told),
            )
        )
    text = said(desk.bring("projects", FILE, dry_run=True))
    assert "lane-vision plans business-model innovation" in text
    assert "October 2025 found low maturity overall, held back by Data." in text
    assert "business-model innovation" in said(desk.bring("projects", FILE))
    assert "business-model innovation" not in said(desk.bring("projects", FILE))
