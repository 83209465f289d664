"""What happens in Slack to people and groups, most of it without a word, and what Slack says of them at each moment."""

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from tests.stories.office import ADA, FAY, FRED, OLA, TIM, Office
from tests.stories.test_door import NED, XEN, YAN, read_before
from tests.stories.test_standing import RULES

EVERYBODY = (OLA, TIM, FAY, FRED, ADA, NED, XEN, YAN)
GROUPS = {
    "finance": "S0FIN",
    "model-risk": "S0RISK",
    "leaders": "S0LEAD",
    "helpers": "S0HELP",
    "mlgov-admins": "S0ADM",
}
"""Handle of the policy → the group that it means."""
MEMBERS = {
    "finance": [FAY, FRED],
    "model-risk": [FRED],
    "leaders": [TIM],
    "helpers": [XEN, YAN],
    "mlgov-admins": [ADA],
}
POLICY = RULES.replace(
    "      - {name: Finance, approvers: [role:finance]}\n    expires_after: 7d",
    "      - {name: Finance, approvers: [role:finance], quorum: 2}\n"
    '    hand_over_to: ["@helpers"]\n'
    "    break_glass: {by: [role:admin], review_within: 2d}\n"
    "    expires_after: 7d",
)


@dataclass(frozen=True)
class Given:
    """A verdict that counted: whose it was and whose place it used, as Slack had them at that moment."""

    approval: int
    position: int
    who: str
    place: str


@dataclass(frozen=True)
class Handover:
    """A place of a request's stage that somebody took; `helpers` is the group whose members may, whoever they are."""

    approval: int
    position: int
    giver: str
    taker: str
    helpers: str | None


@dataclass
class Surroundings:
    """The office, chance, what happens in Slack, and what came of it."""

    office: Office
    chance: random.Random
    org_key: str = "T0ACME"
    is_grid: bool = False
    before_an_act: tuple[str, ...] = (*["nothing"] * 8, "they", "group")
    """What may have changed in Slack, without mlgov's knowing, just before somebody acts."""
    everybody: list[str] = field(default_factory=lambda: [*EVERYBODY])
    meant: dict[str, str] = field(default_factory=lambda: dict(GROUPS))
    """Handle of the policy → the group that had it when the policy was last put in force."""
    asked_of: dict[int, str] = field(default_factory=dict)
    """Request → the group that finance meant when it was opened."""
    given: dict[int, Given] = field(default_factory=dict)
    handovers: list[Handover] = field(default_factory=list)
    stand_ins: dict[str, str] = field(default_factory=dict)
    """Who is away → who stands in for them."""
    broken: set[int] = field(default_factory=set)
    away: dict[str, Any] = field(default_factory=dict)
    """Those whom Slack knows no more."""
    done: Counter[str] = field(default_factory=Counter)

    # --- what Slack says

    def is_member(self, slack_id: str) -> bool:
        user = self.office.sandbox.world.users.get(slack_id)
        return user is not None and not (user.deleted or user.is_restricted)

    def is_in(self, slack_id: str, group_id: str | None) -> bool:
        """Whether somebody is a full member and in this group; nobody is in none, and in one that is disabled."""
        if group_id is None:
            return False
        group = self.office.sandbox.world.usergroups[group_id]
        is_there = not group.date_delete and slack_id in group.user_ids
        return is_there and self.is_member(slack_id)

    def group(self, handle: str) -> str | None:
        """The group by which a handle of the policy goes now; None for one of which mlgov must know that it names nobody."""
        return self.meant[handle]

    def id_of(self, who: str) -> str:
        """The id by which Slack names somebody this time."""
        return who

    # --- what happens in Slack

    def person_changes(self, who: str | None = None) -> None:
        slack = self.office.sandbox.world
        who = who or self.chance.choice(self.everybody)
        if who in self.away:
            slack.users[who] = self.away.pop(who)
            return
        user = slack.users[who]
        change: dict[str, Any] = self.chance.choice(
            [{"deleted": not user.deleted}, {"is_restricted": not user.is_restricted}]
        )
        match self.chance.choice(["silent", "silent", "told", "gone"]):
            case "silent":
                slack.users[who] = replace(user, **change)
            case "told":
                slack.update_user(who, **change)
                self.heard()
            case _:
                self.away[who] = replace(user, deleted=False, is_restricted=False)
                slack.remove_user(who)

    def group_changes(self, group_id: str | None = None) -> None:
        slack = self.office.sandbox.world
        group = slack.usergroups[group_id or self.chance.choice([*slack.usergroups])]
        there = [who for who in self.everybody if who in slack.users]
        many = self.chance.randint(0, min(3, len(there)))
        members = self.chance.sample(there, many)
        if self.chance.random() < 0.7:
            slack.usergroups[group.id] = replace(group, user_ids=members)
        else:
            slack.set_usergroup_members(group.id, members)
            self.heard()

    def heard(self) -> None:
        """What Slack told has reached mlgov."""
        assert self.office.sandbox.wait_idle(60)

    def everybody_is_back(self) -> None:
        """So that not all of the history is refusals."""
        slack = self.office.sandbox.world
        slack.users.update(self.away)
        self.away.clear()
        for who in self.everybody:
            slack.users[who] = replace(slack.users[who], deleted=False, is_restricted=False)
        for handle, group_id in self.meant.items():
            group = slack.usergroups[group_id]
            slack.usergroups[group_id] = replace(group, user_ids=MEMBERS[handle])
        self.reads()

    # --- what mlgov knows of it

    def time_passes(self) -> None:
        """What was read is old by now, or was all read this moment."""
        if self.chance.random() < 0.85:
            read_before(self.office, minutes=self.chance.choice([11, 30, 200]))
        else:
            self.reads()

    def reads(self) -> None:
        """mlgov reads all of Slack."""
        result = self.office.bot.deps.directory.reader.read(30, print)
        assert result is not None
