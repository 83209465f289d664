"""Who may see and do what, asked by everything that shows data or changes it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from storage.approvals import queries
from storage.approvals.queries import PersonRow, StandingRow
from storage.delivery import claims, outbox
from storage.people import lookups
from storage.people.tables import Person
from storage.projects import queries as sight_queries
from workflows import handles
from workflows.context import Actor, ActorKind, Context
from workflows.errors import NotAllowed, RefusalFact
from workflows.policy import Policy

MEMBERSHIP = "membership"
"""On the ledger, the action of whoever tried something in Slack without being a member."""


def require_member(
    actor: Actor, action: str, *, subject: tuple[str, str | int] = ("bot", "")
) -> None:
    """Refuse everyone who is not a full, active member of the organisation, with a sentence of their own.

    Raises NotAllowed, to be audited: a stranger at a button is something an auditor wants to see.
    """
    if actor.is_member or actor.kind is not ActorKind.PERSON:
        return
    if actor.is_deactivated:
        code, sentence = ("deactivated", "Your account is deactivated, so mlgov can't act for you.")
    elif actor.is_stranger:
        code = "stranger"
        sentence = "You are from another organisation, so mlgov can't act for you here. Nothing was changed."
    elif actor.is_bot:
        code, sentence = (
            "bot",
            "Bots can't use mlgov as people do. They can ask through the HTTP API.",
        )
    else:
        code = "guest"
        sentence = (
            "You are a guest in this workspace, and guests can't use mlgov. Nothing was changed."
        )
    raise NotAllowed(sentence, audit=RefusalFact(action, subject[0], str(subject[1]), why=code))


# --- What a person may see of others' projects
#
# the one answer that all reads share. A leader (role `leader` of the policy) sees all projects.
# Everybody else sees those that they own, sponsor or manage, and those of the people who report
# to them, at any remove. Who is no full, active member sees none. Beside that, whoever has a
# message of ours before them may see what its buttons open (`find_shown`): it told them
# already.

LEADER = "leader"
"""The role of the policy whose holders see every project."""
ROLE = "role:"
"""Before the name of a role, where a policy names those who hold it."""


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
    if not rows or not is_member(rows[0]):
        return Sight(person_id, False, frozenset())
    if LEADER in _select_roles(session, rows, policy):
        return Sight(person_id, True, frozenset())
    project_ids = sight_queries.list_of_person_and_reports(session, person_id)
    return Sight(person_id, False, frozenset(project_ids))


def sees_project(ctx: Context, project_id: int | None) -> bool:
    """Whether a project is in the actor's sight. A program sees what its token is for, which the edge looks at."""
    if ctx.actor.kind is not ActorKind.PERSON:
        return True
    return (
        project_id is not None
        and ctx.actor.is_member
        and sight(ctx.session, ctx.actor.id, policy=ctx.policy).holds(project_id)
    )


def find_shown(ctx: Context) -> tuple[str, str] | None:
    """Type and id of the subject of the message of ours that the actor has before them (`ctx.card`); None where it tells them nothing.

    A direct message tells its own reader alone. A message in a channel tells everybody there, unless people from
    outside read along, for whom amounts, names and reasons are left out.
    """
    copy = claims.find_settled_copy(ctx.session, *ctx.card) if ctx.card is not None else None
    if copy is None or not ctx.actor.is_member:
        return None
    _, org_key, reader = copy.lane_key.split(":", 2)
    if reader[0] in "UW":
        is_theirs = outbox.find_person_id(ctx.session, org_key, reader) == ctx.actor.id
        return (copy.subject_type, copy.subject_id) if is_theirs else None
    is_closed = lookups.is_closed(ctx.session, org_key, reader)
    return (copy.subject_type, copy.subject_id) if is_closed else None


def list_roles(session: Session, person_id: str, *, policy: Policy) -> frozenset[str]:
    """The policy's roles that this person holds; none for who is no full, active member."""
    rows = queries.list_standing(session, person_id)
    return _select_roles(session, rows, policy) if rows and is_member(rows[0]) else frozenset()


def list_holders(ctx: Context, role: str) -> dict[str, str]:
    """Everyone who holds a role of the policy now: person id → Slack id, full and active members only."""
    return list_members(ctx, f"role:{role}")


def list_members(ctx: Context, word: str) -> dict[str, str]:
    """Everyone whom a word of the policy means now (`role:leader`, `@group`, a Slack id): person id → Slack id."""
    role = word.removeprefix(ROLE)
    words = ctx.policy.roles.get(role, ()) if role != word else (word,)
    slack_ids = set(handles.resolve(ctx.session, ctx.org, words).who(words))
    rows = [row for row, _ in queries.list_named(ctx.session, ctx.org, slack_ids=slack_ids, ids=())]
    rows += [row for row, *_ in queries.list_members(ctx.session, ctx.org, slack_ids=slack_ids)]
    return {row.id: row.slack_id for row in rows if row.slack_id and is_member(row)}


def find_reaching_word(
    session: Session, person_id: str, words: Sequence[str], *, policy: Policy
) -> str | None:
    """The first of these words of the policy that means this person now; None when none does."""
    rows = queries.list_standing(session, person_id)
    if not rows or not is_member(rows[0]):
        return None
    of_roles = [each for members in policy.roles.values() for each in members]
    meant = handles.resolve(session, rows[0].org_key, [*words, *of_roles])
    ids = _list_slack_ids(rows)
    return next(
        (
            word
            for word in words
            if ids.intersection(
                meant.who(
                    policy.roles.get(word.removeprefix(ROLE), ())
                    if word.startswith(ROLE)
                    else (word,)
                )
            )
        ),
        None,
    )


def _select_roles(session: Session, rows: Sequence[StandingRow], policy: Policy) -> frozenset[str]:
    words = [each for members in policy.roles.values() for each in members]
    meant, ids = handles.resolve(session, rows[0].org_key, words), _list_slack_ids(rows)
    return frozenset(
        role for role, members in policy.roles.items() if ids.intersection(meant.who(members))
    )


def _list_slack_ids(rows: Sequence[StandingRow]) -> set[str]:
    """The Slack ids by which a policy can mean the person of these rows: theirs, and those of their groups."""
    ids = {rows[0].slack_id, *rows[0].other_ids, *(row.group_id for row in rows)}
    return {id_ for id_ in ids if id_ is not None}


def is_member(row: StandingRow | PersonRow | Person) -> bool:
    """Whether the mirror has this person as a full, active member of the organisation."""
    return not (
        row.is_bot
        or row.is_guest
        or row.is_stranger
        or row.is_deactivated
        or row.erased_at is not None
    )
