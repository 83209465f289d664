"""Whom approver rules reach, read from the mirror of Slack."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from storage.approvals import queries, reaching
from workflows.approvals.rules import PERSON, Group, Stage, Standing


@dataclass(frozen=True, slots=True)
class Reached:
    """Somebody whom a stage asks: a full, active member of the organisation with a Slack id."""

    id: str
    slack_id: str
    name: str
    tz: str | None = None
    country: str | None = None
    away_until: datetime | None = None
    """The end of the last absence for which they named a stand-in."""
    status_away_until: datetime | None = None
    """Until when their Slack status says that they are away."""
    status_times: int = 0
    """Which time it is that it says so."""


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
            Group(
                row.group_id, row.handle, row.group_name, row.group_read_at, row.since
            )
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
    return Reached(
        row.id,
        row.slack_id,
        row.name,
    )


def by_slack_id(session: Session, org_key: str, slack_id: str) -> Reached | None:
    """Somebody by their Slack id, where they are a member."""
    for row in reaching.list_named(session, org_key, slack_ids=[slack_id], ids=[]):
        if is_member(row) and row.slack_id:
            return Reached(row.id, row.slack_id, row.name)
    return None


def reached(
    session: Session, stages: Sequence[Stage], org_key: str
) -> list[dict[str, Reached]]:
    """For each stage, everyone whom its approvers reach now, by person id, with at most two statements for all."""
    return [
        {id_: person for party in parties for id_, person in party.items()}
        for parties in reached_parties(session, stages, org_key)
    ]


def reached_parties(
    session: Session,
    stages: Sequence[Stage],
    org_key: str,
    *,
    by: datetime | None = None,
) -> list[list[dict[str, Reached]]]:
    """For each group of each stage, everyone whom it reaches now.

    Who joined a group after its members were pinned is left out; with `by`, so is who will not have been in it long
    enough by then.
    """
    words = {
        who for stage in stages for approver in stage.approvers for who in approver.who
    }
    ids = {word.removeprefix(PERSON) for word in words if word.startswith(PERSON)}
    handles = {word[1:] for word in words if word.startswith("@")}
    slack_ids = {word for word in words if word[0] in "UWS" and PERSON not in word}
    named: dict[str, dict[str, Reached]] = {}
    members: dict[str, dict[str, tuple[Reached, datetime]]] = {}

    def person(row: Any) -> Reached | None:
        if not is_member(row) or not row.slack_id:
            return None
        return Reached(
            row.id,
            row.slack_id,
            row.name,
            row.tz,
            row.country,
            row.away_until,
            row.status_away_until,
            row.status_times,
        )

    for row in reaching.list_named(session, org_key, slack_ids=slack_ids, ids=ids):
        if (found := person(row)) is not None:
            named.setdefault(PERSON + row.id, {})[row.id] = found
            named.setdefault(found.slack_id, {})[row.id] = found
    for row in reaching.list_members(
        session, org_key, slack_ids=slack_ids, handles=handles
    ):
        if (found := person(row)) is not None:
            for word in (row.group_id, f"@{row.handle}"):
                members.setdefault(word, {})[row.id] = (found, row.since)

    def admits(stage: Stage, id_: str, since: datetime) -> bool:
        if stage.pinned is not None:
            return id_ in stage.pinned
        late = stage.member_since is not None and by is not None
        return not late or since + (stage.member_since or timedelta()) < (by or since)

    def party(stage: Stage, index: int) -> dict[str, Reached]:
        found: dict[str, Reached] = {}
        gave_away = {approver.by for approver in stage.approvers if approver.by}
        for approver in stage.approvers:
            for who in approver.who if approver.party == index else ():
                found |= named.get(who, {})
                found |= {
                    id_: person
                    for id_, (person, since) in members.get(who, {}).items()
                    if admits(stage, id_, since)
                }
        return {id_: one for id_, one in found.items() if id_ not in gave_away}

    return [
        [party(stage, index) for index in range(len(stage.quorums))] for stage in stages
    ]
