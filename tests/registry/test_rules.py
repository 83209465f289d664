"""What is wanted in the registry: never more than the record allows, and it comes to rest."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.enums import ModelState
from workflows.registry import rules
from workflows.registry.rules import STOPPED, USED, InventoryVersion, Seen, Write

VERSIONS = ("1", "2", "3")


@st.composite
def seens(draw: st.DrawFn) -> Seen:
    held = {
        name: InventoryVersion(
            place,
            name,
            draw(st.sampled_from(list(ModelState))),
            tier=2,
            approval_id=draw(st.one_of(st.none(), st.just(4))),
            holds=draw(st.booleans()),
            is_rejected=draw(st.booleans()),
            had_turn=draw(st.booleans()),
        )
        for place, name in enumerate(draw(st.sets(st.sampled_from(VERSIONS))))
    }
    there = draw(st.sets(st.sampled_from(VERSIONS)))
    alias = draw(st.one_of(st.none(), st.sampled_from(VERSIONS)))
    return Seen(
        name="m",
        key="m",
        alias=alias,
        alias_known=draw(st.booleans()),
        written=draw(st.one_of(st.none(), st.sampled_from(VERSIONS))),
        inventory=held,
        tags={one: {"owner": "dana"} for one in there},
    )


def carried_out(seen: Seen, writes: tuple[Write, ...]) -> Seen:
    tags = {name: dict(told) for name, told in seen.tags.items()}
    for one in writes:
        if one.kind == "tag":
            tags[one.version][one.key] = one.value
        elif one.kind == "untag":
            tags[one.version].pop(one.key, None)
        elif one.kind == "alias":
            seen = replace(seen, alias=one.version, alias_known=True, written=one.version)
        else:
            seen = replace(seen, alias=None, alias_known=True, written=None)
    return replace(seen, tags=tags)


@given(seens(), st.booleans())
def test_the_alias_is_only_ever_pointed_at_what_is_in_use(seen: Seen, restore: bool) -> None:
    for one in rules.list_wanted(seen, "champion", restore=restore):
        if one.kind == "alias":
            assert seen.inventory[one.version].state in USED
            assert one.version in seen.tags, "what the registry does not have is not named there"
        if one.kind == "unalias":
            assert not seen.inventory[one.version].may_be_used


@given(seens())
def test_nobody_excuses_an_alias_at_a_version_that_is_stopped(seen: Seen) -> None:
    held = seen.inventory.get(seen.alias or "")
    if held is not None and held.state in STOPPED and held.had_turn:
        assert rules.is_unapproved(seen), "whoever put it there, and whoever accepted it"
    if held is not None and held.state in USED:
        assert not rules.is_unapproved(seen)


@given(seens(), st.booleans())
def test_it_comes_to_rest(seen: Seen, restore: bool) -> None:
    after = carried_out(seen, rules.list_wanted(seen, "champion", restore=restore))
    assert rules.list_wanted(after, "champion", restore=restore) == ()
    for told in after.tags.values():
        assert told["owner"] == "dana", "tags of others stay"


@given(seens())
def test_what_somebody_else_moved_is_left_unless_the_policy_says(seen: Seen) -> None:
    is_foreign = seen.alias is not None and seen.alias != seen.written and not seen.alias_known
    writes = rules.list_wanted(seen, "champion", restore=False)
    if is_foreign:
        assert not [one for one in writes if one.kind in ("alias", "unalias")]


def _seen(alias: str | None, state: ModelState, **more: object) -> Seen:
    held = {"1": InventoryVersion(1, "1", state)}
    return Seen("m", "m", alias, False, None, held, {"1": {}, "2": {}}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("alias", "state", "is_wrong"),
    [
        (None, ModelState.DEVELOPMENT, False),
        ("1", ModelState.IN_USE, False),
        ("1", ModelState.APPROVED, False),
        ("1", ModelState.SUSPENDED, True),
        ("1", ModelState.DEVELOPMENT, True),
        ("2", ModelState.IN_USE, True),
    ],
)
def test_where_the_alias_may_stand(alias: str | None, state: ModelState, is_wrong: bool) -> None:
    assert rules.is_unapproved(_seen(alias, state)) is is_wrong


@pytest.mark.parametrize(
    ("known", "left", "is_it"),
    [(0, 0, False), (1, 0, True), (3, 2, False), (4, 2, False), (4, 1, True), (100, 49, True)],
)
def test_when_a_registry_is_emptied_and_not_its_models_gone(
    known: int, left: int, is_it: bool
) -> None:
    assert rules.is_emptied(known, left) is is_it
