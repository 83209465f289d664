"""The table, separation of duties for every pair of parts, agreements of two, and tiers. Pure."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.enums import EuClass, Exposure, ModelState, PurposeClass
from workflows.inventory import rules
from workflows.inventory.rules import MOVES, Guard, Move, Situation, Standing, Who

S = ModelState
NOW = datetime(2026, 1, 26, tzinfo=UTC)
FINE = Situation(
    now=NOW, tier=1, eu_class=EuClass.MINIMAL, project_status="in_progress", has_validator=True, is_approved=True,
    has_budget=True, open_findings=1,
)  # fmt: skip
PARTS = [one for one in Who if one is not Who.REQUEST]


def every_set(parts: list[Who]) -> list[frozenset[Who]]:
    return [
        frozenset(one)
        for one in chain.from_iterable(combinations(parts, size) for size in range(len(parts) + 1))
    ]


def test_each_step_stands_once_and_retired_is_the_end() -> None:
    assert len({(move.source, move.verb) for move in MOVES}) == len(MOVES)
    assert rules.list_moves(S.RETIRED) == ()
    assert rules.list_moves(S.APPROVAL) == (), "only a request leads on from approval"


def test_every_way_into_use_leads_through_validation_and_a_request() -> None:
    """Take the approval out of the table, and nothing that was not approved reaches use."""
    reached, waiting = {S.INVENTORIED}, [S.INVENTORIED]
    while waiting:
        at = waiting.pop()
        for move in MOVES:
            if move.source is at and move.verb != rules.APPROVED and move.target not in reached:
                reached.add(move.target)
                waiting.append(move.target)
    assert reached.isdisjoint({S.APPROVED, S.IMPLEMENTATION, S.IN_USE, S.SUSPENDED, S.MODIFICATION})
    for move in MOVES:
        if move.target is S.APPROVED and move.source is not S.IMPLEMENTATION:
            assert move.source is S.APPROVAL
        if move.target is S.IN_USE:
            assert Guard.APPROVAL_HOLDS in move.guards
        if move.target is S.APPROVAL:
            assert move.evidence == "approval"


@pytest.mark.parametrize(
    "parts", every_set(PARTS), ids=lambda one: "+".join(sorted(one)) or "nobody"
)
@pytest.mark.parametrize("made", ["", "developed", "contributed"])
def test_nobody_validates_what_they_own_or_made(parts: frozenset[Who], made: str) -> None:
    standing = Standing(
        parts,
        developed=made == "developed" or Who.DEVELOPER in parts,
        contributed=made == "contributed",
    )
    is_apart = not (standing.developed or standing.contributed or Who.OWNER in parts)
    for move in MOVES:
        if Who.VALIDATOR in move.who:
            free = not rules.list_refusals(move, standing, FINE)
            assert free == (Who.VALIDATOR in parts and is_apart), move
        elif Who.REQUEST not in move.who:
            assert bool(rules.list_refusals(move, standing, FINE)) == (not move.who & parts)


def test_nobody_takes_a_step_that_a_request_takes() -> None:
    everything = Standing(frozenset(PARTS))
    for move in MOVES:
        if Who.REQUEST in move.who:
            assert rules.list_refusals(move, everything, FINE)


DEPLOY = rules.find_move(S.IMPLEMENTATION, rules.DEPLOY)
OWNER, OPS = frozenset({Who.OWNER}), frozenset({Who.OPERATIONS})
NONE: frozenset[Who] = frozenset()


@pytest.mark.parametrize(
    ("agreed", "alone", "enough"),
    [
        ([], NONE, False),
        ([OWNER], NONE, False),
        ([OWNER | OPS], NONE, False),
        ([OWNER, OPS], NONE, True),
        ([OPS, OPS], NONE, False),
        ([OWNER | OPS, OPS], NONE, True),
        ([OWNER | OPS, frozenset({Who.MODEL_RISK})], NONE, False),
        ([OWNER | OPS], OPS, True),
        ([OPS], OPS, False),
    ],
)
def test_two_people_for_two_parts(
    agreed: list[frozenset[Who]], alone: frozenset[Who], enough: bool
) -> None:
    assert isinstance(DEPLOY, Move)
    assert rules.completes(DEPLOY, agreed, alone) is enough


@given(st.sampled_from(Exposure), st.sampled_from(PurposeClass), st.sampled_from(EuClass))
def test_more_exposure_or_purpose_is_never_a_lighter_tier(
    exposure: Exposure, purpose: PurposeClass, eu: EuClass
) -> None:
    held = rules.derive_tier(exposure, purpose, eu)
    order, uses = list(Exposure), list(PurposeClass)
    for more in order[order.index(exposure) :]:
        for higher in uses[uses.index(purpose) :]:
            assert rules.derive_tier(more, higher, eu) <= held
    if eu in (EuClass.HIGH, EuClass.PROHIBITED):
        assert held == 1


def test_the_matrix_of_tiers() -> None:
    made = [
        [rules.derive_tier(exposure, purpose, EuClass.MINIMAL) for purpose in PurposeClass]
        for exposure in Exposure
    ]
    assert made == [[3, 3, 2], [3, 2, 1], [2, 1, 1]]


def test_a_model_stands_as_its_version_nearest_to_use() -> None:
    assert rules.find_leading([]) is None
    assert rules.find_leading([(1, S.IN_USE), (2, S.DEVELOPMENT)]) == 1
    assert rules.find_leading([(1, S.RETIRED), (2, S.DEVELOPMENT), (3, S.DEVELOPMENT)]) == 3
    assert rules.find_leading([(1, S.SUSPENDED), (2, S.APPROVED)]) == 1


def test_an_approval_that_ends_at_midnight_ended_on_the_day_before() -> None:
    over = replace(FINE, now=NOW, approved_until=datetime(2026, 1, 26, tzinfo=UTC))
    words = {
        refusal
        for move in MOVES
        for refusal in rules.list_refusals(move, Standing(), over)
        if "approval ended" in refusal
    }
    assert words == {"its approval ended on 25 Jan 2026"}
