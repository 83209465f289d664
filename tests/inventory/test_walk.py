"""A random walk over the life of a version: whatever people try, in whatever order, what is in use was earned."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from storage import ledger
from storage.approvals.tables import Approval, Decision
from storage.db import Database
from storage.enums import ChangeClass, ModelState, Severity
from storage.inventory.tables import ModelPerson, ModelTransition, ModelVersion
from tests.inventory.conftest import DEV, OLA, OPS, RISK, SPO, VAL, Yard, settled
from workflows.errors import GovernanceError
from workflows.evidence import rules as evidence_rules
from workflows.inventory import permissions, rules

S = ModelState
PEOPLE = (OLA, DEV, VAL, RISK, "rita", OPS, "otto", SPO, "ned")
VERBS = sorted({move.verb for move in rules.MOVES})
STEPS = ("validation", "approval", "implementation", "retirement")
ASKED = {(S.VALIDATION, S.APPROVAL): "approval", (S.APPROVED, S.IMPLEMENTATION): "implementation"}
who = st.sampled_from(PEOPLE)


class Life(RuleBasedStateMachine):
    """People do what they like with one version; refusals are fine, wrong states are not."""

    build: ClassVar[Callable[[], Yard]]
    """Makes a house of its own for each walk: what one leaves behind would make the next one slower, and another."""
    reached: ClassVar[set[ModelState]] = set()

    def __init__(self) -> None:
        super().__init__()
        self.yard: Yard
        self.requests: list[int] = []

    @initialize(
        tier=st.sampled_from((1, 2, 3)), made_by=st.sampled_from(((DEV,), (DEV, VAL), (VAL,)))
    )
    def begin(self, tier: int, made_by: tuple[str, ...]) -> None:
        self.yard = type(self).build()
        self.model = self.yard.model(f"m{next(self.yard.keys)}", tier=tier)
        self.version = self.yard.version(self.model, developers=made_by)
        self.seen = 0

    def attempt(self, do: Any, *given: Any, **more: Any) -> Any:
        try:
            return do(*given, **more)
        except GovernanceError:
            return None

    @rule(
        actor=who,
        verb=st.sampled_from(VERBS),
        validator=st.none() | who,
        change=st.sampled_from(ChangeClass),
    )
    def step(self, actor: str, verb: str, validator: str | None, change: ChangeClass) -> None:
        more = {"validator": validator} if validator else {}
        if verb != rules.PASS:
            self.attempt(self.yard.step, actor, self.version, verb, change_class=change, **more)

    @rule()
    def go_on(self) -> None:
        """Those who can do what is to be done next, one step on."""
        for step in STEPS[:3]:
            self.attempt(self.yard.complete, self.version, step)
        self.attempt(self.yard.accept_all, VAL, self.version)
        if self.yard.state_of(self.version) is S.DEVELOPMENT:
            self.attempt(self.yard.step, DEV, self.version, "submit", validator=VAL)
        if self.yard.state_of(self.version) is S.APPROVAL:
            for actor in (RISK, SPO):
                self.decide(actor, "approve")
        for actor in PEOPLE:
            card = self.yard.seen(actor, self.model, self.version)
            free = [
                one.move
                for one in card.choices
                if one.is_free
                and one.move.verb
                not in (rules.SUSPEND, rules.RETIRE, "return", "roll_back", rules.CHANGE)
            ]
            for move in free:
                if move.verb == rules.PASS:
                    if request := self.attempt(self.yard.ask, actor, self.version):
                        self.requests.append(request)
                else:
                    self.attempt(self.yard.step, actor, self.version, move.verb)

    @rule(actor=who)
    def ask(self, actor: str) -> None:
        if request := self.attempt(self.yard.ask, actor, self.version):
            self.requests.append(request)

    @rule(actor=who, verdict=st.sampled_from(("approve", "approve", "reject")))
    def decide(self, actor: str, verdict: str) -> None:
        for request in self.requests[-1:]:
            self.attempt(self.yard.decide, actor, request, verdict)

    @rule(step=st.sampled_from(STEPS), by=who)
    def hand_in(self, step: Any, by: str) -> None:
        self.attempt(self.yard.complete, self.version, step, by=by)

    @rule(actor=who)
    def accept(self, actor: str) -> None:
        self.attempt(self.yard.accept_all, actor, self.version)

    @rule(actor=who, severity=st.sampled_from(Severity))
    def find(self, actor: str, severity: Severity) -> None:
        self.attempt(self.yard.find, actor, self.model, severity, self.version)

    @rule(actor=who)
    def mend(self, actor: str) -> None:
        for one in self.yard.look(self.model).findings:
            self.attempt(self.yard.settle, actor, one.id, "resolve")

    @rule(days=st.integers(1, 200))
    def time_passes(self, days: int) -> None:
        self.yard.morning(days)
        for request in self.requests[-1:]:
            if self.yard.state(request) == "pending":
                self.attempt(self.yard.expire, request)

    @invariant()
    def what_happened_was_allowed(self) -> None:
        if not hasattr(self, "version"):
            return
        yard = self.yard
        with yard.db.read() as session:
            steps = (
                session.execute(
                    select(ModelTransition)
                    .where(ModelTransition.version_id == self.version)
                    .order_by(ModelTransition.id)
                )
                .scalars()
                .all()
            )
            row = session.get_one(ModelVersion, self.version)
            record = yard.look(self.model)
            items = permissions.load_items(session, self.version)
            made = {
                one.person_id
                for one in session.execute(
                    select(ModelPerson).where(
                        ModelPerson.version_id == self.version, ModelPerson.part != "validator"
                    )
                ).scalars()
            }
            at = S.INVENTORIED
            for step in steps:
                assert step.source == at, "no step starts where the one before did not end"
                at = S(step.target)
                if step.target == S.APPROVAL:
                    assert step.actor_id not in made | {"p-ola"}
            assert row.state == at
            for step in steps[self.seen :]:
                asked = ASKED.get((S(step.source), S(step.target)))
                if asked and step is steps[-1]:
                    lacks = evidence_rules.list_lacks(
                        items,
                        asked,
                        record.tier or 1,
                        affects_people=False,
                        rules=yard.policy.evidence,
                        now=yard.now,
                    )  # type: ignore[arg-type]
                    assert not lacks
            self.seen = len(steps)
            self.reached.add(at)
            if at in (S.APPROVED, S.IMPLEMENTATION, S.IN_USE, S.MODIFICATION):
                assert row.approval_id is not None
                approval = session.get_one(Approval, row.approval_id)
                assert approval.state == "approved"
                deciders = {
                    one.person_id
                    for one in session.execute(
                        select(Decision).where(Decision.approval_id == approval.id)
                    ).scalars()
                }
                assert deciders.isdisjoint(made | {approval.requester_id})
                assert deciders or record.tier == 3, "only tier 3 passes by rule"
                if record.tier == 1:
                    assert "p-spo" in deciders
            if steps and steps[-1].step == "deploy":
                assert steps[-2].source == S.APPROVED

    def teardown(self) -> None:
        if hasattr(self, "version"):
            with self.yard.db.read() as session:
                assert ledger.verify(session) is None
        if hasattr(self, "yard"):
            self.yard.db.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_whatever_people_try_what_is_in_use_was_earned(
    sqlite_template: Path, tmp_path: Path
) -> None:
    numbers = itertools.count()

    def build() -> Yard:
        place = tmp_path / f"{next(numbers)}.db"
        place.write_bytes(sqlite_template.read_bytes())
        return settled(Database(f"sqlite:///{place}"))

    run_state_machine_as_test(
        type("Walk", (Life,), {"build": staticmethod(build)}),
        settings=settings(
            max_examples=10,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert S.IN_USE in Life.reached, "the walk gets there at all"
