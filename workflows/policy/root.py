"""The whole policy: every section of governance.yml, and what must hold between them."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from workflows.errors import GovernanceError
from workflows.policy.gates import Fault, Gate
from workflows.policy.sections import (
    SPONSOR,
    Budgets,
    Cases,
    Channels,
    Costs,
    Digests,
    EvidenceRules,
    Inventory,
    Maturity,
    Member,
    Milestones,
    Organisation,
    People,
    Readings,
    RegistryRules,
    Rollout,
    Section,
    Statements,
)


class Policy(Section):
    """Everything that governance.yml says."""

    version: Literal[1]
    organisation: Organisation
    channels: Channels = Channels()
    people: People = People()
    rollout: Rollout = "all"
    roles: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], tuple[Member, ...]] = Field(
        default={}
    )
    gates: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")], Gate] = Field(default={})
    costs: Costs = Costs()
    budgets: Budgets = Budgets()
    cases: Cases = Cases()
    milestones: Milestones = Milestones()
    digests: Digests = Digests()
    maturity: Maturity = Maturity()
    inventory: Inventory = Inventory()
    evidence: EvidenceRules = EvidenceRules()
    readings: Readings = Readings()
    registry: RegistryRules = RegistryRules()
    statements: Statements = Statements()

    @model_validator(mode="after")
    def _rollout_reaches_somebody(self) -> "Policy":
        role = {"me": "admin", "pilot": "pilot"}.get(self.rollout)
        if role is not None and not self.roles.get(role):
            raise ValueError(
                f"rollout: {self.rollout} needs a role {role!r} with somebody in it, else nobody is ever messaged"
            )
        return self

    @model_validator(mode="after")
    def _known_roles(self) -> "Policy":
        for name, gate in self.gates.items():
            for place, words in (
                *((f", stage {stage.name}", stage.words) for stage in gate.stages),
                ("", gate.words),
            ):
                for approver in words:
                    role = approver.removeprefix("role:")
                    if role != approver and role not in self.roles:
                        raise ValueError(
                            f"gate {name}{place}: there is no role {role!r} under roles"
                        )
        for kind, digest in self.digests.named.items():
            for word in (*digest.audience, digest.owner):
                role = word.removeprefix("role:")
                if role != word and role not in self.roles:
                    raise ValueError(f"the {kind} digest: there is no role {role!r} under roles")
        for rule in (*self.maturity.leaders, *self.maturity.practitioners):
            role = rule.removeprefix("role:")
            if rule.startswith("role:") and role not in self.roles:
                raise ValueError(
                    f"maturity invites {rule}, but there is no role {role!r} under roles"
                )
        for word in self.cases.attest or ():
            role = word.removeprefix("role:")
            if role != word and role not in self.roles:
                raise ValueError(f"cases.attest names {word}, but there is no role {role!r}")
        return self

    @property
    def attesters(self) -> tuple[str, ...]:
        """Words for those who attest returns: as `cases.attest` says, else the sponsor and who holds the role `finance`."""
        if self.cases.attest is not None:
            return self.cases.attest
        return (SPONSOR, *(["role:finance"] if "finance" in self.roles else []))

    @model_validator(mode="after")
    def _known_gates(self) -> "Policy":
        gate = self.milestones.reschedule
        if gate is not None and gate not in self.gates:
            raise ValueError(
                f"milestones.reschedule names {gate}, and there is no such gate under gates"
            )
        return self

    def faults(self) -> Iterator[Fault]:
        """What is wrong beyond the types, each with its place in the file."""
        for name, gate in self.gates.items():
            for path, wrong in gate.faults(name):
                yield ("gates", name, *path), wrong

    def gate(self, name: str) -> Gate:
        """The gate of that name; GovernanceError when the policy has none."""
        gate_ = self.gates.get(name)
        if gate_ is None:
            raise GovernanceError(
                f"The policy has no gate {name!r}, so nobody could decide this. An administrator can add it to governance.yml."
            )
        return gate_


# --- Whom and what a policy names, wherever it does
#
# people, user groups and channels of Slack's.


def people(policy: Policy) -> set[str]:
    """Slack ids (U…, W…, S…) and groups (@name) that stand anywhere in the policy; roles stand for who is in them."""
    words = [member for members in policy.roles.values() for member in members]
    for gate in policy.gates.values():
        words += gate.words
        words += [word for stage in gate.stages for word in stage.words]
    for digest in policy.digests.named.values():
        words += [*digest.audience, digest.owner]
    words += [*policy.maturity.leaders, *policy.maturity.practitioners]
    words += [
        *policy.inventory.model_risk,
        *policy.inventory.operations,
        *(policy.cases.attest or ()),
    ]
    bare = {word.removeprefix("oncall:") for word in words}
    return {
        word
        for word in bare
        if word[0] == "@" or (word[0] in "UWS" and word.isupper() and ":" not in word)
    }


def places(policy: Policy, word: str) -> tuple[str, ...]:
    """Where a policy names a person or a group, in words: the roles and gates by name, and what else goes by it."""

    def stands_in(words: Iterable[str]) -> bool:
        return word in {one.removeprefix("oncall:") for one in words}

    gates = [
        f"the gate {name}"
        for name, gate in policy.gates.items()
        if stands_in([*gate.words, *(one for s in gate.stages for one in s.words)])
    ]
    others = {
        "digests": [
            one
            for digest in policy.digests.named.values()
            for one in (*digest.audience, digest.owner)
        ],
        "check-ins": [*policy.maturity.leaders, *policy.maturity.practitioners],
        "models": [*policy.inventory.model_risk, *policy.inventory.operations],
        "returns": list(policy.cases.attest or ()),
    }
    return (
        *(f"the role {name}" for name, words in policy.roles.items() if stands_in(words)),
        *gates,
        *(name for name, words in others.items() if stands_in(words)),
    )


def channels(policy: Policy) -> dict[str, str]:
    """Channels by the key that names them, as they are written: `#name`, `name` or an id."""
    named = {
        "channels.governance": policy.channels.governance,
        "channels.audit": policy.channels.audit,
        "channels.admin": policy.channels.admin,
        "maturity.channel": policy.maturity.channel,
    }
    return {key: name for key, name in named.items() if name}
