"""What buttons and windows carry is read as it was written, and what is mangled is refused in words."""

import dataclasses
import json
from collections.abc import Iterator
from datetime import date
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import app
from bot.slack import interactions
from bot.slack.interactions import (
    AddWindow,
    AwayPlan,
    Carried,
    CheckInPart,
    ClassifyWindow,
    ConditionWindow,
    DayWindow,
    EvidenceWindow,
    GapRef,
    IncreaseWindow,
    MilestoneChoice,
    MilestoneRef,
    MilestoneWindow,
    ModelRef,
    ModelWindow,
    Nothing,
    PageRef,
    ProjectRef,
    RegisterWindow,
    Request,
    RequestChoice,
    RequestCondition,
    RequestOnRecord,
    RequestWindow,
    ReviewWindow,
    SeveralWindow,
    TargetsWindow,
    Ticked,
    UnitRef,
    VersionRef,
)
from workflows.errors import InvalidInput

CARD = ("C0TRIAGE", "1767225600.000100")
AT = ("submit", 4, 2, 9, 3)
STANDING: list[tuple[Carried, str]] = [
    (Request(42, 3), "42:3"),
    (RequestOnRecord(42, 3, "1/2026-01-01/open"), "42:3:1/2026-01-01/open"),
    (RequestOnRecord(42, 3, "a:b"), "42:3:a:b"),
    (RequestChoice("hand_over", Request(42, 3)), "hand_over:42:3"),
    (RequestCondition(42, 3, 7, 1), "42:3:7:1"),
    (RequestWindow(42, 3, CARD), "42:3:C0TRIAGE:1767225600.000100"),
    (RequestWindow(42, 3), "42:3::"),
    (ConditionWindow(42, 3, CARD, 7, 1), "42:3:C0TRIAGE:1767225600.000100:7:1"),
    (SeveralWindow(("1:2", "3:4")), "1:2 3:4"),
    (SeveralWindow(), ""),
    (Ticked("pick", 7, 1), "pick:7:1"),
    (AwayPlan("new"), "new"),
    (AwayPlan("offer", date(2026, 2, 3)), "offer:2026-02-03"),
    (AwayPlan("offer"), "offer:"),
    (IncreaseWindow(5, 2, None, CARD, None, date(2026, 1, 1)), "5:2::C0TRIAGE:1767225600.000100::2026-01-01"),
    (IncreaseWindow(5, 2, None, None, None, date(2026, 1, 1)), "5:2:::::2026-01-01"),
    (IncreaseWindow(5, 2, 42, CARD, 3, date(2026, 1, 1)), "5:2:42:C0TRIAGE:1767225600.000100:3:2026-01-01"),
    (PageRef("projects", 1), "projects:1"),
    (ProjectRef("ticket-triage"), "ticket-triage"),
    (ProjectRef(None), "-"),
    (ModelRef(*AT), "submit:4:2:9:3"),
    (ModelRef("describe", 4, 2, None, 0), "describe:4:2:0:0"),
    (ModelWindow(*AT, CARD), "submit:4:2:9:3:C0TRIAGE:1767225600.000100"),
    (ModelWindow(*AT), "submit:4:2:9:3::"),
    (EvidenceWindow(*AT, None, "F0FILE"), "submit:4:2:9:3:::F0FILE"),
    (ReviewWindow(*AT, None, date(2026, 3, 1)), "submit:4:2:9:3:::2026-03-01"),
    (ReviewWindow(*AT), "submit:4:2:9:3:::"),
    (ClassifyWindow(*AT, CARD, True), "submit:4:2:9:3:C0TRIAGE:1767225600.000100:1"),
    (RegisterWindow("C0TRIAGE", "f00d"), "C0TRIAGE:f00d"),
    (VersionRef(4, 9), "4:9"),
    (VersionRef(4), "4:0"),
    (CheckInPart(8, 2), "8:2"),
    (UnitRef("Claims"), "Claims"),
    (UnitRef(None), "-"),
    (TargetsWindow("Claims", {"data": "high", "people": "medium"}), "Claims\ndata=high,people=medium"),
    (TargetsWindow(None, {}), "-\n"),
    (GapRef("org.teams", "Claims"), "org.teams|Claims"),
    (GapRef("org.teams"), "org.teams|"),
    (MilestoneRef(6, 0), "6:0"),
    (MilestoneChoice("milestones.done", MilestoneRef(6, 1)), "milestones.done:6:1"),
    (MilestoneWindow(6, 1, CARD), "6:1:C0TRIAGE:1767225600.000100"),
    (MilestoneWindow(6, 1), "6:1::"),
    (DayWindow(6, 1, CARD, 42, 3), "6:1:C0TRIAGE:1767225600.000100:42:3"),
    (AddWindow("triage", "C0TRIAGE:1.2", "f00d"), '{"project": "triage", "promise": "C0TRIAGE:1.2", "seal": "f00d"}'),
    (AddWindow(), '{"project": null, "promise": "", "seal": ""}'),
]  # fmt: skip
"""What stands in Slack since earlier releases; it never changes."""


