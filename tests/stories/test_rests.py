"""A model that gets graver while its approval waits, as people see it in Slack, on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy.orm import Session

from sandbox.messages import Message
from storage.enums import EuClass, Exposure, ModelState, PurposeClass, Severity
from storage.people import queries as people
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import ADA, FAY, FRED, OLA, TIM, Office, opened
from tests.stories.test_models import MODELS, record, world
from tests.stories.test_road import verified
from workflows.approvals import submission
from workflows.approvals.forms import SubmitRequest
from workflows.context import Actor, ActorKind
from workflows.evidence.forms import Measure, SubmitEvidence, Watched
from workflows.evidence.rules import SELF_MADE
from workflows.inventory import evidence, findings, model_approval, reads, service, transitions
from workflows.inventory.forms import (
    AddVersion,
    AskApproval,
    AssessTier,
    FileFinding,
    RegisterModel,
    SettleFinding,
    TakeStep,
)

STAGES = MODELS.replace(
    "[{name: Model risk, approvers: [role:model_risk]}]",
    "[{name: Model risk, approvers: [role:model_risk]}, "
    "{name: Leadership, when: model.tier == 1, approvers: [U0ADA]}]",
)
T = TypeVar("T")
TIERS = {1: (Exposure.HIGH, PurposeClass.AUTOMATED), 3: (Exposure.LOW, PurposeClass.INFORMATIONAL)}


@pytest.fixture(params=["sqlite", "postgres"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    url = fresh_url(request.param, request, tmp_path)
    with opened(url, tmp_path, policy=STAGES, world=world()) as running:
        running.project("ticket-triage", "Ticket triage")
        yield running


class Desk:
    """What people do with the model beside the clicks that this is about."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.keys = iter(range(1000))
        self.model = self.do(
            lambda session, around: service.register_model(
                make_context(
                    session,
                    actor=self.who(session, OLA),
                    org=office.bot.deps.team.org_key,
                    **around,
                ),
                RegisterModel(
                    key="fraud-score",
                    name="Fraud score",
                    project="ticket-triage",
                    owner_id=self.who(session, OLA).id,
                    request_key=self.key(),
                ),
            )
        )

    def key(self) -> str:
        return f"desk-{next(self.keys)}"

    def do(self, work: Callable[[Session, dict[str, Any]], T]) -> T:
        deps = self.office.bot.deps
        with deps.db.begin(patient=True) as session:
            return work(session, {"policy": deps.policy, "now": deps.now(session)})

    def who(self, session: Session, slack_id: str) -> Actor:
        found = people.find_by_slack_id(session, self.office.bot.deps.team.org_key, slack_id)
        assert found is not None
        return Actor(found.id, ActorKind.PERSON, found.name, slack_id)

    def assess(self, tier: int) -> None:
        exposure, purpose = TIERS[tier]

        def work(session: Session, around: dict[str, Any]) -> None:
            form = AssessTier(
                model_id=self.model,
                revision=reads.load_model(session, self.model).revision,
                exposure=exposure,
                purpose_class=purpose,
                eu_class=EuClass.MINIMAL,
            )
            service.assess_tier(make_context(session, actor=self.who(session, OLA), **around), form)

        self.do(work)

    def validated(self) -> int:
        """A version with the evidence that even tier 1 asks for; the request for its approval."""
        org_key = self.office.bot.deps.team.org_key

        def work(session: Session, around: dict[str, Any]) -> int:
            needs = around["policy"].evidence.required
            ola, tim, fay = (self.who(session, one) for one in (OLA, TIM, FAY))
            form = AddVersion(
                model_id=self.model, version="7", digest="a" * 64, developers=(tim.id,)
            )
            version = service.add_version(
                make_context(session, actor=ola, org=org_key, **around), form
            )
            for type_ in needs("validation", 1, affects_people=True):
                self.hand_in(session, tim, version, type_, around)
            row = service.lock_version(session, version)
            step = TakeStep(
                version_id=version,
                revision=row.revision,
                verb="submit",
                validator_id=fay.id,
                request_key=self.key(),
            )
            transitions.take_step(make_context(session, actor=tim, org=org_key, **around), step)
            for type_ in needs("approval", 1, affects_people=True):
                by = fay if type_ == SELF_MADE else tim
                self.hand_in(session, by, version, type_, around)
            card = reads.load_card(make_context(session, actor=fay, **around), self.model, version)
            chosen = [(one.id, one.revision) for one in card.can_accept]
            evidence.decide_evidence(
                make_context(session, actor=fay, **around), chosen, accept=True, word=""
            )
            asking = AskApproval(
                version_id=version, revision=service.lock_version(session, version).revision
            )
            return submission.submit_request(
                make_context(
                    session,
                    actor=fay,
                    policy_id=self.office.bot.deps.holder.version_id,
                    org=org_key,
                    **around,
                ),
                SubmitRequest(
                    gate=model_approval.GATE,
                    subject_type=model_approval.TYPE,
                    form=asking,
                    reason="It holds on the night shift.",
                    request_key=self.key(),
                ),
            )

        return self.do(work)

    def hand_in(self, session: Session, by: Actor, version: int, type_: str, around: Any) -> None:
        more: dict[str, Any] = {}
        if type_ == "performance_report":
            more["metrics"] = (Measure.read("accuracy = 0.91 >= 0.85"),)
        if type_ == "monitoring_plan":
            more["watched"] = (Watched.read("accuracy >= 0.85 every 7"),)
        if type_ == SELF_MADE:
            more["outcome"] = "pass"
        form = SubmitEvidence(type=type_, summary=f"The {type_}", **more)
        evidence.submit_evidence(
            make_context(session, actor=by, **around), version, form, self.key()
        )

    def find(self) -> int:
        org_key = self.office.bot.deps.team.org_key

        def work(session: Session, around: dict[str, Any]) -> int:
            form = FileFinding(
                model_id=self.model,
                version_id=None,
                words="It refuses everybody from Leeds.",
                severity=Severity.CRITICAL,
            )
            return findings.file_finding(
                make_context(session, actor=self.who(session, OLA), org=org_key, **around), form
            )

        return self.do(work)

    def settle(self, finding: int) -> None:
        def work(session: Session, around: dict[str, Any]) -> None:
            form = SettleFinding(finding_id=finding, revision=1, how="resolve", word="Mended.")
            findings.settle_finding(
                make_context(session, actor=self.who(session, FRED), **around), form
            )

        self.do(work)


