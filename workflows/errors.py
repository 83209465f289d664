"""Refusals. One root; each class carries the sentence that a person reads, and what to audit when it must be."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


class GovernanceError(Exception):
    """Something that mlgov will not do, said in one sentence with the way on.

    `field` names the input at fault, so that a form can show the sentence under it. `audit` is set when the refusal
    itself belongs in the ledger: the edge writes it in a second transaction, after the rollback. `hint` is a code for
    what a surface may add in its own terms, such as the command that lists what there is.
    """

    def __init__(
        self,
        sentence: str,
        *,
        field: str | None = None,
        audit: "RefusalFact | None" = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
        self.audit = audit
        self.hint = hint


class RefusalFact:
    """What the ledger says about a refusal: the action that was tried, on what, and why it was refused (a code)."""

    __slots__ = ("action", "facts", "subject_id", "subject_type")

    def __init__(self, action: str, subject_type: str, subject_id: str, **facts: Any) -> None:
        self.action = action
        self.subject_type = subject_type
        self.subject_id = subject_id
        self.facts = facts


class NotFound(GovernanceError):
    """What was named does not exist, or not for this person."""


class NotAllowed(GovernanceError):
    """This person may not do that."""


class InvalidInput(GovernanceError):
    """Something typed, chosen or imported cannot be right."""


class InvalidInputs(InvalidInput):
    """All that cannot be right, field → sentence. Whoever reads one sentence alone reads the first."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        field, sentence = next(iter(faults.items()))
        super().__init__(sentence, field=field)
        self.faults = dict(faults)


def refuse(faults: Mapping[str, str]) -> None:
    """Raise InvalidInputs where there is a fault."""
    if faults:
        raise InvalidInputs(faults)


class Stale(GovernanceError):
    """The record changed since it was shown; the current state is shown instead."""


def all_faults(error: "ValidationError") -> list[tuple[str, str]]:
    """Where a form is wrong, each as `field.part` (empty for the form as a whole), and a sentence about it."""
    faults = []
    for fault in error.errors(include_url=False):
        words = str(fault["msg"]).removeprefix("Value error, ")
        field = ".".join(str(part) for part in fault["loc"])
        faults.append((field, f"{words[:1].upper()}{words[1:]}."))
    return faults


def first_fault(error: "ValidationError") -> tuple[str, str]:
    """The first of them."""
    return all_faults(error)[0]
