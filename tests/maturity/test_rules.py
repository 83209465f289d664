"""Scoring, by tables and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.enums import Answer, Level
from workflows.maturity import rules

Y, P, N, U = Answer.YES, Answer.PARTLY, Answer.NO, Answer.UNKNOWN
LOW, MEDIUM, HIGH = Level.LOW, Level.MEDIUM, Level.HIGH
DATA = rules.load().rubric.dimensions[1]
IDS = [one.id for one in DATA.statements]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], False),
        ([Y], True),
        ([P], False),
        ([U], False),
        ([Y, Y, N], True),
        ([Y, Y, N, N], False),
        ([Y, Y, Y, P, N], True),
        ([Y, Y, P, P, P], True),
        ([Y, P, P, P, P], False),
        ([Y, Y, U, U], True),
        ([Y, Y, U, U, U], False),
        ([U, U, U, U, U], False),
        ([Y] * 5 + [U] * 6, False),
        ([Y] * 5 + [U] * 5 + [N], False),
    ],
)
def test_when_a_statement_holds(answers: list[Answer], expected: bool) -> None:
    assert rules.holds(answers) is expected


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([], LOW),
        (IDS, HIGH),
        (IDS[:3], MEDIUM),
        (IDS[:2], LOW),
        (IDS[3:], LOW),
        (IDS[:1] + IDS[3:], LOW),
        (IDS[:5], MEDIUM),
    ],
)
def test_a_level_needs_all_of_its_statements_and_all_below(
    held: list[str], expected: Level
) -> None:
    assert rules.level(DATA, held) is expected


@pytest.mark.parametrize(
    ("levels", "lowest", "middle"),
    [
        ([HIGH, HIGH, HIGH, HIGH, HIGH, LOW], LOW, HIGH),
        ([MEDIUM, MEDIUM, MEDIUM, HIGH, HIGH, HIGH], MEDIUM, MEDIUM),
        ([LOW, LOW, MEDIUM, MEDIUM, MEDIUM, HIGH], LOW, MEDIUM),
        ([HIGH] * 6, HIGH, HIGH),
    ],
)
def test_overall_is_the_lowest_beside_the_median(
    levels: list[Level], lowest: Level, middle: Level
) -> None:
    assert rules.overall(levels) is lowest
    assert rules.median(levels) is middle


def test_what_is_missing_skips_no_level() -> None:
    assert rules.missing(DATA, LOW, HIGH, [IDS[0], IDS[4]]) == (IDS[1], IDS[2], IDS[3], IDS[5])
    assert rules.missing(DATA, LOW, MEDIUM, []) == tuple(IDS[:3])
    assert rules.missing(DATA, HIGH, HIGH, IDS) == ()
    assert rules.toward(DATA, LOW, [IDS[0], IDS[4]]) == (1, 3)
    assert rules.toward(DATA, HIGH, IDS) == (0, 0)


def test_agreement_and_where_people_differ() -> None:
    same = dict.fromkeys(IDS, Y)
    assert rules.score(DATA, [same] * 5).agreement == 80
    assert rules.score(DATA, [same] * 5).differs is None
    other = same | {IDS[2]: N}
    found = rules.score(DATA, [same, same, same, other, other])
    assert found.differs == IDS[2]
    assert found.agreement == 80
    assert found.people == 5
    split = dict.fromkeys(IDS, N)
    assert rules.score(DATA, [same, same, same, split, split]).agreement == 60


def test_all_of_one_mind_look_like_all_but_one() -> None:
    """Beside the list of what does not hold, unanimity would tell what each of five said."""
    for answer in (Y, N, P, U):
        same = dict.fromkeys(IDS, answer)
        for other in (Y, N, P, U):
            apart = dict.fromkeys(IDS, other)
            alike, nearly = (rules.score(DATA, [same] * 5), rules.score(DATA, [*[same] * 4, apart]))
            assert (alike.agreement, alike.differs) == (80, None)
            assert (nearly.agreement, nearly.differs) == (80, None)


person = st.fixed_dictionaries({id_: st.sampled_from(Answer) for id_ in IDS})
BETTER = {N: (P, Y), P: (Y,), U: (Y,), Y: ()}


@given(group=st.lists(person, min_size=1, max_size=12), data=st.data())
def test_a_better_answer_never_lowers_a_level(
    group: list[dict[str, Answer]], data: st.DataObject
) -> None:
    before = rules.score(DATA, group)
    who = data.draw(st.integers(0, len(group) - 1))
    what = data.draw(st.sampled_from(IDS))
    better = BETTER[group[who][what]]
    if not better:
        return
    changed = [dict(one) for one in group]
    changed[who][what] = data.draw(st.sampled_from(better))
    after = rules.score(DATA, changed)
    assert rules.rank(after.level) >= rules.rank(before.level)
    assert set(after.held) >= set(before.held)


@given(answers=st.lists(st.sampled_from(Answer), max_size=20))
def test_a_worse_answer_never_makes_a_statement_hold(answers: list[Answer]) -> None:
    if U in answers and not rules.holds(answers):
        worse = list(answers)
        worse[worse.index(U)] = N
        assert not rules.holds(worse)


@given(group=st.lists(person, min_size=1, max_size=12))
def test_the_level_is_the_highest_whose_statements_all_hold(group: list[dict[str, Answer]]) -> None:
    found = rules.score(DATA, group)
    held = {id_ for id_ in IDS if rules.holds([one[id_] for one in group])}
    medium = {one.id for one in DATA.medium} <= held
    high = medium and {one.id for one in DATA.high} <= held
    assert found.level is (HIGH if high else MEDIUM if medium else LOW)
