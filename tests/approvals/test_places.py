"""Places are counted, not names: whatever order of absences, hand-overs, changes and escalation, none grows."""

import itertools
from collections.abc import Callable
from datetime import timedelta
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
from sqlalchemy import select

from storage.approvals.tables import Decision
from storage.db import Database
from tests.approvals.conftest import ORG, START, House, populated
from tests.approvals.test_gates import gate
from tests.conftest import fresh_url, number_of_examples
from tests.contexts import make_context
from workflows.approvals import approvers
from workflows.approvals.approvers import Away
from workflows.errors import GovernanceError

GROUPS = {"money": ("ana", "ben", "cid"), "spare": ("dan", "eli"), "lead": ("fox", "ana")}
PEOPLE = sorted({name for names in GROUPS.values() for name in names} | {"gil", "tim"})
REST = "hand_over_to: ['@spare', U0GIL]\nescalate: {after: 20h, %s: ['@lead']}\nexpires_after: 9d"
STAGE = "{name: Money, approvers: ['@money'], quorum: 2%s}"
GATES = {
    text: (since, way)
    for since in ("", ", member_since: 30h", ", member_since: pinned")
    for way in ("add", "replace", "notify")
    for text in [gate(STAGE % since, REST % way)]
}
_build: list[Callable[[], House]] = []
"""Makes a house of its own for each example: what one leaves behind would steer what the next can draw."""
_seen: set[str] = set()


