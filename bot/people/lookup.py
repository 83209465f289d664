"""Slack's descriptions of people, user groups and channels as the values that the mirror takes: pure.

Fields as in docs.slack.dev/reference/objects (user, usergroup, conversation).
"""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack import client
from bot.slack.errors import Effect, Failure, classify
from workflows.errors import GovernanceError
from workflows.people.forms import OPEN_END, ChannelSeen, GroupSeen, PersonSeen

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Organisation:
    """Whose bot this is. `enterprise_id` is set on an Enterprise Grid."""

    org_key: str
    team_id: str
    enterprise_id: str | None


def enterprise_of(user: Payload) -> str | None:
    """The Enterprise Grid that a person belongs to."""
    enterprise = user.get("enterprise_user") or {}
    enterprise_id = enterprise.get("enterprise_id") or user.get("enterprise_id")
    return str(enterprise_id) if enterprise_id else None


def teams_of(user: Payload) -> frozenset[str]:
    """The workspaces that a person is in, as far as Slack tells."""
    teams = (user.get("enterprise_user") or {}).get("teams") or ()
    profile = user.get("profile") or {}
    own = (user.get("team_id"), profile.get("team"))
    return frozenset(str(one) for one in (*teams, *own) if one)


def other_ids_of(user: Payload, asked: str | None = None) -> frozenset[str]:
    """The ids of a person beside `id`: the Grid's, which stands in `enterprise_user`, and the one that was asked about.

    Who was in a workspace before it joined a Grid has two, and Slack may send either
    (docs.slack.dev/reference/methods/migration.exchange).
    """
    grid = (user.get("enterprise_user") or {}).get("id")
    return frozenset(str(one) for one in (grid, asked) if one) - {str(user["id"])}


def is_own(user: Payload, ours: Organisation) -> bool:
    """Whether a person belongs to the organisation: the same enterprise id, else the same team id."""
    enterprise_id = enterprise_of(user)
    if ours.enterprise_id is not None and enterprise_id is not None:
        return enterprise_id == ours.enterprise_id
    return user.get("team_id") == ours.team_id and not user.get("is_stranger")


class JoinedGrid(GovernanceError):
    """The workspace has joined a Grid since this process was started: whom Slack names now could be anybody here."""


def person(user: Payload, ours: Organisation, *, asked: str | None = None) -> PersonSeen:
    """A person, as Slack describes them where it was asked about `asked`.

    Of another organisation, they are kept under that one's key. Raises JoinedGrid.
    """
    own = is_own(user, ours)
    grid = enterprise_of(user)
    if own and ours.enterprise_id is None and grid is not None:
        raise JoinedGrid(
            f"This workspace has joined the Enterprise Grid {grid}, where people have other ids, so mlgov decides nothing "
            "until it's moved there: whoever operates it runs `mlgov organisation move --dry-run`."
        )
    profile = user.get("profile") or {}
    team_id = user.get("team_id")
    other = enterprise_of(user) or str(team_id or "unknown")
    name = (
        profile.get("display_name")
        or profile.get("real_name")
        or user.get("real_name")
        or user.get("name")
    )
    return PersonSeen(
        org_key=ours.org_key if own else _not_ours(other, ours),
        slack_id=str(user["id"]),
        team_id=str(team_id) if team_id else None,
        name=str(name or user["id"]),
        email=profile.get("email") or None,
        title=str(profile.get("title") or ""),
        tz=str(user["tz"]) if user.get("tz") else None,
        is_bot=bool(user.get("is_bot")) or user["id"] == "USLACKBOT",
        is_guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
        is_stranger=not own,
        is_deactivated=bool(user.get("deleted")),
        status_away_until=away_until(profile),
        updated=stamp(user.get("updated")),
        other_ids=other_ids_of(user, asked) if own else frozenset(),
    )


_AWAY_EMOJI = frozenset(
    {":palm_tree:", ":face_with_thermometer:", ":beach_with_umbrella:", ":desert_island:", ":airplane:", ":baby:"}
)  # fmt: skip
_AWAY_WORDS = re.compile(
    r"\b(ooo|out of (the )?office|out sick|off sick|sick leave|on leave|(parental|maternity|paternity) leave|"
    r"vacation(ing)?|(on )?holidays?|pto|away)\b",
    re.IGNORECASE,
)


