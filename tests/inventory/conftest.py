"""An organisation that makes models, and short words for what its people do with them."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar

import pytest

from storage.budgets.tables import Budget
from storage.db import Database
from storage.enums import EuClass, Exposure, ModelState, PurposeClass, Severity
from storage.people import readings
from storage.people.tables import Channel
from storage.policies.tables import PolicyVersion
from storage.projects.tables import Project
from tests.approvals.conftest import ORG, START, House
from tests.contexts import make_context
from workflows import jobs
from workflows.approvals import submission
from workflows.approvals.forms import SubmitRequest
from workflows.context import Occasion
from workflows.evidence.forms import Measure, SubmitEvidence, Watched
from workflows.evidence.rules import STEPS
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
from workflows.inventory.records import ModelCard, ModelRecord, VersionRecord
from workflows.job_runner import DueSlot
from workflows.policy.sections import Step

POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
channels: {audit: "#ml-audit", governance: "#ml-governance"}
roles:
  model_risk: ["@model-risk"]
  operations: ["@operations"]
gates:
  model_approval:
    stages:
      - {name: Model risk, approvers: [role:model_risk]}
      - {name: Sponsor, when: model.tier == 1, approvers: [subject.sponsor]}
    auto_approve: model.tier == 3 && evidence.waived == 0 && evidence.flagged == 0 && findings.open == 0
    expires_after: 7d
    valid_for: 365d
"""
TODAY = date(2026, 1, 26)
OLA, DEV, VAL, RISK, OPS, SPO = "ola", "dev", "val", "risk", "ops", "spo"

_TIERS = {
    1: (Exposure.HIGH, PurposeClass.AUTOMATED, EuClass.MINIMAL),
    2: (Exposure.MEDIUM, PurposeClass.DECISION_SUPPORT, EuClass.MINIMAL),
    3: (Exposure.LOW, PurposeClass.INFORMATIONAL, EuClass.MINIMAL),
}


