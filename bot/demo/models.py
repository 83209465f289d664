"""The demo's inventory: six models at different points of their life, moved there by their own people."""

import hashlib
import itertools
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from bot.demo import organisation as org
from storage.enums import EuClass, Exposure, ModelKind, PurposeClass, Severity, Verdict
from workflows.approvals import actions, submission
from workflows.approvals import reads as approval_reads
from workflows.approvals.forms import Decide, SubmitRequest
from workflows.context import OPERATOR, Actor, Context
from workflows.evidence import fairness
from workflows.evidence.forms import EXPLAINED, FAIRNESS, Measure, SubmitEvidence, Watched
from workflows.inventory import evidence as inventory_evidence
from workflows.inventory import findings, model_approval, monitoring, reads, service, transitions
from workflows.inventory.forms import (
    AddVersion,
    AskApproval,
    AssessTier,
    FileFinding,
    GiveReading,
    RegisterModel,
    TakeStep,
)
from workflows.people import service as people
from workflows.policy.sections import Step

if TYPE_CHECKING:
    from bot.demo.command import Demo

_WORDS = {
    "model_card": "Nine sections, written with the team that uses it.",
    "datasheet": "Where the rows come from, who labelled them, and what is not in them.",
    "data_lineage_and_quality": "Three sources, checked daily; 0.4 % of rows are dropped.",
    "performance_report": "Measured on the last quarter, which it never saw.",
    "fairness_report": "By region, on last year's claims.",
    "explainability_report": "On 2,000 cases that it never saw.",
    "security_assessment": "No open door; the endpoint is inside only.",
    "validation_report": "Rebuilt from the notebook, tried on two years it had not seen.",
    "cost_estimate": "About 1,200 EUR a month, inside its project's budget.",
    "rollback_plan": "The version before stays deployed for two weeks.",
}


_DRIVERS ={
"warranty-fraud-score":(("claims before","0.41"),("days since repair","0.23"),("part price","0.19"),("workshop","0.06")),
"ticket-router":(("words of the subject","0.52"),("customer's fleet","0.17"),("hour of day","0.03")),
"parts-demand":(("kilometres driven","0.38"),("season","0.31"),("age of the fleet","0.12")),
"lane-keeping":(("left marking","0.44"),("right marking","0.42"),("kerb","0.05")),
}  # fmt: skip
_GROUPS = {
    "warranty-fraud-score": (
        ("north", 62, 31, 20, 410),
        ("south", 58, 35, 24, 395),
        ("abroad", 24, 13, 9, 160),
    ),
    "ticket-router": (("by e-mail", 310, 40, 45, 205), ("by phone", 96, 22, 71, 161)),
}
"""People of each group: rightly selected, wrongly selected, wrongly left, rightly left."""


