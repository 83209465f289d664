"""Slack has deactivated, lost or moved somebody without a word, and the mirror is half an hour old: no act rests on it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from sandbox.outgoing import events
from sandbox.submission import Parcel
from storage.approvals.tables import Decision
from storage.audit.tables import AuditEntry
from storage.enums import ApprovalState, EuClass, Exposure, ModelKind, PurposeClass
from storage.inventory.tables import Model
from storage.maturity.tables import MaturityCycle
from storage.milestones.tables import Milestone
from storage.people.tables import Person
from tests import cli
from tests.api.conftest import Api
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.sight.world import actor
from tests.stories.office import ADA, FAY, FRED, OLA, TIM, Office, eventually, opened
from tests.stories.test_door import NED, XEN, away, deactivated, read_before, unheard
from tests.stories.test_door import world as with_helpers
from tests.stories.test_models import MODELS
from tests.stories.test_models import Person as Seated
from tests.stories.test_road import ask, decide, over_budget, state, texts, verified
from workflows import clock
from workflows.inventory import service
from workflows.inventory.forms import RegisterModel
from workflows.people import mirror

pytestmark = pytest.mark.slow

RULES = MODELS.replace("roles:\n", 'roles:\n  leader: ["@leaders"]\n')
BACKENDS = pytest.mark.parametrize("office", ["sqlite", "postgres"], indirect=True)
ONE = pytest.mark.parametrize("office", ["sqlite"], indirect=True)
UNCONFIRMED = (
    "Slack could not confirm your account just now. Nothing was changed; try again in a minute."
)


def world() -> dict[str, Any]:
    """Fred is model risk and finance, as Fay is; Tim leads; Ned stands in."""
    made = with_helpers()
    made["usergroups"] += [
        {"id": "S0RISK", "handle": "model-risk", "name": "Model risk", "users": [FRED]},
        {"id": "S0LEAD", "handle": "leaders", "name": "Leaders", "users": [TIM]},
    ]
    return made


@pytest.fixture
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    url = fresh_url(request.param, request, tmp_path)
    with opened(url, tmp_path, policy=RULES, world=world()) as made:
        yield made


def removed(office: Office, user_id: str) -> None:
    """Slack knows nobody by that id any more."""
    office.sandbox.world.remove_user(user_id)


def has_left(office: Office, user_id: str) -> bool:
    with office.db.read() as session:
        return session.execute(
            select(Person.is_deactivated).where(Person.slack_id == user_id)
        ).scalar_one()


def count(office: Office, table: Any) -> int:
    with office.db.read() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def ledger(office: Office) -> list[str]:
    with office.db.read() as session:
        statement = select(AuditEntry.action).order_by(AuditEntry.seq)
        return [*session.execute(statement).scalars()]


def click(office: Office, user_id: str, action: str, value: str) -> None:
    """What a client sends, whether or not its seat or its button still exists."""
    office.bot.edge.click(
        {
            "type": "block_actions",
            "user": {"id": user_id, "team_id": "T0ACME"},
            "team": {"id": "T0ACME"},
            "container": {"channel_id": "C0TRIAGE", "message_ts": "1.2"},
            "trigger_id": "1.2.x",
            "actions": [{"action_id": action, "value": value}],
        }
    )


def model(office: Office) -> None:
    """Ola's model, of tier 2."""
    with office.db.begin(patient=True) as session:
        service.register_model(
            make_context(
                session,
                actor=actor(office, OLA),
                policy=office.bot.deps.policy,
                org="T0ACME",
                now=office.now(),
            ),
            RegisterModel(
                key="fraud-score",
                name="Fraud score",
                kind=ModelKind.INTERNAL,
                owner_id=actor(office, OLA).id,
                purpose="Scores claims.",
                exposure=Exposure.MEDIUM,
                purpose_class=PurposeClass.DECISION_SUPPORT,
                eu_class=EuClass.MINIMAL,
                request_key="fraud",
            ),
        )
    office.settle()


