"""Check-ins over time, by the rules alone: whatever people say, change, leave and ask, nothing about a few follows."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.anonymity.oracle import few_told
from workflows.anonymity import rules
from workflows.anonymity.rules import Group

Event = tuple[str, int, int]
PEOPLE = 13
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("says"), st.integers(0, PEOPLE), st.integers(0, 2)),
        st.tuples(st.just("says"), st.integers(0, PEOPLE), st.just(0)),
        st.tuples(st.just("leaves"), st.integers(0, PEOPLE), st.just(0)),
        st.tuples(st.just("early"), st.just(0), st.just(0)),
    ),
    min_size=10,
    max_size=60,
)


def counts(answers: dict[int, int]) -> Group:
    """What a figure over these answers counts."""
    return {pair: [pair[0]] for pair in answers.items()}


def told_over_time(events: Sequence[Event], fewest: int) -> list[Group]:
    """What is told of one check-in, as the service asks the rules."""
    current: dict[int, int] = {}
    counted: dict[int, int] = {}
    told: list[Group] = []
    for event, who, answer in events:
        if event == "says":
            current[who] = answer
        elif event == "leaves":
            current.pop(who, None)
        else:
            new = rules.step(counted, current, fewest=fewest)
            group = counts(counted | {i: current[i] for i in new})
            if new and rules.may_tell(told, group, fewest=fewest):
                counted |= {i: current[i] for i in new}
                told.append(group)
    group = counts(current)
    if rules.may_tell(told, group, fewest=fewest):
        told.append(group)
    return told


# The first five; five more; of the first five one leaves and four say something else.
LOOKING_AGAIN: list[Event] = [
    *(("says", n, 0) for n in range(5)),
    ("early", 0, 0),
    *(("says", n, 0) for n in range(5, 10)),
    ("early", 0, 0),
    ("leaves", 0, 0),
    *(("says", n, 1) for n in range(1, 5)),
]


@given(events=EVENTS, fewest=st.integers(3, 5))
@example(events=LOOKING_AGAIN, fewest=5)
@settings(max_examples=150, deadline=None)
def test_nobody_can_be_told_by_looking_again(events: list[Event], fewest: int) -> None:
    assert few_told(told_over_time(events, fewest), fewest) is None


@pytest.mark.heavy
@given(events=EVENTS, fewest=st.integers(3, 5))
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nobody_can_be_told_by_looking_again_at_length(events: list[Event], fewest: int) -> None:
    assert few_told(told_over_time(events, fewest), fewest) is None


def test_the_example_that_was_found_is_held_back() -> None:
    told = told_over_time(LOOKING_AGAIN, 5)
    assert [len(group) for group in told] == [5, 10]
    last = counts(dict.fromkeys(range(1, 5), 1) | dict.fromkeys(range(5, 10), 0))
    assert few_told([*told, last], 5) is not None


def test_a_larger_minimum_binds_what_comes_after_it() -> None:
    five = counts(dict.fromkeys(range(5), 0))
    twelve = counts(dict.fromkeys(range(12), 0))
    assert rules.may_tell([five], twelve, fewest=7)
    assert not rules.may_tell([five], counts(dict.fromkeys(range(6), 0)), fewest=7)
    assert not rules.may_tell([five], counts(dict.fromkeys(range(6), 1)), fewest=7)
