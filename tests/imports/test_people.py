"""Importing people."""

import pytest
from openpyxl import Workbook
from sqlalchemy import func, select

from storage import ledger
from storage.audit.tables import AuditEntry
from storage.people.tables import Person
from storage.projects.tables import Project
from tests.contexts import make_context
from tests.imports.conftest import NOW, ORG, Desk, said
from workflows.people import service as people
from workflows.people.forms import PersonSeen

FILE = """\
Slack ID;E-Mail;Line Manager;Business-Unit;Persona;Country
U0ANA;;;Retail;data scientist;gb
;BO@acme.test;ana@acme.test;Retail;ml engineer;Japan
"""


def person(desk: Desk, slack_id: str) -> Person:
    with desk.db.read() as session:
        found = session.execute(select(Person).where(Person.slack_id == slack_id))
        row = found.scalar_one()
        session.expunge(row)
    return row


def entries(desk: Desk) -> int:
    with desk.db.read() as session:
        return session.execute(select(func.count()).select_from(AuditEntry)).scalar_one()


def test_people_are_changed_by_slack_id_or_address(desk: Desk) -> None:
    report = desk.bring("people", FILE)
    assert (report.added, report.changed, report.unchanged) == (0, 2, 0)
    ana, bo = person(desk, "U0ANA"), person(desk, "U0BO")
    assert (ana.business_unit, ana.persona, ana.country) == ("Retail", "data scientist", "GB")
    assert (bo.manager_id, bo.country) == (ana.id, "Japan")
    assert "Bo: manager (none) → Ana" in said(report)


def test_importing_again_changes_nothing(desk: Desk) -> None:
    desk.bring("people", FILE)
    before = entries(desk)
    report = desk.bring("people", FILE)
    assert (report.added, report.changed, report.unchanged) == (0, 0, 2)
    assert entries(desk) == before


def test_a_changed_row_says_what_was_and_what_is(desk: Desk) -> None:
    desk.bring("people", FILE)
    report = desk.bring("people", FILE.replace("ml engineer", "leader"))
    assert (report.changed, report.unchanged) == (1, 1)
    assert "line 3: Bo: persona ml engineer → leader" in said(report)


def test_an_empty_cell_leaves_and_a_dash_empties(desk: Desk) -> None:
    desk.bring("people", FILE)
    desk.bring("people", "slack id,business unit,persona\nU0ANA,,-\n")
    ana = person(desk, "U0ANA")
    assert (ana.business_unit, ana.persona) == ("Retail", None)


def test_a_preview_says_the_same_and_writes_nothing(desk: Desk) -> None:
    preview = desk.bring("people", FILE, dry_run=True)
    assert person(desk, "U0BO").manager_id is None
    assert entries(desk) == 0
    assert "Nothing was written" in said(preview)
    assert preview.changes == desk.bring("people", FILE).changes


def test_one_bad_row_means_that_nothing_is_written(desk: Desk) -> None:
    bad = FILE + "U0CY;not an address;;;;\n;;ana@acme.test;Retail;;\n"
    report = desk.bring("people", bad)
    assert report.refused
    assert "2 rows of 4 cannot be taken" in said(report)
    assert "line 4, email: 'not an address' is no e-mail address" in said(report)
    assert "line 5: no member id and no e-mail address; write one of them" in said(report)
    assert person(desk, "U0ANA").business_unit is None
    assert entries(desk) == 0


def test_bad_rows_can_be_left_out(desk: Desk) -> None:
    report = desk.bring("people", FILE + "U0CY;not an address;;;;\n", skip_bad_rows=True)
    assert not report.refused
    assert report.changed == 2
    assert "1 row was left out" in said(report)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("U0ANA,ana@acme.test", "circle of line managers: Ana → Ana"),
        ("U0ANA,U0BO\nU0BO,U0ANA", "circle of line managers: Ana → Bo → Ana"),
        ("U0ANA,U0BO\nU0BO,U0CY\nU0CY,U0ANA", "circle of line managers"),
    ],
)
def test_a_circle_of_managers_is_refused(desk: Desk, rows: str, words: str) -> None:
    report = desk.bring("people", f"slack id,manager\n{rows}\n")
    assert report.refused
    assert words in said(report)