def tier(office: Office) -> int | None:
    with office.db.read() as session:
        return session.execute(select(Model.tier)).scalar_one()


# --- whose place it is


@BACKENDS
@pytest.mark.parametrize("gone", [deactivated, removed])
def test_a_stand_in_decides_for_nobody_who_has_left(
    office: Office, gone: Callable[[Office, str], None]
) -> None:
    over_budget(office)
    assert ask(office).ok
    away(office, FRED, NED)
    assert decide(office, OLA).ok
    ned = office.sandbox.seat(NED)
    card = office.card(ned, ned.dm().id, "approvals.approve")
    read_before(office)
    gone(office, FRED)
    ned.click(channel_id=ned.dm().id, ts=card.ts, action_id="approvals.approve")
    office.private(ned, "You are not among those who decide this")
    assert has_left(office, FRED)
    assert (state(office), count(office, Decision)) == (ApprovalState.PENDING, 1)
    assert decide(office, FAY).ok
    assert state(office) is ApprovalState.APPROVED
    assert verified(office)


@BACKENDS
def test_whom_slack_does_not_know_is_told_so_and_has_left(office: Office) -> None:
    over_budget(office)
    assert ask(office).ok
    ola = office.sandbox.seat(OLA)
    card = office.card(ola, ola.dm().id, "approvals.approve")
    (button,) = (
        one
        for block in card.blocks or ()
        for one in block.get("elements", ())
        if one.get("action_id") == "approvals.approve"
    )
    read_before(office)
    removed(office, OLA)
    click(office, OLA, "approvals.approve", button["value"])
    assert has_left(office, OLA)
    assert (state(office), count(office, Decision)) == (ApprovalState.PENDING, 0)
    assert ledger(office)[-2:] == ["person.left", "membership.refused"]
    said = office.bot.edge.command(
        {
            "command": "/mlgov",
            "text": "status",
            "user_id": "U0NOBODY",
            "team_id": "T0ACME",
            "channel_id": "C0TRIAGE",
        }
    )
    assert said.text == (
        "Slack doesn't know your account in this organisation, so mlgov can't act for you. Nothing was changed."
    )


# --- by which group


@BACKENDS
def test_who_is_no_model_risk_any_more_overrides_no_tier_and_accepts_no_registry(
    office: Office,
) -> None:
    model(office)
    fred = Seated(office, FRED)
    fred.ask("model fraud-score")
    fred.pick("assess")
    read_before(office)
    unheard(office, S0RISK=[ADA])
    wanted = {"exposure": "medium", "purpose_class": "decision_support"}
    wanted |= {"eu_class": "minimal", "override": "3", "reason": "It only advises."}
    refused = fred.fill(**wanted)
    assert not refused.ok
    assert "You see no such model here" in str(refused.errors)
    assert tier(office) == 2

    unheard(office, S0RISK=[FRED])
    assert fred.fill(**wanted).ok is False, "he is in it again, which nobody told mlgov"
    with office.db.begin() as session:
        mirror.refresh_members(
            make_context(session, org="T0ACME", now=office.now()),
            "S0RISK",
            [FRED],
            read_at=clock.real_now(session),
        )
    assert fred.fill(**wanted).ok
    assert tier(office) == 3

    click(office, FRED, "registry.accept", "")
    assert "registry.accept.refused" not in ledger(office), "it was not read yet"
    read_before(office)
    unheard(office, S0RISK=[ADA])
    click(office, FRED, "registry.accept", "")
    assert ledger(office)[-1] == "registry.accept.refused"


