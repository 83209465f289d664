"""Whom and what a policy names, wherever it does: people, user groups and channels of Slack's."""

from collections.abc import Iterable

from workflows.policy.root import Policy


def people(policy: Policy) -> set[str]:
    """Slack ids (U…, W…, S…) and groups (@name) that stand anywhere in the policy; roles stand for who is in them."""
    words = [member for members in policy.roles.values() for member in members]
    for gate in policy.gates.values():
        words += gate.words
        words += [word for stage in gate.stages for word in stage.words]
    for digest in policy.digests.named.values():
        words += [*digest.audience, digest.owner]
    words += [*policy.maturity.leaders, *policy.maturity.practitioners]
    words += [*policy.inventory.model_risk, *policy.inventory.operations]
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
