"""Evidence of a version: who may hand it in, accept, reject and waive it, and what follows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal

from storage.enums import EvidenceStatus, ModelState, Part
from storage.evidence import queries as evidence_queries
from storage.inventory import queries
from storage.inventory.tables import Model, ModelVersion
from workflows import permissions
from workflows.calendar import local_instant
from workflows.context import ActorKind, Context
from workflows.errors import GovernanceError, NotAllowed, RefusalFact
from workflows.evidence import explanations
from workflows.evidence import rules as evidence_rules
from workflows.evidence import service as evidence
from workflows.evidence.forms import CARD, EXPLAINED, FAIRNESS, TITLES, CardText, SubmitEvidence
from workflows.evidence.records import Item
from workflows.inventory import monitoring, reads, rules, service
from workflows.inventory import permissions as inventory_permissions
from workflows.inventory.records import Check, ModelCard, StepCheck, VersionRecord
from workflows.inventory.rules import LIVE, Who
from workflows.policy import Policy
from workflows.policy.sections import Step

_PHASE: dict[ModelState, Step] = {
    ModelState.DEVELOPMENT: "validation",
    ModelState.MODIFICATION: "validation",
    ModelState.VALIDATION: "approval",
    ModelState.APPROVAL: "approval",
    ModelState.APPROVED: "implementation",
    ModelState.IMPLEMENTATION: "implementation",
    ModelState.IN_USE: "retirement",
    ModelState.SUSPENDED: "retirement",
}
"""What the evidence that a version gathers in each state is for."""


def submit_evidence(ctx: Context, version_id: int, form: SubmitEvidence, request_key: str) -> int:
    """Hand in evidence: who made the version, validates or owns it, model risk, operations, and programs. Its id."""
    version, model = _lock_changeable(ctx, version_id)
    _require_may_hand_in(ctx, version, model, form.type)
    kept = evidence.submit_item(ctx, version.id, form, request_key)
    if form.type == monitoring.PLAN and ModelState(version.state) in LIVE:
        monitoring.begin_watching(ctx, version)
    service.refresh_copies(ctx, model.id)
    return kept


def require_may_hand_in(ctx: Context, version_id: int, type_: str) -> None:
    """Raise what `submit_evidence` would, before a file is fetched for it: who may not hand in has nothing read."""
    version, model = _require_changeable(ctx, queries.find_version(ctx.session, version_id))
    _require_may_hand_in(ctx, version, model, type_)


def _require_may_hand_in(ctx: Context, version: ModelVersion, model: Model, type_: str) -> None:
    record = reads.load_model(ctx.session, model.id)
    standing = inventory_permissions.find_standing(ctx, record, version)
    if ctx.actor.kind is ActorKind.PERSON and not standing.is_close:
        raise NotAllowed(
            "Evidence is handed in by those who own, make, validate or run this model.",
            audit=RefusalFact(
                "evidence.submit", service.VERSION_TYPE, str(version.id), why="not_answering"
            ),
        )
    is_report = type_ == evidence_rules.SELF_MADE
    if is_report and (Who.VALIDATOR not in standing.parts or standing.developed):
        raise NotAllowed(
            "The validation report is its validator's, who did not make it.",
            audit=RefusalFact(
                "evidence.submit", service.VERSION_TYPE, str(version.id), why="not_validator"
            ),
        )


def decide_evidence(
    ctx: Context, choices: Sequence[tuple[int, int]], *, accept: bool, word: str
) -> None:
    """Accept or reject items, by id and revision as shown: the version's validator or model risk, never one's own."""
    for evidence_id, revision in choices:
        row = evidence_queries.find_item(ctx.session, evidence_id)
        if row is None:
            raise reads.out_of_sight()
        version, model = _lock_changeable(ctx, row.version_id)
        record = reads.load_model(ctx.session, model.id)
        standing = inventory_permissions.find_standing(ctx, record, version)
        is_validating = Who.VALIDATOR in standing.parts and version.state == ModelState.VALIDATION
        if standing.developed or standing.contributed or row.produced_by == ctx.actor.id:
            raise NotAllowed(
                "You made this, so somebody else has to look at it.",
                audit=RefusalFact(
                    "evidence.decide", evidence.TYPE, str(row.id), why="not_separate"
                ),
            )
        if not is_validating and Who.MODEL_RISK not in standing.parts:
            raise NotAllowed(
                "Evidence is accepted by who validates the version, and by model risk.",
                audit=RefusalFact(
                    "evidence.decide", evidence.TYPE, str(row.id), why="not_validator"
                ),
            )
        evidence.decide_item(ctx, evidence_id, revision, accept=accept, word=word)
        service.refresh_copies(ctx, model.id)


def waive_evidence(ctx: Context, version_id: int, type_: str, *, reason: str, until: date) -> int:
    """Model risk lets a version go on without a type of evidence, through that day."""
    version, model = _lock_changeable(ctx, version_id)
    record = reads.load_model(ctx.session, model.id)
    standing = inventory_permissions.find_standing(ctx, record, version)
    if Who.MODEL_RISK not in standing.parts or standing.developed:
        raise NotAllowed(
            "Only model risk waives evidence, and never for what they made themselves.",
            audit=RefusalFact(
                "evidence.waive", service.VERSION_TYPE, str(version.id), why="not_model_risk"
            ),
        )
    over = local_instant(until + timedelta(days=1), time(0), ctx.policy.organisation.zone)
    kept = evidence.waive_item(ctx, version.id, type_, reason=reason, until=over)
    service.refresh_copies(ctx, model.id)
    return kept


def find_item(ctx: Context, evidence_id: int) -> Item:
    """An item of a model in the actor's sight. Raises NotFound and NotAllowed."""
    row = evidence_queries.find_item(ctx.session, evidence_id)
    version = queries.find_version(ctx.session, row.version_id) if row else None
    if row is None or version is None:
        raise reads.out_of_sight()
    reads.require_sight(ctx, version.model_id)
    return next(one for one in evidence.load_items(ctx.session, [version.id]) if one.id == row.id)


