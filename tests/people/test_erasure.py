"""Erasing and exporting a person: nothing that identifies them is left, and the ledger still verifies."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Column, select, text
from sqlalchemy.orm import Session
from sqlalchemy.sql import visitors

from storage import ledger
from storage.approvals.tables import Approval, ApprovalStage, Decision
from storage.base import Base
from storage.db import Database
from storage.delivery.tables import Lane, Message, Outbox
from storage.enums import OutboxState
from storage.people import exports, identities
from storage.people.tables import Person
from storage.policies.tables import PolicyVersion
from storage.projects.tables import Project
from tests.contexts import make_context
from workflows import outbox
from workflows.audit import service as audit
from workflows.context import OPERATOR, SYSTEM, Actor, ActorKind
from workflows.errors import InvalidInput, NotAllowed, NotFound
from workflows.outbox import Destination, Notice
from workflows.people import service as people
from workflows.people.forms import GroupSeen, PersonSeen

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
ORG, ANA, ANAB, BO = "T0ACME", "U0ANA", "U0ANAB", "U0BO"
WORDS = "my mother is ill, so I approve this now"


@dataclass(frozen=True, slots=True)
class Told(Notice):
    kind = "told"
    lane: str


@dataclass(frozen=True, slots=True)
class Scene:
    ana: str
    anab: str
    bo: str
    approval: int


def seed(session: Session, *, state: str = "approved") -> Scene:
    seen = [
        PersonSeen(ORG, ANA, ORG, "Ana Costa", "ana@acme.test", "Chief of Labels", "Europe/Lisbon"),
        PersonSeen(ORG, ANAB, ORG, "Anab", "anab@acme.test"),
        PersonSeen(ORG, BO, ORG, "Bo"),
    ]
    ids = people.upsert_from_slack(make_context(session, now=NOW), seen, read_at=NOW).ids
    ana, anab, bo = (ids[(ORG, one)] for one in (ANA, ANAB, BO))
    people.upsert_groups(
        make_context(session, org=ORG, now=NOW),
        [GroupSeen("S0FIN", "finance", "Finance", members=(ANA, ANAB))],
        read_at=NOW,
    )
    row = session.get_one(Person, ana)
    row.business_unit, row.persona, row.country = "Labelling", "leader", "PT"
    row.home_opened_at = NOW
    session.get_one(Person, anab).manager_id = ana
    policy = PolicyVersion(sha256="x", text="roles: {admin: [U0BO]}", applied_at=NOW)
    project = Project(
        key="triage", name="Ticket triage", owner_id=ana, status="live", created_at=NOW
    )
    session.add_all([policy, project])
    session.flush()
    actor = people.actor(session, ana)
    assert actor is not None
    reason = audit.write_text(session, actor, WORDS, now=NOW)
    approval = Approval(
        request_key="view:V1",
        gate="budget_increase",
        subject_type="budget",
        subject_id=1,
        project_id=project.id,
        facts={},
        requester_id=bo,
        policy_id=policy.id,
        state=state,
        created_at=NOW,
        expires_at=NOW + timedelta(days=7),
    )
    session.add(approval)
    session.flush()
    session.add_all(
        [
            ApprovalStage(
                approval_id=approval.id,
                position=0,
                name="Finance",
                quorum=1,
                ask="dm",
                approvers=[{"rule": ANA, "who": [ANA, ANAB, f"person:{ana}"]}],
            ),
            Decision(
                approval_id=approval.id,
                person_id=ana,
                position=0,
                verdict="approve",
                reason_id=reason.id,
                rule=ANA,
                decided_at=NOW,
            ),
        ]
    )
    audit.record(
        make_context(session, actor=actor, now=NOW),
        "approval.decided",
        ("approval", approval.id),
        reason=audit.text_fact(reason),
    )
    for slack_id in (ANA, ANAB):
        to = Destination.person(ORG, slack_id)
        outbox.post(session, Told(to.key), to=to, dedupe_key=f"dead:{to.key}", now=NOW)
        outbox.publish_home(session, ids[(ORG, slack_id)], to=to, now=NOW)
        session.add(
            Message(
                subject_type="outbox_lane",
                subject_id=to.key,
                kind="told",
                notice={"lane": to.key},
                notice_version=1,
                lane_key=to.key,
                channel=f"D{slack_id}",
                ts="1.1",
                shown_hash="h",
                shown_at=NOW,
            )
        )
    channel = Destination.channel(ORG, "C0GOV")
    outbox.post(session, Told("x"), to=channel, dedupe_key="card", now=NOW)
    session.add(
        Message(
            subject_type="approval",
            subject_id=str(approval.id),
            kind="told",
            notice={"lane": "x"},
            notice_version=1,
            lane_key=channel.key,
            channel="C0GOV",
            ts="2.2",
            shown_hash="h",
            shown_at=NOW,
        )
    )
    session.flush()
    return Scene(ana, anab, bo, approval.id)


def everything(session: Session) -> str:
    """The whole database as text."""
    return "\n".join(
        str(tuple(row))
        for table in Base.metadata.sorted_tables
        for row in session.execute(select(table)).all()
    )


def test_nothing_that_identifies_the_person_is_left(database: Database) -> None:
    with database.begin() as session:
        scene = seed(session)
    with database.read() as session:
        before = everything(session)
    traces = (
        "Ana Costa",
        "ana@acme.test",
        "Chief of Labels",
        "Lisbon",
        "Labelling",
        WORDS,
        "'DU0ANA'",
    )
    assert all(trace in before for trace in traces)
    with database.begin() as session:
        report = people.erase(make_context(session, actor=OPERATOR, now=NOW), scene.ana)
    assert (report.texts, report.memberships, report.messages) == (1, 1, 1)
    assert report.owned_projects == ("triage",)
    assert not report.named_in_policy
    with database.read() as session:
        after = everything(session)
        assert ledger.verify(session) is None
    for trace in traces:
        assert trace not in after
    assert ANA not in after.replace(ANAB, "")
    assert scene.ana in after


def test_others_keep_what_is_theirs(database: Database) -> None:
    with database.begin() as session:
        scene = seed(session)
        people.erase(make_context(session, actor=OPERATOR, now=NOW), scene.ana)
    with database.read() as session:
        anab = session.get_one(Person, scene.anab)
        assert (anab.slack_id, anab.email) == (ANAB, "anab@acme.test")
        assert anab.manager_id is None
        waiting = session.execute(
            select(Outbox.lane_key).where(Outbox.state == OutboxState.PENDING)
        ).scalars()
        assert sorted(set(waiting)) == [
            "anchor:",
            f"home:slack:{ORG}:{ANAB}",
            f"slack:{ORG}:C0GOV",
            f"slack:{ORG}:{ANAB}",
        ]
        lanes = set(session.execute(select(Lane.key)).scalars())
        assert f"slack:{ORG}:{ANA}" not in lanes
        copy = session.execute(
            select(Message).where(Message.ts == "1.1", Message.channel == f"D{ANAB}")
        ).scalar_one()
        assert copy.live


def test_cards_that_showed_the_person_are_shown_anew(database: Database) -> None:
    with database.begin() as session:
        scene = seed(session)
        people.erase(make_context(session, actor=OPERATOR, now=NOW), scene.ana)
    with database.read() as session:
        (update,) = session.execute(select(Outbox).where(Outbox.op == "update")).scalars()
        assert (update.subject_type, update.subject_id) == ("approval", str(scene.approval))


def test_nobody_escapes_the_rules_of_a_waiting_request(database: Database) -> None:
    with database.begin() as session:
        scene = seed(session, state="pending")
    for person_id in (scene.ana, scene.bo):
        with pytest.raises(InvalidInput, match="still wait: #"), database.begin() as session:
            people.erase(make_context(session, actor=OPERATOR, now=NOW), person_id)


def test_who_may_erase_and_whom(database: Database) -> None:
    somebody = Actor("p_x", ActorKind.PERSON, "x", slack_id="U0X")
    with database.begin() as session:
        scene = seed(session)
        for actor in (somebody, SYSTEM):
            with pytest.raises(NotAllowed):
                people.erase(make_context(session, actor=actor, now=NOW), scene.ana)
        with pytest.raises(NotFound):
            people.erase(make_context(session, actor=OPERATOR, now=NOW), "p_nobody")
        people.erase(make_context(session, actor=OPERATOR, now=NOW), scene.ana)
        with pytest.raises(InvalidInput, match="erased already"):
            people.erase(make_context(session, actor=OPERATOR, now=NOW), scene.ana)


def test_a_policy_that_names_the_person_is_told(database: Database) -> None:
    with database.begin() as session:
        scene = seed(session)
        assert people.erase(
            make_context(session, actor=OPERATOR, now=NOW), scene.bo
        ).named_in_policy
        policy = session.execute(select(PolicyVersion.text)).scalar_one()
        assert BO in policy


def test_the_ledger_tells_of_the_erasure_without_a_name(database: Database) -> None:
    with database.begin() as session:
        scene = seed(session)
    with database.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=NOW), scene.ana)
    with database.read() as session:
        body = session.execute(
            text("SELECT body FROM audit_entry ORDER BY seq DESC LIMIT 1")
        ).scalar_one()
    told = json.loads(body)
    assert told["action"] == "person.erased"
    assert told["subject"] == ["person", scene.ana]
    assert told["facts"] == {"texts": 1, "memberships": 1, "requests": [1]}


def test_an_export_holds_everything_and_is_json(database: Database) -> None:
    with database.begin() as session:
        scene = seed(session)
    with database.read() as session:
        found = json.loads(json.dumps(people.export(session, scene.ana)))
    assert found["person"]["email"] == "ana@acme.test"
    assert found["groups"][0]["handle"] == "finance"
    assert found["projects"][0]["key"] == "triage"
    assert found["texts"][0]["text"] == WORDS
    assert found["decisions"][0]["verdict"] == "approve"
    assert found["reports"] == [{"id": scene.anab}]
    assert [one["action"] for one in found["ledger"]] == ["approval.decided"]
    assert found["ledger"][0]["body"]["actor"] == scene.ana
    assert {one["kind"] for one in found["messages"]} == {"told", "home"}
    with database.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=NOW), scene.ana)
        after = people.export(session, scene.ana)
    assert after["texts"][0]["text"] is None
    assert after["messages"] == []
    with database.read() as session, pytest.raises(NotFound):
        people.export(session, "p_nobody")


def test_an_export_follows_every_reference_to_a_person() -> None:
    """A table that is new, or a column of one that names somebody, stands in the export or fails here."""
    followed = {
        str(column)
        for statement in exports.STATEMENTS.values()
        if statement.whereclause is not None
        for column in visitors.iterate(statement.whereclause)
        if isinstance(column, Column)
    }
    named = {str(column) for column in identities.list_references()}
    assert named > {"decision.place_id", "model_version.created_by"}
    assert named <= followed, named - followed


def test_people_are_looked_up_by_id_slack_id_or_address(database: Database) -> None:
    with database.begin() as session:
        scene = seed(session)
        people.upsert_from_slack(
            make_context(session, now=NOW),
            [PersonSeen("T0ELSE", BO, "T0ELSE", "Other Bo")],
            read_at=NOW,
        )
        for word in (scene.ana, ANA, "u0ana", "ANA@acme.test"):
            assert people.look_up(session, word).id == scene.ana
        with pytest.raises(NotFound, match="fits several"):
            people.look_up(session, BO)
        with pytest.raises(NotFound, match="Nobody here"):
            people.look_up(session, "U0NOBODY")
