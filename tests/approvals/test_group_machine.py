"""Groups that are made, renamed, emptied and disabled in any order, and told of late, twice or never, while requests
wait: no decision counts of somebody who, by Slack's word at that time, was not in the group that was meant."""

import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storage.approvals.tables import ApprovalStage
from storage.db import Database
from storage.enums import Verdict
from tests.approvals.conftest import ORG, START, House, populated
from tests.conftest import fresh_url, number_of_examples
from tests.contexts import make_context
from workflows import clock, permissions
from workflows.approvals.forms import Decide
from workflows.approvals.refusals import Unconfirmed
from workflows.approvals.submission import NobodyToDecide
from workflows.context import OPERATOR
from workflows.errors import GovernanceError
from workflows.people import service as people
from workflows.people.forms import GroupSeen, PersonSeen

POLICY = """\
version: 1
organisation: {name: Acme, timezone: Europe/London}
roles: {leader: ["@finance"]}
gates:
  budget_increase:
    stages: [{name: Money, approvers: ["@finance"]}]
    expires_after: 7d
"""
PEOPLE = ("fay", "fred", "ned")
HANDLES = ("finance", "money")
MOST_GROUPS = 4
names = st.sampled_from(PEOPLE)
several = st.sets(names)
place = st.integers(0, MOST_GROUPS - 1)
_house: list[House] = []
_examples: list[int] = []
_seen: set[str] = set()


@dataclass
class Group:
    """A user group as Slack has it."""

    handle: str
    members: set[str]
    is_disabled: bool = False
    updated: int = 0


@dataclass
class Slack:
    """What is so, whoever knows it."""

    groups: dict[str, Group] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)

    def group(self, slack_id: str) -> GroupSeen:
        """A group as Slack describes it."""
        one = self.groups[slack_id]
        ids = tuple(f"U0{name.upper()}" for name in sorted(one.members))
        return GroupSeen(slack_id, one.handle, one.handle, one.is_disabled, ids, one.updated)

    def person(self, name: str) -> PersonSeen:
        """A person as Slack describes them."""
        is_gone = name in self.left
        slack_id = f"U0{name.upper()}"
        return PersonSeen(ORG, slack_id, ORG, name, is_deactivated=is_gone)

    def having(self, handle: str) -> list[str]:
        """The enabled groups with a handle."""
        return [
            slack_id
            for slack_id, one in self.groups.items()
            if one.handle == handle and not one.is_disabled
        ]


