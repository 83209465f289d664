"""The door: every act on a request is one of its forms, carries what was shown, and gets nowhere else."""

import ast
import inspect
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy import update

from storage.people.tables import UserGroup
from tests.approvals.conftest import POLICY, START, House
from tests.approvals.test_being_away import away
from tests.test_conventions import sources
from workflows.approvals import actions, door, forms, rules
from workflows.approvals.actions import ACTS
from workflows.approvals.door import Entered, Rule
from workflows.approvals.forms import BreakGlass, OnRequest, ReviewGlass, SubmitRequest
from workflows.approvals.refusals import CardChanged, PlaceUsed, Unconfirmed
from workflows.context import Context
from workflows.errors import GovernanceError, InvalidInput, NotAllowed

CHANGES = {
    "advance",
    "end_request",
    "insert_condition",
    "insert_decision",
    "insert_edit",
    "insert_handover",
    "insert_question",
    "insert_review",
    "replace_stages",
    "revise",
    "set_approvers",
    "set_columns",
    "set_stage",
    "void_decisions",
}
"""Functions that change or end a request, by name; all of them are in these modules."""
CHANGING = {"queries", "activity", "completion", "approval_queries", "approval_activity"}
BY_ITSELF = {
    "service.withdraw_for_erasure": "nobody acts: who asked, or decided, was erased",
    "completion.pass_by_rule": "the policy lets a new request pass",
    "escalation.escalate_stage": "a timer of mlgov's own",
    "service.expire": "a timer of mlgov's own",
    "service.recheck_passable": "whoever could decide has left",
    "rereading.recheck_subject": "what a request asks to change was changed",
    "rereading.recheck_facts": "the record changed under a request that waits",
    "rereading.keep_reading": "part of a decision, and of looking again",
    "conditions.follow_up_condition": "a timer of mlgov's own",
    "policy_simulation.reroute_request": "an operator moves open requests to another policy",
    "completion.end_request": "what acts end with",
    "completion.keep_conditions": "part of a decision",
    "completion.reopen_stage": "part of taking back",
}
"""What changes a request without somebody at the door, and why."""


def declared() -> Iterator[type[BaseModel]]:
    """Every form about one request."""
    for form in vars(forms).values():
        if (
            inspect.isclass(form)
            and issubclass(form, BaseModel)
            and "approval_id" in form.model_fields
        ):
            yield form


def leaves(form: type[OnRequest]) -> Iterator[type[OnRequest]]:
    below = form.__subclasses__()
    if not below:
        yield form
    for one in below:
        yield from leaves(one)


def test_every_form_about_a_request_carries_what_was_shown_and_has_a_rule() -> None:
    for form in declared():
        assert issubclass(form, OnRequest), f"{form.__name__} is no act on a request"
        assert form.model_fields["revision"].is_required(), form.__name__
        with pytest.raises(ValidationError):
            form.model_validate({"approval_id": 1, "revision": 0})
    assert set(leaves(OnRequest)) == set(ACTS), "an act without a rule of the door"
    assert SubmitRequest not in ACTS


def _changes(function: ast.FunctionDef) -> bool:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in CHANGES:
            holder = called.value
            if isinstance(holder, ast.Name) and holder.id in CHANGING:
                return True
        if isinstance(called, ast.Name) and called.id in CHANGES:
            return True
    return False


def _takes(function: ast.FunctionDef, name: str) -> bool:
    return any(
        isinstance(one.annotation, ast.Name) and one.annotation.id == name
        for one in function.args.args
    )


def _reaching(tree: ast.Module) -> set[str]:
    """Functions of a module that change a request, themselves or through others of the module."""
    found = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    reaching = {name for name, node in found.items() if _changes(node)}
    while True:
        more = {
            name
            for name, node in found.items()
            if name not in reaching
            and any(
                isinstance(one, ast.Call)
                and isinstance(one.func, ast.Name)
                and one.func.id in reaching
                for one in ast.walk(node)
            )
        }
        if not more:
            return reaching
        reaching |= more


