"""Whom and what a policy names, wherever it does: people, user groups and channels of Slack's."""

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


def channels(policy: Policy) -> dict[str, str]:
    """Channels by the key that names them, as they are written: `#name`, `name` or an id."""
    named = {
        "channels.governance": policy.channels.governance,
        "channels.audit": policy.channels.audit,
        "channels.admin": policy.channels.admin,
        "maturity.channel": policy.maturity.channel,
    }
    return {key: name for key, name in named.items() if name}