class Groups(RuleBasedStateMachine):
    """Slack goes its own way; mlgov hears of it by events and readings, and asks about those who click."""

    def __init__(self) -> None:
        super().__init__()
        self.house, self.slack = _house[0], Slack()
        self.events: list[GroupSeen | PersonSeen] = []
        self.reading: tuple[datetime, Slack] | None = None
        self.waiting: dict[int, str] = {}
        """Requests, each with the group that was meant when it was opened."""
        self.stamp = 0

    @initialize()
    def begin(self) -> None:
        _examples.append(len(_examples))
        self.house.now = START + timedelta(days=len(_examples))
        self.meant = self.make("finance", {"fay", "fred"})
        self.make("money", {"ned"})
        for name in PEOPLE:
            self.events.append(self.slack.person(name))
        self.read_now()
        self.put_in_force()
        self.events.clear()

    def make(self, handle: str, members: set[str]) -> str:
        slack_id = f"S{len(_examples)}X{len(self.slack.groups)}"
        self.slack.groups[slack_id] = Group(handle, set(members))
        self.changed(slack_id)
        return slack_id

    def changed(self, slack_id: str) -> None:
        self.stamp += 1
        self.slack.groups[slack_id].updated = self.stamp
        self.events.append(self.slack.group(slack_id))

    def at(self, index: int) -> str:
        ids = list(self.slack.groups)
        return ids[index % len(ids)]

    # --- what happens in Slack

    @precondition(lambda self: len(self.slack.groups) < MOST_GROUPS)
    @rule(handle=st.sampled_from(HANDLES), members=several)
    def somebody_makes_a_group(self, handle: str, members: set[str]) -> None:
        self.make(handle, members)

    @rule(index=place, handle=st.sampled_from(HANDLES))
    def somebody_renames_a_group(self, index: int, handle: str) -> None:
        self.slack.groups[self.at(index)].handle = handle
        self.changed(self.at(index))

    @rule(index=place)
    def another_group_takes_the_name(self, index: int) -> None:
        taker = self.at(index)
        for slack_id in self.slack.having("finance"):
            if slack_id != taker:
                self.slack.groups[slack_id].handle = "money"
                self.changed(slack_id)
        self.slack.groups[taker].handle = "finance"
        self.slack.groups[taker].is_disabled = False
        self.changed(taker)

    @rule(index=place, members=several)
    def somebody_sets_its_members(self, index: int, members: set[str]) -> None:
        self.slack.groups[self.at(index)].members = set(members)
        self.changed(self.at(index))

    @rule(index=place)
    def somebody_disables_a_group_or_enables_it(self, index: int) -> None:
        one = self.slack.groups[self.at(index)]
        one.is_disabled = not one.is_disabled
        self.changed(self.at(index))

    @rule(name=names)
    def somebody_leaves_or_comes_back(self, name: str) -> None:
        self.slack.left ^= {name}
        self.events.append(self.slack.person(name))

    # --- what mlgov hears of it

    @precondition(lambda self: self.events)
    @rule(index=st.integers(0, 20), again=st.booleans())
    def an_event_comes(self, index: int, again: bool) -> None:
        event = self.events[index % len(self.events)]
        if not again:
            self.events.remove(event)
        self.hear(event)

    @precondition(lambda self: self.events)
    @rule(index=st.integers(0, 20))
    def an_event_is_lost(self, index: int) -> None:
        del self.events[index % len(self.events)]

    @rule()
    def a_reading_begins(self) -> None:
        self.reading = self.real_now(), copy.deepcopy(self.slack)

    @precondition(lambda self: self.reading)
    @rule()
    def the_reading_ends(self) -> None:
        assert self.reading is not None
        self.write(*self.reading)
        self.reading = None

    def read_now(self) -> None:
        self.write(self.real_now(), self.slack)

    def real_now(self) -> datetime:
        with self.house.db.read() as session:
            return clock.real_now(session)

    def hear(self, event: GroupSeen | PersonSeen) -> None:
        with self.house.db.begin() as session:
            if isinstance(event, PersonSeen):
                people.upsert_from_slack(
                    make_context(session, now=self.house.now), [event], read_at=None
                )
            else:
                self.take(session, [event], None)

    def write(self, began: datetime, as_read: Slack) -> None:
        with self.house.db.begin() as session:
            people.upsert_from_slack(
                make_context(session, now=self.house.now),
                [as_read.person(name) for name in PEOPLE],
                read_at=began,
            )
            groups = [as_read.group(slack_id) for slack_id in as_read.groups]
            is_first = not people.has_groups(session, ORG)
            self.take(session, groups, began, is_everything=True, is_first=is_first)

    def take(
        self, session: Any, groups: list[GroupSeen], read_at: datetime | None, **more: Any
    ) -> None:
        people.upsert_groups(
            make_context(session, org=ORG, now=self.house.now), groups, read_at=read_at, **more
        )
        people.settle_handles(
            make_context(session, policy=self.house.policy, org=ORG, now=self.house.now)
        )

    # --- what people do in mlgov

    @rule()
    def an_administrator_puts_the_policy_in_force(self) -> None:
        self.read_now()
        self.put_in_force()
        having = self.slack.having("finance")
        if len(having) == 1:
            _seen.add("confirmed" if having != [self.meant] else "kept")
            (self.meant,) = having

    def put_in_force(self) -> None:
        with self.house.db.begin() as session:
            people.confirm_handles(
                make_context(
                    session, actor=OPERATOR, policy=self.house.policy, org=ORG, now=self.house.now
                )
            )

    @rule(is_in_step=st.booleans())
    def somebody_asks(self, is_in_step: bool) -> None:
        if is_in_step:
            self.read_now()
        try:
            id_ = self.house.submit("tim", self.house.project())
        except NobodyToDecide as refused:
            _seen.add("unclear" if "names nobody" in refused.sentence else "nobody")
            return
        with self.house.db.read() as session:
            stage = session.get_one(ApprovalStage, (id_, 0))
            bound = [who for one in stage.approvers for who in one["who"]]
        assert bound == [self.meant], "it asks another group than the one that is meant"
        if is_in_step:
            assert self.slack.having("finance") == bound, "an unclear handle was guessed"
        self.waiting[id_] = self.meant

    @precondition(lambda self: self.waiting)
    @rule(index=st.integers(0, 5), name=names, late=st.booleans())
    def somebody_decides(self, index: int, name: str, late: bool) -> None:
        id_ = list(self.waiting)[index % len(self.waiting)]
        if not self.click(id_, name, late):
            _seen.add("refused")
            return
        group = self.slack.groups[self.waiting.pop(id_)]
        _seen.add("decided")
        assert not group.is_disabled, "it decided through a group that is gone"
        assert name in group.members, "who decided was not in the group that was meant"
        assert name not in self.slack.left, "who decided had left"

    def click(self, id_: int, name: str, late: bool) -> bool:
        """As the edge takes a click: ask Slack where the mirror is too old, once, and try again."""
        since, asked = self.real_now(), frozenset[str]()
        revision = self.house.card(id_).revision
        form = Decide(approval_id=id_, revision=revision, verdict=Verdict.APPROVE)
        for _ in range(2):
            try:
                self.house.act(name, form, fresh_since=since, asked=frozenset(asked))
            except Unconfirmed as error:
                for who in error.named:
                    self.ask_slack(who)
                asked |= error.named
                if late and self.events:
                    self.hear(self.events.pop(0))
            except GovernanceError:
                return False
            else:
                return True
        return False

    def ask_slack(self, who: str) -> None:
        at = self.real_now()
        with self.house.db.begin() as session:
            if who[0] == "S":
                one = self.slack.groups[who]
                people.refresh_members(
                    make_context(session, org=ORG, now=self.house.now),
                    who,
                    None if one.is_disabled else self.slack.group(who).members,
                    read_at=at,
                )
            else:
                person = self.slack.person(who.removeprefix("U0").lower())
                people.upsert_from_slack(
                    make_context(session, now=self.house.now), [person], read_at=at
                )

    @invariant()
    def whoever_holds_the_role_is_in_the_group_as_it_was_told(self) -> None:
        if not self.slack.groups:
            return
        with self.house.db.read() as session:
            found = [
                set(
                    permissions.list_members(
                        make_context(session, policy=self.house.policy, org=ORG), word
                    )
                )
                for word in ("role:leader", self.meant)
            ]
        assert found[0] in (set(), found[1]), "a role means another group"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "examples"),
    [
        ("sqlite", 45),
        ("postgres", 3),
        pytest.param("sqlite", 120, marks=[pytest.mark.heavy, pytest.mark.timeout(600)]),
        pytest.param("postgres", 20, marks=[pytest.mark.heavy, pytest.mark.timeout(600)]),
    ],
)
def test_nobody_decides_who_was_not_in_the_group_that_was_meant(
    backend: str, examples: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    examples = number_of_examples(examples)
    database = Database(fresh_url(backend, request, tmp_path))
    _house[:] = [populated(database, POLICY)]
    _house[0].sees_all = False
    _examples.clear()
    _seen.clear()
    try:
        run_state_machine_as_test(
            Groups,
            settings=settings(
                max_examples=examples,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
        _house[0].ledger_holds()
    finally:
        database.close()
    if examples >= 45:
        assert _seen >= {"decided", "refused", "unclear", "confirmed"}, _seen
