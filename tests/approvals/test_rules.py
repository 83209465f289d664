"""Who may decide: values in, values out."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.enums import ApprovalState, Ask, Verdict
from workflows.approvals.rules import (
    Approver,
    Entitlement,
    Group,
    Refusal,
    Request,
    Shortage,
    Stage,
    Standing,
    Step,
    Vote,
    entitlement,
    judge,
    shortage,
    step,
)

NOW = datetime(2026, 1, 26, 9, tzinfo=UTC)
FINANCE = Group("S0FIN", "Finance partners", NOW - timedelta(minutes=3))
OWNER = Stage("Owner", (Approver("subject.owner", ("person:ola",)),), 1, Ask.CHANNEL)
MONEY = Stage("Finance", (Approver("role:finance", ("S0FIN",)),), 2, Ask.DM)


def request(stage: int = 0, **changes: object) -> Request:
    values = {
        "requester_id": "tim",
        "state": ApprovalState.PENDING,
        "stage": stage,
        "revision": stage + 1,
        "expires_at": NOW + timedelta(days=1),
        "stages": (OWNER, MONEY),
    } | changes
    return Request(**values)  # type: ignore[arg-type]


def person(name: str, *groups: Group, member: bool = True) -> Standing:
    return Standing(name, f"U0{name.upper()}", member, NOW, groups)


def verdict_of(
    who: Standing, at: Request, *votes: Vote, revision: int | None = None, now: datetime = NOW
) -> Entitlement | Refusal:
    return judge(at, votes, who, revision=revision or at.revision, now=now)


OLA, FAY, TIM = person("ola"), person("fay", FINANCE), person("tim", FINANCE)


def test_the_rule_the_group_and_the_reading_are_told() -> None:
    assert verdict_of(OLA, request()) == Entitlement("subject.owner", None, NOW)
    found = verdict_of(FAY, request(1))
    assert found == Entitlement("role:finance", FINANCE, FINANCE.read_at)


@pytest.mark.parametrize("who", ["S0FIN", "U0FAY", "person:fay"])
def test_each_way_to_name_somebody(who: str) -> None:
    assert entitlement([Approver("rule", (who,))], FAY) is not None
    assert entitlement([Approver("rule", (who,))], person("ned")) is None


def test_a_rule_that_names_nobody_reaches_nobody() -> None:
    nameless = Standing("x", None, True, NOW)
    assert entitlement([Approver("subject.owner", ())], nameless) is None


ANA_GAVE = Vote("ola", 0, Verdict.APPROVE)


@pytest.mark.parametrize(
    ("who", "at", "votes", "revision", "now", "why"),
    [
        (person("ola", member=False), request(), [], 1, NOW, Refusal.NO_MEMBER),
        (OLA, request(state=ApprovalState.REJECTED), [], 1, NOW, Refusal.ENDED),
        (OLA, request(), [], 1, NOW + timedelta(days=1), Refusal.OVERDUE),
        (TIM, request(1), [], 2, NOW, Refusal.REQUESTER),
        (OLA, request(1), [ANA_GAVE], 2, NOW, Refusal.REPEATED),
        (OLA, request(1), [ANA_GAVE], 1, NOW, Refusal.REPEATED),
        (FAY, request(), [], 1, NOW, Refusal.NOT_YET),
        (OLA, request(1), [], 2, NOW, Refusal.PASSED),
        (person("ned"), request(), [], 1, NOW, Refusal.NOT_ASKED),
        (FAY, request(1), [ANA_GAVE], 1, NOW, Refusal.STALE),
    ],
)
def test_each_refusal(
    who: Standing, at: Request, votes: list[Vote], revision: int, now: datetime, why: Refusal
) -> None:
    assert verdict_of(who, at, *votes, revision=revision, now=now) is why


def test_the_last_instant_before_the_end_still_counts() -> None:
    just = NOW + timedelta(days=1) - timedelta(microseconds=1)
    assert isinstance(verdict_of(OLA, request(), now=just), Entitlement)


def test_what_a_verdict_leads_to() -> None:
    fred = Vote("fred", 1, Verdict.APPROVE)
    assert step(request(), [], Verdict.APPROVE) is Step.NEXT_STAGE
    assert step(request(1), [ANA_GAVE], Verdict.APPROVE) is Step.WAITS
    assert step(request(1), [ANA_GAVE, fred], Verdict.APPROVE) is Step.APPROVED
    assert step(request(), [], Verdict.REJECT) is Step.REJECTED
    assert step(request(1), [ANA_GAVE, fred], Verdict.REJECT) is Step.REJECTED


def test_a_stage_with_too_few_people_is_named() -> None:
    assert shortage([(1, {"a"}), (2, {"a", "b", "c"})]) is None
    assert shortage([(1, {"a"}), (2, {"b"})]) == Shortage(1, 1, alone=True)
    assert shortage([(1, set())]) == Shortage(0, 0, alone=True)
    assert shortage([(1, {"a"}), (1, {"a"})]) == Shortage(1, 1, alone=False)
    assert shortage([(2, {"a", "b"}), (1, {"a", "b"})]) == Shortage(1, 2, alone=False)


NEEDS = st.lists(
    st.tuples(st.integers(1, 3), st.sets(st.sampled_from("abcdef"), max_size=6)), max_size=4
)


@given(NEEDS)
def test_shortage_agrees_with_trying_every_assignment(needs: list[tuple[int, set[str]]]) -> None:
    def possible(rest: list[tuple[int, set[str]]], taken: frozenset[str]) -> bool:
        if not rest:
            return True
        (quorum, people), *others = rest
        return any(
            possible(others, taken | set(chosen))
            for chosen in itertools.combinations(sorted(people - taken), quorum)
        )

    assert (shortage(needs) is None) == possible(needs, frozenset())


NAMES = st.sampled_from(["ola", "fay", "fred", "tim", "ned"])


@given(
    NAMES,
    st.integers(0, 1),
    st.lists(st.builds(Vote, NAMES, st.integers(0, 1), st.just(Verdict.APPROVE))),
    st.sampled_from(list(ApprovalState)),
    st.integers(1, 3),
    st.integers(-2, 2),
    st.booleans(),
)
def test_nobody_gets_past_a_rule(
    name: str,
    stage: int,
    votes: list[Vote],
    state: ApprovalState,
    revision: int,
    hours: int,
    member: bool,
) -> None:
    at = request(stage, state=state, expires_at=NOW + timedelta(hours=hours))
    groups = (FINANCE,) if name in {"fay", "fred", "tim"} else ()
    who = person(name, *groups, member=member)
    found = judge(at, votes, who, revision=revision, now=NOW)
    if isinstance(found, Entitlement):
        assert member
        assert state is ApprovalState.PENDING
        assert hours > 0
        assert name != "tim"
        assert name not in {vote.person_id for vote in votes}
        assert revision == at.revision
        assert name in ({"ola"} if stage == 0 else {"fay", "fred"})