class Teller:
    """Lets the demo's people do things to one model, at a moment."""

    def __init__(self, demo: "Demo", session: Session, now: datetime) -> None:
        self.deps, self.session, self.now = demo.running.deps, session, now
        self.keys = itertools.count()
        self.model = self.version = 0

    def who(self, slack_id: str) -> Actor:
        actor = people.actor_by_slack_id(self.session, org.TEAM, slack_id)
        if actor is None:
            raise RuntimeError(f"the demo's story does not hold: nobody is {slack_id}")
        return actor[0]

    def context(self, who: str | None = None) -> Context:
        """The world as one of the demo's people acts in it now; without anybody, as its operator does."""
        actor = OPERATOR if who is None else self.who(who)
        return self.deps.context(self.session, actor, now=self.now)

    def key(self) -> str:
        return f"demo:{self.model}:{next(self.keys)}"

    def register(self, owner: str, name: str, project: str, purpose: str, **more: Any) -> None:
        form = RegisterModel(
            key=name.casefold().replace(" ", "-"),
            name=name,
            project=project,
            purpose=purpose,
            request_key=f"demo:{name}",
            **more,
        )
        self.model = service.register_model(self.context(owner), form)

    def assess(
        self, owner: str, exposure: Exposure, purpose: PurposeClass, eu: EuClass = EuClass.MINIMAL
    ) -> None:
        row = reads.load_model(self.session, self.model)
        form = AssessTier(
            model_id=self.model,
            revision=row.revision,
            exposure=exposure,
            purpose_class=purpose,
            eu_class=eu,
        )
        service.assess_tier(self.context(owner), form)

    def add(self, owner: str, version: str, developer: str, *contributors: str) -> None:
        form = AddVersion(
            model_id=self.model,
            version=version,
            digest=hashlib.sha256(f"{self.model}:{version}".encode()).hexdigest(),
            developers=(self.who(developer).id,),
            contributors=tuple(self.who(one).id for one in contributors),
        )
        self.version = service.add_version(self.context(owner), form)

    @property
    def revision(self) -> int:
        model = reads.load_model(self.session, self.model)
        return next(one.revision for one in model.versions if one.id == self.version)

    def step(self, who: str, verb: str, reason: str = "", validator: str = "") -> None:
        form = TakeStep(
            version_id=self.version,
            revision=self.revision,
            verb=verb,
            reason=reason,
            request_key=self.key(),
            validator_id=self.who(validator).id if validator else None,
        )
        transitions.take_step(self.context(who), form)

    def hand_in(
        self,
        who: str,
        step: Step,
        *,
        metrics: str = "",
        watched: str = "",
        but: frozenset[str] = frozenset(),
    ) -> None:
        model = reads.load_model(self.session, self.model)
        required = self.deps.policy.evidence.required(
            step, model.tier or 1, affects_people=model.affects_people
        )
        for type_ in required:
            if type_ not in but | {"validation_report"}:
                self.evidence(who, type_, metrics=metrics, watched=watched)

    def evidence(
        self, who: str, type_: str, *, metrics: str = "", watched: str = "", outcome: str = ""
    ) -> None:
        form = SubmitEvidence.model_validate(
            {
                "type": type_,
                "summary": _WORDS.get(type_, "Agreed with those who run it."),
                "metrics": [Measure.read(metrics)] if type_ == "performance_report" else [],
                "watched": [Watched.read(watched)] if type_ == "monitoring_plan" else [],
                "outcome": outcome or None,
                "fairness": self.groups() if type_ == FAIRNESS else None,
                "explained": self.drivers() if type_ == EXPLAINED else None,
            }
        )
        inventory_evidence.submit_evidence(self.context(who), self.version, form, self.key())

    def groups(self) -> dict[str, Any] | None:
        names = _GROUPS.get(reads.load_model(self.session, self.model).key)
        if names is None:
            return None
        groups = [
            {"names": [name], "tp": tp, "fp": fp, "fn": fn, "tn": tn}
            for name, tp, fp, fn, tn in names
        ]
        return {
            "counted": [{"columns": ["region" if len(names) > 2 else "channel"], "groups": groups}]
        }

    def drivers(self) -> dict[str, Any] | None:
        factors = _DRIVERS.get(reads.load_model(self.session, self.model).key)
        drivers = [{"feature": name, "importance": weight} for name, weight in factors or ()]
        return {"method": "permutation importance", "drivers": drivers} if drivers else None

    def accept(self, who: str) -> None:
        card = reads.load_card(self.context(who), self.model, self.version)
        chosen = [(one.id, one.revision) for one in card.can_accept]
        inventory_evidence.decide_evidence(self.context(who), chosen, accept=True, word="")

    def approve(self, validator: str, reason: str, *deciders: str) -> None:
        form = SubmitRequest(
            gate=model_approval.GATE,
            subject_type=model_approval.TYPE,
            reason=reason,
            request_key=self.key(),
            form=AskApproval(version_id=self.version, revision=self.revision),
        )
        request = submission.submit_request(self.context(validator), form)
        for decider in deciders:
            card = approval_reads.card(self.context(), request)
            verdict = Decide(approval_id=request, revision=card.revision, verdict=Verdict.APPROVE)
            actions.perform_act(self.context(decider), verdict)

    def use(
        self, owner: str, developer: str, validator: str, *deciders: str, metrics: str, watched: str
    ) -> None:
        """From development into use, with everything that it takes."""
        self.hand_in(developer, "validation", metrics=metrics)
        self.step(developer, "submit", validator=validator)
        self.hand_in(developer, "approval")
        self.evidence(validator, "validation_report", outcome="pass")
        self.accept(validator)
        self.approve(
            validator, "It does what its card says, on years that it never saw.", *deciders
        )
        self.hand_in(org.DANIEL, "implementation", watched=watched)
        self.step(org.DANIEL, "implement")
        self.step(org.DANIEL, "deploy", "It answers behind the gateway.")
        self.step(owner, "deploy", "The team sees its answers.")


