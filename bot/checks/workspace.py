"""Whether Slack has the groups and channels that the policy names, whether mlgov is in them, and who administers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from slack_sdk import WebClient

from bot.checks.check import Check, list_some, warning
from bot.context import Team
from bot.people import payloads
from bot.people.asking import SlackReads, SlackSilent
from bot.people.payloads import Organisation
from bot.people.workspaces import Workspaces
from workflows import handles
from workflows.handles import Meant
from workflows.policy import Policy, naming
from workflows.projects.records import ProjectRecord

SECONDS = 10
MOST_PAGES = 40
"""Pages of channels that are read to tell a channel that is not there from one that mlgov is not in: 20,000 channels."""
SHOWN_PEOPLE = 4


class Workspace:
    """What Slack says at this moment. Asks for each thing once; raises SlackSilent where Slack does not answer."""

    def __init__(self, slack: WebClient, team: Team) -> None:
        self._reads = SlackReads(slack, timeout=SECONDS)
        self._team = team
        self._ours = Organisation(team.org_key, team.team_id, team.enterprise_id)
        self._teams: list[str | None] | None = None

    def teams(self) -> list[str | None]:
        """The workspaces to name in questions; None stands for the bot's own."""
        if self._teams is None:
            is_org_wide = Workspaces(self._ours).is_org_wide
            self._teams = list(self._reads.teams()) if is_org_wide else [None]
        return self._teams

    def groups(self) -> list[dict[str, Any]]:
        """Every user group with its members."""
        return [one for team in self.teams() for one in self._reads.groups(team)]

    def own_channels(self) -> dict[str, str]:
        """Name by id of the channels that mlgov is in."""
        return {
            str(one["id"]): str(one.get("name", ""))
            for team in self.teams()
            for page in self._reads.channels_of(self._team.bot_user_id, team)
            for one in page
        }

    def other_channels(self, wanted: set[str]) -> set[str]:
        """Those of these names and ids that Slack shows among all channels."""
        left, seen = set(wanted), set()
        for team in self.teams():
            for number, page in enumerate(self._reads.all_channels(team)):
                names = {str(one[key]) for one in page for key in ("id", "name") if one.get(key)}
                seen |= left & names
                left -= seen
                if not left or number >= MOST_PAGES:
                    break
        return seen

    def active_name(self, user_id: str) -> str | None:
        """What an active full member of ours is called; None for anybody else."""
        described = self._reads.user(user_id)
        if described is None:
            return None
        seen = payloads.person(described, self._ours)
        is_out = seen.is_bot or seen.is_guest or seen.is_stranger or seen.is_deactivated
        return None if is_out else seen.name


def checks(
    workspace: Workspace, policy: Policy, projects: Sequence[ProjectRecord], kept: Mapping[str, str]
) -> Iterator[Check]:
    """Groups, channels, administrators and the projects' channels, each a line.

    `kept` are the Slack ids of the groups that handles of the policy (without the at sign) mean by the record.
    """
    try:
        groups = workspace.groups()
        yield _groups(groups, policy, kept)
        yield _administrators(workspace, groups, policy, kept)
    except SlackSilent as error:
        yield warning("groups", _silent("user groups", error))
    try:
        own = workspace.own_channels()
        yield _channels(workspace, own, policy)
        if any(project.channel for project in projects):
            yield _projects(own, projects)
    except SlackSilent as error:
        yield warning("channels", _silent("channels", error))


def _silent(what: str, error: SlackSilent) -> str:
    if error.code == "missing_scope":
        return f"Slack's {what} couldn't be read for lack of a scope; mend the scopes first."
    return f"Slack's {what} couldn't be read just now ({error.code}); try again in a minute."


def _meant(
    groups: Sequence[Mapping[str, Any]], words: Iterable[str], kept: Mapping[str, str]
) -> Meant:
    """What the handles among these words mean by Slack's answer; `kept` has the groups that they meant before."""
    having = [
        (str(one.get("handle")), str(one["id"])) for one in groups if not one.get("date_delete")
    ]
    wanted = {word[1:] for word in words if handles.is_handle(word)}
    return handles.judge_handles(wanted, having, kept)


