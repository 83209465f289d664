"""Importing models from a table: the same again changes nothing, and what is wrong says where and what to do."""

from sqlalchemy import select

from storage.inventory.tables import Model, ModelDependency
from tests.imports.conftest import Desk

TABLE = """\
Model,Model name,Type,Supplier,Project,Owner,Description,Inputs,Exposure,Model purpose,EU AI Act
fraud-score,Fraud score,in-house,,,ana@acme.test,Scores claims,,medium,Decision support,minimal
triage,Triage,LLM,Acme AI,,U0BO,Sorts tickets,fraud-score,,,
"""


def models(desk: Desk) -> dict[str, Model]:
    with desk.db.read() as session:
        found = {row.key: row for row in session.execute(select(Model)).scalars()}
        session.expunge_all()
    return found


def test_models_come_in_once_with_tier_and_links(desk: Desk) -> None:
    report = desk.bring("models", TABLE)
    assert (report.added, report.refused) == (2, False)
    found = models(desk)
    assert (found["fraud-score"].tier, found["triage"].tier) == (2, None)
    assert (found["triage"].kind, found["triage"].vendor) == ("generative", "Acme AI")
    with desk.db.read() as session:
        links = session.execute(select(ModelDependency.model_id, ModelDependency.upstream_id)).all()
    assert links == [(found["triage"].id, found["fraud-score"].id)]
    again = desk.bring("models", TABLE)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    changed = desk.bring("models", "key,technique,exposure\nfraud-score,Boosting,high\n")
    (one,) = changed.changes
    assert [(field.field, field.new) for field in one.fields] == [
        ("technique", "Boosting"),
        ("tier", "1"),
    ]
    assert models(desk)["fraud-score"].purpose == "Scores claims"


def test_bad_rows_say_where_and_change_nothing(desk: Desk) -> None:
    report = desk.bring(
        "models",
        "key,owner,kind,project,exposure,upstream\n"
        "fraud score!,,,,,\n"
        "aa,nobody@acme.test,,,,\n"
        "bb,U0ANA,quantum,,,\n"
        "cc,U0ANA,,nowhere,,\n"
        "dd,U0ANA,,,high,\n"
        "ee,U0ANA,,,,gone\n"
        "ee,U0ANA,,,,\n",
    )
    assert report.refused
    said = {(fault.line, fault.field): fault.sentence for fault in report.faults}
    assert "is no key" in said[(2, "key")]
    assert "quantum" in said[(4, "kind")]
    assert "no project 'nowhere'" in said[(5, "project")]
    assert "together, or none" in said[(6, "purpose_class")]
    assert "no model 'gone'" in said[(7, "upstream")]
    assert "stands in line 7 already" in said[(8, "key")]
    assert models(desk) == {}


def test_what_only_the_inventory_refuses_costs_its_row_alone(desk: Desk) -> None:
    long = "x" * 3001
    table = (
        "key,name,kind,vendor,purpose,upstream,owner\n"
        "fine,Fine one,internal,,,,U0ANA\n"
        "v,Vend,vendor,,,,U0ANA\n"
        "b,B,internal,,,,U0ANA\n"
        f"c,Long one,internal,,{long},,U0ANA\n"
    )
    refused = desk.bring("models", table)
    said = {(fault.line, fault.field): fault.sentence for fault in refused.faults}
    assert refused.refused
    assert said[(3, "vendor")] == "say which vendor it comes from"
    assert said[(4, "name")] == "'B' is too short; it has at least 2 characters"
    assert "at most 3000 fit" in said[(5, "purpose")]
    assert models(desk) == {}
    report = desk.bring("models", table, skip_bad_rows=True)
    assert (report.added, report.refused) == (1, False)
    desk.bring("models", "key,kind,vendor,owner\nvv,vendor,Acme AI,U0ANA\n")
    cleared = desk.bring("models", "key,vendor\nvv,-\n")
    assert [(one.line, one.field) for one in cleared.faults] == [(2, "vendor")]
    assert models(desk)["vv"].vendor == "Acme AI"