@BACKENDS
def test_who_leads_no_more_starts_no_check_in(office: Office) -> None:
    office.project("triage", "Ticket triage", channel=None)
    tim = office.sandbox.seat(TIM)
    tim.slash("/mlgov", "maturity start", "C0TRIAGE")
    assert "That is for leaders" not in tim.ephemerals()[-1].text
    fay = office.sandbox.seat(FAY)
    fay.slash("/mlgov", "status triage", "C0TRIAGE")
    assert "You can see no project" in fay.ephemerals()[-1].text
    read_before(office)
    unheard(office, S0LEAD=[FAY])
    click(office, TIM, "maturity.start", "-")
    assert count(office, MaturityCycle) == 0
    tim.slash("/mlgov", "maturity start", "C0TRIAGE")
    assert "That is for leaders" in tim.ephemerals()[-1].text
    fay.slash("/mlgov", "status triage", "C0TRIAGE")
    assert "You can see no project" not in fay.ephemerals()[-1].text, "read for Tim's act"


# --- whom somebody names


@BACKENDS
@pytest.mark.parametrize("gone", [deactivated, removed])
def test_nobody_who_has_left_is_named(office: Office, gone: Callable[[Office, str], None]) -> None:
    office.project("ticket-triage", "Ticket triage")
    tim = Seated(office, TIM)
    tim.ask("models")
    tim.press("models.register")
    read_before(office)
    # The menu still offers Fred, as a client does that was opened before.
    view = tim.seat.modals()[-1]
    sent = events.view_submission(
        office.sandbox.installation, tim.seat.user, tim.seat.team_id, view
    )
    values: dict[str, Any] = sent["view"]["state"]["values"]
    values["name"] = {"name": {"type": "plain_text_input", "value": "Fraud score"}}
    values["purpose"] = {"purpose": {"type": "plain_text_input", "value": "Scores."}}
    values["owner"] = {"owner": {"type": "users_select", "selected_user": FRED}}
    values["kind"] = {"kind": {"type": "static_select", "selected_option": {"value": "internal"}}}
    gone(office, FRED)
    answer = office.sandbox.delivery.send(Parcel("interactive", "view_submission", sent))
    assert "Choose full members of the organisation" in str(asdict(answer))
    assert has_left(office, FRED)
    assert count(office, Model) == 0


@ONE
def test_a_program_names_nobody_who_has_left(office: Office) -> None:
    office.project("ticket-triage", "Ticket triage")
    assert office.base_url is not None
    with httpx.Client(base_url=office.base_url, trust_env=False, timeout=70) as client:
        api = Api(office, client)
        token = api.token()
        read_before(office)
        deactivated(office, FRED)
        new = {"name": "Fraud score", "owner": FRED, "purpose": "Scores."}
        answer = api.post("/models", token, new)
        assert answer.status_code == 422, answer.text
        assert "full members" in answer.text
        assert count(office, Model) == 0


# --- many at once


def sync(office: Office, *words: str) -> str:
    settings = office.bot.deps.settings
    assert settings.slack_bot_token is not None
    code, said = cli.run(
        "sync",
        *words,
        SLACK_BOT_TOKEN=settings.slack_bot_token.get_secret_value(),
        SLACK_API_URL=settings.slack_api_url,
        MLGOV_DATABASE_URL=settings.mlgov_database_url.get_secret_value(),
        MLGOV_POLICY=str(settings.mlgov_policy),
    )
    assert code == 0, said
    return said


@ONE
def test_many_who_are_listed_no_more_have_left_when_somebody_says_so(office: Office) -> None:
    gone = (OLA, TIM, FAY, NED, XEN)
    for user_id in gone:
        removed(office, user_id)
    said = sync(office)
    assert "Slack no longer lists 5 people" in said
    assert "`mlgov sync --accept`" in said
    assert not any(has_left(office, user_id) for user_id in gone)
    office.settle()
    ada = office.sandbox.seat(ADA)
    told = texts(office, ADA, "C0ADMIN")[-1]
    assert told.startswith("Slack no longer lists 5 people whom mlgov knows: Fay, Ned")
    assert "mlgov sync --accept" in str(ada.messages("C0ADMIN")[-1].blocks)
    said = sync(office, "--accept")
    assert "5 people whom Slack no longer lists have left." in said
    assert all(has_left(office, user_id) for user_id in gone)
    assert verified(office)