class Places(RuleBasedStateMachine):
    """One request with one stage of two; who holds which place is kept here, by other means than the engine's."""

    def __init__(self) -> None:
        super().__init__()
        self.house = _build[0]()
        self.id = 0
        self.holder: dict[str, str] = {}
        """Whose place it is by the policy → who has it, for places that were given away."""
        self.instead: dict[str, str] = {}
        """Who is away → their stand-in."""
        self.since: dict[tuple[str, str], Any] = {}
        self.escalated = False
        self.votes: dict[str, str] = {}
        self.gone: set[str] = set()

    @initialize(
        text=st.sampled_from(sorted(GATES)),
        away=st.sampled_from([("ben", "gil"), ("cid", "dan"), ("ana", "ben"), None]),
    )
    def ask(self, text: str, away: tuple[str, str] | None) -> None:
        self.house.text = text
        self.rule, self.way = GATES[text]
        for handle, names in GROUPS.items():
            for name in names:
                self.since[handle, name] = START
        self.project = self.house.project()
        self.id = self.house.submit("tim", self.project)
        self.bound_at = self.asked_at = self.house.now
        if away is not None:
            self.go_away(*away)

    # --- what the policy says, told anew

    def counts(self, handle: str, name: str) -> bool:
        """Whether being in a group counts now."""
        since = self.since.get((handle, name))
        if since is None or name in self.gone:
            return False
        if "pinned" in self.rule:
            return bool(since <= self.bound_at)
        age = timedelta(hours=30) if self.rule else timedelta()
        return bool(since <= self.house.now - age)

    def owns(self, name: str) -> bool:
        """Whether the policy itself gives somebody a place in the stage now."""
        handles = ["money"]
        if self.escalated and self.way != "notify":
            handles = ["lead"] if self.way == "replace" else ["money", "lead"]
        return name != "tim" and any(self.counts(one, name) for one in handles)

    def may_take(self, name: str) -> bool:
        return name not in self.gone and (
            self.owns(name) or self.counts("spare", name) or name == "gil"
        )

    def places_of(self, name: str) -> set[str]:
        """Whose places somebody could decide with now, themselves or for who is away."""
        if name in self.gone or name == "tim":
            return set()
        gave = name in self.holder
        own = {name} if self.owns(name) and not gave else set()
        taken = {
            root
            for root, holder in self.holder.items()
            if holder == name and self.owns(root) and self.may_take(name)
        }
        found = own | taken
        if found or gave:
            return found
        for principal in self.principals(name):
            if principal not in self.votes:
                found |= self.places_of_alone(principal)
        return found

    def places_of_alone(self, name: str) -> set[str]:
        instead, self.instead = self.instead, {}
        try:
            return self.places_of(name)
        finally:
            self.instead = instead

    def principals(self, name: str) -> set[str]:
        found = {away for away, by in self.instead.items() if by == name}
        while more := {away for away, by in self.instead.items() if by in found} - found - {name}:
            found |= more
        return found - {name}

    # --- what happens

    @precondition(lambda self: self.id)
    @rule(name=st.sampled_from(PEOPLE))
    def decide(self, name: str) -> None:
        may = self.places_of(name) - set(self.votes.values())
        try:
            self.house.decide(name, self.id)
        except GovernanceError:
            return
        with self.house.db.read() as session:
            row = session.execute(
                select(Decision).where(
                    Decision.approval_id == self.id,
                    Decision.person_id == f"p-{name}",
                    Decision.taken_back_at.is_(None),
                )
            ).scalar_one()
            place = (row.place_id or row.person_id).removeprefix("p-")
            if row.for_id:
                _seen.add("for who is away")
        assert place in may, f"{name} decided with {place}'s place; they have {may}"
        assert name not in self.votes
        self.votes[name] = place
        _seen.add("own place" if place == name else "another's place")

    @precondition(lambda self: self.id)
    @rule(order=st.permutations(PEOPLE))
    def somebody_decides(self, order: list[str]) -> None:
        for name in order:
            before = len(self.votes)
            self.decide(name)
            if len(self.votes) > before:
                return

    @precondition(lambda self: self.id)
    @rule(data=st.data())
    def somebody_decides_for_another(self, data: Any) -> None:
        acting = [name for name in PEOPLE if self.places_of(name) - {name}]
        if acting:
            self.decide(data.draw(st.sampled_from(acting)))

    @precondition(lambda self: self.id)
    @rule(data=st.data(), to=st.sampled_from(["dan", "eli", "gil", "ana"]))
    def a_stand_in_hands_over(self, data: Any, to: str) -> None:
        acting = [name for name in self.instead.values() if self.places_of(name)]
        if acting:
            self.hand_over(data.draw(st.sampled_from(acting)), to)

    @precondition(lambda self: self.id)
    @rule(data=st.data(), is_any=st.sampled_from([False, False, False, True]))
    def somebody_hands_over(self, data: Any, is_any: bool) -> None:
        givers = [name for name in PEOPLE if self.places_of(name)]
        takers = [name for name in PEOPLE if self.may_take(name)]
        if is_any or not givers or not takers:
            givers, takers = PEOPLE, PEOPLE
        giver, to = (data.draw(st.sampled_from(some)) for some in (givers, takers))
        self.hand_over(giver, to)

    def hand_over(self, name: str, to: str) -> None:
        may = self.places_of(name) - set(self.votes.values())
        fits = self.may_take(to)
        try:
            self.house.hand_over(name, self.id, to)
        except GovernanceError:
            return
        assert may, f"{name} gave a place away and had none"
        assert fits, f"{to} took a place and may not"
        with self.house.db.read() as session:
            from storage.approvals.tables import ApprovalHandover

            row = session.execute(
                select(ApprovalHandover)
                .where(ApprovalHandover.approval_id == self.id)
                .order_by(ApprovalHandover.id.desc())
                .limit(1)
            ).scalar_one()
            giver = (row.for_id or row.from_id).removeprefix("p-")
            if row.for_id:
                _seen.add("by a stand-in")
        roots = self.places_of_alone(giver)
        assert roots & may
        for root in {root for root, held in self.holder.items() if held == giver}:
            self.holder[root] = to
        self.holder.setdefault(giver, to)
        self.nobody_is_asked_without_a_place()
        took = self.house.card(self.id, to).reader
        assert took is not None
        assert took.why, f"{to} took {giver}'s place and is not asked"
        assert not self.places_of_alone(giver)
        _seen.add("handed over")

    @precondition(lambda self: self.votes)
    @rule(data=st.data())
    def take_back(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.votes)))
        try:
            self.house.take_back(name, self.id)
        except GovernanceError:
            return
        del self.votes[name]
        _seen.add("taken back")

    @precondition(lambda self: self.id)
    @rule(amount=st.sampled_from([6_000.0, 7_000.0, 8_000.0]))
    def change(self, amount: float) -> None:
        before = self.house.card(self.id).facts
        try:
            self.house.edit("tim", self.id, f"Because {amount}.", amount=amount)
        except GovernanceError:
            return
        if self.house.card(self.id).facts != before:
            self.holder, self.votes, self.escalated = {}, {}, False
            self.bound_at = self.asked_at = self.house.now
            _seen.add("changed")

    @precondition(lambda self: len(self.instead) < 3)
    @rule(name=st.sampled_from([*GROUPS["money"], "dan", "gil"]), stand_in=st.sampled_from(PEOPLE))
    def somebody_goes_away(self, name: str, stand_in: str) -> None:
        self.go_away(name, stand_in)

    def go_away(self, name: str, stand_in: str) -> None:
        today = self.house.now.date()
        form = Away(stand_in=f"U0{stand_in.upper()}", since=today, until=today + timedelta(30))
        try:
            with self.house.db.begin() as session:
                approvers.record_absence(
                    make_context(
                        session,
                        actor=self.house.actor(name),
                        policy=self.house.policy,
                        org=ORG,
                        now=self.house.now,
                    ),
                    form,
                )
        except GovernanceError:
            return
        self.instead[name] = stand_in
        _seen.add("away")

    @precondition(lambda self: self.id)
    @rule(hours=st.sampled_from([1, 11, 31]))
    def time_passes(self, hours: int) -> None:
        moment = self.house.now + timedelta(hours=hours)
        due = self.asked_at + timedelta(hours=20)
        pending = self.house.state(self.id) == "pending"
        if pending and not self.escalated and due <= moment:
            self.house.until(due)
            self.escalated = self.comes()
            _seen.add("escalated")
        self.house.until(moment)

    def comes(self) -> bool:
        """Whether escalation found anybody whom it could ask; else nothing changes for the stage."""
        with self.house.db.read() as session:
            from storage.approvals.tables import ApprovalStage

            row = session.execute(
                select(ApprovalStage).where(ApprovalStage.approval_id == self.id)
            ).scalar_one()
            return any(item.get("late") for item in row.approvers)

    @rule(handle=st.sampled_from(sorted(GROUPS)), name=st.sampled_from(["ben", "dan", "fox"]))
    def joins_or_leaves(self, handle: str, name: str) -> None:
        if (handle, name) in self.since:
            self.house.leaves(handle, name)
            del self.since[handle, name]
        else:
            self.house.joins(handle, name)
            self.since[handle, name] = self.house.now

    @precondition(lambda self: len(self.gone) < 1 and self.votes)
    @rule(name=st.sampled_from(["cid", "eli", "gil"]))
    def leaves_the_organisation(self, name: str) -> None:
        if name not in self.gone:
            self.house.flag(name, is_deactivated=True)
            self.gone.add(name)

    @invariant()
    def no_place_counts_twice(self) -> None:
        if not self.id:
            return
        used = list(self.votes.values())
        assert len(used) == len(set(used)), "a place was used twice"
        decided = [name for name, _, _ in self.house.deciders(self.id)]
        assert sorted(decided) == sorted(self.votes)
        if self.house.state(self.id) == "approved":
            assert len(set(used)) >= 2, "approved without two places"
            _seen.add("approved")

    def nobody_is_asked_without_a_place(self) -> None:
        asked = {
            name
            for name in PEOPLE
            if (reader := self.house.card(self.id, name).reader) is not None
            and reader.why
            and reader.line is None
            and not reader.stands_in_for
            and not reader.is_requester
        }
        free = {place for name in PEOPLE for place in self.places_of_alone(name)} - set(
            self.votes.values()
        )
        assert len(asked) <= len(free), f"{asked} are asked for {free}"

    def teardown(self) -> None:
        self.house.ledger_holds()
        self.house.db.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "examples"),
    [
        ("sqlite", 20),
        ("postgres", 5),
        pytest.param("sqlite", 150, marks=[pytest.mark.heavy, pytest.mark.timeout(900)]),
    ],
)
def test_the_places_of_a_stage_never_grow(
    backend: str, examples: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    examples = number_of_examples(examples)
    numbers = itertools.count()

    def build() -> House:
        directory = tmp_path / str(next(numbers))
        directory.mkdir()
        house = populated(Database(fresh_url(backend, request, directory)))
        for name in PEOPLE:
            if name != "tim":
                house.person(name)
        for handle, names in GROUPS.items():
            house.group(handle, *names)
        return house

    _build[:] = [build]
    _seen.clear()
    run_state_machine_as_test(
        Places,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    if examples >= 20:
        assert _seen >= {"another's place", "handed over", "by a stand-in"}, _seen
    if examples >= 150:
        assert _seen >= {
            "another's place",
            "approved",
            "away",
            "by a stand-in",
            "changed",
            "escalated",
            "for who is away",
            "handed over",
            "own place",
            "taken back",
        }, _seen
