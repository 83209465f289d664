"""What a person may see of others' projects: the one answer that digests, status and App Home share.

A leader (role `leader` of the policy) sees all projects. Everybody else sees those that they own, sponsor or manage,
and those of the people who report to them, at any remove. Who is no full, active member sees none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from storage.approvals import queries, reaching
from storage.projects import sight as sight_queries
from workflows.policy import Policy

LEADER = "leader"
"""The role of the policy whose holders see every project."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one person may see. `project_ids` names every project in sight, and is empty for who `sees_all`."""

    person_id: str
    sees_all: bool
    project_ids: frozenset[int]

    def holds(self, project_id: int) -> bool:
        """Whether that project is in sight."""
        return self.sees_all or project_id in self.project_ids

    @property
    def within(self) -> frozenset[int] | None:
        """The ids to ask the database for; None means all projects."""
        return None if self.sees_all else self.project_ids


def sight(session: Session, person_id: str, *, policy: Policy) -> Sight:
    """What this person may see now, by the mirror and the policy in force."""
    rows = queries.list_standing(session, person_id)
    if not rows or not _is_member(rows[0]):
        return Sight(person_id, False, frozenset())
    if LEADER in _roles(rows, policy):
        return Sight(person_id, True, frozenset())
    found = sight_queries.list_of_person_and_reports(session, person_id)
    return Sight(person_id, False, frozenset(found))


def roles(session: Session, person_id: str, *, policy: Policy) -> frozenset[str]:
    """The policy's roles that this person holds; none for who is no full, active member."""
    rows = queries.list_standing(session, person_id)
    return _roles(rows, policy) if rows and _is_member(rows[0]) else frozenset()


def holders(
    session: Session, role: str, *, policy: Policy, org_key: str
) -> dict[str, str]:
    """Everyone who holds a role of the policy now: person id → Slack id, full and active members only."""
    return members(session, f"role:{role}", policy=policy, org_key=org_key)


def members(
    session: Session, word: str, *, policy: Policy, org_key: str
) -> dict[str, str]:
    """Everyone whom a word of the policy means now (`role:leader`, `@group`, a Slack id): person id → Slack id."""
    role = word.removeprefix("role:")
    words = set(policy.roles.get(role, ())) if role != word else {word}
    handles = {word[1:] for word in words if word.startswith("@")}
    slack_ids = words - {f"@{handle}" for handle in handles}
    rows = [
        *reaching.list_named(session, org_key, slack_ids=slack_ids, ids=()),
        *reaching.list_members(session, org_key, slack_ids=slack_ids, handles=handles),
    ]
    return {row.id: row.slack_id for row in rows if _is_member(row) and row.slack_id}


def reached_by(
    session: Session, person_id: str, words: Sequence[str], *, policy: Policy
) -> str | None:
    """The first of these words of the policy that means this person now; None when none does."""
    rows = queries.list_standing(session, person_id)
    if not rows or not _is_member(rows[0]):
        return None
    held = _words(rows) | {f"role:{role}" for role in _roles(rows, policy)}
    return next((word for word in words if word in held), None)


def _roles(rows: queries.Rows, policy: Policy) -> frozenset[str]:
    words = _words(rows)
    return frozenset(
        role for role, members in policy.roles.items() if words & set(members)
    )


def _words(rows: queries.Rows) -> set[str]:
    """The Slack ids and handles by which a policy can mean the person of these rows."""
    return {rows[0].slack_id} | {
        word
        for row in rows
        if row.group_id is not None
        for word in (row.group_id, f"@{row.handle}")
    }


def _is_member(row: object) -> bool:
    return not any(
        getattr(row, flag)
        for flag in ("is_bot", "is_guest", "is_stranger", "is_deactivated", "erased_at")
    )