@dataclass
class Yard(House):
    """Ola owns, Dev makes, Val validates; Risk and Rita are model risk, Ops and Otto operations, Spo sponsors."""

    text: str = POLICY
    sees_all: bool = False
    by_hand: ClassVar[Set[str]] = {"policy", "budget"}

    def governed(self, status: str = "in_progress", budget: bool = True) -> str:
        """A project, by its key."""
        key = f"lane-{next(self.keys)}"
        with self.db.begin() as session:
            made = Project(
                key=key,
                name="Lane vision",
                owner_id="p-ola",
                sponsor_id="p-spo",
                status=status,
                channel="C0LANE",
                created_at=START,
            )
            session.add(made)
            session.flush()
            if budget:
                session.add(
                    Budget(
                        project_id=made.id,
                        owner_id="p-ola",
                        period="month",
                        starts=TODAY,
                        thresholds=[50, 80, 100],
                        currency="EUR",
                        basis="effective",
                        created_at=START,
                    )
                )
        return key

    def model(
        self,
        key: str = "fraud",
        *,
        tier: int | None = 2,
        project: str | None = "",
        owner: str = OLA,
        by: str | None = None,
        **more: Any,
    ) -> int:
        """A model of a new project, assessed; its owner registers it where nobody else does."""
        form = RegisterModel(
            key=key,
            name=more.pop("name", key.title()),
            project=self.governed() if project == "" else project,
            owner_id=f"p-{owner}",
            request_key=f"key-{next(self.keys)}",
            **more,
        )
        model_id = self.db.run(
            lambda session: service.register_model(
                make_context(
                    session,
                    actor=self.actor(by or owner),
                    policy=self.policy,
                    now=self.now,
                    org=ORG,
                ),
                form,
            )
        )
        if tier is not None:
            self.assess(model_id, tier, owner)
        return model_id

    def assess(self, model_id: int, tier: int, who: str = OLA, **more: Any) -> int:
        exposure, purpose, eu = _TIERS[tier]
        form = AssessTier(
            model_id=model_id,
            revision=self.look(model_id).revision,
            **{"exposure": exposure, "purpose_class": purpose, "eu_class": eu} | more,
        )
        return self.db.run(
            lambda session: service.assess_tier(
                make_context(session, actor=self.actor(who), policy=self.policy, now=self.now), form
            )
        )

    def version(
        self,
        model_id: int,
        name: str = "1",
        who: str = OLA,
        developers: tuple[str, ...] = (DEV,),
        **more: Any,
    ) -> int:
        form = AddVersion(
            model_id=model_id,
            version=name,
            digest=more.pop("digest", "a" * 64),
            developers=tuple(f"p-{one}" for one in developers),
            **more,
        )
        return self.db.run(
            lambda session: service.add_version(
                make_context(
                    session, actor=self.actor(who), policy=self.policy, now=self.now, org=ORG
                ),
                form,
            )
        )

    def look(self, model_id: int) -> ModelRecord:
        with self.db.read() as session:
            return reads.load_model(session, model_id)

    def at(self, version_id: int) -> VersionRecord:
        with self.db.read() as session:
            from storage.inventory.tables import ModelVersion

            model_id = session.get_one(ModelVersion, version_id).model_id
            record = reads.load_model(session, model_id)
        return next(one for one in record.versions if one.id == version_id)

    def state_of(self, version_id: int) -> ModelState:
        return self.at(version_id).state

    def seen(self, who: str, model_id: int, version_id: int | None = None) -> ModelCard:
        with self.db.read() as session:
            return reads.load_card(
                make_context(session, actor=self.actor(who), policy=self.policy, now=self.now),
                model_id,
                version_id,
            )

    def step(
        self, who: str, version_id: int, verb: str, reason: str = "Because.", **more: Any
    ) -> str:
        form = TakeStep(
            version_id=version_id,
            revision=more.pop("revision", None) or self.at(version_id).revision,
            verb=verb,
            reason=reason,
            validator_id=f"p-{more.pop('validator')}" if "validator" in more else None,
            request_key=f"key-{next(self.keys)}",
            **more,
        )
        return self.db.run(
            lambda session: transitions.take_step(
                make_context(
                    session, actor=self.actor(who), policy=self.policy, now=self.now, org=ORG
                ),
                form,
            )
        )

    def ask(self, who: str, version_id: int) -> int:
        """Ask for approval at the gate; the request's id."""
        form = SubmitRequest(
            gate=model_approval.GATE,
            subject_type=model_approval.TYPE,
            form=AskApproval(version_id=version_id, revision=self.at(version_id).revision),
            reason="It does what it should.",
            request_key=f"key-{next(self.keys)}",
        )
        return self.db.run(
            lambda session: submission.submit_request(
                make_context(
                    session,
                    actor=self.actor(who),
                    policy=self.policy,
                    policy_id=1,
                    now=self.now,
                    org=ORG,
                ),
                form,
            )
        )

    def hand_in(self, who: str, version_id: int, type_: str, **more: Any) -> int:
        if type_ == "performance_report":
            more.setdefault("metrics", (Measure.read("accuracy = 0.91 >= 0.85"),))
        if type_ == "monitoring_plan":
            more.setdefault("watched", (Watched.read("accuracy >= 0.85 every 7"),))
        if type_ == "validation_report":
            more.setdefault("outcome", "pass")
        more.setdefault("summary", f"The {type_}")
        form = SubmitEvidence(type=type_, **more)
        return self.db.run(
            lambda session: evidence.submit_evidence(
                make_context(session, actor=self.actor(who), policy=self.policy, now=self.now),
                version_id,
                form,
                f"key-{next(self.keys)}",
            )
        )

    def decide_evidence(
        self, who: str, *items: int, accept: bool = True, word: str = "", revision: int = 1
    ) -> None:
        self.db.run(
            lambda session: evidence.decide_evidence(
                make_context(session, actor=self.actor(who), policy=self.policy, now=self.now),
                [(one, revision) for one in items],
                accept=accept,
                word=word,
            )
        )

    def waive(
        self,
        who: str,
        version_id: int,
        type_: str,
        days: int = 30,
        reason: str = "No training set yet.",
    ) -> int:
        return self.db.run(
            lambda session: evidence.waive_evidence(
                make_context(session, actor=self.actor(who), policy=self.policy, now=self.now),
                version_id,
                type_,
                reason=reason,
                until=self.now.date() + timedelta(days=days),
            )
        )

    def complete(
        self, version_id: int, *steps: Step, by: str = DEV, accepted_by: str | None = None
    ) -> None:
        """Hand in all that these steps ask for; the validator writes the report."""
        model = self.look(self._model_of(version_id))
        for step in steps or STEPS:
            for type_ in self.policy.evidence.required(
                step, model.tier or 1, affects_people=model.affects_people
            ):
                who = VAL if type_ == "validation_report" else by
                item = self.hand_in(who, version_id, type_)
                if accepted_by and type_ != "validation_report":
                    self.decide_evidence(accepted_by, item)

    def accept_all(self, who: str, version_id: int) -> None:
        for item in self.seen(who, self._model_of(version_id), version_id).can_accept:
            self.decide_evidence(who, item.id, revision=item.revision)

    def _model_of(self, version_id: int) -> int:
        with self.db.read() as session:
            from storage.inventory.tables import ModelVersion

            return session.get_one(ModelVersion, version_id).model_id

    def in_validation(self, model_id: int, name: str = "1") -> int:
        version = self.version(model_id, name)
        self.complete(version, "validation")
        self.step(DEV, version, "submit", validator=VAL)
        return version

    def approved(self, model_id: int, name: str = "1") -> int:
        """A version that went the whole way to its approval."""
        version = self.in_validation(model_id, name)
        self.complete(version, "approval")
        self.accept_all(VAL, version)
        request = self.ask(VAL, version)
        if self.state_of(version) is ModelState.APPROVAL:
            self.decide(RISK, request)
        if self.state_of(version) is ModelState.APPROVAL:
            self.decide(SPO, request)
        return version

    def in_use(self, model_id: int, name: str = "1") -> int:
        version = self.approved(model_id, name)
        self.complete(version, "implementation")
        self.step(OPS, version, "implement")
        self.step(OPS, version, "deploy", "It runs on eu-west.")
        self.step(OLA, version, "deploy", "I saw it answer.")
        assert self.state_of(version) is ModelState.IN_USE
        return version

    def find(
        self,
        who: str,
        model_id: int,
        severity: Severity = Severity.HIGH,
        version_id: int | None = None,
        **more: Any,
    ) -> int:
        form = FileFinding(
            model_id=model_id,
            version_id=version_id,
            words="It is wrong at night.",
            severity=severity,
            **more,
        )
        return self.db.run(
            lambda session: findings.file_finding(
                make_context(
                    session, actor=self.actor(who), policy=self.policy, now=self.now, org=ORG
                ),
                form,
            )
        )

    def settle(
        self, who: str, finding_id: int, how: str, word: str = "Mended.", **more: Any
    ) -> str:
        with self.db.read() as session:
            found = reads.find_finding(session, finding_id)
        assert found is not None
        form = SettleFinding.model_validate(
            {"finding_id": finding_id, "revision": found.revision, "how": how, "word": word, **more}
        )
        return self.db.run(
            lambda session: findings.settle_finding(
                make_context(session, actor=self.actor(who), policy=self.policy, now=self.now), form
            )
        )

    def morning(self, days: int = 1) -> None:
        """The daily look, after so many days."""
        self.now += timedelta(days=days)
        slot = DueSlot("organisation", "inventory.look", str(self.now.date()), self.now)
        occasion = Occasion(self.policy, ORG, self.now, 1)
        look = jobs.REGISTRY.schedules["inventory.look"]
        self.db.run(lambda session: look(occasion.context(session), slot))


@pytest.fixture
def yard(database: Database) -> Yard:
    """The organisation, on both databases."""
    return settled(database)


def settled(database: Database) -> Yard:
    """The organisation in an empty database."""
    yard = Yard(database)
    with database.begin() as session:
        readings.record(session, dict.fromkeys(readings.KINDS, 1), START)
        session.add(PolicyVersion(sha256="0" * 64, text=POLICY, applied_at=START))
        session.add_all(
            Channel(org_key=ORG, slack_id=id_, name=name, bot_is_member=True, refreshed_at=START)
            for id_, name in (("C0LANE", "lane-vision"), ("C0GOV", "ml-governance"))
        )
    for name in (OLA, DEV, VAL, RISK, OPS, SPO, "rita", "otto", "ned"):
        yard.person(name)
    yard.person("gus", is_guest=True)
    yard.group("model-risk", RISK, "rita")
    yard.group("operations", OPS, "otto")
    return yard
