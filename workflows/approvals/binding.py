"""From the policy's gate to the stages of one request: conditions told, words replaced by whom they stand for now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from workflows.approvals.rules import Entitlement, Standing, entitlement
from workflows.approvals.stages import PERSON, Approver, Dropped, Escalation, Party, Stage
from workflows.handles import ONCALL, Meant
from workflows.policy import Gate, Policy
from workflows.policy import gates as policy_gates
from workflows.policy.conditions import holds
from workflows.policy.facts import Facts

SUBJECT = "subject."
ROLE = "role:"
MANAGER = "requester.manager"


@dataclass(frozen=True, slots=True)
class PolicyWords:
    """What the words of a gate stand for in one request."""

    policy: Policy
    people: Mapping[str, str | None]
    """`owner`, `sponsor`, `manager`, `developer`, `validator` of the subject → person id."""
    manager_id: str | None = None
    """The requester's manager."""
    meant: Meant = field(default_factory=Meant)
    """Which user groups the policy's handles mean."""

    def of(self, word: str, party: int = 0) -> Approver:
        """One approver of the policy, with whom it stands for."""
        if word == MANAGER:
            return Approver(word, _person(self.manager_id), party)
        if word.startswith(SUBJECT):
            person = self.people.get(word.removeprefix(SUBJECT))
            return Approver(word, _person(person), party)
        if word.startswith(ROLE):
            return self._find_named(word, self.policy.roles[word.removeprefix(ROLE)], party)
        return self._find_named(word, (word.removeprefix(ONCALL),), party)

    def _find_named(self, word: str, written: tuple[str, ...], party: int) -> Approver:
        who = self.meant.who(written)
        kept = written if who != written else ()
        return Approver(word, who, party, written=kept)


def _person(person_id: str | None) -> tuple[str, ...]:
    return (PERSON + person_id,) if person_id else ()


def find_passing_rule(gate: Gate, name: str, facts: Facts) -> str:
    """The condition by which a request passes this gate without being asked; empty when people decide.

    Raises ConditionFailed.
    """
    subject_type = gate.subject_type(name)
    if gate.when and not holds(gate.when, subject_type, facts):
        return f"!({gate.when})"
    if gate.auto_approve and holds(gate.auto_approve, subject_type, facts):
        return gate.auto_approve
    return ""


def choose_stages(
    gate: Gate, name: str, facts: Facts
) -> tuple[tuple[policy_gates.Stage, ...], tuple[Dropped, ...]]:
    """The stages that hold for these facts, and those that were left out. Raises ConditionFailed."""
    stages, dropped = [], []
    for stage in gate.stages:
        if stage.when and not holds(stage.when, gate.subject_type(name), facts):
            dropped.append(Dropped(stage.name, stage.when))
        else:
            stages.append(stage)
    return tuple(stages), tuple(dropped)


def bind_stages(
    gate: Gate, name: str, words: PolicyWords, facts: Facts
) -> tuple[tuple[Stage, ...], tuple[Dropped, ...]]:
    """The stages that hold for these facts, bound, and those that were left out. Raises ConditionFailed."""
    stages, dropped = choose_stages(gate, name, facts)
    return tuple(bind_stage(gate, stage, words) for stage in stages), dropped


def bind_stage(gate: Gate, stage: policy_gates.Stage, words: PolicyWords) -> Stage:
    """One stage with every word replaced by whom it stands for now."""
    parties = stage.parties
    since = gate.rule(stage, "member_since")
    escalation = gate.rule(stage, "escalate")
    return Stage(
        stage.name,
        tuple(
            words.of(word, index) for index, party in enumerate(parties) for word in party.approvers
        ),
        stage.needs,
        stage.ask or gate.ask,
        stage.mode,
        tuple(Party(party.words, party.quorum) for party in parties) if len(parties) > 1 else (),
        comment=gate.rule(stage, "comment") == "required",
        confirm=bool(gate.rule(stage, "confirm")),
        delegate=gate.rule(stage, "delegate") is not False,
        member_since=None if since == "pinned" else since,
        pinned=frozenset() if since == "pinned" else None,
        remind_after=gate.rule(stage, "remind_after") or (),
        escalation=Escalation(
            escalation.after,
            escalation.way,
            tuple(
                words.of(word, index)
                for index in range(len(parties))
                for word in escalation.approvers
            ),
        )
        if escalation is not None
        else None,
    )


def pin_members(stage: Stage, people: Sequence[Mapping[str, object]], now: datetime) -> Stage:
    """The stage with its members of now written down."""
    members = frozenset(id_ for party in people for id_ in party)
    return replace(stage, pinned=members, pinned_at=now)


def list_fallback(gate: Gate, name: str, words: PolicyWords) -> tuple[Approver, ...]:
    """Who decides in place of nobody in the stage of this name, for each of its groups."""
    stage = next(one for one in gate.stages if one.name == name)
    nobody = gate.rule(stage, "nobody")
    if not isinstance(nobody, policy_gates.Fallback):
        return ()
    return tuple(
        words.of(word, index) for index in range(len(stage.parties)) for word in nobody.fallback
    )


def list_glass_breakers(policy: Policy, gate: str, meant: Meant) -> tuple[Approver, ...]:
    """Whom the policy lets break the glass at this gate."""
    rules = policy.gates.get(gate)
    if rules is None or rules.break_glass is None:
        return ()
    words = PolicyWords(policy, {}, meant=meant)
    return tuple(words.of(word) for word in rules.break_glass.by)


def find_break_right(
    policy: Policy, gate: str, standing: Standing, meant: Meant
) -> Entitlement | None:
    """By which of the policy's words this person may break the glass at this gate; None when they may not."""
    if not standing.is_member:
        return None
    return entitlement(list_glass_breakers(policy, gate, meant), standing)
