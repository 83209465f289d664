"""Stages as a request is bound to them: what the policy's words stood for, and how the stage row keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from storage.enums import Ask

PERSON = "person:"
"""Before the opaque id of a person whom `subject.owner` and the like stood for when the request was opened."""

HANDED_OVER = "handed_over"
"""The rule by which somebody decides to whom an approver gave their place."""

Mode = Literal["all", "any"]
Way = Literal["add", "replace", "notify"]


@dataclass(frozen=True, slots=True)
class Approver:
    """One approver of a stage: the policy's word, and whom it stood for (Slack ids of people and user groups, `person:ID`s).

    An `@group` among them names nobody: it is of an earlier release, and meant several groups, or none, when this one came.
    """

    rule: str
    who: tuple[str, ...]
    party: int = 0
    """Index of their group in the stage."""
    by: str | None = None
    """The person whose place in the stage this one took, and who so does not decide in it themselves."""
    among: tuple[str, ...] | None = None
    """Whom the policy lets take places beside those whom the stage asks; None for a hand-over of an earlier release."""
    is_late: bool = False
    """Whether they came into the stage after it was bound: pins go by when they joined their group."""
    written: tuple[str, ...] = ()
    """The policy's own words for `who`, where those name user groups by handle."""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Approver":
        """From what the stage row keeps."""
        return cls(
            stored["rule"],
            tuple(stored["who"]),
            stored.get("party", 0),
            stored.get("by"),
            tuple(stored["among"]) if "among" in stored else None,
            stored.get("late", False),
            tuple(stored.get("written", ())),
        )

    def as_written(self) -> "Approver":
        """With user groups by handle, as the policy has them and earlier releases kept them."""
        return replace(self, who=self.written or self.who, written=())

    def stored(self) -> dict[str, Any]:
        """As the stage row keeps it."""
        kept: dict[str, Any] = {"rule": self.rule, "who": list(self.who)}
        if self.party:
            kept["party"] = self.party
        if self.by:
            kept["by"] = self.by
        if self.among is not None:
            kept["among"] = list(self.among)
        if self.is_late:
            kept["late"] = True
        if self.written:
            kept["written"] = list(self.written)
        return kept


@dataclass(frozen=True, slots=True)
class Party:
    """A group of approvers inside a stage."""

    name: str
    quorum: int


@dataclass(frozen=True, slots=True)
class Escalation:
    """What happens to the stage when nobody has decided it for so long."""

    after: timedelta
    way: Way
    approvers: tuple[Approver, ...]


