"""Which workspaces are the organisation's own. On an Enterprise Grid this is learned from Slack as people turn up."""

from collections.abc import Iterable, Mapping
from typing import Any

from bot.people import payloads
from bot.people.payloads import Organisation


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
        if enterprise_id is not None and payloads.enterprise_of(user) == enterprise_id:
            self._own |= payloads.teams_of(user)

    def learn_group(self, subteam: Mapping[str, Any]) -> None:
        """Which workspace a user group belongs to."""
        if subteam.get("team_id"):
            self._of_group[str(subteam["id"])] = str(subteam["team_id"])

    def of_group(self, group_id: str) -> str | None:
        """The workspace to name when a user group is asked about; None where the bot is installed in one workspace."""
        return self._of_group.get(group_id) if self.is_org_wide else None
