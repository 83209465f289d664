"""The random history of people and groups on an Enterprise Grid: everybody goes by either of two ids, and handles are
renamed, shared and taken over. Nothing counts that rests on somebody who, by Slack's word, had no standing."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sandbox.org import User
from storage.approvals.tables import Absence
from storage.db import DatabaseBusy
from storage.people.tables import Person
from storage.registry import queries as registry
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import FAY, FRED, OLA, TIM, opened
from tests.stories.surroundings import GROUPS, MEMBERS, POLICY
from tests.stories.test_door import NED, XEN, YAN
from tests.stories.test_people_machine import STEPS_OF, Machine, play
from tests.stories.test_standing import world
from workflows.approvals import approvers
from workflows.context import OPERATOR, Actor
from workflows.errors import GovernanceError
from workflows.people import service as people

pytestmark = pytest.mark.slow

GRID = "E0ACME"
RIVALS = {
    "S0BRFIN": ("T0BRANCH", "branch-finance"),
    "S0RIVAL": ("T0ACME", "rivals"),
    "S0BRADM": ("T0BRANCH", "branch-admins"),
}
"""Groups that the policy does not name, until they take a handle that it does: workspace and handle of each."""
STEPS = (
    *STEPS_OF,
    "decides",
    "decides",
    "comes_back",
    "joins_the_company",
    "ids_change",
    "handles_change",
    "handles_change",
    "takes_over",
    "takes_over",
    "acts_by_both_ids",
    "acts_by_both_ids",
    "policy_is_applied",
)


def on_the_grid(slack_id: str) -> str:
    """The Grid's id of somebody whom their workspace calls by this one."""
    return f"W{slack_id[1:]}"


def grid() -> dict[str, Any]:
    """Two workspaces of a Grid, both with groups; everybody was there before it, so everybody has two ids."""
    organisation = world()
    organisation["enterprise"] = {"id": GRID, "name": "Acme", "domain": "acme"}
    organisation["app"]["org_wide"] = True
    organisation["teams"].insert(1, {"id": "T0BRANCH", "name": "Acme Branch", "domain": "branch"})
    for user in organisation["users"]:
        if user["team"] != "T0ACME":
            continue
        user["global_id"] = on_the_grid(user["id"])
        if user["id"] in (FAY, FRED, XEN):
            user["team"] = "T0BRANCH"
        user["teams"] = ["T0ACME", "T0BRANCH"]
    organisation["channels"] = [
        channel
        for channel in organisation["channels"]
        if channel["name"] in ("mlgov-admin", "ticket-triage")
    ]
    organisation["usergroups"] += [
        {
            "id": group_id,
            "handle": handle,
            "name": handle,
            "team": team_id,
            "users": [NED, TIM, XEN],
        }
        for group_id, (team_id, handle) in RIVALS.items()
    ]
    return organisation


