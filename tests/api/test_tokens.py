"""Making, recognising and ending tokens, on both databases and by a clock that the test holds."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from storage.db import Database
from storage.enums import Scope
from storage.people.tables import Person
from storage.projects.tables import Project
from storage.tokens.tables import ApiToken
from tests.api.conftest import GATES
from tests.contexts import make_context
from workflows import policy
from workflows.context import OPERATOR, Actor, ActorKind
from workflows.errors import GovernanceError, InvalidInput, NotAllowed, NotFound
from workflows.people import service as people
from workflows.tokens import service
from workflows.tokens.service import MACHINE_SCOPES, NewToken, Token, TokenRefused

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
ORG = "T0ACME"
POLICY = policy.parse(GATES).policy
ANA = Actor("p_ana", ActorKind.PERSON, "Ana", "U0ANA")


@pytest.fixture
def db(database: Database) -> Database:
    with database.begin() as session:
        session.add(Person(id="p_ana", org_key=ORG, slack_id="U0ANA", name="Ana"))
        session.add(Project(key="triage", name="Ticket triage", status="live", created_at=NOW))
    return database


def create(db: Database, **changes: object) -> tuple[str, Token]:
    given: dict[str, object] = {"name": "ci", "scopes": MACHINE_SCOPES, "lasts": timedelta(days=30)}
    form = NewToken.model_validate(given | changes)
    with db.begin() as session:
        return service.create(
            make_context(session, actor=OPERATOR, policy=POLICY, org=ORG, now=NOW), form
        )


def personal(db: Database, lasts: timedelta = timedelta(days=7)) -> str:
    with db.begin() as session:
        return service.create_personal(make_context(session, actor=ANA, now=NOW), lasts=lasts)[0]


def why(db: Database, text: str | None, at: datetime = NOW, org: str = ORG) -> str | None:
    """Why a token is refused; None when it is not."""
    try:
        with db.read() as session:
            service.recognise(make_context(session, org=org, now=at), text)
    except TokenRefused as refused:
        return "told" if text and len(text) > 20 and text in refused.sentence else refused.code
    return None


def test_a_token_is_known_by_its_digest_alone(db: Database) -> None:
    secret, token = create(db)
    with db.read() as session:
        kept = str(session.execute(select(ApiToken.__table__)).all())
        found, actor = service.recognise(make_context(session, org=ORG, now=NOW), secret)
    assert secret[17:] not in kept
    assert (found.prefix, found.scopes) == (token.prefix, MACHINE_SCOPES)
    assert (actor.kind, actor.is_member, actor.is_bot) == (ActorKind.PROGRAM, False, True)
    assert actor.name == f"ci (token {token.prefix})"


def test_what_opens_nothing(db: Database) -> None:
    secret, token = create(db)
    other, _ = create(db, name="other")
    mixed = secret[:17] + other[17:]
    for text, code in [
        (None, "missing"),
        ("", "missing"),
        ("x", "unknown"),
        (secret[:-1], "unknown"),
        (secret + "a", "unknown"),
        (secret.upper(), "unknown"),
        (f" {secret}", "unknown"),
        (mixed, "unknown"),
        (secret, None),
    ]:
        assert why(db, text) == code, text
    assert why(db, secret, at=NOW + timedelta(days=30)) == "expired"
    assert why(db, secret, at=NOW + timedelta(days=30, microseconds=-1)) is None
    assert why(db, secret, org="T0ELSE") == "left"
    with db.begin() as session:
        service.revoke(make_context(session, actor=OPERATOR, now=NOW), token.prefix)
        service.revoke(
            make_context(session, actor=OPERATOR, now=NOW + timedelta(days=1)), token.prefix
        )
    assert why(db, secret) == "revoked"


@pytest.mark.parametrize("flag", ["is_deactivated", "is_guest", "is_stranger", "is_bot"])
def test_a_persons_token_lives_as_long_as_they_are_a_member(db: Database, flag: str) -> None:
    secret = personal(db)
    assert why(db, secret) is None
    with db.begin() as session:
        setattr(session.get_one(Person, "p_ana"), flag, True)
    assert why(db, secret) == "left"


def test_erasing_a_person_ends_and_forgets_their_tokens(db: Database) -> None:
    secret = personal(db)
    with db.begin() as session:
        told = people.export(session, "p_ana")["tokens"]
        assert [one["prefix"] for one in told] == [secret[:16]]
        assert "sha256" not in told[0]
        people.erase(make_context(session, actor=OPERATOR, now=NOW), "p_ana")
    assert why(db, secret) == "unknown"
    with db.read() as session:
        assert session.execute(select(ApiToken)).all() == []


def test_scopes_and_bounds(db: Database) -> None:
    _, token = create(db, scopes=[Scope.ASK], projects=["triage"], gates=["production_release"])
    service.require(token, Scope.ASK, project="triage", gate="production_release")
    for scope, project, gate, code in [
        (Scope.READ, None, None, "scope"),
        (Scope.DECIDE, None, None, "scope"),
        (Scope.ASK, "vision", None, "bound"),
        (Scope.ASK, "triage", "budget_increase", "bound"),
    ]:
        with pytest.raises(TokenRefused) as refused:
            service.require(token, scope, project=project, gate=gate)
        assert refused.value.code == code


def test_who_makes_and_ends_which(db: Database) -> None:
    form = NewToken(name="ci", scopes=(Scope.READ,), lasts=timedelta(days=1))
    with pytest.raises(NotAllowed), db.begin() as session:
        service.create(make_context(session, actor=ANA, policy=POLICY, org=ORG, now=NOW), form)
    for changes in ({"projects": ["none"]}, {"gates": ["none"]}):
        with pytest.raises(GovernanceError):
            create(db, **changes)
    for changes in (
        {"scopes": ["approvals:decide"]},
        {"scopes": []},
        {"lasts": timedelta(days=400)},
        {"name": "<!here>"},
    ):
        with pytest.raises(ValidationError):
            create(db, **changes)
    _, machine = create(db)
    with pytest.raises(NotFound), db.begin() as session:
        service.revoke(make_context(session, actor=ANA, now=NOW), machine.prefix)
    guest = Actor("p_ana", ActorKind.PERSON, "Ana", "U0ANA", is_guest=True)
    with pytest.raises(NotAllowed), db.begin() as session:
        service.create_personal(
            make_context(session, actor=guest, now=NOW), lasts=timedelta(days=1)
        )
    for _ in range(service.PERSONAL_MOST):
        own = personal(db)
    with pytest.raises(InvalidInput, match="in use"):
        personal(db)
    with db.begin() as session:
        service.revoke(make_context(session, actor=ANA, now=NOW), own[:16])
    personal(db)