def test_nothing_changes_a_request_but_behind_the_door() -> None:
    seen = set()
    for path, tree in sources("workflows"):
        if path.parts[:2] != ("workflows", "approvals"):
            continue
        reaching = _reaching(tree)
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef) or node.name not in reaching:
                continue
            where = f"{path.stem}.{node.name}"
            if node.name.startswith("_") or where in BY_ITSELF:
                seen.add(where)
                continue
            assert _takes(node, "Entered"), (
                f"{where} changes a request; it takes what the door lets in, or is named with why not"
            )
    assert set(BY_ITSELF) <= seen, "named, and there no more"
    for path, tree in sources("workflows"):
        for node in ast.walk(tree):
            made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if made and node.func.id == "Entered":  # type: ignore[union-attr, attr-defined]
                assert path == Path("workflows/approvals/door.py"), f"{path} lets in"


def test_every_edge_takes_the_same_way_to_the_door() -> None:
    for path, tree in sources("bot"):
        if path == Path("bot/freshness.py") or path.parts[:2] == ("bot", "demo"):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
                name = f"{called.value.id}.{called.attr}"
                assert name not in {"actions.perform_act", "approval_actions.perform_act"}, (
                    f"{path}:{node.lineno} acts on a request without asking how fresh Slack's word is"
                )
            if isinstance(called, ast.Name) and called.id in {form.__name__ for form in ACTS}:
                given = {one.arg: one.value for one in node.keywords}
                assert "revision" in given, f"{path}:{node.lineno} shows no revision"
                assert not isinstance(given["revision"], ast.Constant), (
                    f"{path}:{node.lineno} makes a revision up"
                )