@dataclass
class GridMachine(Machine):
    """The office on a Grid."""

    org_key: str = GRID
    is_grid: bool = True
    before_an_act: tuple[str, ...] = ("nothing", "nothing", "they", "group")
    knows_handles: bool = True
    """Whether mlgov has read who has which handle since one changed."""

    # --- what Slack says

    def having(self, handle: str) -> list[str]:
        groups = self.office.sandbox.world.usergroups.values()
        return [group.id for group in groups if group.handle == handle and not group.date_delete]

    def group(self, handle: str) -> str | None:
        meant = self.meant[handle]
        if self.knows_handles and self.having(handle) != [meant]:
            return None
        return meant

    def id_of(self, who: str) -> str:
        if self.chance.random() < 0.5:
            return who
        self.done["by the Grid's id"] += 1
        return on_the_grid(who)

    def actor(self, who: str) -> Actor:
        directory = self.office.bot.deps.directory
        return directory.actor(self.id_of(who), team_id="T0ACME", enterprise_id=GRID)

    def who(self, row: Person) -> str:
        return f"U{super().who(row)[1:]}"

    def asked(self, stage: int) -> list[str]:
        """Whoever asked tries it, too, and so does a group that has nothing to do with it."""
        return [*super().asked(stage), TIM, *([FAY, FRED, XEN] if stage else [])]

    # --- what happens in Slack

    def ids_change(self) -> None:
        """Slack's translation layer is turned on or off: it names everybody by their other id."""
        app = self.office.sandbox.world.app
        app.translates_ids = not app.translates_ids
        if self.chance.random() < 0.7:
            self.reads()

    def joins_the_company(self) -> None:
        """Somebody of whom mlgov knows nothing turns up in a group, with or without a word."""
        slack, number = self.office.sandbox.world, len(self.everybody)
        group_id = self.chance.choice([*self.meant.values(), *RIVALS])
        if self.chance.random() < 0.5 and number < 12:
            who = f"U0NEW{number}"
            slack.users[who] = User(
                who,
                self.chance.choice(["T0ACME", "T0BRANCH"]),
                f"new{number}",
                f"New {number}",
                enterprise_id=GRID,
                team_ids=["T0ACME", "T0BRANCH"],
                global_id=on_the_grid(who),
            )
            self.everybody.append(who)
            members = [*slack.usergroups[group_id].user_ids, who]
            slack.set_usergroup_members(group_id, members)
            self.heard()
        else:
            self.group_changes(group_id)

    def handles_change(self) -> None:
        """A group is renamed, disabled or enabled, or gives itself a handle of the policy, with or without a word."""
        slack = self.office.sandbox.world
        handle = self.chance.choice(["finance", "finance", *GROUPS])
        others = [one for one in slack.usergroups if one != self.meant[handle]]
        other = self.chance.choice(others)
        moves: dict[str, list[tuple[str, dict[str, Any]]]] = {
            "renamed": [(self.meant[handle], {"handle": f"{handle}-old"})],
            "shared": [(other, {"handle": handle})],
            "taken over": [
                (self.meant[handle], {"handle": f"{handle}-old"}),
                (other, {"handle": handle}),
            ],
            "disabled": [(self.meant[handle], {"date_delete": slack.now_seconds()})],
            "back": [
                (self.meant[handle], {"handle": handle, "date_delete": 0}),
                *(
                    (group_id, {"handle": f"{group_id.lower()}-own"})
                    for group_id in self.having(handle)
                    if group_id != self.meant[handle]
                ),
            ],
        }
        move = self.chance.choice([*moves, "taken over", "back"])
        self.done[move] += 1
        is_told = self.chance.random() < 0.5
        for group_id, change in moves[move]:
            if is_told:
                slack.update_usergroup(group_id, **change)
            else:
                group = slack.usergroups[group_id]
                slack.usergroups[group_id] = replace(
                    group, date_update=slack.now_seconds(), **change
                )
        self.knows_handles = False
        self.heard()

    def everybody_is_back(self) -> None:
        """People and their groups; their handles mostly, too."""
        slack = self.office.sandbox.world
        if self.chance.random() < 0.7:
            own = {group_id: handle for group_id, (_, handle) in RIVALS.items()} | {
                group_id: handle for handle, group_id in GROUPS.items()
            }
            for group_id, group in slack.usergroups.items():
                slack.usergroups[group_id] = replace(group, handle=own[group_id], date_delete=0)
            self.knows_handles = False
            super().everybody_is_back()
            self.applied()
        else:
            super().everybody_is_back()
        finance = self.meant["finance"]
        slack.usergroups[finance] = replace(
            slack.usergroups[finance], user_ids=[*MEMBERS["finance"], TIM]
        )

    def reads(self) -> None:
        super().reads()
        self.knows_handles = True

    def policy_is_applied(self) -> None:
        """An administrator puts the policy in force again: its handles mean whoever has them."""
        self.reads()
        self.applied()

    def applied(self) -> None:
        deps = self.office.bot.deps
        with self.office.db.begin(patient=True) as session:
            people.confirm_handles(
                make_context(
                    session, actor=OPERATOR, policy=deps.policy, org=GRID, now=self.office.now()
                )
            )
        for handle in self.meant:
            having = self.having(handle)
            if len(having) == 1:
                self.done["moved on"] += self.meant[handle] != having[0]
                self.meant[handle] = having[0]

    # --- what people do

    def somebody(self, *usual: str, handle: str) -> str:
        rivals = [one for one in self.having(handle) if one != self.meant[handle]]
        if rivals and self.chance.random() < 0.5:
            group = self.office.sandbox.world.usergroups[self.chance.choice(rivals)]
            if group.user_ids:
                self.done["tried by a handle"] += 1
                return self.chance.choice(group.user_ids)
        return super().somebody(*usual, handle=handle)

    def takes_over(self) -> None:
        """A group of others takes a handle of the policy, and its members act by it at once."""
        slack = self.office.sandbox.world
        handle = self.chance.choice([*GROUPS, "finance"])
        if handle == "finance":
            # What waits goes by the group that was meant; what is asked from now on would ask the other one.
            self.withdraws(TIM)
        rival = self.chance.choice([*RIVALS])
        slack.set_usergroup_members(rival, self.chance.sample([NED, TIM, XEN, YAN, FAY], 3))
        slack.update_usergroup(self.meant[handle], handle=f"{handle}-old")
        slack.update_usergroup(rival, handle=handle, date_delete=0)
        self.knows_handles = False
        self.heard()
        if self.chance.random() < 0.5:
            self.reads()
        act = {
            "finance": self.decides,
            "helpers": self.hands_over,
            "model-risk": self.accepts_the_registry,
            "leaders": self.looks,
            "mlgov-admins": self.breaks_glass,
        }[handle]
        for _ in range(3):
            act()

    def acts_by_both_ids(self) -> None:
        """Somebody decides, and again once Slack names everybody by their other id."""
        slack = self.office.sandbox.world
        Machine.everybody_is_back(self)
        who = self.chance.choice([TIM, TIM, OLA, FAY, FRED, *self.everybody[-2:]])
        group_id = self.meant["finance"]
        members = sorted({FAY, FRED, who} - {OLA})
        slack.usergroups[group_id] = replace(
            slack.usergroups[group_id], user_ids=members, date_delete=0
        )
        if self.chance.random() < 0.7:
            # A new request, in which nobody has decided yet.
            self.withdraws(TIM)
        self.decides(OLA)
        self.decides(who)
        slack.app.translates_ids = not slack.app.translates_ids
        self.reads()
        for again in (who, FAY):
            self.decides(again)

    def comes_back(self) -> None:
        """Somebody who was away is there again."""
        if not self.stand_ins:
            return
        who = self.chance.choice(sorted(self.stand_ins))
        try:
            actor = self.actor(who)
            with self.office.db.begin(patient=True) as session:
                absence_id = session.execute(
                    select(Absence.id).where(
                        Absence.person_id == actor.id, Absence.ended_at.is_(None)
                    )
                ).scalar_one_or_none()
                assert absence_id is not None, f"{who} is somebody else by now"
                approvers.end_absence(
                    make_context(session, actor=actor, now=self.office.now()), absence_id
                )
        except (GovernanceError, DatabaseBusy):
            return
        del self.stand_ins[who]
        self.done["came back"] += 1


