"""How requests are decided: gates, their stages, and the rules that hold in them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from storage.enums import Ask
from workflows.policy import conditions
from workflows.policy.conditions import SUBJECT_OF
from workflows.policy.sections import Approver, Duration, Section
from workflows.wording import parse_duration

Condition = Annotated[str, Field(min_length=1, max_length=conditions.MAX_LENGTH)]
Comment = Literal["required", "optional"]
Apart = Literal["requester", "developer", "validator", "approver", "contributors"]
Fault = tuple[tuple[int | str, ...], str]
"""Where in the file something is wrong, as a path of keys, and what."""


def _since(value: object) -> object:
    return value if value == "pinned" else parse_duration(value)


MemberSince = Annotated[timedelta | Literal["pinned"], BeforeValidator(_since)]
"""For how long somebody must have been seen in a group to decide through it; `pinned` takes those who are in it when
the request is opened, and nobody who joins later."""


class Party(Section):
    """A group of approvers inside a stage, with a quorum of its own."""

    name: str | None = Field(default=None, min_length=1, max_length=60)
    approvers: tuple[Approver, ...] = Field(min_length=1, max_length=50)
    quorum: int = Field(default=1, ge=1, le=20)

    @property
    def words(self) -> str:
        """Its name, or whom it asks as the policy writes it."""
        return self.name or ", ".join(self.approvers)


class Escalation(Section):
    """What happens to a stage that nobody has decided after a time: people are added, replaced, or told."""

    after: Duration
    add: tuple[Approver, ...] = Field(default=(), max_length=50)
    replace: tuple[Approver, ...] = Field(default=(), max_length=50)
    notify: tuple[Approver, ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _one_way(self) -> "Escalation":
        if sum(map(bool, (self.add, self.replace, self.notify))) != 1:
            raise ValueError("escalate has one of add, replace and notify")
        return self

    @property
    def way(self) -> Literal["add", "replace", "notify"]:
        """Which of the three it does."""
        return "add" if self.add else "replace" if self.replace else "notify"

    @property
    def approvers(self) -> tuple[str, ...]:
        """Whom it concerns."""
        return self.add or self.replace or self.notify


class Fallback(Section):
    """Who decides in place of approvers who are nobody."""

    fallback: tuple[Approver, ...] = Field(min_length=1, max_length=50)


class Rules(Section):
    """What a gate says for all of its stages, and a stage for itself."""

    ask: Ask | None = None
    comment: Comment | None = None
    """`required`: who approves says why."""
    confirm: bool | None = None
    """Approving asks once more."""
    delegate: bool | None = None
    """`false`: nobody decides here in the place of somebody who is away."""
    member_since: MemberSince | None = None
    remind_after: tuple[Duration, ...] | None = Field(default=None, max_length=10)
    """When those who have not decided are reminded, counted from when they were asked."""
    escalate: Escalation | None = None
    nobody: Literal["refuse"] | Fallback | None = None
    """What happens where too few can decide: the request is refused, unless a fallback is named."""

    @field_validator("remind_after")
    @classmethod
    def _in_order(cls, value: tuple[timedelta, ...] | None) -> Any:
        return tuple(sorted(set(value))) if value else value


class Stage(Rules):
    """Approvers who are asked together, and how many of them must approve."""

    name: str = Field(min_length=1, max_length=60)
    when: Condition | None = None
    """CEL over the subject's facts; where it is false this stage is left out."""
    approvers: tuple[Approver, ...] = Field(default=(), max_length=50)
    all_of: tuple[Party, ...] = Field(default=(), max_length=10)
    any_of: tuple[Party, ...] = Field(default=(), max_length=10)
    quorum: int = Field(default=1, ge=1, le=20)

    @model_validator(mode="after")
    def _one_kind(self) -> "Stage":
        if sum(map(bool, (self.approvers, self.all_of, self.any_of))) != 1:
            raise ValueError("a stage has one of approvers, all_of and any_of")
        if not self.approvers and "quorum" in self.model_fields_set:
            raise ValueError("with all_of or any_of, each group has its own quorum")
        return self

    @property
    def parties(self) -> tuple[Party, ...]:
        """Its groups; one for a stage of approvers alone."""
        if self.approvers:
            return (Party(approvers=self.approvers, quorum=self.quorum),)
        return self.all_of or self.any_of

    @property
    def mode(self) -> Literal["all", "any"]:
        """Whether every group must approve, or one is enough."""
        return "any" if self.any_of else "all"

    @property
    def needs(self) -> int:
        """How many people must approve at least."""
        quorums = [party.quorum for party in self.parties]
        return min(quorums) if self.mode == "any" else sum(quorums)

    @property
    def words(self) -> tuple[str, ...]:
        """Every approver that it names, wherever."""
        named = [word for party in self.parties for word in party.approvers]
        if self.escalate is not None:
            named += self.escalate.approvers
        if isinstance(self.nobody, Fallback):
            named += self.nobody.fallback
        return tuple(named)