def _groups(groups: Sequence[Mapping[str, Any]], policy: Policy, kept: Mapping[str, str]) -> Check:
    wanted = sorted(word for word in naming.people(policy) if word[0] in "@S")
    meant = _meant(groups, wanted, kept)
    known = {
        word: one
        for one in groups
        for word in (handles.AT + str(one.get("handle")), str(one["id"]))
    }
    unclear = [one for one in meant.unclear.values() if one.having]
    without = [
        word
        for word in wanted
        if (word in meant.unclear and not meant.unclear[word].having)
        or (word[0] == "S" and (word not in known or known[word].get("date_delete")))
    ]
    missing = [word for word in without if word not in known]
    disabled = [word for word in without if word in known]
    if without or unclear:
        complaints = [
            *([f"Slack has no {list_some(missing, 'or')}"] if missing else []),
            *(
                [f"{list_some(disabled)} {'is' if len(disabled) == 1 else 'are'} disabled"]
                if disabled
                else []
            ),
        ]
        sentences = [
            f"{', and '.join(complaints)}. Mend it in Slack, or correct the policy."
            if complaints
            else "",
            *(f"{one.word} names nobody: {one.clause}. Next: {one.remedy}." for one in unclear),
        ]
        return Check("groups", False, " ".join(each for each in sentences if each))
    if not wanted:
        return Check("groups", True, "the policy names none")
    return Check("groups", True, f"Slack has {list_some(wanted)}")


def _administrators(
    workspace: Workspace,
    groups: Sequence[Mapping[str, Any]],
    policy: Policy,
    kept: Mapping[str, str],
) -> Check:
    words = policy.roles.get("admin", ())
    if not words:
        return warning(
            "administrators",
            "nobody: name people or a group under roles: admin in the policy, else nobody hears of trouble or may set things right.",
        )
    ids: dict[str, None] = {}
    for word in _meant(groups, words, kept).who(words):
        if word[0] in "UW":
            ids[word] = None
        for group in groups:
            if word == group["id"] and not group.get("date_delete"):
                ids |= dict.fromkeys(str(member) for member in group.get("users") or ())
    names: list[str] = []
    looked_at = 0
    for user_id in ids:
        if len(names) >= SHOWN_PEOPLE:
            break
        looked_at += 1
        if name := workspace.active_name(user_id):
            names.append(name)
    if not names:
        return warning(
            "administrators",
            f"nobody: {list_some(list(words))} (roles: admin) holds no active member of the workspace. Add somebody in Slack, or correct the policy.",
        )
    more = len(ids) - looked_at
    return Check("administrators", True, list_some([*names, f"{more} more"] if more else names))


def _channels(workspace: Workspace, own: Mapping[str, str], policy: Policy) -> Check:
    wanted = naming.channels(policy)
    is_in = {*own, *own.values()}
    outside = sorted({name for name in wanted.values() if name.lstrip("#") not in is_in})
    if not wanted:
        return Check("channels", True, "the policy names none")
    if not outside:
        return Check("channels", True, f"mlgov is in {list_some(sorted(set(wanted.values())))}")
    there = workspace.other_channels({name.lstrip("#") for name in outside})
    to_join = [name for name in outside if name.lstrip("#") in there]
    unseen = [name for name in outside if name.lstrip("#") not in there]
    complaints = []
    if to_join:
        complaints.append(f"mlgov isn't in {list_some(to_join, 'or')}: type /invite @mlgov there.")
    if unseen:
        complaints.append(
            f"Slack shows mlgov no {list_some(unseen, 'or')}: make it, or correct the policy; if it's private, type /invite @mlgov there."
        )
    return Check("channels", False, " ".join(complaints))


def _projects(own: Mapping[str, str], projects: Sequence[ProjectRecord]) -> Check:
    outside = [one.key for one in projects if one.channel and one.channel not in own]
    if not outside:
        return Check("projects", True, "mlgov is in the channel of each project that has one")
    whose = (
        f"the channel of {list_some(outside)}"
        if len(outside) == 1
        else f"the channels of {list_some(outside)}"
    )
    return warning(
        "projects",
        f"mlgov isn't in {whose}, so what belongs there goes to single people. Type /invite @mlgov there.",
    )
