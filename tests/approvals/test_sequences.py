"""No sequence of clicks, by anyone, in any order, with repeats, decides what the rules do not allow."""

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storage.db import Database
from tests.approvals.conftest import POLICY, START, House, populated
from tests.conftest import fresh_url, number_of_examples
from workflows.errors import GovernanceError

PEOPLE = st.sampled_from(
    ["ola", "ola", "fay", "fred", "eve", "ned", "tim", "gus", "sam", "bob", "lea"]
)
POLICIES = st.sampled_from(
    [
        POLICY,
        POLICY.replace("[subject.owner, subject.sponsor]", '["@finance", U0NED]'),
        POLICY.replace("quorum: 2", "quorum: 3").replace("U0EVE]", "U0EVE, U0NED]"),
        POLICY.replace(
            "    expires_after",
            "      - {name: Last word, approvers: [U0NED, U0OLA, U0EVE]}\n    expires_after",
        ),
    ]
)
MEMBERS = {"ola", "tim", "fay", "fred", "eve", "ned"}
FINAL = {"approved", "rejected", "expired", "withdrawn"}
_house: list[House] = []
_seen: set[str] = set()


class Clicks(RuleBasedStateMachine):
    """Anybody clicks anything on one request, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.house = _house[0]
        self.house.now = START
        self.ended: str | None = None
        self.deciders: list[tuple[str, int, str]] = []
        self.stage = 0

    @initialize(
        text=POLICIES,
        requester=st.sampled_from(["tim", "fred", "eve"]),
        is_carried_through=st.booleans(),
    )
    def submit(self, text: str, requester: str, is_carried_through: bool) -> None:
        self.is_carried_through = is_carried_through
        self.house.text = text
        self.project = self.house.project()
        self.requester = requester
        try:
            self.id = self.house.submit(requester, self.project)
        except GovernanceError:
            self.requester = "tim"
            self.id = self.house.submit("tim", self.project)

    @rule(
        name=PEOPLE,
        verdict=st.sampled_from(["approve", "approve", "approve", "reject"]),
        behind=st.sampled_from([0, 0, 0, 1]),
    )
    def click(self, name: str, verdict: str, behind: int) -> None:
        revision = max(1, self.house.card(self.id).revision - behind)
        try:
            self.house.decide(name, self.id, verdict, revision=revision)
        except GovernanceError:
            assert self.house.deciders(self.id) == self.deciders

    @rule(
        order=st.permutations(["ola", "fay", "fred", "eve", "ned"]),
        gives_up=st.sampled_from([False, False, True]),
    )
    def somebody_who_may_decides(self, order: list[str], gives_up: bool) -> None:
        verdict = "reject" if gives_up and self.deciders else "approve"
        self.answer()
        for name in order:
            try:
                self.house.decide(name, self.id, verdict)
                return
            except GovernanceError:
                assert self.house.deciders(self.id) == self.deciders

    @rule(name=PEOPLE)
    def somebody_else_withdraws(self, name: str) -> None:
        if name != self.requester:
            with pytest.raises(GovernanceError):
                self.house.withdraw(name, self.id)

    @precondition(lambda self: len(self.deciders) > 1)
    @rule(name=PEOPLE)
    def take_back(self, name: str) -> None:
        """Theirs alone counts no more; a stage that passed with it comes back, and later ones are void."""
        try:
            self.house.take_back(name, self.id)
        except GovernanceError:
            assert self.house.deciders(self.id) == self.deciders
            return
        position = next(at for who, at, _ in self.deciders if who == name)
        stage = max(at for _, at, _ in self.deciders)
        left = [one for one in self.deciders if one[0] != name]
        if position < max(stage, self.stage):
            left = [one for one in left if one[1] <= position]
        assert self.house.deciders(self.id) == left
        self.deciders = left

    @precondition(lambda self: len(self.deciders) == 1)
    @rule(name=PEOPLE, answered=st.booleans())
    def ask(self, name: str, answered: bool) -> None:
        try:
            self.house.question(name, self.id)
        except GovernanceError:
            return
        with pytest.raises(GovernanceError):
            self.house.decide(name, self.id)
        if answered:
            self.house.answer(self.requester, self.id)

    @rule()
    def answer(self) -> None:
        with contextlib.suppress(GovernanceError):
            self.house.answer(self.requester, self.id)

    @precondition(lambda self: len(self.deciders) < 3)
    @rule(name=PEOPLE, to=PEOPLE)
    def hand_over(self, name: str, to: str) -> None:
        with contextlib.suppress(GovernanceError):
            self.house.hand_over(name, self.id, to)

    @rule()
    def nudge(self) -> None:
        with contextlib.suppress(GovernanceError):
            self.house.nudge(self.requester, self.id)

    @precondition(lambda self: len(self.deciders) > 1)
    @rule()
    def withdraw(self) -> None:
        try:
            self.house.withdraw(self.requester, self.id)
        except GovernanceError:
            card = self.house.card(self.id)
            assert self.ended is not None or self.house.now >= card.expires_at

    @rule(hours=st.sampled_from([1, 12, 60]))
    def wait(self, hours: int) -> None:
        self.house.later(timedelta(hours=hours))

    @rule()
    def tick(self) -> None:
        self.house.expire(self.id)

    @precondition(lambda self: self.ended is None)
    @rule()
    def deliver(self) -> None:
        self.house.deliver()

    @invariant()
    def nothing_is_decided_against_the_rules(self) -> None:
        if not hasattr(self, "id"):
            return
        state, found = self.house.state(self.id), self.house.deciders(self.id)
        names = [name for name, _, _ in found]
        assert len(names) == len(set(names)), "somebody decided twice"
        assert self.requester not in names, "the requester decided"
        assert set(names) <= MEMBERS, "an outsider decided"
        assert found[: len(self.deciders)] == self.deciders, "a decision was changed"
        positions = [position for _, position, _ in found]
        assert positions == sorted(positions)
        card = self.house.card(self.id)
        for stage in card.rounds[: card.stage]:
            assert stage.approved == stage.quorum, "a stage was skipped"
        assert all(stage.approved <= stage.quorum for stage in card.rounds)
        if self.house.now >= card.expires_at:
            assert found == self.deciders, "somebody decided after its time was up"
        if self.ended is not None:
            assert (state, found) == (self.ended, self.deciders), "it changed after its end"
        if state == "approved":
            assert all(stage.approved == stage.quorum for stage in card.rounds)
        assert (state == "rejected") == any(verdict == "reject" for _, _, verdict in found)
        assert (self.house.status(self.project) == "live") == (state == "approved")
        self.deciders, self.ended = found, state if state in FINAL else None
        self.stage = card.stage

    def teardown(self) -> None:
        """Half of the requests go on to their end: few would get there by chance."""
        for _ in range(len(MEMBERS) if getattr(self, "is_carried_through", False) else 0):
            if self.ended is None:
                self.somebody_who_may_decides(["ola", "fay", "fred", "eve", "ned"], False)
                self.nothing_is_decided_against_the_rules()
        self.house.ledger_holds()
        if self.ended is not None:
            _seen.add(self.ended)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "examples"), [("sqlite", 30), ("postgres", 6)])
def test_no_sequence_of_clicks_breaks_a_rule(
    backend: str, examples: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    examples = number_of_examples(examples)
    database = Database(fresh_url(backend, request, tmp_path))
    _house[:] = [populated(database)]
    try:
        run_state_machine_as_test(
            Clicks,
            settings=settings(
                max_examples=examples,
                stateful_step_count=20,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        database.close()
    if examples >= 30:
        assert "approved" in _seen, "the walk saw too little"
        assert len(_seen) > 1, "the walk saw too little"
