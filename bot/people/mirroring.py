"""The directory as a running mlgov has it: what follows, by the policy, from what Slack tells of people and groups."""

from collections.abc import Callable, Sequence
from datetime import datetime

from slack_sdk import WebClient
from sqlalchemy.orm import Session

from bot.deps import Team
from bot.slack.directory import Directory
from storage.db import Database
from workflows.digests import recipients
from workflows.people import mirror
from workflows.people import service as people
from workflows.people.records import GroupChange
from workflows.policy import Policy


def build_directory(
    slack: WebClient, database: Database, team: Team, policy: Callable[[], Policy]
) -> Directory:
    """Changes of groups that approve are told, and handles of the policy that name nobody; whom files named by address is joined with who they are in Slack, and who
    reads digests is enrolled."""

    def watch(session: Session, changes: Sequence[GroupChange], now: datetime) -> None:
        rules, org_key = policy(), team.org_key
        people.settle_handles(session, policy=rules, org_key=org_key, now=now)
        people.announce_groups(session, changes, policy=rules, org_key=org_key, now=now)

    def finish(session: Session, now: datetime) -> bool:
        rules, org_key = policy(), team.org_key
        people.settle_handles(
            session,
            policy=rules,
            org_key=org_key,
            now=now,
            is_whole=people.has_groups(session, org_key),
        )
        if people.join(session, policy=rules, org_key=org_key, now=now).has_more:
            return True
        mirror.notify_administrators(session, policy=rules, org_key=org_key, now=now)
        # At a first start nobody was known when what recurs was set up.
        recipients.enrol_readers(session, policy=rules, org_key=org_key, now=now)
        return False

    def names() -> list[str]:
        channels = policy().channels
        named = (channels.governance, channels.audit, channels.admin)
        return [name for name in named if name]

    return Directory(slack, database, team, watch, finish=finish, names=names)
