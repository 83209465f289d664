"""Whom a policy's approver rules mean, by the mirror."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from storage.people import queries
from storage.people.tables import Person, UserGroup
from workflows import handles
from workflows.context import Context
from workflows.people.records import Eligible, MirrorAge
from workflows.policy.gates import Fault
from workflows.wording import counted

Roles = Mapping[str, Collection[str]]


def expand(rules: Collection[str], roles: Roles) -> list[tuple[str, str]]:
    """(rule in the policy's words, member it means) in order; a role stands for each of its members."""
    expanded: list[tuple[str, str]] = []
    for rule in rules:
        if rule.startswith("role:"):
            expanded += [(rule, member) for member in roles.get(rule.removeprefix("role:"), ())]
        else:
            expanded.append((rule, rule))
    return expanded


def _may_decide(row: Person) -> bool:
    """A full, active member; whom Slack has never described (no workspace) could be anybody."""
    return (
        row.slack_id is not None
        and row.team_id is not None
        and not (row.is_bot or row.is_guest or row.is_stranger or row.is_deactivated)
    )


def _groups(
    session: Session, org_key: str, members: Collection[str], *, afresh: bool = False
) -> dict[str, UserGroup]:
    """The enabled group behind each `@handle` and `S…`. A handle that names nobody is left out."""
    meant = handles.resolve(session, org_key, members, afresh=afresh)
    ids = {one: one for one in members if one.startswith("S")} | dict(meant.groups)
    rows = {
        row.slack_id: row
        for row in queries.list_groups(session, org_key, ids.values())
        if not row.is_disabled
    }
    return {word: rows[id_] for word, id_ in ids.items() if id_ in rows}


def resolve_approvers(
    session: Session,
    rules: Collection[str],
    org_key: str,
    subject_people: Mapping[str, str | None],
    *,
    roles: Roles,
    afresh: bool = False,
) -> dict[str, Eligible]:
    """Everybody who may decide by these rules, by opaque id, each with the first rule that entitles them.

    `subject_people` names the subject's owner, sponsor and manager; `roles` are the policy's. Guests, strangers, bots and
    people who left are never among them. With `afresh`, handles mean what they would if the policy were put in force now.
    The caller takes out who may not decide for other reasons, like the requester.
    """
    expanded = expand(rules, roles)
    groups = _groups(session, org_key, [member for _, member in expanded], afresh=afresh)
    members: dict[int, list[Person]] = {}
    for group_id, member_row in queries.list_members(session, [row.id for row in groups.values()]):
        members.setdefault(group_id, []).append(member_row)
    subjects = {
        row.id: row
        for row in queries.list_people(session, [one for one in subject_people.values() if one])
    }
    people = queries.find_by_slack_ids(
        session, org_key, [one for _, one in expanded if one[:1] in {"U", "W"}]
    )
    eligible: dict[str, Eligible] = {}
    for rule, member in expanded:
        if member.startswith("subject."):
            person_id = subject_people.get(member.removeprefix("subject."))
            person = subjects.get(person_id) if person_id else None
            _add(eligible, rule, [person] if person else [], None, None)
        elif handles.is_handle(member) or member.startswith("S"):
            group = groups.get(member)
            if group is not None:
                _add(eligible, rule, members.get(group.id, []), group.slack_id, group.refreshed_at)
        elif member in people:
            _add(eligible, rule, [people[member]], None, None)
    return eligible


def _add(
    eligible: dict[str, Eligible],
    rule: str,
    people: Collection[Person],
    group: str | None,
    group_read_at: datetime | None,
) -> None:
    for row in people:
        if row.id not in eligible and _may_decide(row) and row.slack_id is not None:
            read_at = group_read_at if group else row.refreshed_at
            eligible[row.id] = Eligible(row.id, row.slack_id, rule, group, read_at)


def read_mirror_age(
    session: Session, org_key: str, slack_id: str, rules: Collection[str], *, roles: Roles
) -> MirrorAge:
    """How old the mirror is where a decision of this person by these rules would read it."""
    members = [member for _, member in expand(rules, roles)]
    groups = _groups(session, org_key, members)
    known_ids = {row.slack_id: row for row in groups.values()}
    for member in members:
        if member.startswith("S") and member not in known_ids:
            row = next(iter(queries.list_groups(session, org_key, [member])), None)
            if row is not None:
                known_ids[member] = row
    person = queries.find_by_slack_id(session, org_key, slack_id)
    return MirrorAge(
        person=person.refreshed_at if person else None,
        groups={key: row.refreshed_at for key, row in known_ids.items()},
        unknown_groups=tuple(
            sorted(
                {
                    one
                    for one in members
                    if (handles.is_handle(one) and one not in groups)
                    or (one.startswith("S") and one not in known_ids)
                }
            )
        ),
    )


# --- A policy against the mirror of Slack
#
# people and groups that nobody knows, stages that nobody could pass.


def check_against_mirror(ctx: Context) -> list[Fault]:
    """What the mirror says against this policy, each with its place in the file."""
    return [*_unknown(ctx), *_too_few(ctx)]


def _unknown(ctx: Context) -> Iterator[Fault]:
    named: list[tuple[tuple[int | str, ...], str]] = [
        (("roles", role, index), word)
        for role, members in ctx.policy.roles.items()
        for index, word in enumerate(members)
    ]
    for name, gate in ctx.policy.gates.items():
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
            ctx.session, ctx.org, [one for one in words if one[0] in "UW"]
        ).items()
        if not row.is_deactivated
    }
    meant = handles.resolve(ctx.session, ctx.org, words, afresh=True)
    groups = {
        row.slack_id
        for row in queries.list_groups(
            ctx.session, ctx.org, [one for one in words if one[0] == "S"]
        )
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


def _too_few(ctx: Context) -> Iterator[Fault]:
    for name, gate in ctx.policy.gates.items():
        for index, stage in enumerate(gate.stages):
            nobody = gate.rules_of(stage).nobody
            if nobody not in (None, "refuse"):
                continue
            for party in stage.parties:
                if any(word.startswith(("subject.", "requester.")) for word in party.approvers):
                    continue
                approvers = resolve_approvers(
                    ctx.session,
                    [word.removeprefix("oncall:") for word in party.approvers],
                    ctx.org,
                    {},
                    roles=ctx.policy.roles,
                    afresh=True,
                )
                if len(approvers) < party.quorum:
                    have = counted(len(approvers), "person", "people")
                    yield (
                        ("gates", name, "stages", index),
                        f"the stage {stage.name} needs {party.quorum} and {', '.join(party.approvers)} reaches {have}, so nobody could pass it",
                    )
