"""The model card of a version, made from the record: nine sections, and what nobody said is missing. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from storage.enums import EvidenceStatus, Part
from workflows.evidence import explaining
from workflows.evidence.carding import TITLES, CardText
from workflows.evidence.forms import CARD, EXPLAINED, FAIRNESS
from workflows.evidence.records import Item
from workflows.inventory.records import ModelCard, VersionRecord
from workflows.policy import Policy

MISSING = "Missing: nobody said this yet."


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
        ("What drives its answers", " ".join(explaining.describe_drivers(item.explained)))
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
