"""A random history of people, user groups and absences, most of it without a word from Slack: nothing anybody does counts
that rests on somebody who, by Slack's word at that moment, had no standing."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from bot import door
from storage.approvals.tables import Approval, Decision
from storage.audit.tables import AuditEntry
from storage.budgets.tables import Budget
from storage.db import DatabaseBusy
from storage.enums import ApprovalState, Verdict
from storage.people.tables import Person
from storage.registry import queries as registry
from tests.conftest import fresh_url
from tests.stories.office import ADA, FAY, FRED, OLA, TIM, Office, opened
from tests.stories.test_door import NED, XEN, YAN, read_before
from tests.stories.test_standing import RULES, world
from workflows import decisions
from workflows.actors import Actor
from workflows.approvals import standing_in
from workflows.approvals.absences import Away
from workflows.approvals.forms import BreakGlass, Decide, HandOver, SubmitRequest
from workflows.budgets.forms import IncreaseBudget
from workflows.errors import GovernanceError
from workflows.people import service as people

pytestmark = pytest.mark.slow

EVERYBODY = (OLA, TIM, FAY, FRED, ADA, NED, XEN, YAN)
GROUPS = ("S0FIN", "S0RISK", "S0LEAD", "S0HELP", "S0ADM")
STEPS = 120
POLICY = RULES.replace(
    "      - {name: Finance, approvers: [role:finance]}\n    expires_after: 7d",
    "      - {name: Finance, approvers: [role:finance], quorum: 2}\n"
    '    hand_over_to: ["@helpers"]\n'
    "    break_glass: {by: [role:admin], review_within: 2d}\n"
    "    expires_after: 7d",
)


@dataclass
class Machine:
    """The office, chance, and what came of it."""

    office: Office
    chance: random.Random
    away: dict[str, Any] = field(default_factory=dict)
    """Those whom Slack knows no more."""
    done: Counter[str] = field(default_factory=Counter)

    # --- what Slack says

    def is_member(self, slack_id: str) -> bool:
        user = self.office.sandbox.world.users.get(slack_id)
        return user is not None and not (user.deleted or user.is_restricted)

    def is_in(self, slack_id: str, group: str) -> bool:
        members = self.office.sandbox.world.usergroups[group].user_ids
        return self.is_member(slack_id) and slack_id in members

    # --- what happens in Slack

    def person_changes(self, who: str | None = None) -> None:
        slack = self.office.sandbox.world
        who = who or self.chance.choice(EVERYBODY)
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
            case _:
                self.away[who] = replace(user, deleted=False, is_restricted=False)
                slack.remove_user(who)

    def group_changes(self, group_id: str | None = None) -> None:
        slack = self.office.sandbox.world
        group = slack.usergroups[group_id or self.chance.choice(GROUPS)]
        there = [one for one in EVERYBODY if one in slack.users]
        many = self.chance.randint(0, min(3, len(there)))
        members = self.chance.sample(there, many)
        if self.chance.random() < 0.7:
            slack.usergroups[group.id] = replace(group, user_ids=members)
        else:
            slack.set_usergroup_members(group.id, members)

    def everybody_is_back(self) -> None:
        """So that not all of the history is refusals."""
        slack = self.office.sandbox.world
        slack.users.update(self.away)
        self.away.clear()
        for who in EVERYBODY:
            slack.users[who] = replace(
                slack.users[who], deleted=False, is_restricted=False
            )
        for group, who in zip(
            GROUPS, ([FAY, FRED], [FRED], [TIM], [XEN, YAN], [ADA]), strict=True
        ):
            slack.usergroups[group] = replace(slack.usergroups[group], user_ids=who)
        self.office.bot.deps.directory.reader.read(30, print)

    # --- what mlgov knows of it

    def time_passes(self) -> None:
        """What was read is old by now, or was all read this moment."""
        if self.chance.random() < 0.85:
            read_before(self.office, minutes=self.chance.choice([11, 30, 200]))
        else:
            result = self.office.bot.deps.directory.reader.read(30, print)
            assert result is not None

    # --- what people do

    @staticmethod
    def asked(stage: int) -> list[str]:
        """Who decides in it while nothing has changed, and who may stand in for them."""
        return [OLA, OLA, NED] if stage == 0 else [FAY, FRED, NED]

    def actor(self, slack_id: str) -> Actor:
        with self.office.db.read() as session:
            met = people.actor_by_slack_id(session, "T0ACME", slack_id)
        assert met is not None
        return met[0]

    def opened(self) -> tuple[int, int, int]:
        """Id, revision and stage of the request that waits; Tim asks where none does."""
        deps = self.office.bot.deps
        with self.office.db.begin(patient=True) as session:
            found = session.execute(
                select(Approval.id, Approval.revision, Approval.stage).where(
                    Approval.state == ApprovalState.PENDING.value
                )
            ).first()
            if found is not None:
                return found.id, found.revision, found.stage
            budget = session.execute(select(Budget)).scalar_one()
            id_ = decisions.submit(
                session,
                replace(self.actor(TIM), is_deactivated=False, is_guest=False),
                SubmitRequest(
                    gate="budget_increase",
                    subject_type="budget",
                    form=IncreaseBudget(
                        budget_id=budget.id,
                        revision=budget.revision,
                        amount=str(1100 + 100 * self.done["asked"]),
                        scope="period",
                    ),
                    reason="More.",
                    request_key=f"k{self.done['asked']}",
                ),
                policy=deps.policy,
                policy_id=deps.holder.version_id,
                org_key="T0ACME",
                now=self.office.now(),
            )
            self.done["asked"] += 1
            return id_, session.get_one(Approval, id_).revision, 0

    def decides(self) -> None:
        try:
            approval, revision, stage = self.opened()
        except (GovernanceError, DatabaseBusy):
            self.everybody_is_back()
            return
        who = self.chance.choice([*self.asked(stage), *self.asked(stage), *EVERYBODY])
        self.time_passes()
        try:
            door.act(
                self.office.bot.deps,
                self.actor(who),
                Decide(
                    approval_id=approval, revision=revision, verdict=Verdict.APPROVE
                ),
                None,
            )
        except (GovernanceError, DatabaseBusy):
            self.done["refused"] += 1
            return
        self.done["decided"] += 1
        with self.office.db.read() as session:
            row = session.execute(
                select(Decision).order_by(Decision.id.desc()).limit(1)
            ).scalar_one()
            place = session.get_one(Person, row.place_id or row.person_id).slack_id
            position = row.position
        assert place is not None
        assert self.is_member(who)
        assert self.is_member(place), f"{who} decided in the place of {place}"
        assert place == OLA if position == 0 else self.is_in(place, "S0FIN")
        assert TIM not in (who, place)
        self.done["instead"] += place != who

    def hands_over(self) -> None:
        try:
            approval, revision, stage = self.opened()
        except (GovernanceError, DatabaseBusy):
            return
        giver = self.chance.choice(self.asked(stage))
        taker = self.chance.choice([XEN, XEN, YAN, YAN, FAY])
        self.time_passes()
        try:
            door.act(
                self.office.bot.deps,
                self.actor(giver),
                HandOver(approval_id=approval, revision=revision, to=taker),
                None,
            )
        except (GovernanceError, DatabaseBusy):
            return
        self.done["handed over"] += 1
        assert self.is_member(giver)
        assert self.is_member(taker)

    def goes_away(self) -> None:
        who = self.chance.choice([OLA, FAY, FRED])
        stand_in = self.chance.choice([NED, XEN])
        today = self.office.now().date()
        away = Away(stand_in=stand_in, since=today, until=today + timedelta(days=5))
        deps = self.office.bot.deps
        try:
            with self.office.db.begin(patient=True) as session:
                standing_in.plan(
                    session,
                    self.actor(who),
                    away,
                    policy=deps.policy,
                    org_key="T0ACME",
                    now=self.office.now(),
                )
        except (GovernanceError, DatabaseBusy):
            return
        self.done["away"] += 1

    def breaks_glass(self) -> None:
        try:
            approval, revision, _ = self.opened()
        except (GovernanceError, DatabaseBusy):
            return
        who = self.chance.choice([ADA, *EVERYBODY])
        self.time_passes()
        try:
            door.act(
                self.office.bot.deps,
                self.actor(who),
                BreakGlass(
                    approval_id=approval, revision=revision, reason="It can't wait."
                ),
                None,
            )
        except (GovernanceError, DatabaseBusy):
            return
        self.done["broken"] += 1
        assert self.is_in(who, "S0ADM")

    def accepts_the_registry(self) -> None:
        who = self.chance.choice([FRED, FRED, *EVERYBODY])
        if self.chance.random() < 0.5:
            self.group_changes("S0RISK")
        self.time_passes()
        before = self.accepted()
        self.office.bot.edge.click(
            {
                "type": "block_actions",
                "user": {"id": who, "team_id": "T0ACME"},
                "team": {"id": "T0ACME"},
                "container": {"channel_id": "C0TRIAGE", "message_ts": "1.2"},
                "trigger_id": "1.2.x",
                "actions": [{"action_id": "registry.accept", "value": ""}],
            }
        )
        if self.accepted() > before:
            self.done["accepted"] += 1
            assert self.is_in(who, "S0RISK"), who

    def accepted(self) -> int:
        with self.office.db.read() as session:
            return session.execute(
                select(func.count()).where(AuditEntry.action == "registry.accepted")
            ).scalar_one()

    def looks(self) -> None:
        who = self.chance.choice([OLA, TIM, *EVERYBODY])
        if self.chance.random() < 0.5:
            self.person_changes(who)
        self.time_passes()
        answer = self.office.bot.edge.command(
            {
                "command": "/mlgov",
                "text": "status triage",
                "user_id": who,
                "team_id": "T0ACME",
                "channel_id": "C0TRIAGE",
            }
        )
        if "Ticket triage" in f"{answer.text} {answer.blocks}":
            self.done["seen"] += 1
            assert self.is_member(who)
            assert who in (OLA, TIM) or self.is_in(who, "S0LEAD"), who


@pytest.fixture(
    params=[
        pytest.param(("sqlite", 1), id="sqlite"),
        pytest.param(("postgres", 2), id="postgres", marks=pytest.mark.heavy),
    ]
)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    backend, seed = request.param
    url = fresh_url(backend, request, tmp_path)
    with opened(url, tmp_path, policy=POLICY, world=world()) as office:
        office.project("triage", "Ticket triage", channel=None)
        with office.db.begin(patient=True) as session:
            registry.state(session).baseline_at = office.now()
        yield Machine(office, random.Random(seed))


def test_nothing_rests_on_who_has_no_standing(machine: Machine) -> None:
    steps = (
        machine.person_changes,
        machine.group_changes,
        machine.decides,
        machine.decides,
        machine.decides,
        machine.hands_over,
        machine.hands_over,
        machine.goes_away,
        machine.breaks_glass,
        machine.accepts_the_registry,
        machine.accepts_the_registry,
        machine.looks,
        machine.looks,
    )
    for number in range(STEPS):
        if number % 12 == 0:
            machine.everybody_is_back()
        machine.chance.choice(steps)()
    done = machine.done
    assert all(done[what] for what in ("decided", "refused", "seen")), done
    assert done["instead"] + done["handed over"], done
    assert done["broken"] + done["accepted"], done
