"""The life of a version as one table, its guards, risk tiers, and how a model with several versions stands. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from storage.enums import EuClass, Exposure, ModelState, PurposeClass
from workflows.evidence.rules import Lack, describe_lacks
from workflows.policy.sections import Step

S = ModelState


class Who(StrEnum):
    """The parts in which somebody moves a version."""

    OWNER = "owner"
    DEVELOPER = "developer"
    VALIDATOR = "validator"
    OPERATIONS = "operations"
    MODEL_RISK = "model_risk"
    REQUEST = "request"
    """A request at the gate, when it ends: nobody's own step."""


WHO_WORDS: Mapping[Who, str] = {
    Who.OWNER: "its owner",
    Who.DEVELOPER: "a developer of it",
    Who.VALIDATOR: "its validator",
    Who.OPERATIONS: "operations",
    Who.MODEL_RISK: "model risk",
    Who.REQUEST: "a request",
}


class Guard(StrEnum):
    """What must hold beside evidence and people."""

    STARTABLE = "startable"
    VALIDATOR_NAMED = "validator_named"
    FINDING_FILED = "finding_filed"
    NO_CRITICAL = "no_critical"
    NO_HIGH = "no_high"
    APPROVAL_HOLDS = "approval_holds"
    BUDGET = "budget"
    NO_DEPENDANTS = "no_dependants"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table. `both`: it needs two people, one in each of its parts; else one of `who` does."""

    verb: str
    label: str
    source: ModelState
    target: ModelState
    who: frozenset[Who]
    guards: tuple[Guard, ...] = ()
    evidence: Step | None = None
    asks_why: bool = False
    both: bool = False
    done: str = ""
    """What is said once it happened: "sent to validation"."""


def _move(
    verb: str,
    label: str,
    source: ModelState,
    target: ModelState,
    *who: Who,
    guards: tuple[Guard, ...] = (),
    evidence: Step | None = None,
    why: bool = False,
    both: bool = False,
    done: str = "",
) -> Move:
    return Move(verb, label, source, target, frozenset(who), guards, evidence, why, both, done)


APPROVED, REJECTED, TAKEN_BACK = "approve", "reject", "take_back"
ENDINGS = frozenset({REJECTED, TAKEN_BACK})
"""How a request ends that approves nothing: nobody takes these steps, and nothing bars them."""
START, SUBMIT, PASS, SUSPEND, RETIRE = "start", "submit", "pass", "suspend", "retire"
DEPLOY, IMPLEMENT, CHANGE = "deploy", "implement", "change"
_HOLDS = Guard.APPROVAL_HOLDS

MOVES: tuple[Move, ...] = (
    _move(START, "Start development", S.INVENTORIED, S.DEVELOPMENT, Who.OWNER, guards=(Guard.STARTABLE,), done="in development"),
    _move(SUBMIT, "Send to validation…", S.DEVELOPMENT, S.VALIDATION, Who.DEVELOPER, guards=(Guard.VALIDATOR_NAMED,), evidence="validation", done="sent to validation"),
    _move("return", "Send back…", S.VALIDATION, S.DEVELOPMENT, Who.VALIDATOR, guards=(Guard.FINDING_FILED,), why=True, done="sent back to development"),
    _move("reassign", "Name another validator…", S.VALIDATION, S.VALIDATION, Who.OWNER, Who.MODEL_RISK, guards=(Guard.VALIDATOR_NAMED,), why=True, done="given to another validator"),
    _move(PASS, "Ask for approval…", S.VALIDATION, S.APPROVAL, Who.VALIDATOR, guards=(Guard.NO_CRITICAL,), evidence="approval", why=True, done="validated; approval was asked for"),
    _move(APPROVED, "Approve", S.APPROVAL, S.APPROVED, Who.REQUEST, guards=(Guard.NO_CRITICAL,), evidence="approval", done="approved"),
    _move(REJECTED, "Reject", S.APPROVAL, S.DEVELOPMENT, Who.REQUEST, done="rejected, back in development"),
    _move(TAKEN_BACK, "Take back", S.APPROVAL, S.VALIDATION, Who.REQUEST, done="not decided, back in validation"),
    _move(IMPLEMENT, "Implement…", S.APPROVED, S.IMPLEMENTATION, Who.OPERATIONS, guards=(_HOLDS, Guard.NO_CRITICAL, Guard.BUDGET), evidence="implementation", done="being implemented"),
    _move("roll_back", "Roll back…", S.IMPLEMENTATION, S.APPROVED, Who.OPERATIONS, why=True, done="rolled back before it was used"),
    _move(DEPLOY, "Take into use…", S.IMPLEMENTATION, S.IN_USE, Who.OWNER, Who.OPERATIONS, guards=(_HOLDS, Guard.NO_CRITICAL, Guard.BUDGET), evidence="implementation", why=True, both=True, done="in use"),
    _move(CHANGE, "Change it…", S.IN_USE, S.MODIFICATION, Who.OWNER, why=True, done="being modified"),
    _move("revalidate", "Send to validation…", S.MODIFICATION, S.VALIDATION, Who.DEVELOPER, guards=(Guard.VALIDATOR_NAMED,), evidence="validation", done="sent to validation again"),
    _move("keep", "Drop the change…", S.MODIFICATION, S.IN_USE, Who.OWNER, guards=(_HOLDS, Guard.NO_CRITICAL), why=True, done="in use as it was; the change was dropped"),
    *(
        _move(SUSPEND, "Suspend…", source, S.SUSPENDED, Who.OWNER, Who.MODEL_RISK, Who.OPERATIONS, why=True, done="suspended")
        for source in (S.IN_USE, S.MODIFICATION)
    ),
    _move("resume", "Resume…", S.SUSPENDED, S.IN_USE, Who.MODEL_RISK, guards=(Guard.NO_CRITICAL, Guard.NO_HIGH, Guard.UNCHANGED, _HOLDS), why=True, done="in use again"),
    _move("validate_again", "Validate again…", S.SUSPENDED, S.VALIDATION, Who.MODEL_RISK, guards=(Guard.VALIDATOR_NAMED,), why=True, done="sent to validation again"),
    *(
        _move(RETIRE, "Retire…", source, S.RETIRED, Who.OWNER, Who.MODEL_RISK, guards=(Guard.NO_DEPENDANTS,), evidence="retirement", why=True, both=True, done="retired")
        for source in (S.IN_USE, S.SUSPENDED, S.APPROVED, S.DEVELOPMENT)
    ),
)  # fmt: skip
"""Every step there is; anything else is refused."""

_BY = {(move.source, move.verb): move for move in MOVES}


def find_move(source: ModelState, verb: str) -> Move | None:
    """The step of that name from a state; None when there is none."""
    return _BY.get((source, verb))


def list_moves(source: ModelState) -> tuple[Move, ...]:
    """The steps that somebody can take from a state."""
    return tuple(move for move in MOVES if move.source is source and Who.REQUEST not in move.who)


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody is to a version. `unnamed` are parts that the policy gives to nobody, so that one person does for two."""

    parts: frozenset[Who] = frozenset()
    developed: bool = False
    contributed: bool = False
    unnamed: frozenset[Who] = frozenset()

    @property
    def is_close(self) -> bool:
        """Whether they own, make, validate or run it, or had a hand in it."""
        return bool(self.parts) or self.contributed