def test_a_circle_is_judged_by_how_things_end_up(desk: Desk) -> None:
    desk.bring("people", "slack id,manager\nU0ANA,U0BO\n")
    report = desk.bring("people", "slack id,manager\nU0BO,U0ANA\nU0ANA,-\n")
    assert not report.refused
    assert person(desk, "U0BO").manager_id == person(desk, "U0ANA").id


def test_a_circle_with_somebody_outside_the_file_is_found(desk: Desk) -> None:
    desk.bring("people", "slack id,manager\nU0ANA,U0BO\n")
    assert desk.bring("people", "slack id,manager\nU0BO,U0ANA\n").refused


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("ana@acme.test\nANA@ACME.test", "same person as line 2"),
        ("twin@acme.test", "2 people have the address twin@acme.test"),
    ],
)
def test_who_is_meant_must_be_plain(desk: Desk, rows: str, words: str) -> None:
    assert words in said(desk.bring("people", f"email\n{rows}\n", skip_bad_rows=False))


def test_an_unknown_manager_is_named(desk: Desk) -> None:
    report = desk.bring("people", "email,manager\nana@acme.test,zed@acme.test\n")
    assert "line 2, manager: nobody is known by the address zed@acme.test" in said(report)


def test_somebody_slack_has_not_told_of_is_kept_and_said(desk: Desk) -> None:
    report = desk.bring("people", "slack id,manager\nU0NEW,U0ANA\n")
    assert report.added == 1
    assert "Nobody has seen U0NEW in the workspace yet" in said(report)
    with desk.db.begin() as session:
        people.upsert_from_slack(
            make_context(session, now=NOW), [PersonSeen(ORG, "U0NEW", ORG, "Nia")], read_at=NOW
        )
    nia = person(desk, "U0NEW")
    assert (nia.name, nia.manager_id) == ("Nia", person(desk, "U0ANA").id)


def test_somebody_named_by_address_becomes_one_with_who_they_are_in_slack(desk: Desk) -> None:
    desk.bring("people", "email,manager,country\ncy@acme.test,U0ANA,pt\n")
    desk.bring("projects", "key,name,owner\nlane,Lane,cy@acme.test\n")
    with desk.db.begin() as session:
        people.upsert_from_slack(
            make_context(session, now=NOW),
            [PersonSeen(ORG, "U0CY", ORG, "Cy", "cy@acme.test")],
            read_at=NOW,
        )
    # Slack alone links nobody: an address can be changed by whoever holds it.
    assert person(desk, "U0CY").manager_id is None
    with desk.db.read() as session:
        owner = session.execute(select(Project.owner_id)).scalar_one()
        assert owner != person(desk, "U0CY").id
    again = desk.bring("people", "email,manager,country\ncy@acme.test,U0ANA,pt\n")
    assert not again.refused
    cy = person(desk, "U0CY")
    assert (cy.manager_id, cy.country) == (person(desk, "U0ANA").id, "PT")
    with desk.db.read() as session:
        assert session.execute(select(Project.owner_id)).scalar_one() == cy.id
        same = session.execute(select(Person).where(Person.email == "cy@acme.test"))
        assert len(same.all()) == 1
        assert ledger.verify(session) is None


def test_the_name_is_slacks_once_slack_has_told_it(desk: Desk) -> None:
    report = desk.bring("people", "slack id,name\nU0ANA,Somebody Else\nU0NEW,Nia\n")
    assert (report.added, report.unchanged) == (1, 1)
    assert person(desk, "U0ANA").name == "Ana"
    assert person(desk, "U0NEW").name == "Nia"


