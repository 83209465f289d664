"""Property: whatever one field of the form says instead, an asking joins nothing and no key is used for it again."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from storage.approvals.tables import Approval
from storage.db import Database
from storage.people.tables import Person
from storage.policies.tables import PolicyVersion
from storage.projects.tables import Project
from tests.contexts import make_context
from workflows import gate_requests, policy
from workflows.context import OPERATOR, Actor, ActorKind
from workflows.people import service as people
from workflows.record.scanning import Look
from workflows.releases import reads
from workflows.releases.forms import AskRelease
from workflows.releases.service import Asking, KeyReused

ORG, NOW = "T0ACME", datetime(2026, 1, 26, 8, 50, tzinfo=UTC)
POLICY = policy.parse(
    """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
channels: {audit: "#ml-audit"}
gates:
  budget_increase:
    stages: [{name: Owner, approvers: [subject.owner, U0EVE]}]
  careful:
    separate: [requester, developer]
    stages: [{name: Owner, approvers: [subject.owner, U0EVE]}]
  careless:
    stages: [{name: Owner, approvers: [subject.owner, U0EVE]}]
"""
).policy
BASE: dict[str, Any] = {
    "gate": "careful",
    "subject": "lane-model:7",
    "digest": "sha256:" + "ab" * 32,
    "project": "lane",
    "commit": "9c1e2f4a77",
    "environment": "staging",
    "tier": 3,
    "data_class": "internal",
    "region": "eu",
    "developer": "U0TIM",
    "validator": "U0FRED",
    "contributors": ["U0TIM"],
    "url": "https://ci.test/1",
    "reason": "Recall is up.",
}
PEOPLE = ("ola", "tim", "fay", "fred", "eve")
_who = st.sampled_from([*(f"U0{name.upper()}" for name in PEOPLE), "fay@acme.test"])
_words = st.text("abcXYZ0189.-_", min_size=1, max_size=9).map(lambda text: f"x{text}")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "gate": st.sampled_from(["careful", "careless"]),
    "project": st.sampled_from(["lane", "else"]),
    "subject": st.one_of(_words, _words.map(lambda text: f"{text}:7"), st.just("lane-model:8"), st.just("Lane-model:7")),
    "digest": st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda text: f"sha256:{text}"),
    "commit": st.none() | st.text("0123456789abcdef", min_size=7, max_size=40),
    "environment": st.none() | _words | st.just("Staging"),
    "tier": st.none() | st.integers(1, 9),
    "data_class": st.none() | _words,
    "region": st.none() | _words,
    "developer": _who,
    "validator": st.none() | _who,
    "contributors": st.none() | st.lists(_who, max_size=4),
    "url": st.none() | _words.map(lambda text: f"https://ci.test/{text}"),
    "reason": st.text(max_size=9).filter(lambda text: text.isprintable()),
}  # fmt: skip


@pytest.fixture
def organised(database: Database) -> Database:
    """People, two projects of Ola's and two programs that ask."""
    with database.begin() as session:
        session.add(PolicyVersion(sha256="0" * 64, text="version: 1", applied_at=NOW))
        for name in PEOPLE:
            session.add(
                Person(
                    id=f"p-{name}",
                    org_key=ORG,
                    slack_id=f"U0{name.upper()}",
                    email=f"{name}@acme.test",
                    name=name.title(),
                    tz="Europe/London",
                    refreshed_at=NOW,
                )
            )
        for name in ("one", "two"):
            session.add(Person(id=f"p-{name}", org_key=ORG, name=name, is_bot=True))
        session.flush()
        for key in ("lane", "else"):
            session.add(
                Project(key=key, name=key.title(), owner_id="p-ola", status="live", created_at=NOW)
            )
    return database


def ask(session: Session, form: AskRelease, program: str, key: str) -> gate_requests.AskOutcome:
    return gate_requests.ask_at_gate(
        make_context(
            session,
            actor=Actor(f"p-{program}", ActorKind.PROGRAM, program, is_bot=True),
            policy=POLICY,
            policy_id=1,
            now=NOW,
            org=ORG,
        ),
        Asking(form=form, project=form.project or "", token="mlgov_m_ab12"),
        key,
        token_name=program,
    )


class _Ended(Exception):
    """Rolls a transaction back."""


def test_every_field_of_the_form_has_values() -> None:
    assert VALUES.keys() == BASE.keys() == AskRelease.model_fields.keys()


def told(session: Session, form: AskRelease, field: str) -> Any:
    """What a form says in a field, whatever words it uses for people."""
    people = reads.resolve_people(session, form)
    value = getattr(form, field)
    if isinstance(value, tuple):
        return sorted({people[word] for word in value})
    return people.get(value, value)


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.fixed_dictionaries(VALUES))
def test_changing_any_one_field_never_joins(organised: Database, values: dict[str, Any]) -> None:
    before = AskRelease.model_validate(BASE)

    def tried() -> None:
        with organised.begin() as session:
            opened = ask(session, before, "one", "first")
            assert opened.is_new
            for field, value in values.items():
                after = AskRelease.model_validate(BASE | {field: value})
                is_same = told(session, before, field) == told(session, after, field)
                beside = ask(session, after, "two", f"second {field}")
                assert (beside.id == opened.id, beside.is_new) == (is_same, not is_same), field
                if is_same:
                    assert ask(session, after, "one", "first").id == opened.id
                    continue
                with pytest.raises(KeyReused) as refused:
                    ask(session, after, "one", "first")
                assert [one.field for one in refused.value.differences] == [field]
            assert ask(session, before, "two", "third").id == opened.id
            raise _Ended

    with pytest.raises(_Ended):
        tried()


def test_a_name_that_is_erased_from_a_question_is_no_change_from_outside(
    organised: Database,
) -> None:
    form = AskRelease.model_validate(BASE | {"url": "https://ci.test/by/U0TIM"})
    with organised.begin() as session:
        approval_id = ask(session, form, "one", "k").id
    with organised.read() as session:
        before = session.get_one(Approval, approval_id).facts
    assert "U0TIM" in str(before)
    with organised.begin() as session:
        people.erase(make_context(session, actor=OPERATOR, now=NOW), "p-tim")
    with organised.read() as session:
        assert "U0TIM" not in str(session.get_one(Approval, approval_id).facts)
        faults = Look().all(session, NOW).faults
    assert [fault for fault in faults if fault.kind == "approval"] == []