@dataclass(frozen=True, slots=True)
class Situation:
    """How a version stands, as far as guards ask."""

    now: datetime
    tier: int | None
    eu_class: EuClass | None
    project_status: str | None
    """None for a model without a project."""
    lacks: Mapping[Step, Sequence[Lack]] = field(default_factory=dict)
    critical: int = 0
    high: int = 0
    open_findings: int = 0
    has_validator: bool = False
    approved_until: datetime | None = None
    is_approved: bool = False
    digest_changed: bool = False
    has_budget: bool = False
    was_changing: bool = False
    """Whether it was suspended in the middle of a change."""
    dependants: tuple[str, ...] = ()
    """Names of models in use that take this one's output."""


STARTABLE = frozenset({"approved", "in_progress", "live"})
"""The states of a project in which its models are developed."""

NEXT: Mapping[ModelState, str] = {
    S.DEVELOPMENT: SUBMIT,
    S.MODIFICATION: "revalidate",
    S.VALIDATION: PASS,
    S.APPROVAL: APPROVED,
    S.APPROVED: IMPLEMENT,
    S.IMPLEMENTATION: DEPLOY,
    S.IN_USE: RETIRE,
    S.SUSPENDED: RETIRE,
}
"""The step by which a version goes on from each state, where it can go on."""

