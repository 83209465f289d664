"""What one result tells by part and unit: nothing about fewer people can be worked out, checked by linear algebra."""

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.enums import AskedAs
from tests.anonymity.oracle import few_told
from workflows.anonymity.rules import TellableGroups, choose_groups, step

L, P = AskedAs.LEADER, AskedAs.PRACTITIONER
People = dict[str, tuple[AskedAs, str | None]]


def crowd(*cells: tuple[AskedAs, str | None, int]) -> People:
    return {
        f"{part}-{unit}-{number}": (part, unit)
        for part, unit, size in cells
        for number in range(size)
    }


def published(people: People, told: TellableGroups) -> list[frozenset[str]]:
    """The groups whose figures are told."""
    groups = [frozenset(people)] if told.total else []
    if told.parts:
        groups += [frozenset(i for i in people if people[i][0] is p) for p in (L, P)]
    groups += [frozenset(i for i in people if people[i][1] == u) for u in told.units]
    return groups


def derivable(groups: list[frozenset[str]], fewest: int) -> list[frozenset[object]]:
    """Fewer people about whom something follows from the figures of `groups`."""
    few = few_told([{one: [one] for one in group} for group in groups], fewest)
    return [] if few is None else [few]


cells = st.lists(
    st.tuples(
        st.sampled_from([L, P]), st.sampled_from(["A", "B", "C", "D", None]), st.integers(1, 6)
    ),
    max_size=6,
)


@given(cells=cells, fewest=st.integers(5, 7))
@settings(max_examples=150, deadline=None)
def test_nobody_can_be_told_by_subtraction(
    cells: list[tuple[AskedAs, str | None, int]], fewest: int
) -> None:
    people = crowd(*cells)
    groups = published(people, choose_groups(people, fewest=fewest))
    assert all(len(group) >= fewest for group in groups)
    assert derivable(groups, fewest) == []


def test_the_attacker_would_find_what_is_told_carelessly() -> None:
    people = crowd((L, "A", 6), (P, "A", 4), (P, "B", 6))
    careless = published(people, TellableGroups(True, parts=True, units=("A", "B")))
    assert derivable(careless, 5) != []
    one_left = crowd((P, "A", 6), (P, "B", 3))
    assert derivable(published(one_left, TellableGroups(True, units=("A",))), 5) != []


def test_one_part_less_a_unit_tells_of_no_few() -> None:
    """Practitioners less unit A are two practitioners elsewhere less two leaders of A: a figure about four people."""
    people = crowd((L, "A", 2), (P, "A", 5), (L, "B", 5), (P, "B", 2))
    told = choose_groups(people, fewest=5)
    assert told == TellableGroups(True, True, ())
    careless = published(people, TellableGroups(True, True, ("A",)))
    assert derivable(careless, 5) != []


def test_what_is_told() -> None:
    assert choose_groups(crowd((L, "A", 4)), fewest=5) == TellableGroups(False)
    assert choose_groups(crowd((L, "A", 5)), fewest=5) == TellableGroups(True, False, ("A",))
    assert choose_groups(crowd((L, "A", 5), (P, "A", 4)), fewest=5) == TellableGroups(
        True, False, ("A",)
    )
    assert choose_groups(crowd((L, "A", 5), (P, "A", 5)), fewest=5) == TellableGroups(
        True, True, ("A",)
    )
    assert choose_groups(crowd((P, "A", 6), (P, "B", 3)), fewest=5) == TellableGroups(
        True, False, ()
    )
    assert choose_groups(crowd((P, "A", 6), (P, "B", 3), (P, "C", 2)), fewest=5) == TellableGroups(
        True, False, ("A",)
    )


def test_people_are_counted_in_steps() -> None:
    assert step([], range(4), fewest=5) == set()
    assert step([], range(5), fewest=5) == {0, 1, 2, 3, 4}
    assert step(range(5), range(6), fewest=5) == set()
    assert step(range(5), range(10), fewest=5) == {5, 6, 7, 8, 9}