def test_the_door_is_all_that_an_act_goes_through(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[Any] = []
    before = door.enter

    def enter(ctx: Context, form: Any, rule: Rule) -> Entered:
        entered.append(type(form))
        return before(ctx, form, rule)

    monkeypatch.setattr(actions.door, "enter", enter)
    asked = house.submit("tim", house.project())
    house.question("ola", asked)
    house.answer("tim", asked)
    house.edit("tim", asked, amount=9.0)
    house.nudge("tim", asked)
    house.decide("ola", asked)
    house.take_back("ola", asked)
    house.withdraw("tim", asked)
    assert [form.__name__ for form in entered] == [
        "AskInformation",
        "Answer",
        "Edit",
        "Nudge",
        "Decide",
        "TakeBack",
        "Withdraw",
    ]


def test_nothing_is_done_on_what_was_shown_before(house: House) -> None:
    house.text = GLASS
    asked = house.submit("tim", house.project())
    shown = house.as_shown(asked)
    house.edit("tim", asked, amount=9.0)
    was = house.card(asked)
    tried = {
        "tim": (forms.Withdraw(**shown), forms.Nudge(**shown), forms.AskAgain(**shown, stands="-")),
        "ned": (BreakGlass(**shown, reason="Production is down."),),
        "ola": (
            forms.HandOver(**shown, to="U0FAY"),
            forms.AskInformation(**shown, question="Why?"),
            forms.Decide(**shown, verdict="approve"),
        ),
    }
    for name, acts_ in tried.items():
        for form in acts_:
            with pytest.raises(CardChanged, match="changed while you looked"):
                house.act(name, form)
    with pytest.raises(CardChanged, match="changed while you looked"):
        house.act("tim", forms.Edit(**shown, form=was_form(house, asked), reason="Again."))
    assert house.card(asked) == was
    house.question("ola", asked)
    first = house.as_shown(asked)
    house.answer("tim", asked)
    house.question("ola", asked, "And now?")
    with pytest.raises(CardChanged):
        house.act("tim", forms.Answer(**first, answer="To the question before."))
    with pytest.raises(CardChanged):
        house.act("ola", forms.DropQuestion(**first))


def was_form(house: House, asked: int) -> BaseModel:
    from tests.approvals.launch import GoLive

    facts = house.card(asked).facts
    return GoLive(**{key: facts[key] for key in ("project_id", "amount", "percent")})


GLASS = POLICY.replace(
    "    expires_after",
    "    separate: [requester, contributors]\n"
    "    break_glass: {by: [U0NED, U0TIM], review_within: 2d}\n    expires_after",
)


def test_who_took_part_does_not_review_broken_glass(house: House) -> None:
    house.text = GLASS
    asked = house.submit("tim", house.project(), contributors=("fay",))
    house.act("ned", BreakGlass(**house.as_shown(asked), reason="Production is down."))
    with pytest.raises(NotAllowed, match="nor who took part"):
        house.act("fay", ReviewGlass(**house.as_shown(asked), is_fine=True))
    house.act("fred", ReviewGlass(**house.as_shown(asked), is_fine=True))


def test_a_condition_is_confirmed_by_the_proof_that_was_shown(house: House) -> None:
    from tests.approvals.test_conditions import approved

    _, asked = approved(house)
    house.act("tim", forms.ClaimMet(**house.condition_shown(asked), proof="Ticket 7"))
    shown = house.condition_shown(asked)
    house.act("ola", forms.ConfirmMet(**shown, is_met=False, why="Which one?"))
    house.act("tim", forms.ClaimMet(**house.condition_shown(asked), proof="Ticket 8"))
    with pytest.raises(CardChanged, match="condition changed"):
        house.act("ola", forms.ConfirmMet(**shown, is_met=True))
    house.act("ola", forms.ConfirmMet(**house.condition_shown(asked), is_met=True))


# --- places

TWO = POLICY.replace(
    "    expires_after", "    hand_over_to: [U0NED, U0EVE, '@spare']\n    expires_after"
)


def finance(house: House, text: str = TWO) -> int:
    """A request that is with Finance now."""
    house.text = text
    house.group("spare", "tim")
    asked = house.submit("eve", house.project())
    house.decide("ola", asked)
    return asked


def test_what_a_stand_in_gave_on_is_gone_for_both(house: House) -> None:
    asked = finance(house)
    house.person("xen")
    away(house, "fred", "ned")
    told = house.hand_over("ned", asked, "tim")
    assert told.startswith("Tim is asked in Fred's place")
    for name in ("ned", "fred"):
        with pytest.raises(GovernanceError):
            house.hand_over(name, asked, "xen")
        with pytest.raises(GovernanceError):
            house.decide(name, asked)
    card = house.card(asked, "fred")
    assert card.reader is not None
    assert (card.reader.why, card.reader.handed_to) == ("", "Tim")
    house.decide("tim", asked)
    assert house.state(asked) == "pending"
    house.decide("fay", asked)
    assert house.state(asked) == "approved"


def test_a_place_is_not_given_to_whose_it_is(house: House) -> None:
    asked = finance(house)
    away(house, "fred", "ned")
    with pytest.raises(InvalidInput, match="own place, which they have already"):
        house.hand_over("ned", asked, "fred")
    house.decide("fred", asked)


def test_who_decides_for_one_group_takes_no_place_in_another(house: House) -> None:
    house.text = POLICY.replace(
        "approvers: [role:finance], quorum: 2",
        "all_of: [{name: Money, approvers: ['@finance']}, {name: Risk, approvers: ['@spare']}]",
    )
    house.group("spare", "ned")
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    with pytest.raises(InvalidInput, match="for another of its groups"):
        house.hand_over("fred", asked, "ned")
    house.hand_over("fred", asked, "fay")
    house.decide("fay", asked)
    house.decide("ned", asked)
    assert house.state(asked) == "approved"


def test_a_refusal_tells_a_stranger_to_the_request_nothing_of_it(house: House) -> None:
    house.text = GLASS
    asked = house.submit("tim", house.project(), amount=77_777.0)
    old = {"approval_id": asked, "revision": 99}
    condition = {"condition_id": 1, "condition_revision": 1}
    made = {
        "to": "U0FAY",
        "question": "Why?",
        "answer": "So.",
        "stands": "-",
        "verdict": "approve",
        "reason": "Because.",
        "is_fine": True,
        "is_met": True,
        "proof": "It is.",
        "form": was_form(house, asked),
    }
    house.person("zed")
    for form in ACTS:
        fields = {
            name: value for name, value in (made | condition).items() if name in form.model_fields
        }
        with pytest.raises(GovernanceError) as refused:
            house.act("zed", form(**old, **fields))
        assert "go live" not in refused.value.sentence, form.__name__
        assert "77" not in refused.value.sentence, form.__name__


def test_a_place_goes_with_whose_it_was(house: House) -> None:
    asked = finance(house)
    house.hand_over("fred", asked, "ned")
    house.leaves("finance", "fred")
    with pytest.raises(NotAllowed, match="not among those"):
        house.decide("ned", asked)
    assert house.card(asked, "ned").reader.why == ""  # type: ignore[union-attr]
    house.joins("finance", "fred")
    house.decide("ned", asked)
    asked = house.submit("eve", house.project())
    house.decide("ola", asked)
    house.hand_over("fred", asked, "ned")
    house.flag("fred", is_deactivated=True)
    with pytest.raises(NotAllowed):
        house.decide("ned", asked)


def test_who_took_a_place_has_to_be_one_who_may_when_they_decide(house: House) -> None:
    asked = finance(house)
    house.hand_over("fred", asked, "tim")
    house.leaves("spare", "tim")
    with pytest.raises(NotAllowed):
        house.decide("tim", asked)


@pytest.mark.parametrize("since", ["24h", "pinned"])
def test_nobody_takes_a_place_who_has_just_joined(house: House, since: str) -> None:
    house.now = START + timedelta(days=2)
    asked = finance(house, TWO.replace("quorum: 2}", f"quorum: 2, member_since: {since}}}"))
    house.later(timedelta(hours=1))
    for handle, name in (("spare", "ned"), ("finance", "eve")):
        house.joins(handle, name)
    house.person("xen")
    house.joins("spare", "xen")
    with pytest.raises(InvalidInput, match="not been in their group for long enough"):
        house.hand_over("fred", asked, "xen")
    house.hand_over("fred", asked, "tim")
    house.decide("tim", asked)


@pytest.mark.parametrize("since", ["24h", "pinned"])
@pytest.mark.parametrize("way", ["add", "replace"])
def test_nobody_comes_by_escalation_who_has_just_joined(house: House, since: str, way: str) -> None:
    house.text = POLICY.replace(
        "quorum: 2}",
        f"quorum: 1, member_since: {since}, escalate: {{after: 1h, {way}: ['@spare']}}}}",
    )
    house.group("spare", "ned")
    house.now = START + timedelta(days=2)
    asked = house.submit("eve", house.project())
    house.decide("ola", asked)
    house.later(timedelta(minutes=1))
    house.joins("spare", "tim")
    house.until(house.now + timedelta(hours=2))
    with pytest.raises(NotAllowed):
        house.decide("tim", asked)
    house.decide("ned", asked)
    assert house.state(asked) == "approved"


def test_a_place_is_used_once_also_when_others_are_asked_instead(house: House) -> None:
    house.text = TWO.replace(
        "quorum: 2}", "quorum: 2, escalate: {after: 1h, replace: [U0FRED, U0FAY]}}"
    )
    asked = house.submit("tim", house.project())
    house.decide("ola", asked)
    house.hand_over("fred", asked, "ned")
    house.decide("ned", asked)
    house.until(house.now + timedelta(hours=2))
    with pytest.raises(PlaceUsed, match="has been used"):
        house.decide("fred", asked)
    house.decide("fay", asked)
    assert house.state(asked) == "approved"


def test_it_names_everybody_whose_standing_an_act_rests_on(house: House) -> None:
    asked = finance(house)
    house.hand_over("fred", asked, "ned")
    away(house, "ned", "tim")
    form = forms.Decide(**house.as_shown(asked), verdict="approve")
    with pytest.raises(Unconfirmed) as refused:
        house.act("tim", form, fresh_since=START + timedelta(days=1))
    assert refused.value.people == {"U0TIM", "U0NED", "U0FRED"}
    assert refused.value.approvers == {"S0FINANCE"}
    asked = {"fresh_since": START + timedelta(days=1), "asked": refused.value.named}
    with pytest.raises(Unconfirmed, match="Nothing confirms"):
        house.act("tim", form, **asked)
    for name in ("tim", "ned"):
        house.flag(name, refreshed_at=START + timedelta(days=2))
    with pytest.raises(Unconfirmed, match="Nothing confirms"):
        house.act("tim", form, **asked)
    house.flag("fred", refreshed_at=START + timedelta(days=2))
    with house.db.begin() as session:
        session.execute(update(UserGroup).values(refreshed_at=START + timedelta(days=2)))
    house.act("tim", form, **asked)


def test_the_place_is_on_record(house: House) -> None:
    asked = finance(house)
    house.hand_over("fred", asked, "ned")
    away(house, "ned", "tim")
    house.decide("tim", asked)
    with house.db.read() as session:
        votes = door.list_votes(session, asked)
    assert [(vote.person_id, vote.place) for vote in votes] == [
        ("p-ola", "p-ola"),
        ("p-tim", "p-fred"),
    ]
    assert rules.places_used(votes, 1) == {"p-fred"}