# --- when Slack can't be asked


@BACKENDS
def test_what_slack_cannot_confirm_is_not_done(office: Office) -> None:
    model(office)
    office.project("triage", "Ticket triage")
    assert office.base_url is not None
    ola = Seated(office, OLA)
    ola.ask("model fraud-score")
    ola.pick("describe")
    window = ola.seat.modals()[-1]
    with httpx.Client(base_url=office.base_url, trust_env=False, timeout=70) as client:
        token = Api(office, client).personal(OLA)
        read_before(office)
        office.sandbox.faults.rate_limit("users.info", retry_after=60)
        answer = Api(office, client).get("/models", token)
        assert (answer.status_code, answer.json()["detail"]) == (503, UNCONFIRMED)
    for words in ("status triage", "models", "maturity", "budget", "digest", ""):
        ola.seat.slash("/mlgov", words, "C0TRIAGE")
        assert ola.seat.ephemerals()[-1].text == UNCONFIRMED, words
    before = count(office, AuditEntry)
    refused = ola.fill(name="Fraud score two")
    assert UNCONFIRMED in str(refused.errors)
    assert ola.seat.modals()[-1].id == window.id
    assert count(office, AuditEntry) == before
    ola.seat.slash("/mlgov", "help", "C0TRIAGE")
    assert "/mlgov" in str(ola.seat.ephemerals()[-1].blocks), "it tells nobody anything"
    office.sandbox.faults.clear()
    assert ola.fill(name="Fraud score two").ok


# --- and when there is nothing to ask


@ONE
def test_slack_is_asked_when_its_word_is_old_and_then_once(office: Office) -> None:
    model(office)
    office.project("triage", "Ticket triage", channel=None)
    tim, inspector = office.sandbox.seat(TIM), office.sandbox.inspector

    def asked(words: str) -> tuple[int, int]:
        inspector.clear()
        tim.slash("/mlgov", words, "C0TRIAGE")
        return (
            len(inspector.calls("/api/users.info")),
            len(inspector.calls("/api/usergroups.users.list")),
        )

    for words in ("status all", "models", "maturity", "help", "away"):
        assert asked(words) == (0, 0), f"{words}: all is fresh"
    read_before(office, minutes=30)
    assert asked("help") == (0, 0), "who speaks for themselves alone"
    assert asked("status all") == (1, 1), "Tim, and the group by which he leads"
    for words in ("status all", "models", "maturity", "help"):
        assert asked(words) == (0, 0), f"{words}: it was asked just now"
    read_before(office, minutes=180)
    assert asked("help") == (1, 0)


@ONE
def test_who_is_named_is_asked_about_before_they_are_told(office: Office) -> None:
    """A milestone that changes hands: the one who gets it has left."""
    office.project("triage", "Ticket triage")
    tim = office.sandbox.seat(TIM)
    tim.slash("/mlgov", "milestones triage", "C0TRIAGE")
    found = tim.ephemerals()[-1]
    assert tim.click(ephemeral_id=found.id, action_id="milestones.add").ok
    view = tim.modals()[-1]
    sent = events.view_submission(office.sandbox.installation, tim.user, tim.team_id, view)
    values: dict[str, Any] = sent["view"]["state"]["values"]
    values["title"] = {"title": {"type": "plain_text_input", "value": "A report"}}
    values["due"] = {"due": {"type": "datepicker", "selected_date": "2026-03-02"}}
    values["owner"] = {"owner": {"type": "users_select", "selected_user": FRED}}
    read_before(office)
    deactivated(office, FRED)
    before = texts(office, FRED)
    answer = office.sandbox.delivery.send(Parcel("interactive", "view_submission", sent))
    assert "an owner who is a member" in str(asdict(answer))
    office.settle()
    assert count(office, Milestone) == 0
    eventually(lambda: texts(office, FRED) == before, "nothing was sent")