def _lock_changeable(ctx: Context, version_id: int) -> tuple[ModelVersion, Model]:
    """A version, locked, whose evidence can change: while approvers look at it, and once it is retired, it stands still."""
    permissions.require_member(
        ctx.actor, "evidence.change", subject=(service.VERSION_TYPE, version_id)
    )
    version = queries.lock_version(ctx.session, version_id)
    return _require_changeable(ctx, version)


def _require_changeable(ctx: Context, version: ModelVersion | None) -> tuple[ModelVersion, Model]:
    model = queries.find_model(ctx.session, version.model_id) if version else None
    if version is None or model is None:
        raise reads.out_of_sight()
    reads.require_sight(ctx, model.id)
    if version.state == ModelState.APPROVAL:
        raise GovernanceError(
            "Approvers are looking at this evidence, so it stands still. Withdraw the request to change it."
        )
    if version.state == ModelState.RETIRED:
        raise GovernanceError("This version is retired; its record stays as it is.")
    return version, model


def check_version(ctx: Context, version_id: int) -> Check:
    """What bars each step of a version, whoever takes it: the very list by which the step is refused."""
    version = queries.find_version(ctx.session, version_id)
    if version is None:
        raise reads.out_of_sight()
    record = reads.load_model(ctx.session, version.model_id)
    items = inventory_permissions.load_items(ctx.session, version.id)
    at = rules.assume_validator_named(
        inventory_permissions.load_situation(ctx, record, version, items)
    )
    state = ModelState(version.state)
    steps = tuple(
        StepCheck(
            move.verb,
            move.label.rstrip("…"),
            rules.list_bars(move, at),
            ("who validates it",) if rules.SAID_WITH_IT & set(move.guards) else (),
        )
        for move in rules.MOVES
        if move.source is state and move.verb not in rules.ENDINGS
    )
    following = rules.NEXT.get(state)
    today = reads.today_of(ctx.policy, ctx.now)
    return Check(
        model=record.key,
        version=version.version,
        state=state,
        tier=record.tier,
        next_step=_PHASE.get(state, ""),
        missing=next((one.missing for one in steps if one.verb == following), ()),
        steps=steps,
        waived=tuple(one.type for one in items.values() if one.status is EvidenceStatus.WAIVED),
        findings=sum(one.is_open(today) for one in record.findings),
        approval_id=version.approval_id,
    )


# --- The model card of a version, made from the record
#
# nine sections, and what nobody said is missing. Pure.


@dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One of the nine: facts of the record, the words of the team's own card as Markdown, and tables."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    text: str = ""
    tables: tuple[Table, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether neither the record nor the card says anything."""
        return not (self.facts or self.text or self.tables)


@dataclass(frozen=True, slots=True)
class Card:
    """A whole card."""

    title: str
    sections: tuple[Section, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Titles of what is missing."""
        return tuple(one.title for one in self.sections if one.is_missing)


def build_card(card: ModelCard, policy: Policy, today: date) -> Card:
    """The card of a model in one version."""
    model, version = card.model, card.version
    own_card = card.evidence.get(CARD)
    text = (own_card.card if own_card else None) or CardText.model_construct()
    facts: dict[str, list[tuple[str, str]]] = {
        "details": _details(card),
        "intended_use": [
            ("Purpose", model.purpose),
            ("Intended use", model.intended_use),
            ("Out of scope", model.out_of_scope),
        ],
        "factors": [
            (
                "Compared by",
                ", ".join(
                    one.name
                    for item in _list_counted(card, FAIRNESS)
                    if item.fairness
                    for one in item.fairness.compared
                ),
            )
        ],
        "metrics": _thresholds(card.evidence.values()),
        "evaluation_data": [],
        "training_data": [("Data sources", ", ".join(model.data_sources))],
        "analyses": _explained(card),
        "ethics": _ethics(card, policy),
        "caveats": _caveats(card, today),
    }
    tables = {"analyses": [*_measures(card.evidence.values()), *_groups(card)]}
    return Card(
        f"{model.name} {version.version}" if version else model.name,
        tuple(
            Section(
                title,
                tuple((label, value) for label, value in facts[name] if value),
                getattr(text, name, "") or "",
                tuple(tables.get(name, ())),
            )
            for name, title in TITLES.items()
        ),
    )


def _details(card: ModelCard) -> list[tuple[str, str]]:
    model, version = card.model, card.version
    facts = [
        ("Name", model.name),
        ("Kind", model.kind.value),
        ("Vendor", model.vendor or ""),
        ("Owner", model.owner.name if model.owner else ""),
        ("Technique", model.technique),
        ("Tier", f"{model.tier} of 3" if model.tier else ""),
        ("Class under the EU AI Act", model.eu_class.value if model.eu_class else ""),
        ("Takes the output of", ", ".join(model.upstream)),
        ("In the registry", model.registry_name or ""),
    ]
    return facts + (_version(version) if version else [])


def _version(version: VersionRecord) -> list[tuple[str, str]]:
    return [
        ("Version", version.version),
        ("State", version.state.value.replace("_", " ")),
        ("Contents", f"sha256:{version.digest}" if version.digest else ""),
        (
            "Consists of",
            ", ".join(f"{key} {value}" for key, value in version.about.items() if value),
        ),
        ("Developed by", ", ".join(one.name for one in version.named(Part.DEVELOPER))),
        ("Validated by", ", ".join(one.name for one in version.named(Part.VALIDATOR))),
    ]


def _list_counted(card: ModelCard, type_: str) -> Sequence[Item]:
    item = card.evidence.get(type_)
    return (item,) if item is not None and item.status is not EvidenceStatus.REJECTED else ()


def _thresholds(items: Iterable[Item]) -> list[tuple[str, str]]:
    return [
        (
            one.name,
            f"{'at least' if one.better == 'higher' else 'at most'} {one.threshold.normalize():f}",
        )
        for item in items
        if item.status is not EvidenceStatus.REJECTED
        for one in item.metrics
    ]


def _measures(items: Iterable[Item]) -> list[Table]:
    rows = tuple(
        (
            one.name,
            f"{one.value.normalize():f}",
            f"{one.threshold.normalize():f}",
            "met" if one.is_met else "not met",
        )
        for item in items
        if item.status is not EvidenceStatus.REJECTED
        for one in item.metrics
    )
    return [Table(("Metric", "Value", "Threshold", ""), rows)] if rows else []


def _groups(card: ModelCard) -> list[Table]:
    tables = []
    for item in _list_counted(card, FAIRNESS):
        for comparison in item.fairness.compared if item.fairness else ():
            rows = [
                (
                    each.name,
                    f"{each.count:,}",
                    _figure(each.selection_rate),
                    _figure(each.impact_ratio),
                    _figure(each.true_positive_rate),
                    _figure(each.false_positive_rate),
                )
                for each in comparison.groups
            ]
            rows += [(name, "too few to be judged", "", "", "", "") for name in comparison.small]
            tables.append(
                Table(
                    (comparison.name, "People", "Selected", "Of the highest", "TPR", "FPR"),
                    tuple(rows),
                )
            )
    return tables


def _figure(value: Decimal | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _explained(card: ModelCard) -> list[tuple[str, str]]:
    return [
        ("What drives its answers", " ".join(explanations.describe_drivers(item.explained)))
        for item in _list_counted(card, EXPLAINED)
        if item.explained is not None
    ]


def _ethics(card: ModelCard, policy: Policy) -> list[tuple[str, str]]:
    facts = [("Bears on people", "yes" if card.model.affects_people else "")]
    for item in _list_counted(card, FAIRNESS):
        facts += [("Flagged", flag) for flag in item.flags]
        if item.flags and item.word:
            facts.append((f"{item.decider or 'The validator'} on that", item.word))
    facts += [
        (policy.evidence.words(type_).capitalize(), item.summary or item.status.value)
        for type_ in ("impact_assessment", "privacy_impact_assessment")
        for item in _list_counted(card, type_)
    ]
    return facts


def _caveats(card: ModelCard, today: date) -> list[tuple[str, str]]:
    facts = [
        (f"Open finding, {one.severity.value}", one.words)
        for one in card.model.findings
        if one.is_open(today)
    ]
    facts += [
        (f"Waived: {item.type.replace('_', ' ')}", item.word)
        for item in card.evidence.values()
        if item.status is EvidenceStatus.WAIVED
    ]
    return facts