def away_until(profile: Payload) -> datetime | None:
    """Until when a status says that somebody is away; None for one that says something else, or nothing."""
    emoji, text = profile.get("status_emoji"), str(profile.get("status_text") or "")
    if emoji not in _AWAY_EMOJI and not _AWAY_WORDS.search(text):
        return None
    ends = profile.get("status_expiration") or 0
    return datetime.fromtimestamp(int(ends), UTC) if ends else OPEN_END


def _not_ours(key: str, ours: Organisation) -> str:
    """Somebody who is not one of ours never stands under our key, whatever their description says."""
    return f"not:{key}" if key == ours.org_key else key


def stranger(
    user_id: str, team_id: str | None, enterprise_id: str | None, ours: Organisation
) -> PersonSeen:
    """Somebody of another organisation whom Slack would not describe."""
    other = enterprise_id if enterprise_id and enterprise_id != ours.enterprise_id else team_id
    return PersonSeen(
        org_key=_not_ours(other or "unknown", ours),
        slack_id=user_id,
        team_id=team_id,
        name="Somebody from another organisation",
        is_stranger=True,
    )


def stamp(value: object) -> int | None:
    """Slack's own time of a change, in seconds since 1970; None where it tells none."""
    return value if isinstance(value, int) and value > 0 else None


def group(subteam: Payload) -> GroupSeen:
    """A user group, with its members where they are told."""
    members = subteam.get("users")
    return GroupSeen(
        slack_id=str(subteam["id"]),
        handle=str(subteam.get("handle") or ""),
        name=str(subteam.get("name") or ""),
        is_disabled=bool(subteam.get("date_delete")),
        members=tuple(str(one) for one in members) if members is not None else None,
        updated=stamp(subteam.get("date_update")),
    )


def channel(described: Payload, *, has_guests: bool | None) -> ChannelSeen:
    """A channel. Shared between workspaces of one Enterprise Grid is not shared outside; being invited to be is."""
    shared_outside = (
        described.get("is_ext_shared")
        or described.get("is_pending_ext_shared")
        or (described.get("is_shared") and not described.get("is_org_shared"))
    )
    return ChannelSeen(
        slack_id=str(described["id"]),
        name=str(described.get("name") or ""),
        is_private=bool(described.get("is_private")),
        is_archived=bool(described.get("is_archived")),
        is_shared_outside=bool(shared_outside),
        bot_is_member=bool(described.get("is_member")),
        has_guests=has_guests,
    )


# --- Which workspaces are the organisation's own
#
# On an Enterprise Grid this is learned from Slack as people turn up.


class Workspaces:
    """What a process knows of its organisation's workspaces. Safe to share between threads: it only ever grows."""

    def __init__(self, ours: Organisation) -> None:
        self.ours = ours
        self._own = {ours.team_id, ours.org_key}
        self._of_group: dict[str, str] = {}

    @property
    def is_org_wide(self) -> bool:
        """Whether the bot is installed on a whole Enterprise Grid, so that calls have to name a workspace."""
        return self.ours.team_id == self.ours.enterprise_id

    def is_own(self, team_id: str | None) -> bool | None:
        """Whether a workspace is ours; None when only Slack can tell, which happens on an Enterprise Grid."""
        if team_id is None:
            return None
        if team_id in self._own:
            return True
        return None if self.ours.enterprise_id is not None else False

    def learn(self, team_ids: Iterable[str]) -> None:
        """These workspaces are ours."""
        self._own.update(team_ids)

    def learn_from(self, user: Mapping[str, Any]) -> None:
        """The workspaces of one of our people on the Grid are ours."""
        enterprise_id = self.ours.enterprise_id
        if enterprise_id is not None and enterprise_of(user) == enterprise_id:
            self._own |= teams_of(user)

    def learn_group(self, subteam: Mapping[str, Any]) -> None:
        """Which workspace a user group belongs to."""
        if subteam.get("team_id"):
            self._of_group[str(subteam["id"])] = str(subteam["team_id"])

    def of_group(self, group_id: str) -> str | None:
        """The workspace to name when a user group is asked about; None where the bot is installed in one workspace."""
        return self._of_group.get(group_id) if self.is_org_wide else None


# --- Asking Slack about people, user groups and channels
#
# Never called inside a transaction.

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
        self._client = client.copy_client(slack, timeout=timeout)
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