def test_the_ledger_has_no_names(desk: Desk) -> None:
    desk.bring("people", FILE)
    with desk.db.read() as session:
        bodies = session.execute(select(AuditEntry.body)).scalars().all()
        assert ledger.verify(session) is None
    text = "\n".join(bodies)
    assert len(bodies) == 3
    for trace in ("Ana", "Bo", "acme.test", "U0", "Retail", "engineer", "Japan"):
        assert trace not in text
    assert '"fields":["business_unit","country","manager","persona"]' in text
    assert '"action":"people.imported"' in text


# --- headings


def test_a_heading_that_is_nearly_right_is_asked_about(desk: Desk) -> None:
    report = desk.bring("people", FILE.replace("Business-Unit", "Busines unit"))
    assert report.refused
    assert "--map 'Busines unit=business_unit'" in said(report)


def test_a_mapping_is_remembered(desk: Desk) -> None:
    theirs = FILE.replace("Business-Unit", "Cost centre")
    first = desk.bring("people", theirs)
    assert "Left out, as no field of ours: Cost centre" in said(first)
    assert person(desk, "U0ANA").business_unit is None
    desk.bring("people", theirs, mappings={"cost CENTRE": "Business unit"})
    assert person(desk, "U0ANA").business_unit == "Retail"
    desk.bring("people", theirs.replace("Retail", "Risk"))
    assert person(desk, "U0ANA").business_unit == "Risk"


def test_a_preview_remembers_no_mapping(desk: Desk) -> None:
    theirs = FILE.replace("Business-Unit", "Cost centre")
    desk.bring("people", theirs, mappings={"Cost centre": "business_unit"}, dry_run=True)
    assert "Left out" in said(desk.bring("people", theirs))


def test_a_column_can_be_left_out(desk: Desk) -> None:
    report = desk.bring("people", FILE, mappings={"Persona": "-"})
    assert not report.refused
    assert person(desk, "U0ANA").persona is None


@pytest.mark.parametrize(
    ("mappings", "words"),
    [
        ({"Persona": "busines unit"}, "Did you mean business_unit?"),
        ({"Personna": "persona"}, "Did you mean “Persona”?"),
        ({"Persona": "manager"}, "Two columns are manager"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(
    desk: Desk, mappings: dict[str, str], words: str
) -> None:
    report = desk.bring("people", FILE, mappings=mappings)
    assert report.refused
    assert words in said(report)


def test_a_table_about_nobody_is_refused(desk: Desk) -> None:
    report = desk.bring("people", "colour,size\nred,1\n")
    assert "no column email or person or slack_id among: colour, size" in said(report)


def test_a_workbook_is_read_like_a_text(desk: Desk) -> None:
    made = Workbook()
    for line in FILE.splitlines():
        made.active.append([cell or None for cell in line.split(";")])
    path = desk.work / "people.xlsx"
    made.save(path)
    assert desk.bring_file("people", path).changed == 2
    assert desk.bring("people", FILE).unchanged == 2


def test_broken_files_write_nothing(desk: Desk) -> None:
    for raw in (b"", b"\xff\xfe\x00", b'a,"b\n', b"PK\x03\x04"):
        path = desk.work / "broken.csv"
        path.write_bytes(raw)
        report = desk.bring_file("people", path)
        assert report.refused
        assert said(report).startswith("Nothing was written. broken.csv")
    assert "is a directory" in said(desk.bring_file("people", desk.work))
    assert entries(desk) == 0


def test_hostile_text_is_only_text(desk: Desk) -> None:
    hostile = "<!channel> & \u202e=1+1 \x07 😀 'quoted'"
    report = desk.bring("people", f'slack id,business unit\nU0ANA,"{hostile}"\n')
    assert not report.refused
    kept = person(desk, "U0ANA").business_unit
    assert kept == "<!channel> & =1+1   😀 'quoted'"
    long = desk.bring("people", f"slack id,business unit\nU0ANA,{'x' * 5000}\n")
    assert "line 2, business_unit: holds 5,000 characters; at most 200 fit" in said(long)
