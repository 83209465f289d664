"""Whom approver rules reach, read from the mirror of Slack."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import queries
from workflows.approvals.rules import PERSON, Approver, Group, Stage, Standing
from workflows.policy import Gate, Policy

SUBJECT = "subject."
ROLE = "role:"


@dataclass(frozen=True, slots=True)
class Reached:
    """Somebody whom a stage asks: a full, active member of the organisation with a Slack id."""

    id: str
    slack_id: str
    name: str
    has_home: bool
    """Whether they have ever opened the App Home, so that it has to be kept in step."""


def bind(
    gate: Gate, policy: Policy, people: Mapping[str, str | None]
) -> tuple[Stage, ...]:
    """The gate's stages with every word replaced by whom it stands for now; this is what a request is bound to."""
    return tuple(
        Stage(
            stage.name,
            tuple(stands_for(word, policy, people) for word in stage.approvers),
            stage.quorum,
            stage.ask or gate.ask,
        )
        for stage in gate.stages
    )


def stands_for(word: str, policy: Policy, people: Mapping[str, str | None]) -> Approver:
    """A word of the policy, and whom it stands for now."""
    if word.startswith(SUBJECT):
        person = people.get(word.removeprefix(SUBJECT))
        return Approver(word, (PERSON + person,) if person else ())
    if word.startswith(ROLE):
        return Approver(word, policy.roles[word.removeprefix(ROLE)])
    return Approver(word, (word,))


def is_member(row: Any) -> bool:
    """Whether the mirror has this person as a full, active member of the organisation."""
    return not (
        row.is_bot
        or row.is_guest
        or row.is_stranger
        or row.is_deactivated
        or row.erased_at is not None
    )


def standing(rows: Sequence[Any]) -> Standing:
    """A person and their groups, from the rows of `queries.list_standing`."""
    first = rows[0]
    return Standing(
        first.id,
        first.slack_id,
        is_member(first),
        first.refreshed_at,
        tuple(
            Group(row.group_id, row.handle, row.group_name, row.group_read_at)
            for row in rows
            if row.group_id is not None
        ),
    )


def one(session: Session, person_id: str) -> Reached | None:
    """Somebody by their id, where they are a member with a Slack id."""
    rows = queries.list_standing(session, person_id)
    if not rows or not is_member(rows[0]) or not rows[0].slack_id:
        return None
    row = rows[0]
    return Reached(row.id, row.slack_id, row.name, row.home_opened_at is not None)


def by_slack_id(session: Session, org_key: str, slack_id: str) -> Reached | None:
    """Somebody by their Slack id, where they are a member."""
    for row in queries.list_named(session, org_key, slack_ids=[slack_id], ids=[]):
        if is_member(row) and row.slack_id:
            return Reached(
                row.id, row.slack_id, row.name, row.home_opened_at is not None
            )
    return None


def reached(
    session: Session, stages: Sequence[Stage], org_key: str
) -> list[dict[str, Reached]]:
    """For each stage, everyone whom its approvers reach now, by person id, with at most two statements for all."""
    words = {
        who for stage in stages for approver in stage.approvers for who in approver.who
    }
    ids = {word.removeprefix(PERSON) for word in words if word.startswith(PERSON)}
    handles = {word[1:] for word in words if word.startswith("@")}
    slack_ids = {word for word in words if word[0] in "UWS" and PERSON not in word}
    by_word: dict[str, dict[str, Reached]] = {}

    def add(word: str, row: Any) -> None:
        if word in words and is_member(row) and row.slack_id:
            by_word.setdefault(word, {})[row.id] = Reached(
                row.id, row.slack_id, row.name, row.home_opened_at is not None
            )

    for row in queries.list_named(session, org_key, slack_ids=slack_ids, ids=ids):
        add(PERSON + row.id, row)
        add(row.slack_id or "", row)
    for row in queries.list_members(
        session, org_key, slack_ids=slack_ids, handles=handles
    ):
        add(row.group_id, row)
        add(f"@{row.handle}", row)
    return [
        {
            person_id: person
            for approver in stage.approvers
            for who in approver.who
            for person_id, person in by_word.get(who, {}).items()
            if all(other.by != person_id for other in stage.approvers)
        }
        for stage in stages
    ]
