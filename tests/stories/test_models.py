"""A model from its registration to its suspension, as people do it in Slack, on both databases and over both ways."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.seat import Seat
from storage.enums import ModelState
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import ADA, FAY, FRED, GUS, OLA, POLICY, TIM, Office, opened, organisation
from tests.stories.test_road import verified
from workflows.context import OPERATOR
from workflows.evidence.forms import NOT_REJECTED
from workflows.inventory import reads
from workflows.inventory.records import ModelRecord

MODELS = POLICY.replace(
    "gates:\n",
    """\
  model_risk: ["@model-risk"]
  operations: ["@mlgov-admins"]
gates:
  model_approval:
    stages: [{name: Model risk, approvers: [role:model_risk]}]
    expires_after: 7d
    valid_for: 365d
""",
)


def world() -> dict[str, Any]:
    """Fred is model risk, Ada runs things, Fay is close enough to validate."""
    made = organisation()
    made["usergroups"].append(
        {"id": "S0RISK", "handle": "model-risk", "name": "Model risk", "users": [FRED]}
    )
    return made


@pytest.fixture(params=["sqlite-http", "postgres-http", "sqlite-socket"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    kind, over = request.param.split("-")
    url = fresh_url(kind, request, tmp_path)
    with opened(url, tmp_path, policy=MODELS, world=world(), over=over) as running:
        running.project("ticket-triage", "Ticket triage")
        yield running


class Person:
    """One of them, with the windows that they open."""

    def __init__(self, office: Office, user: str) -> None:
        self.office = office
        self.seat: Seat = office.sandbox.seat(user)

    def ask(self, words: str) -> str:
        """`/mlgov words`, and what was answered."""
        self.seat.slash("/mlgov", words, "C0TRIAGE")
        return str(self.seat.ephemerals()[-1].blocks)

    def press(self, action: str, selected: str | None = None) -> None:
        """A button or the menu under the last private answer."""
        found = self.seat.ephemerals()[-1]
        assert self.seat.click(ephemeral_id=found.id, action_id=action, selected=selected).ok
        self.office.settle()

    def menu(self, verb: str) -> str:
        """The value of an option of the menu under the last private answer; AssertionError when it is not offered."""
        for block in self.seat.ephemerals()[-1].blocks or ():
            for element in block.get("elements", ()):
                for option in element.get("options", ()):
                    if option["value"].startswith(f"{verb}:"):
                        return str(option["value"])
        raise AssertionError(f"the menu offers no {verb}")

    def pick(self, verb: str) -> None:
        """Something of the menu."""
        self.press("models.more", self.menu(verb))

    def fill(self, **values: Any) -> Any:
        """Fill in the window that is open, and send it."""
        view = self.seat.modals()[-1]
        state = {
            name: {_ACTION.get(name, name): self.looked_up(view.id, name, value)}
            for name, value in values.items()
        }
        outcome = self.seat.submit(view.id, state)
        self.office.settle()
        return outcome

    def looked_up(self, view_id: str, name: str, value: Any) -> Any:
        """For a menu that is looked up: the option that typing the value's first letters brings."""
        if name not in _LOOKED_UP:
            return value
        found = self.seat.options(view_id, _ACTION[name], value[:3])
        return next(one for one in found if one["value"] == value)

    def window(self) -> str:
        """The window that is open, as text."""
        return str(self.seat.modals()[-1].as_json())

    def hand_in(self, type_: str, **values: Any) -> None:
        """Evidence of a type, from the menu."""
        self.ask("model fraud-score")
        self.pick("evidence")
        view = self.seat.modals()[-1]
        assert self.seat.click(view_id=view.id, action_id="models.evidence_type", selected=type_).ok
        assert self.fill(summary=f"About {type_}", **values).ok


_ACTION = {"type": "models.evidence_type", "project": "models.pick_project"}
_LOOKED_UP = {"project"}


