"""Slack's descriptions of people, user groups and channels as the values that the mirror takes: pure.

Fields as in docs.slack.dev/reference/objects (user, usergroup, conversation).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
