"""Which evidence counts, and what a version lacks before a step. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.enums import EvidenceStatus
from workflows.evidence.records import Item
from workflows.policy.sections import EvidenceRules, Step

STEPS: tuple[Step, ...] = ("validation", "approval", "implementation", "retirement")
SELF_MADE = "validation_report"
"""What the validator writes: nobody accepts it but the approvers, who read it."""


@dataclass(frozen=True, slots=True)
class Lack:
    """One type that is asked for before a step, and what is wrong: `fairness report: missing`."""

    type: str
    name: str
    why: str

    @property
    def words(self) -> str:
        """`fairness report` when it is missing, else with what is wrong: `model card (rejected)`."""
        return self.name if self.why == "missing" else f"{self.name} ({self.why})"


def choose_counting(items: Iterable[Item]) -> dict[str, Item]:
    """Type → the item that counts: the newest that was not rejected, else the newest."""
    counting: dict[str, Item] = {}
    for item in sorted(items, key=lambda each: each.id):
        before = counting.get(item.type)
        is_rejected = item.status is EvidenceStatus.REJECTED
        if before is None or not is_rejected or before.status is EvidenceStatus.REJECTED:
            counting[item.type] = item
    return counting


def list_lacks(
    items: Mapping[str, Item],
    step: Step,
    tier: int,
    *,
    affects_people: bool,
    rules: EvidenceRules,
    now: datetime,
) -> tuple[Lack, ...]:
    """What a version of this tier lacks before a step, by the items that count; empty when its evidence is complete.

    Before it is approved, what was asked for before validation has to be accepted as well.
    """
    steps: tuple[Step, ...] = (step,)
    if step == "approval":
        steps = ("validation", "approval")
    lacks = []
    for before in steps:
        for type_ in rules.required(before, tier, affects_people=affects_people):
            item = items.get(type_)
            why = describe_fault(item, must_be_accepted=step == "approval", now=now)
            if why:
                lacks.append(Lack(type_, rules.words(type_), why))
    return tuple(lacks)


def describe_fault(item: Item | None, *, must_be_accepted: bool, now: datetime) -> str:
    """Why an item does not do; empty when it does."""
    if item is None:
        return "missing"
    if item.status is EvidenceStatus.REJECTED:
        return "rejected"
    if not item.is_good(now):
        return "waiver over" if item.status is EvidenceStatus.WAIVED else "out of date"
    if item.status is EvidenceStatus.WAIVED:
        return ""
    if item.failed:
        worst = item.failed[0]
        side = "below" if worst.better == "higher" else "above"
        return f"{worst.name} {worst.value.normalize():f} is {side} {worst.threshold.normalize():f}"
    if item.outcome == "fail":
        return "its outcome is fail"
    if must_be_accepted and item.status is not EvidenceStatus.ACCEPTED and item.type != SELF_MADE:
        return "not accepted yet"
    return ""


def digest_items(items: Mapping[str, Item]) -> str:
    """A digest over the items that count: each one's id, type, digest, status and revision, as canonical JSON."""
    # Requests that wait hold this digest: another form of it would make each of them look changed.
    listed = [
        [one.id, one.type, one.sha256 or "", one.status.value, one.revision]
        for _, one in sorted(items.items())
    ]
    text = json.dumps(listed, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def describe_lacks(lacks: Sequence[Lack]) -> str:
    """`missing: validation report, fairness report`; empty for nothing."""
    return f"missing: {', '.join(lack.words for lack in lacks)}" if lacks else ""
