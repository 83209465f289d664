"""An approval pack: everything that an auditor asks about one version, as JSON that stands alone."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

# --- What a pack shows, beside the words of standards
#
# Dated, and no statement that anybody conforms to anything.

DAY = date(2026, 11, 25)
"""When these words were last compared with their sources."""
NOTE = (
    "Which part of this pack speaks to which part of a standard, as read on the day above. It helps to find things; it "
    "does not say that the organisation, or this model, conforms to any of them. SR 26-2 is principles-based guidance of "
    "the Federal Reserve (OCC Bulletin 2026-13 is its counterpart), mainly for banks above 30 billion USD, and leaves "
    "generative and agentic AI out of its scope."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One part of a pack, and where standards speak of it."""

    part: str
    nist: str
    iso: str
    sr: str


ROWS = (
    Row(
        "The model in the inventory",
        "GOVERN 1.6: mechanisms are in place to inventory AI systems",
        "Annex A.6, AI system life cycle",
        "Governance and controls",
    ),
    Row(
        "Purpose, intended use, tier and class",
        "MAP 1.1: intended purposes are understood and documented",
        "Annex A.5, assessing impacts of AI systems; A.9, use of AI systems",
        "Model development and use; materiality of exposure and purpose",
    ),
    Row(
        "Who made, validated and approved it",
        "GOVERN 2.1: roles and responsibilities are documented and clear",
        "Annex A.3, internal organization",
        "Governance and controls",
    ),
    Row(
        "Data that it is made from",
        "MAP 2.3: data collection and selection are identified and documented",
        "Annex A.7, data for AI systems",
        "Model development and use",
    ),
    Row(
        "Validation report, performance, what drives its answers",
        "MEASURE 2.9: the AI model is explained, validated, and documented",
        "Annex A.6, AI system life cycle; A.8, information for interested parties",
        "Validation and monitoring",
    ),
    Row(
        "Fairness report",
        "MEASURE 2.11: fairness and bias are evaluated and results are documented",
        "Annex A.5, assessing impacts of AI systems",
        "Validation and monitoring",
    ),
    Row(
        "Monitoring plan, readings, findings",
        "MANAGE 4.1: post-deployment AI system monitoring plans are implemented",
        "Annex A.6, AI system life cycle",
        "Validation and monitoring",
    ),
    Row(
        "Suspension at once, and who may",
        "MANAGE 2.4: mechanisms are in place to supersede, disengage, or deactivate AI systems",
        "Annex A.6, AI system life cycle",
        "Governance and controls",
    ),
    Row(
        "Retirement and its plan",
        "GOVERN 1.7: processes for decommissioning and phasing out AI systems safely",
        "Annex A.6, AI system life cycle",
        "Governance and controls",
    ),
    Row(
        "A vendor's model, and models whose output it takes",
        "MAP 4.1: approaches for mapping risks of third-party data or software",
        "Annex A.10, third-party and customer relationships",
        "Vendor and other third-party products",
    ),
)


# --- An approval pack
#
# everything that an auditor asks about one version, as JSON that stands alone.


class Frozen(BaseModel):
    """A part of a pack."""

    model_config = ConfigDict(frozen=True)


class Tier(Frozen):
    """How material the model is, and who said so."""

    tier: int | None
    exposure: str | None
    purpose: str | None
    eu_class: str | None
    set_by: str | None
    set_at: datetime | None
    follows: int | None
    """What would follow, where model risk set another."""
    reason: str


class Lineage(Frozen):
    """Where the model comes from and where its output goes."""

    data_sources: tuple[str, ...]
    upstream: tuple[str, ...]
    downstream: tuple[str, ...]
    registry_name: str | None
    run_id: str | None


class Subject(Frozen):
    """The version that the pack is about, and its model."""

    model: str
    name: str
    kind: str
    vendor: str | None
    project: str | None
    owner: str | None
    purpose: str
    intended_use: str
    out_of_scope: str
    technique: str
    affects_people: bool
    version: str
    state: str
    since: datetime
    digest: str | None
    """Of the contents, as sha256:…; none when none was given."""
    approved_digest: str | None
    contents: str
    """`as approved`, `changed since approval`, `not proved` or `not approved`."""
    consists_of: dict[str, Any]
    developers: tuple[str, ...]
    validators: tuple[str, ...]
    contributors: tuple[str, ...]
    approved_until: datetime | None
    next_review: date | None


