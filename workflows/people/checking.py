"""A policy against the mirror of Slack: people and groups that nobody knows, stages that nobody could pass."""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from storage.people import queries
from workflows import handles
from workflows.people.approvers import resolve_approvers
from workflows.policy import Policy
from workflows.policy.gates import Fault
from workflows.wording import counted


def check_against_mirror(session: Session, policy: Policy, org_key: str) -> list[Fault]:
    """What the mirror says against this policy, each with its place in the file."""
    return [*_unknown(session, policy, org_key), *_too_few(session, policy, org_key)]


def _unknown(session: Session, policy: Policy, org_key: str) -> Iterator[Fault]:
    named: list[tuple[tuple[int | str, ...], str]] = [
        (("roles", role, index), word)
        for role, members in policy.roles.items()
        for index, word in enumerate(members)
    ]
    for name, gate in policy.gates.items():
        for index, stage in enumerate(gate.stages):
            named += [(("gates", name, "stages", index), word) for word in stage.words]
        named += [
            (("gates", name), word)
            for word in gate.words
            if not any(word in stage.words for stage in gate.stages)
        ]
    words = {word.removeprefix("oncall:") for _, word in named}
    people = {
        slack_id
        for slack_id, row in queries.find_by_slack_ids(
            session, org_key, [one for one in words if one[0] in "UW"]
        ).items()
        if not row.is_deactivated
    }
    meant = handles.resolve(session, org_key, words, afresh=True)
    groups = {
        row.slack_id
        for row in queries.list_groups(session, org_key, [one for one in words if one[0] == "S"])
        if not row.is_disabled
    }
    for path, word in named:
        bare = word.removeprefix("oncall:")
        if bare[0] in "UW" and bare not in people:
            yield path, f"nobody active in the workspace has the id {bare}"
        elif (unclear := meant.unclear.get(bare)) is not None:
            yield (
                path,
                f"{bare} names nobody: {unclear.clause}"
                if unclear.having
                else f"there is no user group {bare} in the workspace",
            )
        elif bare[0] == "S" and bare not in groups:
            yield path, f"no user group of the workspace has the id {bare}"


def _too_few(session: Session, policy: Policy, org_key: str) -> Iterator[Fault]:
    for name, gate in policy.gates.items():
        for index, stage in enumerate(gate.stages):
            nobody = gate.rule(stage, "nobody")
            if nobody not in (None, "refuse"):
                continue
            for party in stage.parties:
                if any(word.startswith(("subject.", "requester.")) for word in party.approvers):
                    continue
                approvers = resolve_approvers(
                    session,
                    [word.removeprefix("oncall:") for word in party.approvers],
                    org_key,
                    {},
                    roles=policy.roles,
                    afresh=True,
                )
                if len(approvers) < party.quorum:
                    have = counted(len(approvers), "person", "people")
                    yield (
                        ("gates", name, "stages", index),
                        f"the stage {stage.name} needs {party.quorum} and {', '.join(party.approvers)} reaches {have}, so nobody could pass it",
                    )
