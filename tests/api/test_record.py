"""A record that was changed outside mlgov proves nothing: no statement, an alarm in words, once, and keys that are pinned."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from bot.cli.main import app as cli
from bot.settings import SettingsRefused
from bot.statements.api import Issuer
from storage import ledger
from storage.base import UTCDateTime
from tests.api.conftest import DIGEST, Api
from tests.contexts import make_context
from tests.stories.office import ADA, FAY, OLA
from workflows.approvals import actions
from workflows.policy import PolicyText
from workflows.statements import envelopes
from workflows.statements.service import RecordDisagrees

AT = datetime(2026, 1, 18, 9, tzinfo=UTC)


def approve(api: Api, number: int) -> None:
    for slack_id in (OLA, FAY):
        person = api.personal(slack_id)
        revision = api.get(f"/approvals/{number}", person).json()["revision"]
        verdict = {"verdict": "approve", "revision": revision}
        answer = api.post(f"/approvals/{number}/decisions", person, verdict)
        assert answer.status_code == 200, answer.text


def meddle(api: Api, sql: str, **values: Any) -> None:
    """What somebody does with the database alone."""
    statement = text(sql)
    for name, value in values.items():
        kind = UTCDateTime if isinstance(value, datetime) else None
        statement = statement.bindparams(bindparam(name, value, type_=kind))
    with api.office.db.engine.begin() as connection:
        assert connection.execute(statement).rowcount == 1


def alarms(api: Api, channel: str) -> list[str]:
    seat = api.office.sandbox.seat(ADA)
    return [
        f"{message.text}\n{message.blocks}"
        for message in seat.messages(channel)
        if "outside mlgov" in message.text
    ]


def statements(api: Api) -> int:
    with api.office.db.read() as session:
        return int(session.execute(text("SELECT count(*) FROM statement")).scalar_one())


def said(envelope: bytes) -> Any:
    return json.loads(base64.b64decode(json.loads(envelope)["payload"]))["predicate"]


def test_a_statement_rests_on_the_ledger_and_names_its_entry(api: Api) -> None:
    pipeline = api.token()
    number = api.ask(pipeline).json()["id"]
    approve(api, number)
    predicate = said(api.get(f"/approvals/{number}/statement", pipeline).content)
    with api.office.db.read() as session:
        entries = {
            row.seq: row
            for row in session.execute(
                text("SELECT seq, hash, action, subject_id FROM audit_entry")
            )
        }
        people = [
            row.actor_id
            for row in session.execute(
                text(
                    "SELECT actor_id FROM audit_entry WHERE action = 'approval.decided' ORDER BY seq"
                )
            )
        ]
    proof = entries[predicate["ledger"]["seq"]]
    assert (proof.hash, proof.action, proof.subject_id) == (
        predicate["ledger"]["hash"],
        "approval.approved",
        str(number),
    )
    assert [one["person"] for one in predicate["deciders"]] == people
    assert [one["stage"] for one in predicate["deciders"]] == [1, 2]
    assert predicate["asked"]["digest"] == DIGEST


def test_what_the_tables_alone_call_approved_is_refused_and_told_once(api: Api) -> None:
    pipeline = api.token()
    number = api.ask(pipeline).json()["id"]
    meddle(
        api,
        "UPDATE approval SET state = 'approved', decided_at = :at, stage = 1 WHERE id = :number",
        number=number,
        at=AT,
    )
    for _ in range(3):
        answer = api.get(f"/approvals/{number}", pipeline)
        assert (answer.status_code, answer.json()["type"]) == (
            409,
            "urn:mlgov:problem:record-disagrees",
        )
        assert "No statement is issued" in answer.json()["detail"]
    assert api.get(f"/approvals/{number}/statement", pipeline).status_code == 409
    assert statements(api) == 0
    # Whoever has no key signs nothing, and calls it approved no more than others.
    without = Issuer(api.office.bot.deps)
    without._key = None
    with pytest.raises(RecordDisagrees):
        without.find_or_issue(number)
    api.office.settle()
    for channel in ("C0GOV", "C0ADMIN"):
        (alarm,) = alarms(api, channel)
        assert (
            f"The request of fraud-model:7 (request {number}) of 26 Jan 2026 was changed outside mlgov: "
            "its state is approved in the database, and waiting on the ledger" in alarm
        )
        assert "mlgov signs no statement about it" in alarm


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE decision SET person_id = (SELECT id FROM person WHERE name = 'Tim') WHERE approval_id = :number AND position = 1",
        "UPDATE decision SET verdict = 'reject' WHERE approval_id = :number AND position = 0",
        "UPDATE approval SET decided_at = :at WHERE id = :number",
        "UPDATE approval SET facts = replace(CAST(facts AS TEXT), 'production', 'staging') WHERE id = :number",
        "UPDATE policy_version SET text = text || '# ' WHERE id = (SELECT policy_id FROM approval WHERE id = :number)",
    ],
    ids=["decider", "verdict", "day", "asked", "policy"],
)
def test_an_approval_that_was_changed_is_stated_by_nobody(api: Api, sql: str) -> None:
    if not api.office.db.is_sqlite:
        sql = sql.replace("'staging')", "'staging')::json")
    pipeline = api.token()
    number = api.ask(pipeline).json()["id"]
    # Its statement is made when it is first asked for; until then everything stands in tables.
    person_approves(api, number)
    values: dict[str, Any] = {"number": number}
    if ":at" in sql:
        values["at"] = AT
    meddle(api, sql, **values)
    answer = api.get(f"/approvals/{number}/statement", pipeline)
    assert answer.status_code == 409, answer.text
    assert statements(api) == 0


def test_a_stage_that_was_taken_out_before_the_last_click_approves_nothing(api: Api) -> None:
    """What is asked is read again before every verdict: the stage that the policy demands is asked all the same."""
    pipeline = api.token()
    number = api.ask(pipeline).json()["id"]
    meddle(
        api,
        "DELETE FROM approval_stage WHERE approval_id = :number AND position = 1",
        number=number,
    )
    person_approves(api, number, OLA)
    standing = api.get(f"/approvals/{number}", pipeline).json()
    assert standing["state"] == "pending"
    assert [stage["state"] for stage in standing["stages"]] == ["passed", "asked"]
    assert statements(api) == 0


def person_approves(api: Api, number: int, *who: str) -> None:
    """Both approve in the database alone, as clicks do: nobody fetches a statement on the way."""
    from storage.enums import Verdict
    from workflows.approvals.forms import Decide
    from workflows.people import service as people

    deps = api.office.bot.deps
    for slack_id in who or (OLA, FAY):

        def approve(session: Session, slack_id: str = slack_id) -> None:
            met = people.actor_by_slack_id(session, deps.team.org_key, slack_id)
            assert met is not None
            revision = session.execute(
                text("SELECT revision FROM approval WHERE id = :number"), {"number": number}
            ).scalar_one()
            actions.perform_act(
                make_context(
                    session,
                    actor=met[0],
                    policy=deps.policy,
                    now=deps.now(session),
                    org=deps.team.org_key,
                ),
                Decide(approval_id=number, revision=revision, verdict=Verdict.APPROVE),
            )

        deps.db.run(approve)


def test_the_night_finds_it_says_it_once_and_says_nothing_of_what_is_mended(api: Api) -> None:
    office = api.office
    with office.db.read() as session:
        assert ledger.find_last_about(session, "record.checked", "record", "2026-01-26") is (None)
    number = api.ask(api.token()).json()["id"]
    person_approves(api, number)
    flip = "UPDATE decision SET verdict = '{}' WHERE approval_id = :number AND position = 1"
    meddle(api, flip.format("reject"), number=number)
    office.move(timedelta(days=1))
    night(api, "2026-01-27", faults=1)
    (alarm,) = alarms(api, "C0GOV")
    assert (
        f"The verdict of Fay of 26 Jan 2026 on the request of fraud-model:7 (request {number}) was changed outside mlgov: "
        "its verdict is reject in the database, and approve on the ledger" in alarm
    )
    assert "Find out who can write to the database" in alarm
    office.move(timedelta(days=1))
    night(api, "2026-01-28", faults=1)
    assert len(alarms(api, "C0GOV")) == 1
    meddle(api, flip.format("approve"), number=number)
    office.move(timedelta(days=1))
    night(api, "2026-01-29", faults=0)
    meddle(api, flip.format("reject"), number=number)
    office.move(timedelta(days=1))
    night(api, "2026-01-30", faults=1)
    assert len(alarms(api, "C0GOV")) == 2


def night(api: Api, date: str, *, faults: int) -> None:
    """The check of that night was done, found as many, and its head went to the anchor."""
    api.office.settle()
    with api.office.db.read() as session:
        body = session.execute(
            text(
                "SELECT body FROM audit_entry WHERE action = 'record.checked' AND subject_id = :date"
            ),
            {"date": date},
        ).scalar_one()
    facts = json.loads(body)["facts"]
    assert (facts["faults"], facts["subjects"] > 3) == (faults, True)
    lines = [json.loads(line) for line in api.office.anchor.read_text().splitlines()]
    assert any(line.get("seq", 0) > facts["seq"] for line in lines)


def test_the_first_afternoon_has_a_witness(api: Api) -> None:
    """The anchor has a head before anybody decided anything, and before the first morning."""
    api.office.settle()
    first = json.loads(api.office.anchor.read_text().splitlines()[0])
    with api.office.db.read() as session:
        hash_ = session.execute(
            text("SELECT hash FROM audit_entry WHERE seq = :seq"), first
        ).scalar_one()
    assert hash_ == first["hash"]


def test_a_key_that_somebody_put_in_counts_nowhere(api: Api, tmp_path: Path) -> None:
    mine = envelopes.load_private_key(envelopes.make_private_pem())
    name = envelopes.key_id(mine.public_key())
    before = {one["keyid"] for one in api.get("/keys").json()["keys"]}
    meddle(
        api,
        "INSERT INTO signing_key (key_id, public_pem, published_at) VALUES (:name, :pem, :at)",
        name=name,
        pem=envelopes.public_pem(mine.public_key()),
        at=AT,
    )
    assert {one["keyid"] for one in api.get("/keys").json()["keys"]} == before
    assert len(before) == 1
    keys = tmp_path / "keys.json"
    keys.write_text(api.get("/keys").text)
    forged = tmp_path / "forged.json"
    now = api.office.now()
    told = {
        "id": "st_" + "0" * 32,
        "approval": 1,
        "gate": "production_release",
        "environment": "production",
        "deciders": [],
        "decidedAt": now.isoformat(),
        "expiresAt": (now + timedelta(hours=1)).isoformat(),
    }
    statement = {
        "_type": envelopes.STATEMENT_TYPE,
        "subject": [{"name": "x", "digest": {"sha256": "ab" * 32}}],
        "predicateType": envelopes.PREDICATE_TYPE,
        "predicate": told,
    }
    forged.write_text(envelopes.sign_statement(statement, mine))
    done = CliRunner().invoke(cli, ["verify", str(forged), "--key", str(keys)])
    assert (done.exit_code, "none of those given" in done.output) == (1, True)


def test_a_retired_key_that_somebody_brings_back_stays_retired(api: Api) -> None:
    (own,) = [one["keyid"] for one in api.get("/keys").json()["keys"]]
    from workflows.context import OPERATOR
    from workflows.statements import service

    with api.office.db.begin() as session:
        service.retire_other_keys(
            make_context(session, actor=OPERATOR, now=api.office.now()), "none"
        )
    meddle(api, "UPDATE signing_key SET retired_at = NULL WHERE key_id = :own", own=own)
    (told,) = api.get("/keys").json()["keys"]
    assert told["retired_at"]


def test_a_statement_that_was_withdrawn_stays_withdrawn(api: Api) -> None:
    from workflows.context import OPERATOR
    from workflows.statements import service

    pipeline = api.token()
    number = api.ask(pipeline).json()["id"]
    approve(api, number)
    name = said(api.get(f"/approvals/{number}/statement", pipeline).content)["id"]
    assert api.get(f"/statements/{name}").json()["state"] == "valid"
    with api.office.db.begin() as session:
        service.withdraw_statement(
            make_context(session, actor=OPERATOR, now=api.office.now()), name
        )
    meddle(api, "UPDATE statement SET withdrawn_at = NULL WHERE id = :name", name=name)
    assert api.get(f"/statements/{name}").json()["state"] == "withdrawn"


def test_a_key_that_the_policy_does_not_pin_is_not_served_and_signs_nothing(api: Api) -> None:
    deps = api.office.bot.deps
    (own,) = [one["keyid"] for one in api.get("/keys").json()["keys"]]
    statements = deps.policy.statements.model_copy(update={"keys": ("ab" * 16,)})
    pinned = deps.policy.model_copy(update={"statements": statements})
    text_of = deps.holder._now[0]
    deps.holder.swap(PolicyText(pinned, text_of.text, text_of.sha256), deps.holder.version_id)
    assert api.get("/keys").json()["keys"] == []
    with pytest.raises(SettingsRefused, match=f"{own} isn't pinned in the policy"):
        Issuer(deps)