class ItemTold(Frozen):
    """One item of evidence, also those that count no more."""

    id: int
    type: str
    name: str
    counts: bool
    status: str
    sha256: str | None
    uri: str | None
    content: dict[str, Any]
    summary: str
    produced_by: str
    produced_at: datetime
    valid_until: datetime | None
    decided_by: str
    decided_at: datetime | None
    word: str
    flags: tuple[str, ...]


class Step(Frozen):
    """One step of the version's life."""

    step: str
    source: str
    target: str
    by: str
    reason: str
    evidence_sha256: str | None
    """Digest of the evidence that counted then."""
    at: datetime


class Vote(Frozen):
    """One person's verdict, and why they were entitled to it."""

    by: str
    verdict: str
    reason: str
    at: datetime
    rule: str
    """The approver rule of the policy that entitled them."""
    group: str | None
    membership_read_at: datetime | None
    instead_of: str | None
    taken_back_at: datetime | None


class Stage(Frozen):
    """Who was asked, and how many had to agree."""

    name: str
    quorum: int
    asked: tuple[str, ...]
    approved: int


class Condition(Frozen):
    """What an approval depends on."""

    words: str
    state: str
    due: datetime | None


class Request(Frozen):
    """One request to approve the version."""

    id: int
    gate: str
    state: str
    asks: str
    reason: str
    requested_by: str
    requested_at: datetime
    decided_at: datetime | None
    valid_until: datetime | None
    passed_by_rule: str
    left_out: tuple[str, ...]
    """Stages that the policy's conditions left out, and why."""
    asked: dict[str, Any]
    """What was asked, exactly: contents and the digest of the evidence."""
    told: dict[str, Any]
    """What the policy's conditions were told, by name."""
    stages: tuple[Stage, ...]
    votes: tuple[Vote, ...]
    conditions: tuple[Condition, ...]
    policy: int
    """The policy version it was opened under; its text is in `policies`."""
    statement: dict[str, Any] | None
    """The signed statement that was handed out about it."""


class PolicyTold(Frozen):
    """A policy under which something here was decided."""

    id: int
    sha256: str
    text: str


class FoundTold(Frozen):
    """Something that was found, mended or not."""

    id: int
    version: str
    severity: str
    status: str
    words: str
    owner: str | None
    due: date | None
    accepted_by: str | None
    accepted_until: date | None
    word: str
    found_at: datetime
    source: str


class WatchedTold(Frozen):
    """A measure in use, and its latest reading."""

    metric: str
    threshold: Decimal
    better: str
    every_days: int
    value: Decimal | None
    at: datetime | None
    is_breach: bool


class Entry(Frozen):
    """An entry of the ledger: `hash` is SHA-256 over `previous`, a newline, and `body`."""

    seq: int
    at: datetime
    action: str
    body: str
    previous: str
    hash: str


class Ledger(Frozen):
    """The entries about this version, and the head of the whole chain when the pack was made."""

    entries: tuple[Entry, ...]
    head_seq: int
    head_hash: str


class Crossing(Frozen):
    """A part of the pack, and where standards speak of it."""

    part: str
    nist: str
    iso: str
    sr: str


class Pack(Frozen):
    """A whole pack."""

    format: str = "mlgov approval pack 1"
    organisation: str
    made_at: datetime
    made_for: str
    subject: Subject
    tier: Tier
    lineage: Lineage
    missing: dict[str, tuple[str, ...]]
    """What is missing before each step, now."""
    evidence: tuple[ItemTold, ...]
    steps: tuple[Step, ...]
    requests: tuple[Request, ...]
    policies: tuple[PolicyTold, ...]
    findings: tuple[FoundTold, ...]
    watched: tuple[WatchedTold, ...]
    ledger: Ledger
    crosswalk_day: date
    crosswalk_note: str
    crosswalk: tuple[Crossing, ...]
