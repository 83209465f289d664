"""The whole engine under every rule: whatever happens in whatever order, nothing is decided that may not be."""

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
from sqlalchemy import select, update

from storage.approvals.tables import Absence, Approval, ApprovalStage, Decision
from storage.db import Database
from storage.delivery.tables import Outbox
from tests.approvals.conftest import ORG, START, House, populated
from tests.approvals.engine_rules import GATES, PEOPLE, rendered, require_quorum, stages_of
from tests.conftest import fresh_url, number_of_examples
from tests.contexts import make_context
from workflows import policy
from workflows.approvals import approvers, policy_simulation, rules
from workflows.approvals.approvers import Away
from workflows.approvals.forms import BreakGlass, Terms
from workflows.approvals.stages import Stage
from workflows.context import OPERATOR
from workflows.errors import GovernanceError
from workflows.policies import service as policies

FINAL = {"approved", "rejected", "expired", "withdrawn", "lapsed"}
_house: list[House] = []
_seen: set[str] = set()


class Engine(RuleBasedStateMachine):
    """One request at a time under one of several gates, which change; anybody does anything while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.house = _house[0]
        self.id = 0
        self.ended: tuple[str, list[Any]] | None = None
        self.lawful: dict[str, tuple[int, bool]] = {}
        self.broken_by = ""
        self.absences = 0
        self.partly = False
        self.shown: dict[int, str] = {}
        self.left: set[str] = set()
        self.moved: set[tuple[str, str]] = set()

    @initialize(
        text=st.sampled_from(GATES),
        percent=st.sampled_from([5.0, 15.0, 50.0]),
        requester=st.sampled_from(["tim", "fred"]),
        contributor=st.sampled_from([(), ("fay",)]),
    )
    def ask(self, text: str, percent: float, requester: str, contributor: tuple[str, ...]) -> None:
        self.house.now = START + timedelta(days=400)
        self.house.text = text
        self.project = self.house.project()
        self.requester, self.contributors = requester, contributor
        try:
            self.id = self.house.submit(
                requester, self.project, percent=percent, contributors=contributor
            )
        except GovernanceError:
            _seen.add("refused")
        else:
            _seen.add("by rule" if self.house.card(self.id).by_rule else "asked")

    @precondition(lambda self: self.id)
    @rule(
        name=st.sampled_from(PEOPLE),
        verdict=st.sampled_from(["approve"] * 5 + ["reject"]),
        behind=st.sampled_from([0, 0, 0, 1]),
        reason=st.sampled_from(["", "It is needed."]),
        owed=st.sampled_from([0, 0, 0, 2]),
    )
    def decide(self, name: str, verdict: str, behind: int, reason: str, owed: int) -> None:
        self._decide(name, verdict, reason, behind, owed)

    @precondition(lambda self: self.id and self.ended is None)
    @rule(
        other=st.sampled_from(["", "", "", "ola"]), percent=st.sampled_from([None, 5.0, 15.0, 50.0])
    )
    def change_the_request(self, other: str, percent: float | None) -> None:
        name = other or self.requester
        before, verdicts = self.house.card(self.id), self.house.deciders(self.id)
        words = f"Because of {next(self.house.keys)}."
        asked = {} if percent is None else {"percent": percent}
        try:
            self.house.edit(name, self.id, words, contributors=self.contributors, **asked)
        except GovernanceError:
            assert self.house.deciders(self.id) == verdicts
            assert self.house.card(self.id).facts == before.facts
            return
        assert name == self.requester, "somebody else changed what is asked"
        assert before.is_pending
        card = self.house.card(self.id)
        assert card.reason == words
        if card.facts == before.facts:
            assert self.house.deciders(self.id) == verdicts
            _seen.add("reworded")
            return
        gate_ = self.house.policy.gate("budget_increase")
        first = 0
        if gate_.change_reopens:
            self.partly = True
            first = next(
                (one.position for one in card.rounds if one.name == gate_.change_reopens),
                len(card.rounds),
            )
        kept = {
            who: vote for who, vote in self.lawful.items() if not card.by_rule and vote[0] < first
        }
        now = {one[0] for one in self.house.deciders(self.id)}
        assert now <= set(kept), "a verdict outlived what it was about"
        self.lawful = {who: vote for who, vote in kept.items() if who in now}
        _seen.add("changed")

    @precondition(lambda self: self.lawful and self.ended is None)
    @rule(data=st.data())
    def take_back(self, data: Any) -> None:
        name = data.draw(st.sampled_from(sorted(self.lawful)))
        stage = self.house.card(self.id).stage
        mine = self.lawful[name][0]
        try:
            self.house.take_back(name, self.id)
        except GovernanceError:
            return
        gone = {who for who, vote in self.lawful.items() if vote[0] > mine and mine < stage}
        for who in {name, *gone}:
            del self.lawful[who]
        _seen.add("taken back")

    @precondition(lambda self: self.id and self.ended is None)
    @rule(name=st.sampled_from(PEOPLE), is_answer=st.booleans())
    def ask_something(self, name: str, is_answer: bool) -> None:
        before = self.house.card(self.id)
        try:
            if is_answer:
                self.house.answer(name, self.id)
                assert name == self.requester
            else:
                self.house.question(name, self.id)
                assert name != self.requester
                _seen.add("questioned")
        except GovernanceError:
            assert self.house.card(self.id).paused_at == before.paused_at

    @precondition(lambda self: self.id and self.ended is None)
    @rule(to=st.sampled_from(["ned", "lea", "fay", "eve", "tim"]), order=st.permutations(PEOPLE))
    def hand_over(self, to: str, order: list[str]) -> None:
        for name in order:
            try:
                self.house.hand_over(name, self.id, to)
            except GovernanceError:
                continue
            assert to not in (self.requester, name)
            assert name not in self.lawful
            _seen.add("handed over")
            return

    @precondition(lambda self: self.id and self.ended is None)
    @rule(name=st.sampled_from(["ned", "ned", "tim", "ola"]))
    def break_the_glass(self, name: str) -> None:
        asked = BreakGlass(**self.house.as_shown(self.id), reason="Production is down.")
        may = self.house.policy.gate("budget_increase").break_glass is not None
        try:
            self.house.act(name, asked)
        except GovernanceError:
            return
        assert may
        assert name != "ola"
        self.broken_by = name
        _seen.add("broken")

    @precondition(lambda self: self.absences < 2)
    @rule(who=st.sampled_from(["ola", "fay", "eve"]), stand_in=st.sampled_from(PEOPLE))
    def go_away(self, who: str, stand_in: str) -> None:
        today = self.house.now.date()
        form = Away(stand_in=f"U0{stand_in.upper()}", since=today, until=today + timedelta(days=3))
        try:
            with self.house.db.begin() as session:
                approvers.record_absence(
                    make_context(
                        session,
                        actor=self.house.actor(who),
                        policy=self.house.policy,
                        org=ORG,
                        now=self.house.now,
                    ),
                    form,
                )
        except GovernanceError:
            return
        self.absences += 1
        _seen.add("away")

    @precondition(lambda self: self.id and self.ended is None)
    @rule(order=st.permutations(["ola", "fay", "fred", "eve", "ned"]), owed=st.sampled_from([0, 2]))
    def somebody_who_can_approves(self, order: list[str], owed: int) -> None:
        for name in order:
            if self._decide(name, "approve", "It is needed.", 0, owed):
                return

    def _decide(self, name: str, verdict: str, reason: str, behind: int, owed: int = 0) -> bool:
        card = self.house.card(self.id, name)
        before = self.house.deciders(self.id)
        may = (
            card.is_pending
            and card.reader is not None
            and bool(card.reader.why)
            and card.reader.line is None
            and not card.reader.is_requester
            and self.house.now < card.expires_at
        )
        terms_ = (
            (
                Terms(
                    text="Plan it.",
                    owner="U0TIM",
                    due=(self.house.now + timedelta(days=owed)).date(),
                ),
            )
            if owed and verdict == "approve"
            else ()
        )
        revision = max(1, card.revision - behind)
        comment = not card.round.comment or bool(reason) or verdict == "reject"
        try:
            self.house.decide(
                name, self.id, verdict, revision=revision, reason=reason, conditions=terms_
            )
        except GovernanceError:
            assert self.house.deciders(self.id) == before
            return False
        assert may, f"{name} decided and the card does not say that they may"
        assert revision == card.revision, "a card of an earlier question decided"
        assert comment, "approved without the comment that is required"
        self.lawful[name] = (card.stage, verdict == "approve")
        return True

    @precondition(lambda self: self.id)
    @rule(name=st.sampled_from(PEOPLE))
    def withdraw(self, name: str) -> None:
        if name != self.requester:
            with pytest.raises(GovernanceError):
                self.house.withdraw(name, self.id)
        elif len(self.lawful) > 1 and self.ended is None:
            self.house.withdraw(name, self.id)

    @rule(hours=st.sampled_from([1, 13, 30, 50]))
    def time_passes(self, hours: int) -> None:
        self.house.until(self.house.now + timedelta(hours=hours))

    @precondition(lambda self: len(self.left) < 2)
    @rule(name=st.sampled_from(["fay", "fred", "ned"]))
    def leave_the_organisation(self, name: str) -> None:
        self.house.flag(name, is_deactivated=True)
        self.left.add(name)

    @rule(handle=st.sampled_from(["finance", "risk"]), name=st.sampled_from(["eve", "tim"]))
    def join_a_group(self, handle: str, name: str) -> None:
        if (handle, name) not in self.moved:
            self.house.joins(handle, name)
            self.moved.add((handle, name))

    @precondition(lambda self: self.id)
    @rule(text=st.sampled_from(GATES), moves=st.booleans())
    def change_the_policy(self, text: str, moves: bool) -> None:
        before = stages_of(self.house, self.id)
        self.house.text = text
        found = policy.parse(text)
        with self.house.db.begin() as session:
            version = policies.adopt(
                make_context(session, actor=OPERATOR, now=self.house.now), found
            )
        assert stages_of(self.house, self.id) == before, "a policy reached a request by itself"
        if moves and self.ended is None:
            with self.house.db.begin() as session:
                moved = policy_simulation.reroute_request(
                    make_context(
                        session,
                        actor=OPERATOR,
                        policy=found.policy,
                        policy_id=version,
                        now=self.house.now,
                        org=ORG,
                    ),
                    self.id,
                )
            _seen.add("moved" if moved.moved else "stayed")

    @rule()
    def deliver(self) -> None:
        self.house.deliver()
        self.shown = rendered(self.house, self.id)

    @invariant()
    def every_copy_is_true_or_about_to_be(self) -> None:
        if not self.shown:
            return
        with self.house.db.read() as session:
            waiting = set(
                session.execute(
                    select(Outbox.message_id).where(
                        Outbox.state == "pending", Outbox.op == "update"
                    )
                ).scalars()
            )
        for copy, told in rendered(self.house, self.id).items():
            if told != self.shown.get(copy, told):
                assert copy in waiting, "a copy shows what is not so, and nothing mends it"

    @invariant()
    def nothing_is_decided_against_the_rules(self) -> None:
        if not self.id:
            return
        with self.house.db.read() as session:
            request = session.get_one(Approval, self.id)
            every = (
                session.execute(
                    select(Decision).where(Decision.approval_id == self.id).order_by(Decision.id)
                )
                .scalars()
                .all()
            )
            rows = [row for row in every if row.taken_back_at is None]
            stages = [
                Stage.of(row)
                for row in session.execute(
                    select(ApprovalStage)
                    .where(ApprovalStage.approval_id == self.id)
                    .order_by(ApprovalStage.position)
                ).scalars()
            ]
            state, bound = request.state, request.bound or {}
            decided = [
                (
                    row.person_id.removeprefix("p-"),
                    row.position,
                    row.verdict,
                    tuple(row.parties or (0,)),
                )
                for row in rows
            ]
            assert all(row.decided_at < request.expires_at for row in rows)
            if state == "approved" and not self.partly:
                now = rules.digest(request.facts)
                assert all(row.shown in (now, None) for row in rows), (
                    "approved on what was asked before"
                )
            for_whom = [row.for_id for row in rows if row.for_id]
        names = [one[0] for one in decided]
        places = [*names, *(one.removeprefix("p-") for one in for_whom)]
        assert len(places) == len(set(places)), "somebody decided twice"
        assert self.requester not in places, "the requester decided through another"
        assert self.requester not in names, "the requester decided"
        assert set(names) == set(self.lawful), "a verdict came from nowhere"
        assert not set(names) & {one.removeprefix("p-") for one in bound["apart"]}
        if state in ("approved", "lapsed") and not bound["by_rule"] and not self.broken_by:
            for position, stage in enumerate(stages):
                require_quorum(
                    stage, [d[3] for d in decided if d[1] == position and d[2] == "approve"]
                )
        if bound["by_rule"]:
            assert (state, names) == ("approved", [])
        if self.broken_by:
            assert state in ("approved", "lapsed")
        assert (state == "rejected") == any(one[2] == "reject" for one in decided)
        assert (self.house.status(self.project) == "live") == (state == "approved")
        if self.ended is not None:
            lapses = (self.ended[0], state) == ("approved", "lapsed")
            assert (state, decided) == self.ended or (lapses and decided == self.ended[1]), (
                "it changed after its end"
            )
        self.ended = (state, decided) if state in FINAL else None

    def teardown(self) -> None:
        if self.absences:
            with self.house.db.begin() as session:
                session.execute(update(Absence).values(ended_at=self.house.now))
        for name in self.left:
            self.house.flag(name, is_deactivated=False)
        for handle, name in self.moved:
            self.house.leaves(handle, name)
        self.house.until(self.house.now + timedelta(days=15))
        if self.id:
            _seen.add(self.house.state(self.id))
            assert self.house.state(self.id) in FINAL, "a request waits for ever"
            self.nothing_is_decided_against_the_rules()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "examples"),
    [("sqlite", 30), ("postgres", 6), pytest.param("sqlite", 150, marks=pytest.mark.heavy)],
)
def test_no_order_of_events_breaks_a_rule(
    backend: str, examples: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    examples = number_of_examples(examples)
    database = Database(fresh_url(backend, request, tmp_path))
    _house[:] = [populated(database)]
    _house[0].group("risk", "ned", "fay", "ola")
    _seen.clear()
    try:
        run_state_machine_as_test(
            Engine,
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
    if examples >= 150:
        assert _seen >= {
            "approved",
            "expired",
            "asked",
            "by rule",
            "reworded",
            "changed",
            "taken back",
            "questioned",
            "handed over",
            "broken",
            "away",
            "lapsed",
        }, _seen
