"""Parts and units of two check-ins taken together: compared with an attacker who adds and subtracts all of them."""

import random

import pytest

from storage.enums import Answer, AskedAs
from tests.anonymity.oracle import few_told
from workflows.anonymity import rules as control
from workflows.maturity import results
from workflows.maturity.records import DimensionResult
from workflows.maturity.results import EarlierFigure, Group

FIGURES = DimensionResult("data", "Data")
L, P = AskedAs.LEADER, AskedAs.PRACTITIONER
People = dict[int, tuple[AskedAs, str | None]]


def told(
    group: Group, people: People, earlier: list[EarlierFigure]
) -> tuple[control.Group, dict[str, control.Group]]:
    """The whole, and what is told beside it."""
    who = {i: f"p{i}" for i in people}
    chosen = results.narrow(
        control.choose_groups({str(i): people[i] for i in group}, fewest=5),
        group,
        people,
        who,
        earlier,
        5,
    )
    return results.atoms(group, who), {
        name: results.atoms({i: group[i] for i in members}, who)
        for name, members in results.groups_beside(chosen, group, people).items()
    }


def look(seed: int) -> bool:
    """Two check-ins of the same people, of whom some changed their answers; whether both told parts or units."""
    chance = random.Random(seed)
    people: People = {
        i: (chance.choice([L, P, P]), chance.choice("ABC")) for i in range(chance.randint(12, 26))
    }
    yes_or_no = (Answer.YES, Answer.NO)
    first: Group = {i: {"s": chance.choice(yes_or_no)} for i in people if chance.random() < 0.95}
    share = chance.choice([0.2, 0.6])
    second: Group = {
        i: {"s": chance.choice(yes_or_no)}
        if i not in first or chance.random() < share
        else first[i]
        for i in people
        if chance.random() < 0.97
    }
    whole, beside = told(first, people, [])
    after, beside_after = told(second, people, [EarlierFigure(whole, FIGURES, beside)])
    if not control.may_tell([whole], after, fewest=5):
        return False
    figures = [whole, *beside.values(), after, *beside_after.values()]
    assert few_told(figures, 5) is None, seed
    return bool(beside and beside_after)


def test_parts_and_units_of_two_check_ins_tell_of_no_few() -> None:
    assert sum(look(seed) for seed in range(120)) > 10


@pytest.mark.heavy
def test_parts_and_units_of_two_check_ins_at_length() -> None:
    assert sum(look(seed) for seed in range(1000, 3000)) > 300