@contextmanager
def started(
    backend: str, seed: int, request: pytest.FixtureRequest, directory: Path
) -> Iterator[GridMachine]:
    directory.mkdir()
    url = fresh_url(backend, request, directory)
    with opened(url, directory, policy=POLICY, world=grid()) as office:
        assert office.bot.deps.team.org_key == GRID
        office.project("triage", "Ticket triage", channel=None)
        with office.db.begin(patient=True) as session:
            registry.lock_state(session).baseline_at = office.now()
        yield GridMachine(office, random.Random(seed))


@pytest.mark.parametrize(
    ("backend", "seeds", "steps"),
    [
        pytest.param("sqlite", [29], 70, id="sqlite"),
        pytest.param(
            "sqlite",
            range(100, 104),
            120,
            id="sqlite-many",
            marks=[pytest.mark.heavy, pytest.mark.timeout(600)],
        ),
        pytest.param(
            "postgres",
            range(200, 202),
            120,
            id="postgres",
            marks=[pytest.mark.heavy, pytest.mark.timeout(600)],
        ),
    ],
)
def test_nothing_rests_on_who_has_no_standing_on_a_grid(
    backend: str, seeds: list[int], steps: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    done: Counter[str] = Counter()
    for seed in seeds:
        with started(backend, seed, request, tmp_path / str(seed)) as machine:
            try:
                done += play(machine, STEPS, steps)
            except AssertionError as failure:
                failure.add_note(f"with the seed {seed}")
                raise
    for what in (
        "decided",
        "approved",
        "refused",
        "by the Grid's id",
        "taken over",
        "shared",
        "moved on",
    ):
        assert done[what], (what, done)
    if len(seeds) > 2:  # rare: a few histories have none
        assert done["instead"] + done["handed over"], done