def tell(demo: "Demo") -> None:
    """Fill the inventory, at the moment that the demo's clock shows."""
    now = demo.clock.now()
    fairness.load_metrics()
    for story in (_parts, _fraud, _lane, _router, _churn, _assistant):
        # One at a time, so that what else goes on in the demo waits for none of it.
        with demo.running.deps.db.begin(patient=True) as session:
            story(Teller(demo, session, now))
    demo.settle()


def _assistant(at: Teller) -> None:
    at.register(
        org.MAYA,
        "Care assistant",
        "voice-intake",
        "Drafts answers that agents send after reading them.",
        kind=ModelKind.GENERATIVE,
        vendor="Northlight AI",
    )


def _parts(at: Teller) -> None:
    at.register(
        org.SOFIA,
        "Parts demand",
        "parts-demand",
        "Says how many of each part the depots need next week.",
        technique="Gradient boosting",
    )
    at.assess(org.SOFIA, Exposure.HIGH, PurposeClass.INFORMATIONAL)
    at.add(org.SOFIA, "4", org.ELENA)
    at.use(
        org.SOFIA,
        org.ELENA,
        org.YUKI,
        org.HENRIK,
        metrics="mape = 0.11 <= 0.15",
        watched="mape <= 0.15 every 14",
    )


def _fraud(at: Teller) -> None:
    at.register(
        org.SOFIA,
        "Warranty fraud score",
        "warranty-fraud",
        "Ranks claims for a person to look at.",
        affects_people=True,
        technique="Random forest",
    )
    at.assess(org.SOFIA, Exposure.MEDIUM, PurposeClass.DECISION_SUPPORT)
    at.add(org.SOFIA, "7", org.OMAR)
    at.use(
        org.SOFIA,
        org.OMAR,
        org.YUKI,
        org.HENRIK,
        metrics="precision = 0.88 >= 0.8",
        watched="precision >= 0.8 every 30",
    )
    version = service.lock_version(at.session, at.version)
    reading = GiveReading(metric="precision", value=Decimal("0.76"))
    monitoring.take_reading(at.context(), version, reading)


def _lane(at: Teller) -> None:
    at.register(
        org.KENJI,
        "Lane keeping",
        "lane-vision",
        "Steers back into the lane when nobody does.",
        technique="Convolutional network",
    )
    at.assess(org.KENJI, Exposure.HIGH, PurposeClass.AUTOMATED, EuClass.HIGH)
    at.add(org.KENJI, "11", org.YUKI, org.AIKO)
    at.use(
        org.KENJI,
        org.YUKI,
        org.OMAR,
        org.HENRIK,
        org.GRACE,
        metrics="recall = 0.997 >= 0.995",
        watched="recall >= 0.995 every 30",
    )
    form = FileFinding(
        model_id=at.model,
        version_id=at.version,
        words="It loses the lane on wet cobbles at dusk: 3 of 40 drives.",
        severity=Severity.HIGH,
    )
    findings.file_finding(at.context(org.DANIEL), form)
    at.step(
        org.DANIEL,
        "suspend",
        "It loses the lane on wet cobbles at dusk. The version before is back.",
    )


def _router(at: Teller) -> None:
    at.register(
        org.MAYA,
        "Ticket router",
        "ticket-triage",
        "Sends a ticket to the team that can answer it.",
        technique="Text classifier",
    )
    at.assess(org.MAYA, Exposure.MEDIUM, PurposeClass.DECISION_SUPPORT)
    at.add(org.MAYA, "3", org.OMAR)
    at.hand_in(org.OMAR, "validation", metrics="accuracy = 0.91 >= 0.85")
    at.step(org.OMAR, "submit", validator=org.YUKI)
    at.hand_in(org.OMAR, "approval", but=frozenset({"security_assessment"}))
    at.evidence(org.OMAR, FAIRNESS)


def _churn(at: Teller) -> None:
    at.register(
        org.MAYA,
        "Churn score",
        "churn-forecast",
        "Says which fleets may leave, for the account team.",
        affects_people=False,
    )
    at.assess(org.MAYA, Exposure.LOW, PurposeClass.INFORMATIONAL)
    at.add(org.MAYA, "1", org.ELENA)
    at.evidence(org.ELENA, "model_card")
