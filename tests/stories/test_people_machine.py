"""A random history of people, user groups and absences, most of it without a word from Slack: nothing anybody does counts
that rests on somebody who, by Slack's word at that moment, had no standing."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from bot import freshness
from storage.approvals.tables import Approval, Decision
from storage.audit.tables import AuditEntry
from storage.budgets.tables import Budget
from storage.db import DatabaseBusy
from storage.enums import ApprovalState, Verdict
from storage.people.tables import Person
from storage.registry import queries as registry
from tests.conftest import fresh_url
from tests.contexts import make_context
from tests.stories.office import ADA, FAY, FRED, OLA, TIM, opened
from tests.stories.surroundings import POLICY, Given, Handover, Surroundings
from tests.stories.test_door import NED, XEN, YAN
from tests.stories.test_standing import world
from workflows.approvals import delegation, submission
from workflows.approvals.approvers import Away
from workflows.approvals.forms import BreakGlass, Decide, HandOver, SubmitRequest, Withdraw
from workflows.budgets.forms import IncreaseBudget
from workflows.context import Actor
from workflows.errors import GovernanceError
from workflows.people import service as people

pytestmark = pytest.mark.slow

STEPS = 120


@dataclass
class Machine(Surroundings):
    """What people do meanwhile, each act judged by what Slack says at that moment."""

    # --- what people do

    def somebody(self, *usual: str, handle: str) -> str:
        """Those who mostly act, those who are in the group by which they would, or anybody."""
        members = self.office.sandbox.world.usergroups[self.meant[handle]].user_ids
        return self.chance.choice([*usual, *usual, *members, *self.everybody])

    def something_changes(self, who: str, handle: str) -> None:
        """Now and then whoever acts has just left, or the group by which they do has changed."""
        match self.chance.choice(self.before_an_act):
            case "they":
                self.person_changes(who)
            case "group":
                self.group_changes(self.meant[handle])

    def asked(self, stage: int) -> list[str]:
        """Who decides in it while nothing has changed, and who may stand in for them."""
        return [OLA, OLA, NED] if stage == 0 else [FAY, FRED, NED]

    def actor(self, who: str) -> Actor:
        with self.office.db.read() as session:
            met = people.actor_by_slack_id(session, self.org_key, self.id_of(who))
        assert met is not None
        return met[0]

    def opened(self) -> tuple[int, int, int]:
        """Id, revision and stage of the request that waits; Tim asks where none does."""
        deps = self.office.bot.deps
        tim = replace(self.actor(TIM), is_deactivated=False, is_guest=False)
        with self.office.db.begin(patient=True) as session:
            waiting = session.execute(
                select(Approval.id, Approval.revision, Approval.stage).where(
                    Approval.state == ApprovalState.PENDING.value
                )
            ).first()
            if waiting is not None:
                return waiting.id, waiting.revision, waiting.stage
            budget = session.execute(select(Budget)).scalar_one()
            id_ = submission.submit_request(
                make_context(
                    session,
                    actor=tim,
                    policy=deps.policy,
                    policy_id=deps.holder.version_id,
                    org=self.org_key,
                    now=self.office.now(),
                ),
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
            )
            opened = id_, session.get_one(Approval, id_).revision, 0
        self.done["asked"] += 1
        group_id = self.group("finance")
        assert group_id is not None, "it was opened, and its handle names nobody"
        self.asked_of[id_] = group_id
        return opened

    def decides(self, who: str | None = None) -> None:
        try:
            approval, revision, stage = self.opened()
        except (GovernanceError, DatabaseBusy):
            self.everybody_is_back()
            return
        if who is None:
            who = self.somebody(*self.asked(stage), handle="finance")
            self.something_changes(self.chance.choice([who, OLA, FAY]), "finance")
        self.time_passes()
        try:
            freshness.act(
                self.office.bot.deps,
                self.actor(who),
                Decide(approval_id=approval, revision=revision, verdict=Verdict.APPROVE),
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
            place = self.who(session.get_one(Person, row.place_id or row.person_id))
            verdict = Given(approval, row.position, who, place)
            self.given[row.id] = verdict
        self.has_standing(verdict)
        self.counts_once(approval)
        self.done["instead"] += place != who

    def who(self, row: Person) -> str:
        """Who an entry of mlgov's is."""
        assert row.slack_id is not None
        return row.slack_id

    def has_standing(self, verdict: Given) -> None:
        """A verdict that counts rests on people who have standing at this moment."""
        who, place = verdict.who, verdict.place
        assert self.is_member(who), who
        assert self.is_member(place), f"{who} decided in the place of {place}"
        assert self.is_asked(place, verdict.approval, verdict.position), verdict
        assert TIM not in (who, place), "who asked decided, or their place did"
        assert who in self.reached(verdict), f"nothing lets {who} decide for {place}"

    def is_asked(self, who: str, approval: int, position: int) -> bool:
        """Whether a stage asks somebody by the policy: its owner first, then finance as it was when it was opened."""
        if position == 0:
            return who == OLA
        return self.is_in(who, self.asked_of[approval])

    def reached(self, verdict: Given) -> set[str]:
        """Whose place it is, who stands in for them, and who took it and may still have it."""
        reached: set[str] = set()
        waiting = [verdict.place]
        while waiting:
            who = waiting.pop()
            if who in reached:
                continue
            reached.add(who)
            if who in self.stand_ins:
                waiting.append(self.stand_ins[who])
            waiting += [
                one.taker
                for one in self.handovers
                if (one.approval, one.position, one.giver)
                == (verdict.approval, verdict.position, who)
                and (
                    self.is_in(one.taker, one.helpers)
                    or self.is_asked(one.taker, one.approval, one.position)
                )
            ]
        return reached

    def counts_once(self, approval: int) -> None:
        """Nobody counts twice in a request, no place twice in a stage, and an approval has all that the policy asks."""
        with self.office.db.read() as session:
            counted = {
                self.given[id_]
                for id_ in session.execute(
                    select(Decision.id).where(
                        Decision.approval_id == approval, Decision.taken_back_at.is_(None)
                    )
                ).scalars()
            }
            state = session.get_one(Approval, approval).state
        people_counted = [verdict.who for verdict in counted]
        assert len(set(people_counted)) == len(people_counted), counted
        places = [(verdict.position, verdict.place) for verdict in counted]
        assert len(set(places)) == len(places), counted
        if state == ApprovalState.APPROVED.value and approval not in self.broken:
            self.done["approved"] += 1
            positions = Counter(verdict.position for verdict in counted)
            assert positions == {0: 1, 1: 2}, counted

    def hands_over(self) -> None:
        try:
            approval, revision, stage = self.opened()
        except (GovernanceError, DatabaseBusy):
            return
        giver = self.chance.choice(self.asked(stage))
        taker = self.somebody(XEN, YAN, FAY, TIM, handle="helpers")
        self.something_changes(self.chance.choice([giver, taker]), "helpers")
        self.time_passes()
        try:
            freshness.act(
                self.office.bot.deps,
                self.actor(giver),
                HandOver(approval_id=approval, revision=revision, to=self.id_of(taker)),
                None,
            )
        except (GovernanceError, DatabaseBusy):
            return
        self.done["handed over"] += 1
        assert self.is_member(giver)
        assert self.is_member(taker)
        assert taker not in (giver, TIM)
        helpers = self.group("helpers")
        assert self.is_in(taker, helpers) or self.is_asked(taker, approval, stage)
        # With the place of whom they stand in for, theirs goes, too.
        givers = {giver} | {
            away
            for away in self.stand_ins
            if giver in self.reached(Given(approval, stage, giver, away))
        }
        self.handovers += [Handover(approval, stage, who, taker, helpers) for who in sorted(givers)]

    def withdraws(self, who: str | None = None) -> None:
        """Who asked takes it back; others try."""
        try:
            approval, revision, _ = self.opened()
        except (GovernanceError, DatabaseBusy):
            return
        who = who or self.somebody(TIM, handle="finance")
        self.time_passes()
        try:
            freshness.act(
                self.office.bot.deps,
                self.actor(who),
                Withdraw(approval_id=approval, revision=revision),
                None,
            )
        except (GovernanceError, DatabaseBusy):
            return
        self.done["withdrawn"] += 1
        assert who == TIM
        assert self.is_member(TIM)

    def goes_away(self) -> None:
        who = self.chance.choice([OLA, FAY, FRED])
        stand_in = self.chance.choice([NED, XEN])
        today = self.office.now().date()
        away = Away(stand_in=self.id_of(stand_in), since=today, until=today + timedelta(days=5))
        deps = self.office.bot.deps
        try:
            actor = self.actor(who)
            with self.office.db.begin(patient=True) as session:
                delegation.plan_absence(
                    make_context(
                        session,
                        actor=actor,
                        policy=deps.policy,
                        org=self.org_key,
                        now=self.office.now(),
                    ),
                    away,
                )
        except (GovernanceError, DatabaseBusy):
            return
        self.done["away"] += 1
        self.stand_ins[who] = stand_in

    def breaks_glass(self) -> None:
        try:
            approval, revision, _ = self.opened()
        except (GovernanceError, DatabaseBusy):
            return
        who = self.somebody(ADA, handle="mlgov-admins")
        self.something_changes(who, "mlgov-admins")
        self.time_passes()
        try:
            freshness.act(
                self.office.bot.deps,
                self.actor(who),
                BreakGlass(approval_id=approval, revision=revision, reason="It can't wait."),
                None,
            )
        except (GovernanceError, DatabaseBusy):
            return
        self.done["broken"] += 1
        self.broken.add(approval)
        assert self.is_in(who, self.group("mlgov-admins")), who

    def accepts_the_registry(self) -> None:
        who = self.somebody(FRED, handle="model-risk")
        self.something_changes(who, "model-risk")
        self.time_passes()
        before = self.accepted()
        self.office.bot.edge.click(
            {
                "type": "block_actions",
                "user": {"id": self.id_of(who), "team_id": "T0ACME"},
                "team": {"id": "T0ACME"},
                "enterprise": {"id": self.org_key} if self.is_grid else None,
                "container": {"channel_id": "C0TRIAGE", "message_ts": "1.2"},
                "trigger_id": "1.2.x",
                "actions": [{"action_id": "registry.accept", "value": ""}],
            }
        )
        if self.accepted() > before:
            self.done["accepted"] += 1
            assert self.is_in(who, self.group("model-risk")), who

    def accepted(self) -> int:
        with self.office.db.read() as session:
            return session.execute(
                select(func.count()).where(AuditEntry.action == "registry.accepted")
            ).scalar_one()

    def looks(self) -> None:
        who = self.somebody(OLA, TIM, handle="leaders")
        self.something_changes(who, "leaders")
        self.time_passes()
        answer = self.office.bot.edge.command(
            {
                "command": "/mlgov",
                "text": "status triage",
                "user_id": self.id_of(who),
                "team_id": "T0ACME",
                **({"enterprise_id": self.org_key} if self.is_grid else {}),
                "channel_id": "C0TRIAGE",
            }
        )
        if "Ticket triage" in f"{answer.text} {answer.blocks}":
            self.done["seen"] += 1
            assert self.is_member(who)
            assert who in (OLA, TIM) or self.is_in(who, self.group("leaders")), who