SAID_WITH_IT = frozenset({Guard.VALIDATOR_NAMED})
"""Guards that whoever takes the step can meet in taking it."""


def list_bars(move: Move, situation: Situation) -> tuple[str, ...]:
    """What stands in the way of a step, whoever takes it, each thing a phrase of its own. This is what a check prints,
    what the card of a request shows, and what the step itself is refused by."""
    return (
        *(lack.words for lack in _list_lacks(move, situation)),
        *_list_guard_bars(move, situation),
    )


def _list_lacks(move: Move, situation: Situation) -> Sequence[Lack]:
    return situation.lacks.get(move.evidence, ()) if move.evidence else ()


def _list_guard_bars(move: Move, situation: Situation) -> tuple[str, ...]:
    return tuple(filter(None, (_GUARDS[guard](situation) for guard in move.guards)))


def assume_validator_named(situation: Situation) -> Situation:
    """The situation as it can be once whoever takes a step has said what is said with it."""
    return replace(situation, has_validator=True)


def list_refusals(move: Move, standing: Standing, situation: Situation) -> tuple[str, ...]:
    """Everything that stands in the way of a step that this person takes, each a phrase; empty when it can be taken."""
    return (
        *summarise_bars(move, situation),
        *filter(None, (_describe_person_bar(move, standing),)),
    )


def summarise_bars(move: Move, situation: Situation) -> tuple[str, ...]:
    """What `list_bars` lists, with what is missing as one phrase, for a sentence."""
    lacks = describe_lacks(_list_lacks(move, situation))
    return (*filter(None, (lacks,)), *_list_guard_bars(move, situation))


def _describe_person_bar(move: Move, standing: Standing) -> str:
    if Who.VALIDATOR in move.who:
        if standing.developed:
            return "you developed this version, so you may not validate it"
        if standing.contributed:
            return "you contributed to this version, so you may not validate it"
        if Who.OWNER in standing.parts:
            return "you own this model, so you may not validate it"
    if move.who & standing.parts:
        return ""
    if move.who <= standing.unnamed:
        named = " and ".join(sorted(one.value for one in move.who))
        return f"the policy names nobody for {named} (section inventory of governance.yml)"
    listed = [WHO_WORDS[one] for one in Who if one in move.who]
    joined = " or ".join(filter(None, [", ".join(listed[:-1]), listed[-1]]))
    return f"this is for {joined}"


def _check_startable(at: Situation) -> str:
    if at.eu_class is EuClass.PROHIBITED:
        return "its use is prohibited under the EU AI Act"
    faults = []
    if at.tier is None:
        faults.append("its tier is not assessed yet")
    if at.project_status is None:
        faults.append("it belongs to no project yet")
    elif at.project_status not in STARTABLE:
        faults.append(
            f"its project is {at.project_status.replace('_', ' ')}, not approved for development"
        )
    return "; ".join(faults)


def _check_approval(at: Situation) -> str:
    if not at.is_approved:
        return "it is not approved"
    if at.approved_until is not None and at.approved_until <= at.now:
        # What ends at midnight was good on the day before, and not on the one that began.
        last = at.approved_until - timedelta(microseconds=1)
        return f"its approval ended on {last:%d %b %Y}"
    return "what would be deployed is not what was approved" if at.digest_changed else ""


