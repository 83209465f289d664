"""What an approval of a version rests on: what conditions are told, what cards show as it changes, what must be the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from storage.enums import EuClass, EvidenceStatus, Exposure, Severity
from storage.inventory.tables import Model, ModelVersion
from storage.projects.tables import Project
from workflows.evidence import rules as evidence_rules
from workflows.evidence.records import Item
from workflows.inventory.records import FindingRecord
from workflows.policy.facts import Facts
from workflows.subjects import Known, Rest, project_facts, project_rests


def list_changes(
    version: ModelVersion, items: Mapping[str, Item], facts: dict[str, Any]
) -> tuple[str, ...]:
    """What was asked about has to be what stands there: these contents, on this evidence."""
    others = [
        what
        for what, is_same in (
            ("evidence", evidence_rules.digest_items(items) == facts["evidence"]),
            ("contents", (version.digest or "") == facts["digest"]),
        )
        if not is_same
    ]
    if not others:
        return ()
    return (
        f"what was asked about is not what stands there now, its {' and '.join(others)} changed",
    )


def list_waived(items: Mapping[str, Item]) -> list[str]:
    """The types of evidence that were waived."""
    return [one.type for one in items.values() if one.status is EvidenceStatus.WAIVED]


def condition_facts(
    model: Model,
    version: ModelVersion,
    project: Project,
    items: Mapping[str, Item],
    open_: Sequence[FindingRecord],
) -> Facts:
    """What conditions of the gate are told."""
    return {
        "model.name": model.key,
        "model.version": version.version,
        "model.tier": model.tier or 1,
        "model.kind": model.kind,
        "model.eu_class": model.eu_class or "",
        "model.exposure": model.exposure or "",
        "model.affects_people": model.affects_people,
        "evidence.waived": len(list_waived(items)),
        "evidence.flagged": sum(bool(one.flags) for one in items.values()),
        "findings.open": len(open_),
        "findings.high": sum(one.severity in (Severity.HIGH, Severity.CRITICAL) for one in open_),
        **project_facts(project),
    }


_EXPOSED = tuple(Exposure)
_STRICTEST = tuple(EuClass)
"""From the strictest class on."""


def list_rests(
    model: Model, project: Project, items: Mapping[str, Item], open_: Sequence[FindingRecord]
) -> tuple[Rest, ...]:
    """What an approval rests on. Less grave findings are told, and nobody has to decide anew for them."""
    eu_class = EuClass(model.eu_class) if model.eu_class else None
    exposure = Exposure(model.exposure) if model.exposure else None
    by_severity = Counter(one.severity for one in open_)
    critical, high = by_severity[Severity.CRITICAL], by_severity[Severity.HIGH]
    lesser = len(open_) - critical - high

    def counted(name: str, label: str, number: int, *, weighs: bool = True) -> Rest:
        return Rest(name, label, number, weight=number if weighs else 0, manner="count")

    return (
        Rest("model.tier", "tier", model.tier or 1, weight=-(model.tier or 1)),
        Rest(
            "model.eu_class",
            "EU AI Act class",
            model.eu_class or "",
            model.eu_class or "not said",
            -_STRICTEST.index(eu_class) if eu_class else -len(_STRICTEST),
        ),
        Rest(
            "model.exposure",
            "exposure",
            model.exposure or "",
            model.exposure or "not said",
            _EXPOSED.index(exposure) if exposure else -1,
        ),
        Rest(
            "model.affects_people",
            "bears on people",
            model.affects_people,
            weight=int(model.affects_people),
        ),
        counted("findings.critical", "critical finding", critical),
        counted("findings.high", "high finding", high),
        counted("findings.lesser", "lesser finding", lesser, weighs=False),
        counted("evidence.waived", "waiver", len(list_waived(items))),
        counted("evidence.flagged", "flagged item", sum(bool(one.flags) for one in items.values())),
        Rest("model.kind", "kind", model.kind, by_condition=True),
        *project_rests(project),
    )


def list_known(model: Model) -> tuple[Known, ...]:
    """What is shown as read from the inventory."""
    values = (("tier", "tier", model.tier), ("eu_class", "EU AI Act class", model.eu_class))
    return tuple(
        Known(name, label, value, "the inventory")
        for name, label, value in values
        if value is not None
    )