@pytest.fixture(
    params=[
        pytest.param(("sqlite", 4), id="sqlite"),
        pytest.param(("postgres", 2), id="postgres", marks=pytest.mark.heavy),
    ]
)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    backend, seed = request.param
    url = fresh_url(backend, request, tmp_path)
    with opened(url, tmp_path, policy=POLICY, world=world()) as office:
        office.project("triage", "Ticket triage", channel=None)
        with office.db.begin(patient=True) as session:
            registry.lock_state(session).baseline_at = office.now()
        yield Machine(office, random.Random(seed))


STEPS_OF = (
    "person_changes",
    "group_changes",
    "decides",
    "decides",
    "decides",
    "hands_over",
    "hands_over",
    "goes_away",
    "breaks_glass",
    "accepts_the_registry",
    "accepts_the_registry",
    "looks",
    "looks",
)


def play(machine: Machine, steps: Sequence[str], number_of_steps: int) -> Counter[str]:
    """A history of so many steps; what came of it."""
    for number in range(number_of_steps):
        if number % 12 == 0:
            machine.everybody_is_back()
        getattr(machine, machine.chance.choice(steps))()
    return machine.done


def test_nothing_rests_on_who_has_no_standing(machine: Machine) -> None:
    done = play(machine, STEPS_OF, STEPS)
    assert all(done[what] for what in ("decided", "refused", "seen")), done
    assert done["instead"] + done["handed over"], done
    assert done["broken"] + done["accepted"], done
