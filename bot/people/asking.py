"""Asking Slack about people, user groups and channels. Never called inside a transaction."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot import slack_client
from bot.slack_errors import Effect, Failure, classify

log = logging.getLogger("mlgov")

PAGE = 500
"""Entries asked for at once. Slack recommends no more than 200 and takes up to 999; at 20 calls a minute, 20,000 people
take two minutes in pages of 500 and five in pages of 200."""
EXCHANGED = 400
"""Ids of people that one `migration.exchange` takes."""
LEAST_PAGE = 100
"""Where Slack can't make a page in time, the next one asked for is half as long, down to this."""
TOLD_WAIT = 5.0
"""Seconds of waiting for Slack's limits from which on it is told."""
_ABSENT = {
    "user_not_found",
    "user_not_visible",
    "users_not_found",
    "no_such_subteam",
    "channel_not_found",
}
_NOT_IN_THIS_PLAN = {"plan_upgrade_required", "paid_teams_only"}
_LIMITED_TRIES = 8
_TRIES = 3
_AWAY = "not connected"
_LONGEST_WAIT = 90.0


class SlackSilent(Exception):
    """Slack did not answer in time, refused, or limits how often it may be asked. `code` says which.

    `is_slow` when it took the question and had no answer for it, as it does where too much was asked for at once.
    """

    def __init__(self, code: str, *, is_slow: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.is_slow = is_slow


class SlackReads:
    """Slack's answers, by one client.

    A patient one waits out rate limits and passing failures, until `stop` is set: for refreshing the whole mirror. The
    other tries once: for clicks.
    """

    def __init__(
        self, slack: WebClient, *, timeout: float, stop: threading.Event | None = None
    ) -> None:
        self._client = slack_client.copy_client(slack, timeout=timeout)
        self._stop = stop

    @classmethod
    def patient(cls, slack: WebClient, *, timeout: float) -> "SlackReads":
        """For a command: rate limits and passing failures are waited out."""
        return cls(slack, timeout=timeout, stop=threading.Event())

    def user(self, user_id: str) -> dict[str, Any] | None:
        """users.info; None when Slack does not know them."""
        answer = self._ask(self._client.users_info, user=user_id)
        return None if answer is None else dict(answer["user"])

    def users(self, team_id: str | None) -> Iterator[list[dict[str, Any]]]:
        """users.list, page by page: all of them, or SlackSilent."""
        yield from self._pages(self._client.users_list, "members", whole=True, team_id=team_id)

    def groups(self, team_id: str | None) -> list[dict[str, Any]]:
        """usergroups.list with the members of each; the disabled ones too. A plan without user groups has none."""
        try:
            answer = self._ask(
                self._client.usergroups_list,
                include_users=True,
                include_disabled=True,
                team_id=team_id,
            )
        except SlackSilent as error:
            if error.code in _NOT_IN_THIS_PLAN:
                return []
            raise
        return [dict(one) for one in (answer or {}).get("usergroups", ())]

    def group_members(self, group_id: str, team_id: str | None) -> list[str] | None:
        """usergroups.users.list; None when the group is gone or disabled."""
        answer = self._ask(self._client.usergroups_users_list, usergroup=group_id, team_id=team_id)
        return None if answer is None else [str(one) for one in answer["users"]]

    def channels(self, team_id: str | None) -> Iterator[list[dict[str, Any]]]:
        """users.conversations of the bot itself, page by page: the public and private channels that it is in.

        Slack leaves `is_member` out of these: the bot is in all of them.
        """
        yield from self._pages(
            self._client.users_conversations,
            "channels",
            types="public_channel,private_channel",
            team_id=team_id,
        )

    def all_channels(self, team_id: str | None) -> Iterator[list[dict[str, Any]]]:
        """conversations.list, page by page: every public channel, and the private ones that the bot is in."""
        yield from self._pages(
            self._client.conversations_list,
            "channels",
            types="public_channel,private_channel",
            exclude_archived=True,
            team_id=team_id,
        )

    def channels_of(self, user_id: str, team_id: str | None) -> Iterator[list[dict[str, Any]]]:
        """users.conversations: the channels of a person in a workspace that the bot can see, page by page."""
        yield from self._pages(
            self._client.users_conversations,
            "channels",
            user=user_id,
            types="public_channel,private_channel",
            exclude_archived=True,
            team_id=team_id,
        )

    def channel(self, channel_id: str) -> dict[str, Any] | None:
        """conversations.info; None when the bot cannot see it."""
        answer = self._ask(self._client.conversations_info, channel=channel_id)
        return None if answer is None else dict(answer["channel"])

    def channel_members(self, channel_id: str) -> Iterator[list[str]]:
        """conversations.members, page by page."""
        yield from self._pages(self._client.conversations_members, "members", channel=channel_id)

    def teams(self) -> list[str]:
        """auth.teams.list: the workspaces of an org-wide installation."""
        team_ids: list[str] = []
        for page in self._pages(self._client.auth_teams_list, "teams"):
            team_ids += [str(team["id"]) for team in page]
        return team_ids

    def exchange(self, user_ids: Sequence[str], team_id: str | None) -> tuple[str, dict[str, str]]:
        """migration.exchange: the Grid's key, and by which id it names each of these people; who is left out is unknown there.

        Slack takes 400 at once.
        """
        enterprise, exchanged = "", dict[str, str]()
        for start in range(0, len(user_ids), EXCHANGED):
            part = user_ids[start : start + EXCHANGED]
            answer = self._ask(self._client.migration_exchange, users=list(part), team_id=team_id)
            enterprise = str(answer.get("enterprise_id") or "")
            ids = answer.get("user_id_map") or {}
            exchanged |= {str(here): str(there) for here, there in ids.items()}
        return enterprise, exchanged

    def _pages(
        self, method: Callable[..., Any], field: str, *, whole: bool = False, **args: Any
    ) -> Iterator[list[Any]]:
        """What is listed, page by page. Where Slack says that there is nothing of the kind there are none, unless `whole`
        is meant: then it has not answered."""
        cursor, limit = "", PAGE
        while True:
            try:
                answer = self._ask(method, limit=limit, cursor=cursor or None, **args)
            except SlackSilent as error:
                if not error.is_slow or limit <= LEAST_PAGE or self._stop is None:
                    raise
                limit = max(LEAST_PAGE, limit // 2)
                continue
            if answer is None:
                if whole:
                    raise SlackSilent("no list")
                return
            yield list(answer.get(field) or ())
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return

    def _ask(self, method: Callable[..., Any], **args: Any) -> Any:
        given = {name: value for name, value in args.items() if value is not None}
        attempt = 0
        while True:
            attempt += 1
            try:
                return method(**given)
            except (SlackApiError, SlackClientError, OSError) as error:
                failure = classify(error)
                if failure.code in _ABSENT:
                    return None
                wait = self._patience(failure, attempt)
                if self._stop is not None and wait is not None and wait > TOLD_WAIT:
                    log.info("Slack asks mlgov to wait %.0f s before it reads on.", wait)
                if self._stop is None or wait is None or self._stop.wait(wait):
                    is_slow = failure.effect is Effect.UNKNOWN
                    raise SlackSilent(failure.code, is_slow=is_slow) from error

    @staticmethod
    def _patience(failure: Failure, attempt: int) -> float | None:
        """How many seconds a patient client waits before it asks again; None when that is no use."""
        if failure.effect is Effect.LIMITED and attempt < _LIMITED_TRIES:
            return min(failure.retry_after.total_seconds() + 0.1, _LONGEST_WAIT)
        passes = failure.effect is Effect.UNKNOWN or failure.code.startswith(_AWAY)
        return 2.0**attempt if passes and attempt < _TRIES else None