@pytest.mark.parametrize(("carried", "text"), STANDING, ids=lambda one: str(one)[:60])
def test_what_stands_in_slack_is_written_and_read_as_ever(carried: Carried, text: str) -> None:
    assert carried.text == text
    assert type(carried).read(text) == carried


@pytest.mark.parametrize(
    ("kind", "text", "read"),
    [
        (Request, "42", Request(42)),
        (Request, "42:x", Request(42)),
        (RequestWindow, "42:3", RequestWindow(42, 3)),
        (RequestWindow, "42:3::1.2", RequestWindow(42, 3)),
        (IncreaseWindow, "5:2", IncreaseWindow(5, 2)),
        (EvidenceWindow, "submit:4:2:9:3::", EvidenceWindow(*AT)),
        (VersionRef, "4", VersionRef(4)),
        (CheckInPart, "8", CheckInPart(8)),
        (TargetsWindow, "Claims", TargetsWindow("Claims")),
        (RegisterWindow, "", RegisterWindow()),
    ],
)
def test_what_an_earlier_release_did_not_write_is_not_known(
    kind: type[Carried], text: str, read: Carried
) -> None:
    assert kind.read(text) == read


def kinds() -> Iterator[type[Carried]]:
    """Every class of what is carried."""
    for kind in vars(interactions).values():
        is_kind = isinstance(kind, type) and issubclass(kind, Carried) and kind is not Carried
        if is_kind and not kind.__name__.startswith("_"):
            yield kind


NUMBER = st.integers(1, interactions.BIGGEST)
NAME = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789._-", min_size=2, max_size=20).map(
    lambda text: f"a{text}"
)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: NUMBER,
    str: NAME,
    bool: st.booleans(),
    int | None: st.none() | NUMBER,
    str | None: st.none() | NAME,
    date | None: st.none() | st.dates(),
    tuple[str, str] | None: st.none() | st.tuples(NAME, NAME),
    tuple[str, ...]: st.lists(NAME, max_size=4).map(tuple),
    dict[str, str] | None: st.dictionaries(NAME, NAME, max_size=4),
}


def filled(kind: type[Carried]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(
        kind,
        **{
            one.name: filled(hints[one.name])
            if isinstance(hints[one.name], type) and issubclass(hints[one.name], Carried)
            else VALUES[hints[one.name]]
            for one in dataclasses.fields(kind)
        },
    )


def as_written(carried: Carried) -> Carried:
    """`new` keeps no day."""
    if isinstance(carried, AwayPlan) and carried.what != "offer":
        return AwayPlan(carried.what)
    return carried


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_whatever_is_written_is_read(kind: type[Carried], data: st.DataObject) -> None:
    carried = data.draw(filled(kind))
    assert kind.read(carried.text) == as_written(carried)


MANGLED = st.text(max_size=40) | st.text("0123456789:|-\n=,{}\" ", max_size=20) | st.sampled_from(
    ["9" * 30, "-1:2", "1:½", "½", "1:1", "nonsense", '{"a": 1}', "[]", "null", json.dumps("x"), "[" * 5000]
)  # fmt: skip


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
@settings(max_examples=50)
@given(text=MANGLED)
def test_what_is_mangled_is_read_or_refused_in_words(kind: type[Carried], text: str) -> None:
    try:
        kind.read(kind.read(text).text)
    except InvalidInput as error:
        refusal = error
    else:
        return
    assert "is from another release of mlgov." in refusal.sentence


def test_each_button_and_window_says_what_it_carries() -> None:
    router = app.build_router()
    assert set(router.carried) == {
        *(("click", action_id) for action_id in router.actions),
        *(("submission", callback_id) for callback_id in router.submissions),
    }
    nothing = {name for (_, name), kind in router.carried.items() if kind is Nothing}
    assert nothing == {
        "approvals.away_planned",
        "approvals.several",
        "cases.new",
        "front.all",
        "front.help",
        "front.projects",
        "front.waiting",
        "models.register",
        "portfolio.fund",
        "portfolio.submit_fund",
        "tokens.make",
    }, "what is about something says about what, in bot/slack/interactions.py"
    assert set(router.carried.values()) <= set(kinds())