class StageColumns(Protocol):
    """What a stage is made of again; every row that has a stage's columns."""

    @property
    def name(self) -> str: ...
    @property
    def approvers(self) -> list[dict[str, Any]]: ...
    @property
    def quorum(self) -> int: ...
    @property
    def ask(self) -> str: ...
    @property
    def rules(self) -> dict[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a request: `quorum` different people out of its approvers must approve, or of each of its groups."""

    name: str
    approvers: tuple[Approver, ...]
    quorum: int
    ask: Ask
    mode: Mode = "all"
    parties: tuple[Party, ...] = ()
    """Its groups, where there is more than one."""
    comment: bool = False
    confirm: bool = False
    delegate: bool = True
    """Whether somebody may decide in the place of an approver who is away."""
    member_since: timedelta | None = None
    pinned: frozenset[str] | None = None
    """The members who were in its groups when the request was opened; only they decide through a group."""
    pinned_at: datetime | None = None
    """When that was; who comes into the stage later through another group was in that one by then."""
    remind_after: tuple[timedelta, ...] = ()
    escalation: Escalation | None = None
    escalated: bool = False
    fallback: tuple[Approver, ...] = ()
    """Who was added because too few could decide."""

    @property
    def named(self) -> list[str]:
        """Whom its approvers stand for, those included who come when it is late."""
        coming = self.escalation.approvers if self.escalation is not None else ()
        return [who for one in (*self.approvers, *coming) for who in one.who]

    def as_written(self) -> "Stage":
        """With user groups by handle, as the policy has them and earlier releases kept them."""
        late = self.escalation
        return replace(
            self,
            approvers=tuple(one.as_written() for one in self.approvers),
            escalation=replace(late, approvers=tuple(one.as_written() for one in late.approvers))
            if late is not None
            else None,
            fallback=tuple(one.as_written() for one in self.fallback),
        )

    @property
    def own(self) -> list[Approver]:
        """Whom the stage itself asks, without those who took somebody's place."""
        return [approver for approver in self.approvers if approver.by is None]

    @property
    def shape(self) -> tuple[object, ...]:
        """What verdicts given in it count towards; a stage of another shape is another stage."""
        return self.name, self.mode, self.quorums

    @property
    def quorums(self) -> tuple[int, ...]:
        """How many each of its groups needs."""
        if not self.parties:
            return (self.quorum,)
        return tuple(party.quorum for party in self.parties)

    @classmethod
    def of(cls, row: StageColumns) -> "Stage":
        """From its row."""
        kept = row.rules or {}
        escalation = kept.get("escalate")
        return cls(
            row.name,
            tuple(Approver.of(item) for item in row.approvers),
            row.quorum,
            Ask(row.ask),
            kept.get("mode", "all"),
            tuple(Party(**item) for item in kept.get("parties", ())),
            kept.get("comment", False),
            kept.get("confirm", False),
            kept.get("delegate", True),
            _span(kept.get("member_since")),
            frozenset(kept["pinned"]) if "pinned" in kept else None,
            datetime.fromisoformat(kept["pinned_at"]) if "pinned_at" in kept else None,
            tuple(timedelta(seconds=each) for each in kept.get("remind_after", ())),
            Escalation(
                timedelta(seconds=escalation["after"]),
                escalation["way"],
                tuple(Approver.of(item) for item in escalation["approvers"]),
            )
            if escalation
            else None,
            kept.get("escalated", False),
            tuple(Approver.of(item) for item in kept.get("fallback", ())),
        )

    def stored(self) -> dict[str, Any]:
        """As its row keeps it."""
        kept: dict[str, Any] = {}
        if self.parties:
            kept["mode"] = self.mode
            kept["parties"] = [
                {"name": party.name, "quorum": party.quorum} for party in self.parties
            ]
        for word in ("comment", "confirm", "escalated"):
            if getattr(self, word):
                kept[word] = True
        if not self.delegate:
            kept["delegate"] = False
        if self.member_since is not None:
            kept["member_since"] = self.member_since.total_seconds()
        if self.pinned is not None:
            kept["pinned"] = sorted(self.pinned)
        if self.pinned_at is not None:
            kept["pinned_at"] = self.pinned_at.isoformat(timespec="microseconds")
        if self.remind_after:
            kept["remind_after"] = [each.total_seconds() for each in self.remind_after]
        if self.escalation is not None:
            kept["escalate"] = {
                "after": self.escalation.after.total_seconds(),
                "way": self.escalation.way,
                "approvers": [one.stored() for one in self.escalation.approvers],
            }
        if self.fallback:
            kept["fallback"] = [one.stored() for one in self.fallback]
        return {
            "name": self.name,
            "approvers": [approver.stored() for approver in self.approvers],
            "quorum": self.quorum,
            "ask": self.ask.value,
            "rules": kept or None,
        }


@dataclass(frozen=True, slots=True)
class Dropped:
    """A stage that was left out, and the condition that did not hold."""

    name: str
    when: str


@dataclass(frozen=True, slots=True)
class Bound:
    """What the policy's rules came to for one request when it was opened."""

    facts: dict[str, Any] = field(default_factory=dict)
    """What conditions were told, by name."""
    people: dict[str, str | None] = field(default_factory=dict)
    contributors: tuple[str, ...] = ()
    apart: dict[str, str] = field(default_factory=dict)
    """Who may not decide: person id → what they are to the subject."""
    dropped: tuple[Dropped, ...] = ()
    by_rule: str = ""
    """The condition by which it passed without being asked; empty for a request that people decide."""
    valid_for: timedelta | None = None
    way: tuple[str, ...] | None = None
    """What its stages demand, by `ways.digest_demand`; none for a request that an older release opened."""
    known: tuple[dict[str, Any], ...] = ()
    """What mlgov read of its own record when a stage opened, as `subjects.Known` stores it."""
    known_at: str | None = None
    """When that was read, as ISO 8601."""
    question: str | None = None
    """The digest of all that was asked; see `subjects.Prepared.question`."""
    rests: tuple[dict[str, Any], ...] = ()
    """What it rested on when it was asked, as `subjects.Rest` stores it."""
    now: tuple[dict[str, Any], ...] | None = None
    """What it rests on as its cards show it, where that was read anew since."""
    bars: tuple[str, ...] = ()
    """What barred the step when that was read."""
    stuck: str = ""
    """Why a stage that has to decide too could never pass; empty where none is so."""
    added: tuple[str, ...] = ()
    """Names of the stages that what changed has brought since it was asked."""
    moved_at: str | None = None
    """When what changed was seen last, as ISO 8601."""

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Bound":
        """From what the request's row keeps."""
        kept = stored or {}
        return cls(
            kept.get("facts", {}),
            kept.get("people", {}),
            tuple(kept.get("contributors", ())),
            kept.get("apart", {}),
            tuple(Dropped(**item) for item in kept.get("dropped", ())),
            kept.get("by_rule", ""),
            _span(kept.get("valid_for")),
            tuple(kept["way"]) if kept.get("way") is not None else None,
            tuple(kept.get("known", ())),
            kept.get("known_at"),
            kept.get("question"),
            tuple(kept.get("rests", ())),
            tuple(kept["now"]) if kept.get("now") is not None else None,
            tuple(kept.get("bars", ())),
            kept.get("stuck", ""),
            tuple(kept.get("added", ())),
            kept.get("moved_at"),
        )

    def stored(self) -> dict[str, Any]:
        """As the request's row keeps it."""
        return {
            "facts": self.facts,
            "people": self.people,
            "contributors": list(self.contributors),
            "apart": self.apart,
            "dropped": [{"name": one.name, "when": one.when} for one in self.dropped],
            "by_rule": self.by_rule,
            "valid_for": self.valid_for.total_seconds() if self.valid_for else None,
            "way": list(self.way) if self.way is not None else None,
            "known": list(self.known),
            "known_at": self.known_at,
            "question": self.question,
            "rests": list(self.rests),
            "now": list(self.now) if self.now is not None else None,
            "bars": list(self.bars),
            "stuck": self.stuck,
            "added": list(self.added),
            "moved_at": self.moved_at,
        }


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
