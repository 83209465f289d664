"""The directory as a running mlgov has it: what follows, by the policy, from what Slack tells of people and groups."""

from collections.abc import Callable, Sequence

from slack_sdk import WebClient

from bot.deps import Team
from bot.slack.directory import Directory
from storage.db import Database
from workflows.context import Context
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

    def watch(ctx: Context, changes: Sequence[GroupChange]) -> None:
        people.settle_handles(ctx)
        people.announce_groups(ctx, changes)

    def finish(ctx: Context) -> bool:
        people.settle_handles(ctx, is_whole=people.has_groups(ctx.session, ctx.org))
        if people.join(ctx).has_more:
            return True
        mirror.notify_administrators(ctx)
        # At a first start nobody was known when what recurs was set up.
        recipients.enrol_readers(ctx)
        return False

    def names() -> list[str]:
        channels = policy().channels
        named = (channels.governance, channels.audit, channels.admin)
        return [name for name in named if name]

    return Directory(slack, database, team, policy, watch, finish=finish, names=names)