def texts(message: Message) -> str:
    """Everything that stands on a card, as one would read it."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("text"), str):
                found.append(value["text"])
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(message.blocks)
    return "\n".join(dict.fromkeys(found))


def test_what_got_graver_is_shown_asked_and_decided(office: Office) -> None:
    desk = Desk(office)
    desk.assess(3)
    desk.validated()
    office.settle()
    fred, fay, ada = (office.sandbox.seat(one) for one in (FRED, FAY, ADA))

    def copies() -> list[Message]:
        """The approver's card, the requester's receipt, and the channel's card."""
        return [
            office.card(fred, fred.dm().id, "approvals.details"),
            office.card(fay, fay.dm().id, "approvals.withdraw"),
            office.card(office.sandbox.seat(OLA), "C0TRIAGE", "approvals.details"),
        ]

    asked = office.card(fred, fred.dm().id, "approvals.approve")
    assert "approve Fraud score 7 for use (tier 3" in texts(asked)

    finding = desk.find()
    office.settle()
    for one in copies():
        assert "*Since it was asked:* 1 critical finding" in texts(one)
        assert "*Can't be approved now:* 1 open critical finding" in texts(one)
        assert "approvals.approve" not in str(one.blocks)
    fred.slash("/mlgov", "approvals", "C0TRIAGE")
    listed = str(fred.ephemerals()[-1].blocks)
    assert "1 open critical finding" in listed
    assert "'Approve'" not in listed

    desk.settle(finding)
    office.settle()
    again = office.card(fred, fred.dm().id, "approvals.approve")
    assert (again.ts, "Since it was asked" in texts(again)) == (asked.ts, False)

    # The tier rises, and Fred clicks before anything could have been drawn anew.
    desk.assess(1)
    fred.click(channel_id=fred.dm().id, ts=again.ts, action_id="approvals.approve")
    office.private(fred, "Since this was shown to you: tier 3 → 1")
    assert record(office).lead.state is ModelState.APPROVAL  # type: ignore[union-attr]
    office.settle()
    for one in copies():
        assert "tier 3 → 1" in texts(one)
        assert "So Leadership decides as well." in texts(one)
    told = office.sandbox.seat(OLA).replies("C0TRIAGE", copies()[2].ts)
    assert "This changed while it waits" in "".join(texts(one) for one in told)
    assert "What you asked for changed while it waits" in "".join(
        texts(one) for one in fay.messages(fay.dm().id)
    )
    shown = office.card(fred, fred.dm().id, "approvals.approve")
    fred.click(channel_id=fred.dm().id, ts=shown.ts, action_id="approvals.approve")
    office.settle()
    assert record(office).lead.state is ModelState.APPROVAL  # type: ignore[union-attr]
    leads = office.card(ada, ada.dm().id, "approvals.approve")
    assert "tier 3 → 1" in texts(leads)
    ada.click(channel_id=ada.dm().id, ts=leads.ts, action_id="approvals.approve")
    office.settle()
    assert record(office).lead.state is ModelState.APPROVED  # type: ignore[union-attr]
    assert verified(office)