def record(office: Office) -> ModelRecord:
    with office.db.read() as session:
        return reads.find_model(
            make_context(session, actor=OPERATOR, policy=office.bot.deps.policy), "fraud-score"
        )[0]


def told(office: Office, user: str) -> str:
    seat = office.sandbox.seat(user)
    return str([one.text for one in seat.messages(seat.dm().id)])


def test_from_registered_to_suspended(office: Office) -> None:
    ola, tim, fay, fred, ada = (Person(office, one) for one in (OLA, TIM, FAY, FRED, ADA))
    assert "No model is in the inventory yet" in ola.ask("models")
    ola.press("models.register")
    missing = ola.fill(name="Fraud score", purpose="Scores claims.", exposure="medium")
    assert (
        missing.errors["purpose_class"]
        == "Say exposure, purpose and EU class together, or none of them for now."
    )
    sent = ola.fill(purpose_class="decision_support", eu_class="minimal", project="ticket-triage")
    assert sent.ok
    assert "Fraud score is in the inventory, without a version yet · tier 2" in ola.window()
    card = office.last(ola.seat, "C0TRIAGE")
    assert card.text == "Fraud score is in the inventory, without a version yet · tier 2"

    ola.ask("model fraud-score")
    ola.pick("version")
    assert ola.fill(version="7", developers=TIM, digest="sha256:" + "a" * 64).ok
    assert record(office).lead.state is ModelState.DEVELOPMENT  # type: ignore[union-attr]

    answer = tim.ask("model Fraud score:7")
    assert (
        "Missing for validation:* model card, datasheet, data lineage and quality, performance report"
        in answer
    )
    assert "models.step" not in answer, "no next step while evidence is missing"
    for type_ in ("model_card", "datasheet", "data_lineage_and_quality"):
        tim.hand_in(type_)
    tim.ask("model fraud-score")
    tim.pick("evidence")
    view = tim.seat.modals()[-1]
    tim.seat.click(view_id=view.id, action_id="models.evidence_type", selected="performance_report")
    wrong = tim.fill(metrics="accuracy is fine", uri="on my laptop")
    assert wrong.errors["metrics"].startswith("A metric is written like accuracy = 0.91 >= 0.85")
    assert "uri" in wrong.errors, "everything that is wrong is said at once"
    lines = "accuracy is fine\nlatency_ms = 80 <= 120\nrecall = 0.9.1 >= 0.8"
    wrong = tim.fill(metrics=lines, uri="")
    assert "Line 1: A metric is written like" in wrong.errors["metrics"]
    assert "Line 3: A number in there is not written right." in wrong.errors["metrics"]
    assert "Line 2" not in wrong.errors["metrics"]
    assert tim.fill(metrics="accuracy = 0.91 >= 0.85\nlatency_ms = 80 <= 120").ok
    tim.ask("model fraud-score")
    tim.press("models.step")
    refused = tim.fill(validator=OLA)
    assert "owns this, so they may not validate" in refused.errors["validator"]
    assert tim.fill(validator=FAY).ok
    assert "Fraud score 7 waits for your validation · tier 2" in told(office, FAY)

    asked = office.card(fay.seat, fay.seat.dm().id, "models.open")
    assert "You were named to validate it" in str(asked.blocks)
    fay.ask("model fraud-score")
    fay.press("models.step_look")
    first = fay.fill(verdict="reject")
    assert "Tick what you looked at" in str(first.errors)
    assert first.errors["word"] == NOT_REJECTED
    boxes = {
        block["block_id"]: ["yes"]
        for block in fay.seat.modals()[-1].as_json()["blocks"]
        if block["block_id"].startswith("pick:")
    }
    state = {block: {"pick": chosen} for block, chosen in boxes.items()}
    state |= {"verdict": {"verdict": "accept"}}
    assert fay.seat.submit(fay.seat.modals()[-1].id, state).ok
    assert "4 items accepted." in fay.window()
    for type_ in ("fairness_report", "explainability_report", "security_assessment"):
        tim.hand_in(type_)
    fay.hand_in("validation_report", outcome="pass")
    fay.ask("model fraud-score")
    fay.press("models.step_look")
    boxes = {
        block["block_id"]: ["yes"]
        for block in fay.seat.modals()[-1].as_json()["blocks"]
        if block["block_id"].startswith("pick:")
    }
    fay.seat.submit(
        fay.seat.modals()[-1].id, {block: {"pick": chosen} for block, chosen in boxes.items()}
    )
    office.settle()
    fay.ask("model fraud-score")
    fay.press("models.step")
    assert "Decided by: Model risk" in fay.window()
    assert fay.fill(reason="It holds on the night shift, too.").ok
    assert "Asked: request #1 waits for Model risk, 1 person." in fay.window()

    request = office.card(fred.seat, fred.seat.dm().id, "approvals.approve")
    assert "approve Fraud score 7 for use (tier 2, 8 items of evidence)" in request.text
    fred.seat.click(channel_id=fred.seat.dm().id, ts=request.ts, action_id="approvals.approve")
    office.settle()
    assert record(office).lead.state is ModelState.APPROVED  # type: ignore[union-attr]

    for type_ in ("human_oversight_plan", "rollback_plan", "deployment_runbook", "cost_estimate"):
        ada.hand_in(type_)
    ada.hand_in("monitoring_plan", metrics="accuracy >= 0.85 every 7")
    ada.ask("model fraud-score")
    ada.press("models.step")
    assert ada.fill().ok
    ada.ask("model fraud-score")
    ada.press("models.step")
    assert "This needs two people" in ada.window()
    assert ada.fill(reason="It answers in eu-west.").ok
    assert "the other one is asked now" in ada.window()
    assert "Fraud score 7: take into use needs you, too" in told(office, OLA)
    ola.ask("model fraud-score")
    ola.press("models.step")
    assert ola.fill(reason="I saw it score a claim.").ok
    assert record(office).state is ModelState.IN_USE
    assert (
        "Fraud score 7 is in use · tier 2" in office.card(ola.seat, "C0TRIAGE", "models.open").text
    )

    ada.ask("model fraud-score")
    ada.pick("suspend")
    assert "by you alone" in ada.window()
    assert ada.fill(reason="It rejects everybody from Leeds.").ok
    assert record(office).state is ModelState.SUSPENDED
    told_in = office.last(ola.seat, "C0TRIAGE")
    assert told_in.text == "Fraud score 7: suspended"
    assert "It rejects everybody from Leeds." in str(told_in.blocks)
    assert "Fraud score 7: suspended" in told(office, OLA)
    assert "1 suspended" in ola.ask("models")
    assert verified(office)


def test_who_may_not_reads_why_and_guests_are_refused(office: Office) -> None:
    ola, tim = Person(office, OLA), Person(office, TIM)
    ola.ask("models")
    ola.press("models.register")
    assert ola.fill(name="Fraud score", purpose="Scores claims.", project="ticket-triage").ok
    again = Person(office, TIM)
    again.ask("models")
    again.press("models.register")
    same = again.fill(name="Fraud Score!", purpose="Another one.")
    assert "There is a model `fraud-score` already" in same.errors["name"]
    answer = tim.ask("model fraud-scor")
    assert (
        "Did you mean `fraud-score`" in answer
        or "Did you mean `fraud-score`" in tim.seat.ephemerals()[-1].text
    )
    gus = office.sandbox.seat(GUS)
    gus.slash("/mlgov", "models", "C0SHARED")
    assert "You are a guest" in gus.ephemerals()[-1].text
    said = tim.seat.say("C0TRIAGE", "Our churn model ranks customers by risk.")
    assert tim.seat.shortcut("models.from_message", "C0TRIAGE", said.ts).ok
    assert "Our churn model ranks customers by risk." in tim.window()
    assert (
        "'initial_option': {'text': {'type': 'plain_text', 'text': 'Ticket triage'" in tim.window()
    )