_GUARDS: Mapping[Guard, Callable[[Situation], str]] = {
    Guard.STARTABLE: _check_startable,
    Guard.VALIDATOR_NAMED: lambda at: "" if at.has_validator else "nobody is named to validate it",
    Guard.FINDING_FILED: lambda at: "" if at.open_findings else "file what you found first",
    Guard.NO_CRITICAL: lambda at: _describe_open(at.critical, "critical"),
    Guard.NO_HIGH: lambda at: _describe_open(at.high, "high"),
    Guard.APPROVAL_HOLDS: _check_approval,
    Guard.BUDGET: lambda at: "" if at.has_budget else "its project has no budget",
    Guard.UNCHANGED: lambda at: (
        "a change of it was under way, so it has to be validated again" if at.was_changing else ""
    ),
    Guard.NO_DEPENDANTS: lambda at: (
        f"still used by {', '.join(at.dependants)}" if at.dependants else ""
    ),
}


def _describe_open(number: int, severity: str) -> str:
    return f"{number} open {severity} finding{'s' if number != 1 else ''}" if number else ""


def completes(move: Move, agreed: Sequence[frozenset[Who]], unnamed: frozenset[Who]) -> bool:
    """Whether those who agreed, each with what they are, make a step that needs two.

    Nobody stands for two parts, except for one that the policy gives to nobody.
    """
    wanted = sorted(move.who - unnamed)
    return _is_covered(wanted, [parts for parts in agreed if parts & move.who])


def _is_covered(wanted: Sequence[Who], agreed: Sequence[frozenset[Who]]) -> bool:
    """Whether each wanted part can be given to somebody else of those who agreed."""
    if not wanted:
        return bool(agreed)
    first, *rest = wanted
    return any(
        first in parts and (not rest or _is_covered(rest, [*agreed[:index], *agreed[index + 1 :]]))
        for index, parts in enumerate(agreed)
    )


# --- tiers


_WEIGHT = {
    Exposure.LOW: 0,
    Exposure.MEDIUM: 1,
    Exposure.HIGH: 2,
    PurposeClass.INFORMATIONAL: 0,
    PurposeClass.DECISION_SUPPORT: 1,
    PurposeClass.AUTOMATED: 2,
}


def derive_tier(exposure: Exposure, purpose: PurposeClass, eu_class: EuClass) -> int:
    """The tier that follows: 1 is the most material.

    Materiality is exposure × purpose (SR 26-2): low weighs 0, the middle 1, the highest 2; together 3 or more is tier 1,
    2 is tier 2, less is tier 3. A use that the EU AI Act classes as high-risk or prohibited is tier 1 in any case.
    """
    if eu_class in (EuClass.HIGH, EuClass.PROHIBITED):
        return 1
    weight = _WEIGHT[exposure] + _WEIGHT[purpose]
    return 1 if weight >= 3 else 2 if weight == 2 else 3


# --- the model as a whole


LEADING = (
    S.IN_USE, S.SUSPENDED, S.MODIFICATION, S.IMPLEMENTATION, S.APPROVED, S.APPROVAL, S.VALIDATION, S.DEVELOPMENT,
    S.RETIRED,
)  # fmt: skip
"""The version by which a model stands is in the first of these states in which any is."""
LIVE = frozenset({S.IN_USE, S.MODIFICATION})
"""The states in which a version works for somebody."""
REVIEWED = LIVE | {S.SUSPENDED}
"""The states of versions whose model is reviewed."""


def find_leading(states: Sequence[tuple[int, ModelState]]) -> int | None:
    """The version (its id) by which a model stands: the one nearest to use, the newest among equals; None without any."""
    if not states:
        return None
    best = min(states, key=lambda version: (LEADING.index(version[1]), -version[0]))
    return best[0]