class BreakGlass(Section):
    """Who may approve at once in an emergency, and within which time others look at it afterwards."""

    by: tuple[Approver, ...] = Field(min_length=1, max_length=50)
    review_within: Duration = timedelta(days=2)


class Gate(Rules):
    """How a kind of request is decided: stages in order, and the time there is."""

    for_: Literal["budget", "milestone", "release", "model_version", "case"] | None = Field(
        default=None, alias="for"
    )
    """What is decided here; left out, the gate's name says it, and every other gate is for a release."""
    when: Condition | None = None
    """CEL; where it is false the gate asks nobody, and a request passes by rule."""
    auto_approve: Condition | None = None
    """CEL; where it is true a request passes by rule, and says so."""
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=10)
    ask: Ask = Ask.CHANNEL
    separate: tuple[Apart, ...] = ("requester",)
    """Who may not decide, beside the requester, who never does; those named must be different people."""
    expires_after: Duration = timedelta(days=7)
    break_glass: BreakGlass | None = None
    hand_over_to: tuple[Approver, ...] = Field(default=(), max_length=50)
    """To whom an approver may hand over, beside those whom the stage asks anyway."""
    change_reopens: str | None = None
    """The stage from which on people are asked anew when the requester changes what is asked; the first, if none is named."""
    when_facts_change: Literal["ask_again", "add_stages"] = "ask_again"
    """What happens when what a request rests on gets graver while it waits. Stages that it demands then are added in any
    case; with `ask_again`, what was approved before counts no more, and people are asked anew."""
    valid_for: Duration | None = None
    """For how long an approval holds."""

    @field_validator("expires_after")
    @classmethod
    def _sensible(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=5) <= value <= timedelta(days=365):
            raise ValueError("a request can wait between 5m and 365d")
        return value

    @model_validator(mode="after")
    def _distinct_names(self) -> "Gate":
        names = [stage.name.casefold() for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(
                "two stages have the same name; people must be able to tell them apart"
            )
        if self.change_reopens and self.change_reopens.casefold() not in names:
            raise ValueError(
                f"change_reopens names a stage: {', '.join(stage.name for stage in self.stages)}"
            )
        return self

    @model_validator(mode="after")
    def _in_time(self) -> "Gate":
        for rules in (self, *self.stages):
            late = [each for each in rules.remind_after or () if each >= self.expires_after]
            if late or (rules.escalate and rules.escalate.after >= self.expires_after):
                raise ValueError("reminders and escalation come before the request expires")
        return self

    def rules_of(self, stage: Stage) -> Rules:
        """What holds for a stage: its own words, else the gate's."""
        return Rules.model_construct(
            **{
                name: getattr(self if getattr(stage, name) is None else stage, name)
                for name in Rules.model_fields
            }
        )

    def subject_type(self, name: str) -> str:
        """What is decided at this gate, which the policy calls `name`."""
        return self.for_ or SUBJECT_OF.get(name, "release")

    @property
    def words(self) -> tuple[str, ...]:
        """Every approver that the gate names, wherever."""
        named = [word for stage in self.stages for word in stage.words]
        if self.escalate is not None:
            named += self.escalate.approvers
        if isinstance(self.nobody, Fallback):
            named += self.nobody.fallback
        if self.break_glass is not None:
            named += self.break_glass.by
        named += self.hand_over_to
        return tuple(named)

    def conditions(self) -> Iterator[tuple[tuple[int | str, ...], str]]:
        """Each condition of the gate, with its path in it."""
        if self.when:
            yield ("when",), self.when
        if self.auto_approve:
            yield ("auto_approve",), self.auto_approve
        for index, stage in enumerate(self.stages):
            if stage.when:
                yield ("stages", index, "when"), stage.when

    def faults(self, name: str) -> Iterator[Fault]:
        """Conditions that do not fit the facts of what is decided here."""
        if name in SUBJECT_OF and self.for_ not in (None, SUBJECT_OF[name]):
            yield ("for",), f"{name} decides about a {SUBJECT_OF[name]}"
        for path, text in self.conditions():
            if (wrong := conditions.fault(text, self.subject_type(name))) is not None:
                yield path, wrong
