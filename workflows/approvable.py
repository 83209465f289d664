"""The seam between a request and what it is about: a subject type checks a form, says what is asked in plain words,
and changes its own record in the very transaction of the last decision.
"""

import importlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

from pydantic import BaseModel

from storage.enums import ApprovalState
from workflows.context import Context
from workflows.errors import Stale
from workflows.policy.conditions import Facts

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Known:
    """One thing that mlgov read of its own record when a stage opened: no part of what was asked."""

    name: str
    """`tier`"""
    label: str
    """`tier`, for people, inside a sentence."""
    value: str | int
    source: str
    """Where it stands: `the inventory`."""

    def stored(self) -> dict[str, Any]:
        """As the request's row and the ledger keep it."""
        return {"name": self.name, "label": self.label, "value": self.value, "source": self.source}


Manner = Literal["value", "count"]
"""How a change is told: `tier 3 → 1`, `1 critical finding`."""


@dataclass(frozen=True, slots=True)
class Rest:
    """One thing that a request rests on: it chose the stages, or it would bar the step, or people decide by it."""

    name: str
    """As conditions call it, where they know it: `model.tier`."""
    label: str
    """For people, inside a sentence: `tier`, `critical finding`."""
    value: str | int | float | bool
    words: str = ""
    """How people read the value; left out, the value itself."""
    weight: int | None = None
    """How grave this value is: a greater one is graver. Without it, any other value is another question."""
    manner: Manner = "value"
    by_condition: bool = False
    """Whether it only counts where a condition of the gate speaks of it."""

    def stored(self) -> dict[str, Any]:
        """As the request's row keeps it."""
        return {
            "name": self.name,
            "label": self.label,
            "value": self.value,
            "words": self.words,
            "weight": self.weight,
            "manner": self.manner,
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Rest":
        """From what the request's row keeps."""
        return cls(**stored)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a subject type made of a form, checked.

    `facts` are JSON without free text: what is asked, exactly, with money as canonical text. `people` maps `owner`,
    `sponsor`, `manager`, and `developer` and `validator` where there are such, to person ids, for the approver rules
    `subject.owner` and so on; `contributors` took part in making what is asked for. `conditions` are the facts that
    conditions of the policy speak of: exactly those that `workflows.policy.conditions` names for the subject type.
    """

    subject_id: int
    project_id: int
    facts: dict[str, Any]
    people: dict[str, str | None]
    contributors: tuple[str, ...] = ()
    conditions: Facts = field(default_factory=dict)
    is_apart: bool = False
    """Contributors never decide, whatever the gate keeps apart."""
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further people who had a part (`developer`, `validator`), where the record knows of several."""
    known: tuple[Known, ...] = ()
    """What was read of mlgov's own record, for those who decide."""
    rests: tuple[Rest, ...] = ()
    """What the request rests on, as it is shown to those who decide."""
    question: Callable[[str], str] | None = None
    """The digest of all that was asked, from the salted digest of the reason; none where nobody compares questions."""


class ProjectColumns(Protocol):
    """What conditions are told of a project; every row that has these columns of its."""

    @property
    def key(self) -> str: ...
    @property
    def category(self) -> str | None: ...
    @property
    def status(self) -> str: ...
    @property
    def business_unit(self) -> str | None: ...


def project_rests(project: ProjectColumns) -> tuple[Rest, ...]:
    """What conditions are told of a project, as what a request rests on where a condition speaks of it."""
    labels = {
        "project.key": "project",
        "project.category": "the project's category",
        "project.status": "the project's state",
        "project.business_unit": "the project's unit",
    }
    return tuple(
        Rest(name, labels[name], value, str(value).replace("_", " ") or "none", by_condition=True)
        for name, value in project_facts(project).items()
    )


def project_facts(project: ProjectColumns) -> Facts:
    """What conditions are told of a project's row; unknown words are empty."""
    return {
        "project.key": project.key,
        "project.category": project.category or "",
        "project.status": project.status,
        "project.business_unit": project.business_unit or "",
    }


@dataclass(frozen=True, slots=True)
class Words:
    """A request in plain text, not escaped; written by the subject type from the record as it stands.

    For a budget increase: `project` "Ticket triage"; `asks` "raise January's budget: 40,000 → 52,000 EUR (+30 %)";
    `stays`, what holds if nobody decides, "the budget stays at 40,000 EUR"; `done`, what holds once approved,
    "January's budget for Ticket triage is now 52,000 EUR"; `facts`, label and value pairs for Details.
    """

    project: str
    asks: str
    stays: str
    done: str
    facts: tuple[tuple[str, str], ...] = ()
    undone: str = ""
    """What holds once an approval has lapsed: "January's budget is without these 12,000 EUR again"."""


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """What conditions are told of a request now, and what mlgov read of its own record for it."""

    conditions: Facts
    known: tuple[Known, ...] = ()
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Who had a part by the record, by what the policy calls it (`developer`, `validator`, `contributors`)."""
    never: tuple[str, ...] = ()
    """Who never decides by the record, whatever the gate keeps apart."""
    rests: tuple[Rest, ...] = ()
    """What the request rests on, as it is now."""
    bars: tuple[str, ...] = ()
    """What bars the step itself now, whoever approves it, each a phrase."""
    way_on: str = ""
    """A sentence on how what bars it can be settled, where that isn't plain."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a request asks to change is not what it was when it was asked: plain text, not escaped."""

    clause: str
    """`January's budget is 2,000 EUR now; it was 1,000 EUR when this was asked`."""
    mark: str
    """Names how the record stands, so that an answer is to what was shown; without a colon."""
    again: str = ""
    """`Ask for 2,200 EUR`: the same change to what there is now; empty where that can't be asked."""
    asks: str = ""
    """What that would ask, as `Words.asks` says it."""
    doubt: str = ""
    """What is asked before that, where the amount is odd; the mark is another one then."""
    keep: str = "Withdraw"
    """`Keep 2,000 EUR`: what taking the request back comes to."""


class SubjectMoved(Stale):
    """What was asked is no longer the question: whoever asked says what it is now, before anybody approves."""


@dataclass(frozen=True, slots=True)
class Reread:
    """A subject as it stands now, of one reading without locks."""

    again: ReadAgain | None
    """What conditions are told now of what was asked; None when that can't be told."""
    moved: Moved | None = None
    """How the record differs from what was shown, of a type that asks for a change to it; None where it is the same."""


@runtime_checkable
class Rereadable(Protocol):
    """A subject type whose conditions rest on what mlgov's record says, which can change while a request waits."""

    def reread(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Reread:
        """The subject of what was asked (`facts`) as it stands now."""
        ...


@runtime_checkable
class Movable(Rereadable, Protocol):
    """A subject type that asks for a change to what its record says, and the record can change while a request waits."""

    def again(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> BaseModel | None:
        """The form that asks for the same change to what there is now; None where that can't be asked."""
        ...


class SubjectType(Protocol):
    """What can be decided at a gate. `gate` is the policy's name for it (`budget_increase`)."""

    @property
    def gate(self) -> str | None:
        """The one gate at which this is decided; None for every gate that the policy binds to it."""
        ...

    @property
    def is_editable(self) -> bool:
        """Whether the requester can change what they ask while it waits."""
        ...

    def prepare(self, ctx: Context, form: BaseModel, *, replacing: int | None = None) -> Prepared:
        """Lock the subject's row, check the form, and say what exactly is asked. Raises GovernanceError.

        `replacing` is the waiting request that this changes, which stands in nobody's way.
        """
        ...

    def lock(self, session: "Session", subject_id: int) -> None:
        """Lock the subject's row until the transaction ends."""
        ...

    def apply(self, ctx: Context, approval_id: int, subject_id: int, facts: dict[str, Any]) -> None:
        """The last approval came: change the subject as asked."""
        ...

    def close(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        outcome: ApprovalState,
    ) -> None:
        """The request ended without approval (rejected, expired or withdrawn): the subject stays as it is."""
        ...

    def lapse(
        self,
        ctx: Context,
        approval_id: int,
        subject_id: int,
        facts: dict[str, Any],
        *,
        spared: Collection[str] = (),
    ) -> None:
        """An approval that was applied holds no more, because a condition was not met: undo what it changed.

        The subject is locked. What others changed since stays as it is.
        """
        ...

    def words(self, ctx: Context, subject_id: int, facts: dict[str, Any]) -> Words:
        """The request in plain words, read without locks."""
        ...


# --- What can be asked for
#
# by subject type. A noun that can be asked about imports this module, so it is named here and loaded when it is first
# needed.


_PLACES = {
    "budget": "budgets.increase:BUDGET_INCREASE",
    "release": "releases.service:RELEASE",
    "milestone": "milestones.reschedule:RESCHEDULE",
    "model_version": "inventory.model_approval:MODEL_APPROVAL",
    "case": "cases.approval:CASE_APPROVAL",
}
"""Where each subject type stands."""


class SubjectTable(dict[str, SubjectType]):
    """What can be asked for, by subject type; each is loaded when it is first asked for."""

    def __missing__(self, subject_type: str) -> SubjectType:
        loaded = self[subject_type] = cast(SubjectType, _load(_PLACES[subject_type]))
        return loaded


def _load(place: str) -> object:
    module, _, name = place.partition(":")
    loaded: object = getattr(importlib.import_module("workflows." + module), name)
    return loaded


SUBJECTS = SubjectTable()
SUBJECT_TYPES = tuple(_PLACES)
_RESTS_ON_AN_APPROVAL = ("statements.service:withdraw_for_approval",)


def withdraw_what_rests_on(ctx: Context, approval_id: int) -> None:
    """An approval holds no more: what was handed out on it goes with it, in the same transaction."""
    for place in _RESTS_ON_AN_APPROVAL:
        cast(Callable[[Context, int], None], _load(place))(ctx, approval_id)
