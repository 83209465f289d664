"""Whom approver rules reach, read from the mirror of Slack."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.approvals import queries, reaching
from storage.approvals.queries import StandingRow
from storage.approvals.reaching import PersonRow
from workflows import handles, visibility
from workflows.approvals import rules
from workflows.approvals.binding import PolicyWords
from workflows.approvals.rules import PERSON, Approver, Group, Stage, Standing
from workflows.policy import Policy, naming


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


def build_standing(rows: Sequence[StandingRow]) -> Standing:
    """A person and their groups, from the rows of `queries.list_standing`."""
    first = rows[0]
    return Standing(
        first.id,
        first.slack_id,
        visibility.is_member(first),
        first.refreshed_at,
        tuple(
            Group(row.group_id, row.group_name, row.group_read_at, row.since)
            for row in rows
            if row.group_id is not None and row.group_name is not None
        ),
        first.other_ids,
    )


def list_givers(session: Session, stages: Iterable[Stage]) -> dict[str, Standing]:
    """Those who gave away their places in these stages, by id; nothing is read while nobody did."""
    ids = {
        approver.by for stage in stages for approver in stage.approvers if approver.by is not None
    }
    return list_standings(session, ids) if ids else {}


def list_standings(session: Session, ids: Iterable[str]) -> dict[str, Standing]:
    """People and their groups, by id, in one statement for all; whom nobody knows is left out."""
    rows = queries.list_standings(session, ids)
    return {person_id: build_standing(each) for person_id, each in rows.items()}


def find_person(session: Session, person_id: str) -> Reached | None:
    """Somebody by their id, where they are a member with a Slack id."""
    row = next(iter(queries.list_standing(session, person_id)), None)
    if row is None or not visibility.is_member(row) or not row.slack_id:
        return None
    return Reached(row.id, row.slack_id, row.name, row.tz, row.country)


def resolve_words(
    session: Session,
    policy: Policy,
    people_of: Mapping[str, str | None],
    requester_id: str | None,
    *,
    org_key: str,
) -> PolicyWords:
    """What the words of this policy stand for now, in a request of somebody (None for nobody's) about these people."""
    rows = queries.list_standing(session, requester_id) if requester_id else ()
    return PolicyWords(
        policy,
        people_of,
        rows[0].manager_id if rows else None,
        handles.resolve(session, org_key, naming.people(policy)),
    )


def find_by_slack_id(session: Session, org_key: str, slack_id: str) -> Reached | None:
    """Somebody by their Slack id, where they are a member."""
    for row, _ in reaching.list_named(session, org_key, slack_ids=[slack_id], ids=[]):
        if visibility.is_member(row) and row.slack_id:
            return Reached(row.id, row.slack_id, row.name)
    return None


def list_reached(
    session: Session, stages: Sequence[Stage], org_key: str
) -> list[dict[str, Reached]]:
    """For each stage, everyone whom its approvers reach now, by person id, with at most two statements for all."""
    return [
        {id_: person for party in parties for id_, person in party.items()}
        for parties in list_reached_parties(session, stages, org_key)
    ]


def list_reached_parties(
    session: Session, stages: Sequence[Stage], org_key: str, *, by: datetime | None = None
) -> list[list[dict[str, Reached]]]:
    """For each group of each stage, everyone whom it reaches now.

    Who joined a group after its members were pinned is left out; with `by`, so is who will not have been in it long
    enough by then. Who took somebody's place is there while that somebody would be.
    """
    words = {
        who
        for stage in stages
        for approver in stage.approvers
        for who in (*approver.who, *(approver.among or ()))
    }
    reach = _Reach.read(session, org_key, words, by)
    return [
        [reach.list_party(stage, index) for index in range(len(stage.quorums))] for stage in stages
    ]


@dataclass(frozen=True, slots=True)
class _Reach:
    """Whom the words of some stages reach, as the mirror has it."""

    named: Mapping[str, dict[str, Reached]]
    """Word → the person whom it names, by id."""
    members: Mapping[str, dict[str, tuple[Reached, datetime]]]
    """Slack id of a user group → its members by id, and since when each is in it."""
    by: datetime | None

    @classmethod
    def read(
        cls, session: Session, org_key: str, words: Collection[str], by: datetime | None
    ) -> "_Reach":
        """In two statements, however many words there are."""
        ids = {word.removeprefix(PERSON) for word in words if word.startswith(PERSON)}
        slack_ids = {word for word in words if word[0] in "UWS" and PERSON not in word}
        named: dict[str, dict[str, Reached]] = {}
        members: dict[str, dict[str, tuple[Reached, datetime]]] = {}
        for row, named_as in reaching.list_named(session, org_key, slack_ids=slack_ids, ids=ids):
            if (person := _reached(row)) is not None:
                for word in (PERSON + row.id, *([named_as] if named_as else [])):
                    named.setdefault(word, {})[row.id] = person
        for row, group_id, since in reaching.list_members(session, org_key, slack_ids=slack_ids):
            if (person := _reached(row)) is not None:
                members.setdefault(group_id, {})[row.id] = (person, since)
        return cls(named, members, by)

    def list_party(self, stage: Stage, index: int) -> dict[str, Reached]:
        """Whom one group of a stage reaches, by id: those whom it asks, and in their place those who took it."""
        people: dict[str, Reached] = {}
        for approver in stage.own:
            if approver.party == index:
                people |= self._list_meant(stage, approver)
        for approver in stage.approvers:
            if approver.by is None or approver.party != index:
                continue
            if people.pop(approver.by, None) is not None:
                may = self._list_takers(stage, approver)
                people |= {
                    id_: person
                    for id_, person in self._list_meant(stage, approver).items()
                    if may is None or id_ in may
                }
        gave_away = {approver.by for approver in stage.approvers if approver.by}
        return {id_: person for id_, person in people.items() if id_ not in gave_away}

    def _list_takers(self, stage: Stage, approver: Approver) -> set[str] | None:
        """Who may take the place that this approver took; None where an earlier release did not keep it."""
        if approver.among is None:
            return None
        takers = rules.takers(stage, approver.among)
        return {id_ for taker in takers for id_ in self._list_meant(stage, taker)}

    def _list_meant(self, stage: Stage, approver: Approver) -> dict[str, Reached]:
        people: dict[str, Reached] = {}
        for who in approver.who:
            people |= self.named.get(who, {})
            people |= {
                id_: person
                for id_, (person, since) in self.members.get(who, {}).items()
                if self._admits(stage, approver, id_, since)
            }
        return people

    def _admits(self, stage: Stage, approver: Approver, id_: str, since: datetime) -> bool:
        if stage.pinned is None and self.by is None:
            return True
        # In time is also who will have been in it long enough a moment before.
        moment = (self.by or since) - timedelta(microseconds=1)
        return rules.is_counted(stage, approver, id_, since, moment)


def _reached(row: PersonRow) -> Reached | None:
    if not visibility.is_member(row) or not row.slack_id:
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
